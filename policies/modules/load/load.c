/* load prefers nodes that are less used, for what they can bear: a large node takes more than a small one. */
#define TROUPE_NEEDS(need) \
	need(node_capacity_cpu) need(node_capacity_memory) need(node_capacity_disk) need(node_used_cpu) need(node_used_memory) need(node_used_disk) \
	need(node_coming_cpu) need(node_coming_memory) need(node_coming_disk) need(node_leaving_cpu) need(node_leaving_memory) need(node_leaving_disk) \
	need(shard_primary_cpu) need(shard_primary_memory) need(shard_primary_disk) need(shard_replica_cpu) need(shard_replica_memory) need(shard_replica_disk) \
	need(copy_node)
#include "../house.h"
MANIFEST("manifest.json")

/* The part of a capacity that would be used; 0 if the capacity is not known. */
static inline double part(double used, double coming, double leaving, double own, double capacity) {
	return capacity > 0 ? (used + coming - leaving + own) / capacity : 0;
}

static inline double larger(double a, double b) { return a > b ? a : b; }

SCORER {
	int leads = flags & FLAG_PRIMARY;
	double cpu = leads ? shard_primary_cpu(shard) : shard_replica_cpu(shard);
	double memory = leads ? shard_primary_memory(shard) : shard_replica_memory(shard);
	double disk = leads ? shard_primary_disk(shard) : shard_replica_disk(shard);
	int here = copy >= 0 ? copy_node(copy) : -1; /* it is not counted twice where it is */
	EACH_NODE(n) {
		double own = n != here;
		double most = larger(0, part(node_used_cpu(n), node_coming_cpu(n), node_leaving_cpu(n), own * cpu, node_capacity_cpu(n)));
		most = larger(most, part(node_used_memory(n), node_coming_memory(n), node_leaving_memory(n), own * memory, node_capacity_memory(n)));
		points[n] = larger(most, part(node_used_disk(n), node_coming_disk(n), node_leaving_disk(n), own * disk, node_capacity_disk(n)));
	}
}
