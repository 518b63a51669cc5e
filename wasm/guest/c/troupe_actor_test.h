/* troupe_actor_test.h: native unit tests of a kind of actors, with all its actors in memory.
 *
 *     #include "actor.c"
 *     #include "troupe_actor_test.h"
 *
 *     int main(void) {
 *         world("counter");                                   // the kind; no actor has any data, and it is 2026
 *         expect_call("ann", "add", "5", "5");                // name, method, request, reply
 *         expect_refused("ann", "add", "-9", 1, "counter/ann would be below zero");
 *         expect_data("ann", "count", "5");
 *         settle();                                           // delivers what was told and asked until nothing is left
 *         advance(60000);                                     // lets time pass: reminders fire, and what they send settles
 *         expect_sent("mail/ann", "send", "\"hello\"");       // the next message to another kind, which is not here
 *         answer(1, "true");                                  // what it answers: 1 answered, 0 refused with a JSON string
 *         return done();
 *     }
 *
 * Messages to actors of this kind arrive in the order in which they were sent, each once. What a tell or a reminder is refused is counted in
 * world_refused: a cluster tries again, and sets it aside in the end.
 */
#ifndef TROUPE_ACTOR_TEST_H
#define TROUPE_ACTOR_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define expect(condition) \
	do { \
		tr_checks++; \
		if (!(condition)) tr_failed++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
	} while (0)

static int tr_failed, tr_checks;
TR_UNUSED static int world_refused;
static char tr_said[1024], tr_reasoned[65];

/* What was kept, once; and what is on its way. */
typedef struct { text_t actor, key, value; } tr_entry_t;
typedef struct {
	int event, status;
	uint64_t token;
	text_t to, from, method, payload;
} tr_sent_t;
typedef struct {
	text_t actor, name, method, payload;
	int64_t due, every;
} tr_reminder_t;

#define TR_LIST(type) \
	struct { \
		type *at; \
		size_t count, room; \
	}
static struct {
	text_t kind, reply, manifest;
	int64_t now;
	uint64_t number, token, dice, word;
	int left; /* bytes of word */
	TR_LIST(tr_entry_t) data;
	TR_LIST(tr_sent_t) sent;    /* to actors of this kind, or of others */
	TR_LIST(tr_sent_t) pending; /* of the message that is being handled */
	TR_LIST(tr_reminder_t) reminders;
	struct { text_t prefix, last; int begun; } cursors[16];
	int open;
	tr_sent_t asked; /* what expect_sent took last */
} tr_world;

#define tr_add(list) \
	((list).count == (list).room ? (void)((list).at = realloc((list).at, ((list).room = 2 * (list).room + 16) * sizeof *(list).at)) : (void)0, &(list).at[(list).count++])
#define tr_remove(list, i) memmove(&(list).at[i], &(list).at[(i) + 1], (--(list).count - (i)) * sizeof *(list).at)

/* Text that stays until the test ends. */
static text_t tr_keep(const char *at, uint32_t length) {
	static struct tr_kept { struct tr_kept *before; } *all;
	struct tr_kept *k = malloc(sizeof *k + length + 1);
	k->before = all, all = k;
	memcpy(k + 1, at, length);
	return (text_t){(char *)(k + 1), length};
}
#define TR_KEPT(at, length) tr_keep(at, (uint32_t)(length))

static int tr_order(text_t a, text_t b) {
	int c = memcmp(a.at, b.at, a.length < b.length ? a.length : b.length);
	return c ? c : a.length < b.length ? -1 : a.length > b.length;
}

static tr_entry_t *tr_find(text_t actor, text_t key) {
	for (size_t i = 0; i < tr_world.data.count; i++)
		if (same(tr_world.data.at[i].actor, actor) && same(tr_world.data.at[i].key, key)) return &tr_world.data.at[i];
	return 0;
}

static _Noreturn void tr_trap(const char *why) {
	printf("trap: %s\n", why);
	exit(2);
}

/* What a host would not take: the actor traps there, and the test ends here. */
static text_t tr_target(const char *to, int32_t length) {
	if (!memchr(to, '/', (size_t)length)) tr_trap("a message to what is no KIND/NAME");
	return TR_KEPT(to, length);
}
static text_t tr_named(const char *name, int32_t length) {
	if (length < 1 || length > 64) tr_trap("a method's or reminder's name of no or more than 64 bytes");
	return TR_KEPT(name, length);
}
static text_t tr_json_kept(const char *at, int32_t length) {
	text_t out = TR_KEPT(at, length);
	if (length && !tr_parse(out)) printf("%.*s\n", (int)length, at), tr_trap("a payload that is no JSON");
	return out;
}

/* ---- the host's side ---- */

