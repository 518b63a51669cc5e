/* Tests of troupe_actor.h itself, natively: JSON, data, and the world that tests are written with. */
#define TROUPE_METHODS(method) method(add) method(echo) method(keep) method(list) method(pay) method(take) method(lend) method(later) method(dice) method(walk)
#define TROUPE_REPLIED settled
#define TROUPE_MIGRATE upgrade
#include "troupe_actor.h"
MANIFEST("actor_selftest.json")

METHOD(add) {
	int64_t count = get_integer("count") + json_integer(request);
	put_integer("count", count);
	if (count < 0) return refuse_for("below-zero", 7, "%T would be below zero", self());
	return reply("%l", count);
}

static text_t written(const json_t *v) {
	text_t out = literal("");
	switch (v->kind) {
	case JSON_NONE: return literal("none");
	case JSON_NULL: return literal("null");
	case JSON_BOOL: return format("%s", json_flag(v) ? "true" : "false");
	case JSON_NUMBER: return v->number == (double)v->integer ? format("%l", v->integer) : format("%f", v->number);
	case JSON_TEXT: return format("%q", v->text);
	default:
		EACH_ITEM(x, v) {
			if (out.length) out = format("%T,", out);
			out = v->kind == JSON_OBJECT ? format("%T%q:%T", out, x->name, written(x)) : format("%T%T", out, written(x));
		}
		return v->kind == JSON_OBJECT ? format("{%T}", out) : format("[%T]", out);
	}
}

METHOD(echo) { return reply("%T", written(request)); }

METHOD(keep) {
	EACH_ITEM(x, request) {
		if (x->kind == JSON_NULL) del(x->name);
		else put(x->name, json_text(x));
	}
	return 0;
}

METHOD(list) {
	text_t out = literal("");
	EACH(e, json_text(request)) out = format("%T%T=%T;", out, e.key, e.value);
	return reply("%q", out);
}

METHOD(pay) {
	tell(peer(json_text(json_field(request, "to"))), "take", "%l", json_integer(json_field(request, "amount")));
	return reply("%q", self());
}

METHOD(take) {
	if (json_integer(request) > 100) return refuse(1, "too much");
	put("from", sender());
	put_integer("count", get_integer("count") + json_integer(request));
	return reply("%d", event());
}

METHOD(lend) {
	uint64_t t = ask(json_text(json_field(request, "to")), "take", "%l", json_integer(json_field(request, "amount")));
	put_integer("token", t);
	return 0;
}

static int32_t settled(const json_t *request) {
	put("answer", format("%l %d %T %T", (int64_t)token(), answered(), sender(), written(request)));
	return 0;
}

METHOD(later) {
	if (request->kind == JSON_NULL) {
		forget("tick");
		return 0;
	}
	remind("tick", json_integer(json_field(request, "after")), json_integer(json_field(request, "every")), "add", "1");
	put_integer("at", now());
	return 0;
}

METHOD(dice) {
	for (int i = 0; i < 1000; i++)
		if (random_below(6) > 5) return refuse(1, "a die with more than six sides");
	return reply("%d", random_below(1) == 0);
}

METHOD(walk) {
	int n = 0;
	EACH(a, "") EACH(b, a.key) n++;
	return reply("%d", n);
}

static int32_t upgrade(int32_t from) {
	if (event() != EVENT_CALL) return refuse(2, "event %d", event());
	put_integer("count", get_integer("count") * 10 + from);
	return 0;
}

#include "troupe_actor_test.h"

static void reading(void) {
	world("counter");
	expect_call("a", "echo", "", "null");
	expect_call("a", "echo", " {\"a\" : [1, -2.5e1,true,null , \"x\\\"\\u00e9\\ud83d\\ude00\\n\\u0001\"],\"b\":{},\"c\":[]} ", "{\"a\":[1,-25,true,null,\"x\\\"\xc3\xa9\xf0\x9f\x98\x80\\n\\u0001\"],\"b\":{},\"c\":[]}");
	expect_call("a", "echo", "0.125", "0.125");
	static const char *const whole[] = {"9223372036854775807", "-9223372036854775808", "9007199254740993", "0"};
	for (int i = 0; i < 4; i++) expect(same(format("%l", json_integer(json(whole[i]))), c_string(whole[i])));
	expect(json_integer(json("9223372036854775808")) == INT64_MAX && json_integer(json("-1e300")) == INT64_MIN && json_integer(json("2.9")) == 2);
	static const char *const nought[] = {"0e400", "-0.0E+999", "0e-400"};
	for (int i = 0; i < 3; i++) expect(json_integer(json(nought[i])) == 0 && json_number(json(nought[i])) == 0);
	char large[400] = "1"; /* and 350 noughts, which the exponent takes away; infinity by infinity */
	for (int i = 1; i <= 350; i++) large[i] = '0';
	for (int i = 0; i < 5; i++) large[351 + i] = "e-350"[i];
	expect(json_integer(json(large)) == 0);
	static const char *const bad[] = {"{", "[1,]", "{\"a\"}", "{\"a\":}", "\"x", "1 2", "nul", "-", "{1:2}", "\"\\ud800\"x", ","};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) expect_refused("a", "echo", bad[i], -1, "the request is no JSON, or nested more than 32 deep");
	char deep[80];
	memset(deep, '[', 40), memset(deep + 40, ']', 40);
	deep[79] = 0;
	expect(call("a", "echo", deep) == -1);
	expect_refused("a", "nothing", "", -1, "the manifest has no method nothing: a cluster refuses the message");
	expect(json_field(json("[1]"), "a")->kind == JSON_NONE && json_text(json("1")).length == 0 && !json_flag(json("1")));
}

