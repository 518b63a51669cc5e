/* Tests of troupe.h itself, natively: words, patterns, settings and sentences. */
#define TROUPE_NEEDS(need) need(node_name) need(node_flags) need(copy_node) need(node_attributes) need(attribute_name) need(attribute_value)
#include "troupe.h"

RULE(can_allocate) {
	EACH_NODE(n) {
		if (node_flags(n) & NODE_DRAINING) say(n, NO, 1);
		if (attribute(n, literal("class")) == (uint32_t)number_of(literal("spot"))) say(n, THROTTLE, 2);
	}
	EACH_COPY(c, shard) say(copy_node(c), NOT_PREFERRED, 63);
}

static text_t sentence;
static int64_t figure;
static double share;
EXPLAIN { why("%T|%l|%p|%b|%m|%d|%t|%s|%f|%%", sentence, figure, share, share, figure, node, node_name(node), "end", share); }

#include "troupe_test.h"

static void patterns(void) {
	expect(matches(literal("*"), literal("")));
	expect(matches(literal("a*c"), literal("abbc")));
	expect(matches(literal("a*b*c"), literal("aXbYbZc")));
	expect(!matches(literal("a*c"), literal("abbd")));
	expect(!matches(literal(""), literal("a")));
	expect(matches(literal("zone-?"), literal("zone-?")) && !matches(literal("zone-?"), literal("zone-a")));
}

static void reading(void) {
	settings("{ \"settings\" : {\"a\":\"x\\\"\\u00e9\\ud83d\\ude00\\n\",\"b\":-12.5e2,\"c\":true,\"d\":[\"p\", \"q\"],\"e\":0.85,\"filter.x\":\"1\",\"filter.y\":\"2\"},"
		"\"keyspaces\":{\"orders\":{\"b\":7}}}");
	expect(same(setting_text("a"), literal("x\"\xc3\xa9\xf0\x9f\x98\x80\n")));
	expect(setting_number("b") == -1250 && setting_number("e") == 0.85 && setting_flag("c") && !setting_flag("missing"));
	expect(setting_of(literal("orders"), "b")->number == 7 && setting_of(literal("others"), "b")->number == -1250);
	const setting_t *list = setting_of(literal(""), "d");
	expect(setting_count(list) == 2 && same(setting_item(list, 1), literal("q")) && setting_item(list, 2).length == 0);
	int found = 0;
	for (const setting_t *s = 0; (s = next_setting(s, literal(""), "filter."));) found += s->text.at[0] - '0';
	expect(found == 3);
	static const char *const bad[] = {"", "{", "{\"settings\":{\"a\":}}", "{\"settings\":{\"a\":\"x}}", "{\"other\":{}}", "{\"settings\":{\"a\":1}", "{\"settings\":{\"a\":[1]}}", "{\"settings\":{\"a\":\"\\ud800\\u0000\"}}"};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		char copy[64];
		strcpy(copy, bad[i]);
		expect(pol_configure(copy, (int32_t)strlen(copy)) != 0);
	}
}

static void rows(void) {
	world(3, 1, 2, 4);
	give(node_name, 1, word("n2"));
	give(node_flags, 1, NODE_DRAINING);
	give_attribute(0, "class", "spot");
	give(copy_node, 4, 0);
	give(copy_node, 6, 2);
	ready();
	expect_row(can_allocate, 0, NONE, 0, "82 c1 00");
	expect_row(can_allocate, 1, NONE, 0, "82 c1 7f");
}

static void sentences(void) {
	sentence = literal("so"), figure = 90061500, share = 0.12345;
	expect_why(ALLOCATE, 0, NONE, 0, 1, 0, "so|90061500|12.3%|0.1B|25h1m1.5s|1|n2|end|0.12|%");
	figure = -250, share = 1536;
	expect_why(ALLOCATE, 0, NONE, 0, 1, 0, "so|-250|153600%|1.5KB|-250ms|1|n2|end|1536|%");
	char small[4] = "zzz";
	expect(explain(ALLOCATE, 0, NONE, 0, 1, 0, small, 2) > 2 && small[0] == 's' && small[2] == 'z');
	char *first = scratch(10), *second = scratch(100000);
	expect(first && second && (second < first || second > first + 10));
	memset(first, 1, 10), memset(second, 1, 100000);
	ready();
	char *again = scratch(10);
	expect(again == first && again[9] == 0);
}

int main(void) {
	patterns();
	reading();
	rows();
	sentences();
	return done();
}
