/* same_node refuses a second copy of a shard on one node: it would fall with the first. */
#define TROUPE_NEEDS(need) need(copy_node) need(copy_id) need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#include "../house.h"
MANIFEST("manifest.json")

RULE(can_allocate) {
	EACH_COPY(c, shard) say(copy_node(c), NO, 1);
}

METER {
	EACH_COPY(c, shard) if (copy_node(c) == node) return answer_of(NO, 1);
	return YES;
}

EXPLAIN {
	EACH_COPY(c, shard)
		if (copy_node(c) == node) return why("node %t has copy c%l of shard %t/%d already", node_name(node), copy_id(c), SHARD(shard));
}
