/* replace puts one node in the place of another: the copies of the one go to the other and nowhere else, and it takes no
 * others until the first is forgotten or the setting removed. A copy of a shard that has another there already goes wherever
 * it may. */
#define TROUPE_NEEDS(need) need(node_name) need(node_id) need(node_flags) need(copy_node) need(copy_id)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.replace."

enum { OTHER = 1, TAKEN, GONE }; /* the copy goes elsewhere; the node takes the copies of others alone; it is being replaced */

/* A node and the one that takes its place. */
typedef struct {
	int32_t from, to;
	const setting_t *by;
} pair_t;

static pair_t *pairs; /* sorted by from */
static int32_t count;

/* The node with this name, or else with this id; or NONE. */
static int32_t member(text_t name) {
	EACH_NODE(n)
		if (same(text(node_name(n)), name)) return n;
	EACH_NODE(n)
		if (same(text(node_id(n)), name)) return n;
	return NONE;
}

static int32_t of(int32_t node) {
	for (int32_t i = 0; i < count; i++)
		if (pairs[i].from == node) return i;
	return NONE;
}

static int32_t prepare(void) {
	int32_t settings = 0;
	for (const setting_t *s = 0; (s = next_setting(s, (text_t){"", 0}, SETTING));) settings++;
	count = 0;
	if (!settings) return 0;
	if (!(pairs = scratch((uint32_t)settings * sizeof *pairs))) return refuse("no memory for the nodes that are replaced; raise limits.pages");
	for (const setting_t *s = 0; (s = next_setting(s, (text_t){"", 0}, SETTING));) {
		int32_t from = member(after(s->name, sizeof SETTING - 1)), to = member(s->text), at = count;
		if (from < 0 || to < 0 || from == to || of(from) >= 0) continue;
		for (count++; at > 0 && pairs[at - 1].from > from; at--) pairs[at] = pairs[at - 1];
		pairs[at] = (pair_t){from, to, s};
	}
	return 0;
}

static int has_copy(int32_t shard, int32_t node) {
	EACH_COPY(c, shard)
		if (copy_node(c) == node) return 1;
	return 0;
}

/* Whether a copy that is asked for without naming the one that it replaces may stand for one on a node that is replaced,
 * which is down. */
static int missed(int32_t shard, int32_t copy, const pair_t *p) {
	return copy < 0 && node_flags(p->from) & NODE_DOWN && has_copy(shard, p->from);
}

static int takes(int32_t shard, int32_t copy, int32_t own, const pair_t *p) {
	if (own >= 0 && pairs[own].to == p->to) return 1;
	for (int32_t i = 0; i < count; i++)
		if (pairs[i].to == p->to && missed(shard, copy, &pairs[i])) return 1;
	return 0;
}

RULE(can_allocate) {
	if (!count) return;
	int32_t own = copy >= 0 ? of(copy_node(copy)) : NONE;
	if (own >= 0 && !has_copy(shard, pairs[own].to)) EACH_NODE(n)
			if (n != pairs[own].to) say(n, NO, OTHER);
	for (int32_t i = 0; i < count; i++) {
		say(pairs[i].from, NO, GONE);
		if (!takes(shard, copy, own, &pairs[i])) say(pairs[i].to, NO, TAKEN);
	}
}

RULE(can_remain) {
	for (int32_t i = 0; i < count; i++) say(pairs[i].from, NO, GONE);
}

RULE(can_promote) {
	for (int32_t i = 0; i < count; i++) say(pairs[i].from, NOT_PREFERRED, GONE);
}

EXPLAIN {
	int32_t at = of(node);
	if (reason_of(answer) == TAKEN)
		for (at = 0; pairs[at].to != node;) at++;
	else if (reason_of(answer) == OTHER)
		at = of(copy_node(copy));
	uint32_t from = node_name(pairs[at].from), to = node_name(pairs[at].to);
	switch (reason_of(answer)) {
	case TAKEN: why("node %t takes the place of node %t, and no copies of others until that is forgotten", to, from); break;
	case OTHER: why("copy c%l is on node %t, whose place node %t takes, and does not go to node %t", copy_id(copy), from, to, node_name(node)); break;
	default: why("node %t is being replaced by node %t", from, to);
	}
	why(": setting %T is %T", pairs[at].by->name, pairs[at].by->text);
}