void host_log(int32_t level, const char *at, int32_t length) { fprintf(stderr, "log %d: %.*s\n", level, length, at); }
int32_t host_log_enabled(int32_t level) { return level >= LEVEL_INFO; }
void host_error(const char *at, int32_t length) { snprintf(tr_said, sizeof tr_said, "%.*s", length, at); }

int32_t act_get(const char *key, int32_t key_length, char *out, int32_t room) {
	tr_entry_t *e = tr_find(tr_message.self, (text_t){key, (uint32_t)key_length});
	if (!e) return -1;
	if (e->value.length <= (uint32_t)room) memcpy(out, e->value.at, e->value.length);
	return (int32_t)e->value.length;
}
void act_put(const char *key, int32_t key_length, const char *value, int32_t length) {
	tr_entry_t *e = tr_find(tr_message.self, (text_t){key, (uint32_t)key_length});
	if (key_length < 1 || key_length > 1024) tr_trap("a key of no or more than 1024 bytes");
	if (!e) e = tr_add(tr_world.data), e->actor = TR_KEPT(tr_message.self.at, tr_message.self.length), e->key = TR_KEPT(key, key_length);
	e->value = TR_KEPT(value, length);
}
void act_del(const char *key, int32_t key_length) {
	tr_entry_t *e = tr_find(tr_message.self, (text_t){key, (uint32_t)key_length});
	if (e) tr_remove(tr_world.data, e - tr_world.data.at);
}
int32_t act_scan(const char *prefix, int32_t length) {
	if (tr_world.open == 16) tr_trap("more than 16 loops over data are open");
	tr_world.cursors[tr_world.open].prefix = TR_KEPT(prefix, length);
	tr_world.cursors[tr_world.open].begun = 0;
	return tr_world.open++;
}
int32_t act_next(int32_t cursor, char *out, int32_t room) {
	tr_entry_t *next = 0;
	for (size_t i = 0; i < tr_world.data.count; i++) {
		tr_entry_t *e = &tr_world.data.at[i];
		if (!same(e->actor, tr_message.self) || !starts_with(e->key, tr_world.cursors[cursor].prefix)) continue;
		if (tr_world.cursors[cursor].begun && tr_order(e->key, tr_world.cursors[cursor].last) <= 0) continue;
		if (!next || tr_order(e->key, next->key) < 0) next = e;
	}
	if (!next) return -1;
	uint32_t length = 4 + next->key.length + next->value.length;
	if (length > (uint32_t)room) return (int32_t)length;
	for (int i = 0; i < 4; i++) out[i] = (char)(next->key.length >> 8 * i);
	memcpy(out + 4, next->key.at, next->key.length);
	memcpy(out + 4 + next->key.length, next->value.at, next->value.length);
	tr_world.cursors[cursor].last = next->key, tr_world.cursors[cursor].begun = 1;
	return (int32_t)length;
}
void act_reply(const char *value, int32_t length) { tr_world.reply = tr_json_kept(value, length); }
static void tr_send(int event, uint64_t token, const char *to, int32_t to_length, const char *method, int32_t method_length, const char *payload, int32_t length) {
	tr_sent_t s = {event, 0, token, tr_target(to, to_length), TR_KEPT(tr_message.self.at, tr_message.self.length), tr_named(method, method_length), tr_json_kept(payload, length)};
	*tr_add(tr_world.pending) = s;
}
void act_tell(const char *to, int32_t to_length, const char *method, int32_t method_length, const char *payload, int32_t length) {
	tr_send(EVENT_TELL, 0, to, to_length, method, method_length, payload, length);
}
int64_t act_ask(const char *to, int32_t to_length, const char *method, int32_t method_length, const char *payload, int32_t length) {
	tr_send(EVENT_CALL, ++tr_world.token, to, to_length, method, method_length, payload, length);
	return (int64_t)tr_world.token;
}
void act_forget(const char *name, int32_t length) {
	for (size_t i = 0; i < tr_world.reminders.count; i++)
		if (same(tr_world.reminders.at[i].actor, tr_message.self) && same(tr_world.reminders.at[i].name, (text_t){name, (uint32_t)length})) tr_remove(tr_world.reminders, i), i--;
}
void act_remind(const char *name, int32_t name_length, int64_t after, int64_t every, const char *method, int32_t method_length, const char *payload, int32_t length) {
	act_forget(name, name_length);
	tr_reminder_t r = {TR_KEPT(tr_message.self.at, tr_message.self.length), tr_named(name, name_length), tr_named(method, method_length), tr_json_kept(payload, length), tr_world.now + after, every};
	if (every && every < 1000) tr_trap("a reminder that comes more often than each second");
	*tr_add(tr_world.reminders) = r;
}
void act_reason(const char *at, int32_t length) {
	if (length < 1 || length > 64) tr_trap("a reason of no or more than 64 bytes");
	snprintf(tr_reasoned, sizeof tr_reasoned, "%.*s", length, at);
}
void act_random(void *out, int32_t n) { /* splitmix64 from the envelope's seed */
	for (int32_t i = 0; i < n; i++, tr_world.left--, tr_world.word >>= 8) {
		if (!tr_world.left) {
			uint64_t v = tr_world.dice += 0x9e3779b97f4a7c15;
			v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9, v = (v ^ v >> 27) * 0x94d049bb133111eb;
			tr_world.word = v ^ v >> 31, tr_world.left = 8;
		}
		((uint8_t *)out)[i] = (uint8_t)tr_world.word;
	}
}

