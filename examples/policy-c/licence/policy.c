/* licence: what is kept in some keyspaces is processed by software that is paid for by the node. A keyspace with a licence for so
 * many nodes is on no more of them, however much balance would like to spread it.
 *
 *     copies of reports     n1 5   n2 3   n3 0   n4 1        nodes@reports = 2
 *                           ├──────────┘      │      │
 *                           licensed          │      one too many: may not remain
 *                                             would be one more: may not be allocated
 *
 * Licensed are the nodes that hold most, and of equals the earlier. */
#define TROUPE_NEEDS(need) need(node_name) need(keyspace_name) need(keyspace_node_copies) need(shard_keyspace)
#include "troupe.h"
MANIFEST("manifest.json")

enum { FULL = 1, SURPLUS = 2 };

static int32_t limit_of(int32_t k) { return (int32_t)setting_of(text(keyspace_name(k)), "nodes")->number; }

static int32_t holders(int32_t k) {
	int32_t count = 0;
	EACH_NODE(n) count += keyspace_node_copies(k, n) > 0;
	return count;
}

/* Whether a node is among the limit that hold most. */
static int licensed(int32_t k, int32_t node, int32_t limit) {
	uint32_t copies = keyspace_node_copies(k, node);
	EACH_NODE(n)
		if (keyspace_node_copies(k, n) > copies || (keyspace_node_copies(k, n) == copies && n < node)) limit--;
	return limit > 0;
}

RULE(can_allocate) {
	int32_t k = shard_keyspace(shard), limit = limit_of(k);
	if (limit == 0 || holders(k) < limit) return;
	EACH_NODE(n)
		if (keyspace_node_copies(k, n) == 0) say(n, NO, FULL);
		else if (!licensed(k, n, limit)) say(n, NO, SURPLUS);
}

RULE(can_remain) {
	int32_t k = shard_keyspace(shard), limit = limit_of(k);
	if (limit == 0 || holders(k) <= limit) return;
	EACH_NODE(n)
		if (keyspace_node_copies(k, n) > 0 && !licensed(k, n, limit)) say(n, NO, SURPLUS);
}

EXPLAIN {
	int32_t k = shard_keyspace(shard);
	if (reason_of(answer) == FULL)
		why("keyspace %t is on %d nodes, and setting nodes licenses %d; node %t would be one more", keyspace_name(k), holders(k), limit_of(k), node_name(node));
	else
		why("keyspace %t is on %d nodes, and setting nodes licenses %d; node %t, which holds %d copies, is not among those that hold most", keyspace_name(k), holders(k),
			limit_of(k), node_name(node), (int32_t)keyspace_node_copies(k, node));
}
