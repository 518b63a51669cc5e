/* disk keeps nodes' disk from filling up, by three watermarks. */
#define TROUPE_NEEDS(need) \
	need(node_capacity_disk) need(node_used_disk) need(node_coming_disk) need(node_leaving_disk) need(shard_primary_disk) need(shard_replica_disk) \
	need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define WHAT "the disk"
#define SETTINGS "cluster.routing.allocation.disk."
#define CAPACITY(n) node_capacity_disk(n)
#define USED(n) node_used_disk(n)
#define COMING(n) node_coming_disk(n)
#define LEAVING(n) node_leaving_disk(n)
#define PRIMARY_COST(shard) shard_primary_disk(shard)
#define REPLICA_COST(shard) shard_replica_disk(shard)
#include "../watermark.h"
MANIFEST("manifest.json")