/* ---- the test's side ---- */

TR_UNUSED static void world(const char *kind) {
	free(tr_world.data.at), free(tr_world.sent.at), free(tr_world.pending.at), free(tr_world.reminders.at);
	memset(&tr_world, 0, sizeof tr_world);
	tr_world.kind = c_string(kind);
	tr_world.now = 1767225600000;
	world_refused = 0;
	FILE *f = tr_manifest ? fopen(tr_manifest, "rb") : 0;
	if (f) {
		static char text[65536];
		tr_world.manifest.at = text, tr_world.manifest.length = (uint32_t)fread(text, 1, sizeof text, f);
		fclose(f);
	} else if (tr_manifest) {
		tr_failed++, printf("%s is not there; run the tests in its folder\n", tr_manifest);
	}
}

/* A list as it was before a message, and back to it. */
#define TR_COPIED(list, from) \
	((list).at = malloc(((list).room = (from).count + 16) * sizeof *(list).at), (list).count = (from).count, \
		(from).count ? (void)memcpy((list).at, (from).at, (from).count * sizeof *(list).at) : (void)0)
#define TR_SWAP(list, with) (free((list).at), (list).at = (with).at, (list).count = (with).count, (list).room = (with).room, (void)((with).at = 0))

/* Hands one message to the actor, as a host does: the reply is in tr_world.reply, the text of a refusal in tr_said. */
static int32_t tr_deliver(const tr_sent_t *m) {
	tr_reasoned[0] = 0;
	if (tr_world.manifest.length && m->event != EVENT_REPLY && tr_field(json_field(json(tr_world.manifest), "methods"), m->method)->kind == JSON_NONE) {
		snprintf(tr_said, sizeof tr_said, "the manifest has no method %.*s: a cluster refuses the message", (int)m->method.length, m->method.at);
		return -1;
	}
	const text_t parts[] = {m->to, m->from, m->method, m->payload};
	uint32_t length = 80;
	for (int i = 0; i < 4; i++) length += parts[i].length;
	char *at = act_inbox((int32_t)length);
	uint64_t numbers[] = {(uint64_t)tr_world.now, ++tr_world.number, m->token, tr_world.number};
	memset(at, 0, 80);
	memcpy(at, "TACT\1\0\120\0", 8);
	for (int i = 0; i < 32; i++) at[8 + i] = (char)(numbers[i / 8] >> 8 * (i % 8));
	for (uint32_t p = 0, offset = 80; p < 4; offset += parts[p++].length) {
		for (int i = 0; i < 4; i++) at[40 + 8 * p + i] = (char)(offset >> 8 * i), at[44 + 8 * p + i] = (char)(parts[p].length >> 8 * i);
		memcpy(at + offset, parts[p].at, parts[p].length);
	}
	at[72] = (char)m->status;
	TR_LIST(tr_entry_t) data;
	TR_LIST(tr_reminder_t) reminders;
	TR_COPIED(data, tr_world.data), TR_COPIED(reminders, tr_world.reminders);
	tr_world.pending.count = 0, tr_world.open = 0, tr_world.reply = literal("null"), tr_world.dice = tr_world.number, tr_world.left = 0;
	int32_t code = act_handle(m->event, (int32_t)length);
	for (size_t i = 0; !code && i < tr_world.pending.count; i++) {
		tr_sent_t *sent = tr_add(tr_world.sent);
		*sent = tr_world.pending.at[i];
	}
	if (code) TR_SWAP(tr_world.data, data), TR_SWAP(tr_world.reminders, reminders);
	free(data.at), free(reminders.at);
	return code;
}

/* An answer on its way back. */
static void tr_back(const tr_sent_t *asked, int status, text_t payload) {
	tr_sent_t answer = {EVENT_REPLY, status, asked->token, asked->from, asked->to, asked->method, payload};
	*tr_add(tr_world.sent) = answer;
}

