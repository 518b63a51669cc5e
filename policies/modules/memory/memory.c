/* memory keeps nodes' memory from filling up, by three watermarks. */
#define TROUPE_NEEDS(need) \
	need(node_capacity_memory) need(node_used_memory) need(node_coming_memory) need(node_leaving_memory) need(shard_primary_memory) need(shard_replica_memory) \
	need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define WHAT "the memory"
#define SETTINGS "cluster.routing.allocation.memory."
#define CAPACITY(n) node_capacity_memory(n)
#define USED(n) node_used_memory(n)
#define COMING(n) node_coming_memory(n)
#define LEAVING(n) node_leaving_memory(n)
#define PRIMARY_COST(shard) shard_primary_memory(shard)
#define REPLICA_COST(shard) shard_replica_memory(shard)
#include "../watermark.h"
MANIFEST("manifest.json")
