/* The kind that all SDKs are held equal by, in C; see manifest.json. */
#define TROUPE_METHODS(method) method(add) method(value) method(note) method(notes) method(pay) method(compare) method(later) method(forget) method(dice) method(about)
#define TROUPE_REPLIED heard
#define TROUPE_MIGRATE moved
#include "troupe_actor.h"
MANIFEST("manifest.json")

static int32_t change(int64_t by) {
	int64_t count = get_integer("count") + by;
	if (count < 0) return refuse(7, "%T would be below zero, at %l", self(), count);
	put_integer("count", count);
	return reply("%l", count);
}

METHOD(add) { return change(json_integer(request)); }

METHOD(value) { return reply("%l", get_integer("count")); }

METHOD(note) {
	int32_t count = 0;
	EACH_ITEM(x, request) {
		text_t key = format("note/%T", x->name);
		if (x->kind == JSON_TEXT) put(key, format("%q", x->text));
		else del(key);
	}
	EACH(e, "note/") count++;
	return reply("%d", count);
}

METHOD(notes) {
	text_t all = literal("");
	EACH(e, "note/") all = format("%T%s%q:%q", all, all.length ? "," : "", after(e.key, 5), json_text(json(e.value)));
	return reply("{%T}", all);
}

METHOD(pay) {
	int64_t amount = json_integer(json_field(request, "amount"));
	if (amount <= 0) return refuse_for("bad-amount", 8, "an amount of %l", amount);
	tell(peer(json_text(json_field(request, "to"))), "add", "%l", amount);
	return change(-amount);
}

METHOD(compare) {
	text_t with = json_text(request);
	uint64_t asked = ask(with, "value", "");
	put(format("asked/%l", (int64_t)asked), format("%q", with));
	return 0;
}

static int32_t heard(const json_t *request) {
	text_t key = format("asked/%l", (int64_t)token());
	text_t said = answered() ? format("%l", json_integer(request)) : format("%q", json_text(request));
	del(key);
	put(format("heard/%l", (int64_t)token()), format("{\"from\":%q,\"answered\":%s,\"said\":%T}", sender(), answered() ? "true" : "false", said));
	return 0;
}

METHOD(later) {
	remind("tick", json_integer(json_field(request, "after")), json_integer(json_field(request, "every")), "add", "%l", json_integer(json_field(request, "amount")));
	return reply("%l", now() + json_integer(json_field(request, "after")));
}

METHOD(forget) {
	forget("tick");
	return 0;
}

METHOD(dice) {
	text_t all = literal("");
	for (int64_t n = json_integer(json_field(request, "count")); n > 0; n--) all = format("%T%s%l", all, all.length ? "," : "", (int64_t)random_below((uint64_t)json_integer(json_field(request, "below"))));
	return reply("[%T]", all);
}

METHOD(about) { return reply("{\"self\":%q,\"name\":%q,\"sender\":%q,\"event\":%d,\"now\":%l}", self(), name_of(self()), sender(), event(), now()); }

/* Layout 1 had the sum under "n", and took any. */
static int32_t moved(int32_t from) {
	int64_t n = get_integer("n");
	if (n < 0) return refuse(9, "%T has %l in layout %d", self(), n, from);
	del("n");
	put_integer("count", n);
	return 0;
}
