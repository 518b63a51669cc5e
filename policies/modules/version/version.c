/* version puts no copy on a node that speaks an older format than the node of the shard's primary: it could not read what the
 * primary sends. */
#define TROUPE_NEEDS(need) \
	need(node_format) need(node_name) need(node_release) need(copy_node) need(shard_primary) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

static int mixed; /* nodes speak different formats */

static int32_t prepare(void) {
	mixed = 0;
	EACH_NODE(n) mixed |= node_format(n) != node_format(0);
	return 0;
}

static inline int32_t leader(int32_t shard) { return shard_primary(shard) < 0 ? NONE : copy_node(shard_primary(shard)); }

RULE(can_allocate) {
	int32_t lead = leader(shard);
	if (!mixed || lead < 0) return;
	EACH_NODE(n)
		if (node_format(n) < node_format(lead)) say(n, NO, 1);
}

EXPLAIN {
	int32_t lead = leader(shard);
	why("node %t runs release %t, which speaks format %d; the primary of shard %t/%d is on node %t, which speaks format %d",
		node_name(node), node_release(node), (int32_t)node_format(node), SHARD(shard), node_name(lead), (int32_t)node_format(lead));
}