static void keeping(void) {
	world("counter");
	expect_call("a", "add", "5", "5");
	expect_refused("a", "add", "-9", 7, "counter/a would be below zero");
	expect_reason("below-zero");
	expect_refused("a", "nothing", "", -1, "the manifest has no method nothing: a cluster refuses the message");
	expect_reason("");
	expect_data("a", "count", "5");
	expect_call("a", "keep", "{\"k/2\":\"two\",\"k/1\":\"one\",\"l\":\"\",\"k\":\"x\"}", "null");
	expect_call("a", "list", "\"k/\"", "\"k/1=one;k/2=two;\"");
	expect_call("a", "keep", "{\"k/1\":null}", "null");
	expect_call("a", "list", "\"\"", "\"count=5;k=x;k/2=two;l=;\"");
	expect_call("b", "list", "\"\"", "\"\"");
	char big[700] = "{\"big\":\"";
	memset(big + 8, 'y', 600), strcpy(big + 608, "\"}");
	expect_call("a", "keep", big, "null");
	expect(call("a", "list", "\"big\"") == 0 && tr_world.reply.length == 600 + 7);
	expect_call("b", "keep", "{\"1\":\"\",\"2\":\"\"}", "null");
	expect_call("b", "walk", "", "2");
	expect_refused("b", "lost", "", -1, "there is no method lost");
	expect_call("b", "dice", "", "1");
	char three[3];
	tr_world.dice = 0x0102030405060708, tr_world.left = 0; /* as in wasm/abi/act/testdata/random.txt */
	act_random(three, 3);
	expect(memcmp(three, "\x09\xd4\x58", 3) == 0 && random_u64() == 0x0765710acc9c1754);
	tr_sent_t m = {EVENT_TELL, 0, 0, literal("counter/a"), literal(""), literal("lost"), literal("")};
	tr_deliver(&m);
	expect(act_migrate(3, 80 + 9 + 4) == 0);
	expect_data("a", "count", "53");
}

static void sending(void) {
	world("counter");
	expect_call("a", "pay", "{\"to\":\"b\",\"amount\":3}", "\"counter/a\"");
	expect_data("b", "count", "");
	settle();
	expect_data("b", "count", "3");
	expect_data("b", "from", "counter/a");
	expect(!call_as("bank/x", "b", "take", "4"));
	expect_data("b", "from", "bank/x");
	expect_call("a", "pay", "{\"to\":\"b\",\"amount\":101}", "\"counter/a\"");
	settle();
	expect(world_refused == 1);
	expect_call("a", "lend", "{\"to\":\"counter/b\",\"amount\":4}", "null");
	settle();
	expect_data("a", "token", "1");
	expect_data("a", "answer", "1 1 counter/b 1");
	expect_call("a", "lend", "{\"to\":\"counter/b\",\"amount\":400}", "null");
	settle();
	expect_data("a", "answer", "2 0 counter/b \"too much\"");
	expect_call("a", "lend", "{\"to\":\"bank/x\",\"amount\":5}", "null");
	settle();
	expect_sent("bank/x", "take", "5");
	answer(1, "{\"ok\":true}");
	settle();
	expect_data("a", "answer", "3 1 bank/x {\"ok\":true}");
}

static void waiting(void) {
	world("counter");
	expect_call("a", "later", "{\"after\":1000,\"every\":1500}", "null");
	advance(999);
	expect_data("a", "count", "");
	advance(1);
	expect_data("a", "count", "1");
	advance(3250);
	expect_data("a", "count", "3");
	expect_call("a", "later", "null", "null");
	advance(60000);
	expect_data("a", "count", "3");
	expect_data("a", "at", "1767225600000");
	expect(act_inbox(-1) == 0);
	void *once = act_inbox(5000);
	expect(once && act_inbox(4000) == once);
	world("counter");
	expect_call("a", "add", "1", "1");
}

int main(void) {
	reading();
	keeping();
	sending();
	waiting();
	return done();
}
