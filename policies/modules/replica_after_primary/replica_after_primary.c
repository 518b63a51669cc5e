/* replica_after_primary lets a shard have no more copies while nobody leads it: there is nobody to recover from. */
#define TROUPE_NEEDS(need) need(shard_primary) need(shard_copies) need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#include "../house.h"
MANIFEST("manifest.json")

RULE(can_allocate) {
	if (shard_primary(shard) < 0 && shard_copies(shard)) SAY_ALL(THROTTLE, 1);
}

EXPLAIN { why("node %t waits with a copy of shard %t/%d until that has a primary to recover from", node_name(node), SHARD(shard)); }
