/* same_host keeps two copies of a shard off one host, where several nodes say the same host. Off by default. Nodes that say
 * no host are hosts of their own. The copy that is to be replaced is not counted: its successor may be beside it. */
#define TROUPE_NEEDS(need) \
	need(node_host) need(node_name) need(copy_node) need(copy_id) need(copy_source) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.allocation.same_shard.host"

static int on;

static int32_t prepare(void) {
	on = setting_flag(SETTING);
	return 0;
}

/* The oldest copy on another node of the same host, apart from the copy in question and one that takes its place; or NONE. */
static inline int32_t beside(int32_t shard, int32_t copy, int32_t node) {
	uint32_t host = node_host(node);
	int32_t first = NONE;
	if (!host) return NONE;
	EACH_COPY(c, shard) {
		if (copy_node(c) == node || (copy >= 0 && (c == copy || copy_source(c) == copy)) || node_host(copy_node(c)) != host) continue;
		if (first < 0 || copy_id(c) < copy_id(first)) first = c;
	}
	return first;
}

RULE(can_allocate) {
	if (!on) return;
	EACH_NODE(n)
		if (beside(shard, copy, n) >= 0) say(n, NO, 1);
}

/* Of two the younger moves. */
RULE(can_remain) {
	if (!on || copy < 0) return;
	EACH_NODE(n) {
		int32_t other = beside(shard, copy, n);
		if (other >= 0 && copy_id(other) < copy_id(copy)) say(n, NO, 1);
	}
}

EXPLAIN {
	int32_t c = beside(shard, copy, node);
	why("node %t is on host %t, as is node %t with copy c%l of shard %t/%d, and setting " SETTING " is true",
		node_name(node), node_host(node), node_name(copy_node(c)), copy_id(c), SHARD(shard));
}
