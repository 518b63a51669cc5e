/* cooldown leaves a shard alone of which a copy has just begun to move for balance. Where the time is not known it does not hold. */
#define TROUPE_NEEDS(need) need(now) need(shard_rebalanced) need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.rebalance.cooldown"

/* How long shards of a keyspace are left alone. */
typedef struct {
	const setting_t *by;
	int64_t length; /* milliseconds */
} rest_t;

static rest_t *rests; /* by keyspace */

/* Milliseconds of a duration as people write it, which the host has seen to be well-formed: 1h30m, 1.5s, 250ms. */
static int64_t take_duration(text_t t) {
	static const struct { text_t name; double length; } units[] = {
		{literal("ns"), 1e-6}, {literal("us"), 1e-3}, {literal("\xc2\xb5s"), 1e-3}, {literal("\xce\xbcs"), 1e-3},
		{literal("ms"), 1}, {literal("s"), 1e3}, {literal("m"), 6e4}, {literal("h"), 3.6e6}};
	double sum = 0;
	if (t.length && (t.at[0] == '+' || t.at[0] == '-')) t = after(t, 1);
	while (t.length) {
		double v = take_number(&t);
		uint32_t i = 0, known = sizeof units / sizeof *units;
		while (i < known && !has_prefix(t, units[i].name)) i++;
		if (i == known) break;
		sum += v * units[i].length;
		t = after(t, units[i].name.length);
	}
	return (int64_t)sum;
}

static int32_t prepare(void) {
	rests = scratch((uint32_t)keyspaces() * sizeof *rests);
	if (!rests && keyspaces()) return refuse("no memory for the cooldown of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) {
		rests[k].by = setting_of(text(keyspace_name(k)), SETTING);
		rests[k].length = take_duration(rests[k].by->text);
	}
	return 0;
}

RULE(can_rebalance) {
	int64_t length = rests[shard_keyspace(shard)].length, at = shard_rebalanced(shard) * 1000, time = now() * 1000;
	if (length && time && at && time - at < length && at - time < length) SAY_ALL(THROTTLE, 1);
}

EXPLAIN {
	const rest_t *r = &rests[shard_keyspace(shard)];
	int64_t moved = shard_rebalanced(shard), until = (moved * 1000 + r->length + 999) / 1000;
	why("shard %t/%d does not leave node %t for balance before ", SHARD(shard), node_name(node));
	why_time(minute_of_week(until + 59));
	why(": it moved at ");
	why_time(minute_of_week(moved));
	why(", and setting ");
	why_name(r->by);
	why(" is %T", r->by->text);
}
