/* filter says by name or attribute which nodes hold copies: require, include and exclude, of the cluster and of a keyspace in
 * addition. In values * stands for any text. Copies leave the nodes that are refused. */
#define TROUPE_NEEDS(need) \
	need(node_name) need(node_id) need(node_host) need(node_address) need(node_attributes) need(attribute_name) need(attribute_value) \
	need(shard_keyspace) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

enum { REQUIRE = 1, INCLUDE, EXCLUDE }; /* codes, and the order in which the kinds are looked at */

#define ALLOCATION "cluster.routing.allocation."
static const char *const prefixes[] = {0, ALLOCATION "require.", ALLOCATION "include.", ALLOCATION "exclude."};

/* One filter. */
typedef struct {
	uint8_t kind;
	text_t what;
	const setting_t *from;
} pattern_t;

/* The filters of the cluster, or of a keyspace, in the order of their names. */
typedef struct {
	int32_t count;
	pattern_t *patterns;
	uint8_t *row; /* what they say of each node, when somebody has asked: it is the same for all shards */
} level_t;

static level_t *levels; /* of the cluster, and then of each keyspace */

static int known(text_t what) {
	return what.length && (what.at[0] != '_' || same(what, literal("_name")) || same(what, literal("_id")) || same(what, literal("_host")) || same(what, literal("_ip")));
}

static int read_level(level_t *l, text_t keyspace) {
	*l = (level_t){0};
	for (int pass = 0; pass < 2; pass++) {
		int32_t n = 0;
		for (uint8_t kind = REQUIRE; kind <= EXCLUDE; kind++)
			for (const setting_t *s = 0; (s = next_setting(s, keyspace, prefixes[kind]));) {
				text_t what = after(s->name, c_string(prefixes[kind]).length);
				if (!known(what)) continue;
				if (pass) l->patterns[n] = (pattern_t){kind, what, s};
				n++;
			}
		if (!pass && n && !(l->patterns = scratch((uint32_t)n * sizeof *l->patterns))) return 0;
		l->count = n;
	}
	return 1;
}

static int32_t prepare(void) {
	levels = scratch((uint32_t)(keyspaces() + 1) * sizeof *levels);
	if (!levels || !read_level(&levels[0], (text_t){"", 0})) return refuse("no memory for the filters; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++)
		if (!read_level(&levels[1 + k], text(keyspace_name(k)))) return refuse("no memory for the filters; raise limits.pages");
	return 0;
}

/* What a node says of itself. */
static text_t said(int32_t n, text_t what) {
	if (what.at[0] != '_') return text(attribute(n, what));
	switch (what.at[1]) {
	case 'n': return text(node_name(n));
	case 'h': return text(node_host(n));
	case 'i':
		if (what.at[2] == 'd') return text(node_id(n));
	}
	text_t address = text(node_address(n));
	for (uint32_t i = address.length; i > 0; i--)
		if (address.at[i - 1] == ':') {
			address.length = i - 1;
			while (address.length && (address.at[0] == '[' || address.at[0] == ']')) address = after(address, 1);
			while (address.length && (address.at[address.length - 1] == '[' || address.at[address.length - 1] == ']')) address.length--;
			break;
		}
	return address;
}

/* Whether one of the values fits what the node says, or all of them do. */
static int fits(const pattern_t *p, int32_t n, int all) {
	text_t list = p->from->text, value, says = said(n, p->what);
	while (next_name(&list, &value))
		if ((says.length && matches(value, says)) != all) return !all;
	return all;
}

/* The code for the first reason against a node, or 0, and the filter: for an include the first of them. */
static uint8_t refuses(const level_t *l, int32_t n, const pattern_t **by) {
	const pattern_t *include = 0;
	int included = 0;
	for (int32_t i = 0; i < l->count; i++) {
		const pattern_t *p = *by = &l->patterns[i];
		switch (p->kind) {
		case REQUIRE:
			if (!fits(p, n, 1)) return REQUIRE;
			break;
		case INCLUDE:
			if (!include) include = p;
			included = included || fits(p, n, 0);
			break;
		case EXCLUDE:
			if (include && !included) return *by = include, INCLUDE;
			if (fits(p, n, 0)) return EXCLUDE;
		}
	}
	return include && !included ? *by = include, INCLUDE : 0;
}

static void judge(const level_t *l, uint8_t *restrict row) {
	const pattern_t *by;
	EACH_NODE(n) {
		uint8_t code = refuses(l, n, &by);
		if (code) say(n, NO, code);
	}
}

/* Adds the row of a level to one that is all YES, or that has been said before. */
static void add(level_t *l, uint8_t *restrict row, int first) {
	if (!l->row && (l->row = scratch((uint32_t)nodes()))) judge(l, l->row);
	if (!l->row)
		judge(l, row); /* no memory: it is worked out for each shard */
	else if (first)
		__builtin_memcpy(row, l->row, (uint32_t)nodes());
	else
		EACH_NODE(n) tr_raise(&row[n], l->row[n]);
}

static void judge_all(int32_t shard, uint8_t *restrict row) {
	level_t *all = &levels[0], *own = &levels[1 + shard_keyspace(shard)];
	if (all->count) add(all, row, 1);
	if (own->count) add(own, row, !all->count);
}

RULE(can_allocate) { judge_all(shard, row); }
RULE(can_remain) { judge_all(shard, row); }

EXPLAIN {
	const pattern_t *by = 0;
	uint8_t code = refuses(&levels[0], node, &by);
	if (code != reason_of(answer)) code = refuses(&levels[1 + shard_keyspace(shard)], node, &by);
	if (code != reason_of(answer)) return;
	text_t what = by->what;
	why("node %t has %T \"%T\"", node_name(node), what.at[0] == '_' ? after(what, 1) : what, said(node, what));
	why(code == EXCLUDE ? ", and setting " : code == INCLUDE ? ", which no include names: setting " : ", and setting ");
	why_name(by->from);
	why(code == REQUIRE ? " requires %T" : " is %T", by->from->text);
}
