/* cooldown leaves a shard alone of which a copy has just begun to move for balance. Where the time is not known it does not hold. */
#define TROUPE_NEEDS(need) need(now) need(shard_rebalanced) need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.rebalance.cooldown"

static const setting_t **rests; /* by keyspace: how long its shards are left alone */

static int32_t prepare(void) {
	rests = scratch((uint32_t)keyspaces() * sizeof *rests);
	if (!rests && keyspaces()) return refuse("no memory for the cooldown of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) rests[k] = setting_of(text(keyspace_name(k)), SETTING);
	return 0;
}

RULE(can_rebalance) {
	int64_t length = (int64_t)rests[shard_keyspace(shard)]->number, at = shard_rebalanced(shard) * 1000, time = now() * 1000;
	if (length && time && at && time - at < length && at - time < length) SAY_ALL(THROTTLE, 1);
}

EXPLAIN {
	const setting_t *r = rests[shard_keyspace(shard)];
	int64_t moved = shard_rebalanced(shard), until = (moved * 1000 + (int64_t)r->number + 999) / 1000;
	why("shard %t/%d does not leave node %t for balance before ", SHARD(shard), node_name(node));
	why_time(minute_of_week(until + 59));
	why(": it moved at ");
	why_time(minute_of_week(moved));
	why(", and setting ");
	why_name(r);
	why(" is %m", (int64_t)r->number);
}
