/* active moves nothing for balance while a shard lacks a copy, or has one on its way: first whole, then even. */
#define TROUPE_NEEDS(need) \
	need(copy_node) need(copy_flags) need(copy_source) need(shard_primary) need(shard_hand_to) need(shard_copies) \
	need(shard_keyspace) need(shard_number) need(keyspace_name) need(keyspace_replicas) need(node_name)
#include "../house.h"
MANIFEST("manifest.json")

static int32_t in_sync(int32_t shard) {
	int32_t count = 0;
	EACH_COPY(c, shard) count += copy_flags(c) & COPY_IN_SYNC;
	return count;
}

static int32_t wanted(int32_t shard) { return 1 + (int32_t)keyspace_replicas(shard_keyspace(shard)); }

RULE(can_rebalance) {
	int32_t in = in_sync(shard), moving = 0;
	EACH_COPY(c, shard) moving |= copy_source(c) >= 0;
	if (moving || in < wanted(shard) || in < (int32_t)shard_copies(shard) || shard_primary(shard) < 0 || shard_hand_to(shard) >= 0) say_all(NO, 1);
}

EXPLAIN {
	why("shard %t/%d leaves node %t alone for now: %d of %d copies are in sync, or one is on its way",
		SHARD(shard), node_name(node), in_sync(shard), wanted(shard));
}
