/* The rule that all SDKs are held equal by: see manifest.json for what it is set with. */
#define TROUPE_NEEDS(need) \
	need(ticks) need(node_name) need(node_host) need(node_flags) need(node_held) need(node_copies) need(node_capacity_disk) need(node_used_disk) \
	need(node_attributes) need(attribute_name) need(attribute_value) need(keyspace_name) need(keyspace_node_copies) need(shard_keyspace) \
	need(shard_number) need(shard_primary) need(copy_node) need(copy_flags)
#define PREPARE prepare
#include "troupe.h"
MANIFEST("manifest.json")

static double *limits; /* by keyspace; 0: none */

static int32_t prepare(void) {
	if (setting_number("patience") > 3600e3) return refuse("patience is more than an hour");
	if (!(limits = scratch((uint32_t)keyspaces() * sizeof *limits))) return refuse("no memory");
	for (const setting_t *s = 0; (s = next_setting(s, literal(""), "limit."));)
		for (int32_t k = 0; k < keyspaces(); k++)
			if (same((text_t){s->name.at + 6, s->name.length - 6}, text(keyspace_name(k)))) limits[k] = s->number;
	return 0;
}

static double share(int32_t n) { return node_capacity_disk(n) > 0 ? node_used_disk(n) / node_capacity_disk(n) : 0; }

static int avoided(text_t keyspace, text_t value) {
	const setting_t *avoid = setting_of(keyspace, "avoid");
	for (uint32_t i = 0; i < setting_count(avoid); i++)
		if (matches(setting_item(avoid, i), value)) return 1;
	return 0;
}

RULE(can_allocate) {
	int32_t k = shard_keyspace(shard);
	text_t keyspace = text(keyspace_name(k));
	double full = setting_of(keyspace, "full")->number;
	EACH_NODE(n) {
		if (avoided(keyspace, text(attribute(n, setting_text("attribute"))))) say(n, NO, 1);
		if (share(n) >= full) say(n, setting_flag("strict") ? NO : NOT_PREFERRED, 2);
		if ((flags & FLAG_NEW) && node_held(n) > ticks()) say(n, THROTTLE, 3);
		if (limits[k] > 0 && keyspace_node_copies(k, n) >= limits[k]) say(n, NO, 5);
	}
}

RULE(can_remain) {
	EACH_COPY(c, shard)
		if (c != copy && (copy_flags(c) & COPY_IN_SYNC))
			EACH_NODE(n)
				if (node_host(n) == node_host(copy_node(c))) say(n, NO, 4);
}

RULE(can_promote) {
	if (shard_primary(shard) != NONE) say_all(THROTTLE, 3);
	EACH_NODE(n)
		if (node_flags(n) & (NODE_DRAINING | NODE_DOWN)) say(n, NOT_PREFERRED, 3);
}

static int32_t heard, of_copies, last;
CHANGED {
	heard++, last = row;
	of_copies += column == column_of(node_copies);
}

METER {
	uint8_t answer = 0;
	if (capability != PROMOTE) return 0;
	if (shard_primary(shard) != NONE) tr_raise(&answer, answer_of(THROTTLE, 3));
	if (node_flags(node) & (NODE_DRAINING | NODE_DOWN)) tr_raise(&answer, answer_of(NOT_PREFERRED, 3));
	return answer;
}

SCORER {
	EACH_NODE(n) points[n] = share(n) + 0.25 * node_copies(n) + (flags & FLAG_PRIMARY ? 0.5 : 0);
}

EXPLAIN {
	int32_t k = shard_keyspace(shard);
	text_t keyspace = text(keyspace_name(k));
	switch (reason_of(answer)) {
	case 1:
		why("node %t has attribute %T %t, which setting avoid of keyspace %T keeps shard %d off", node_name(node), setting_text("attribute"),
			attribute(node, setting_text("attribute")), keyspace, (int32_t)shard_number(shard));
		break;
	case 2:
		why("node %t has used %b of %b, %p of its disk, and setting full is %f (%s)", node_name(node), node_used_disk(node), node_capacity_disk(node), share(node),
			setting_of(keyspace, "full")->number, setting_flag("strict") ? "strict" : "not strict");
		break;
	case 3:
		why("node %t is held for %l ticks more, and setting patience is %m", node_name(node), node_held(node) - ticks(), (int64_t)setting_number("patience"));
		break;
	case 4:
		why("copy %d of shard %T/%d shares host %t; asked to %d", copy, keyspace, (int32_t)shard_number(shard), node_host(node), capability);
		break;
	case 6: why("heard of %d changes, %d of them of node_copies; the last of row %d", heard, of_copies, last); break;
	case 5: why("node %t has %d copies of %T: 100%% of %f", node_name(node), (int32_t)keyspace_node_copies(k, node), keyspace, limits[k]); break;
	}
}