/* Delivers what is on its way to actors of this kind, and what comes of that. */
TR_UNUSED static void settle(void) {
	for (size_t i = 0; i < tr_world.sent.count;) {
		tr_sent_t m = tr_world.sent.at[i];
		if (!same(kind_of(m.to), tr_world.kind)) {
			i++;
			continue;
		}
		tr_remove(tr_world.sent, i);
		int32_t code = tr_deliver(&m);
		if (m.event == EVENT_CALL && m.token) {
			text_t back = code ? format("%q", c_string(tr_said)) : tr_world.reply;
			tr_back(&m, code != 0, TR_KEPT(back.at, back.length));
		} else if (code) {
			world_refused++;
		}
		i = 0;
	}
}

/* Lets time pass. */
TR_UNUSED static void advance(int64_t ms) {
	int64_t end = tr_world.now + ms;
	for (;;) {
		tr_reminder_t *due = 0;
		for (size_t i = 0; i < tr_world.reminders.count; i++)
			if (tr_world.reminders.at[i].due <= end && (!due || tr_world.reminders.at[i].due < due->due)) due = &tr_world.reminders.at[i];
		if (!due) break;
		tr_sent_t m = {EVENT_REMINDER, 0, 0, due->actor, due->actor, due->method, due->payload};
		if (due->due > tr_world.now) tr_world.now = due->due;
		if (due->every > 0) due->due += due->every;
		else tr_remove(tr_world.reminders, due - tr_world.reminders.at);
		world_refused += tr_deliver(&m) != 0;
		settle();
	}
	tr_world.now = end;
}

/* Has an actor of any kind, as kind/name, call one of this by its name: 0, or the code with which it refuses. call comes from outside of actors. */
TR_UNUSED static int32_t call_as(const char *sender, const char *name, const char *method, const char *request) {
	char to[256];
	tr_sent_t m = {EVENT_CALL, 0, 0, {to, 0}, c_string(sender), c_string(method), c_string(request)};
	m.to.length = (uint32_t)snprintf(to, sizeof to, "%.*s/%s", (int)tr_world.kind.length, tr_world.kind.at, name);
	tr_said[0] = 0;
	return tr_deliver(&m);
}
TR_UNUSED static int32_t call(const char *name, const char *method, const char *request) { return call_as("", name, method, request); }

static void tr_equal(const char *file, int line, const char *who, const char *what, text_t got, text_t want) {
	tr_checks++;
	if (!same(got, want)) tr_failed++, printf("%s:%d: %s %s is %.*s; wanted %.*s\n", file, line, who, what, (int)got.length, got.at ? got.at : "", (int)want.length, want.at);
}

#define expect_call(name, method, request, want) \
	do { \
		int32_t tr_code = call(name, method, request); \
		tr_equal(__FILE__, __LINE__, name, method, tr_code ? format("a refusal with %d: %s", tr_code, tr_said) : tr_world.reply, TEXT(want)); \
	} while (0)
#define expect_refused(name, method, request, code, why) \
	do { \
		int32_t tr_code = call(name, method, request); \
		tr_equal(__FILE__, __LINE__, name, method, tr_code == (code) ? c_string(tr_said) : format("code %d: %s", tr_code, tr_said), TEXT(why)); \
	} while (0)
/* The reason for programs that came with the refusal before it; "" is none. */
#define expect_reason(want) tr_equal(__FILE__, __LINE__, "the refusal", "reason", c_string(tr_reasoned), TEXT(want))
#define expect_data(name, key, want) tr_equal(__FILE__, __LINE__, name, key, tr_data(name, key), TEXT(want))

/* What an actor keeps under a key; "" is nothing. */
TR_UNUSED static text_t tr_data(const char *name, const char *key) {
	tr_entry_t *e = tr_find(format("%T/%s", tr_world.kind, name), c_string(key));
	return e ? e->value : literal("");
}

/* Takes the next message that went to another kind. */
#define expect_sent(to, method, payload) tr_expect_sent(__FILE__, __LINE__, to, method, payload)
TR_UNUSED static void tr_expect_sent(const char *file, int line, const char *to, const char *method, const char *payload) {
	text_t got = literal("nothing");
	for (size_t i = 0; i < tr_world.sent.count; i++) {
		tr_sent_t m = tr_world.sent.at[i];
		if (same(kind_of(m.to), tr_world.kind)) continue;
		tr_world.asked = m;
		got = format("%T %T %T", m.to, m.method, m.payload);
		tr_remove(tr_world.sent, i);
		break;
	}
	tr_equal(file, line, "the message", "that was sent", got, format("%s %s %s", to, method, payload));
}

/* Answers the question that expect_sent took: with JSON, or, if it is not answered, with a JSON string of the refusal. */
TR_UNUSED static void answer(int yes, const char *json) { tr_back(&tr_world.asked, !yes, c_string(json)); }

TR_UNUSED static int done(void) {
	printf("%d checks, %d failed\n", tr_checks, tr_failed);
	return tr_failed != 0 || tr_checks == 0;
}

#endif
