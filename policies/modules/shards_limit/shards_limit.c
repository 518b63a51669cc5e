/* shards_limit bounds the copies that a node holds, of all keyspaces and of one. Copies that are on their way count, and those
 * that are being replaced do not. */
#define TROUPE_NEEDS(need) need(node_copies) need(keyspace_node_copies) need(node_name) need(shard_keyspace) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.allocation.total_shards_per_node"

enum { OF_ALL = 1, OF_KEYSPACE };

static int32_t all; /* -1: any number */
static int32_t *own; /* by keyspace */

static int32_t prepare(void) {
	all = (int32_t)setting_number(SETTING);
	own = scratch((uint32_t)keyspaces() * sizeof *own);
	if (!own && keyspaces()) return refuse("no memory for the limits of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) {
		const setting_t *s = setting_of(text(keyspace_name(k)), SETTING);
		own[k] = s && s->keyspace.length ? (int32_t)s->number : -1;
	}
	return 0;
}

static inline uint8_t judge(int32_t k, int32_t n, int32_t more) {
	if (own[k] >= 0 && (int32_t)keyspace_node_copies(k, n) + more > own[k]) return answer_of(NO, OF_KEYSPACE);
	if (all >= 0 && (int32_t)node_copies(n) + more > all) return answer_of(NO, OF_ALL);
	return YES;
}

static inline void judge_all(int32_t shard, uint8_t *restrict row, int32_t more) {
	int32_t k = shard_keyspace(shard);
	if (all < 0 && own[k] < 0) return;
	EACH_NODE(n) tr_raise(&row[n], judge(k, n, more));
}

RULE(can_allocate) { judge_all(shard, row, 1); }
RULE(can_remain) { judge_all(shard, row, 0); }
METER { return judge(shard_keyspace(shard), node, capability == ALLOCATE); }

EXPLAIN {
	int32_t k = shard_keyspace(shard);
	if (reason_of(answer) == OF_KEYSPACE)
		return why("node %t has %d copies of keyspace %t, and setting keyspace.%t.routing.allocation.total_shards_per_node is %d",
			node_name(node), (int32_t)keyspace_node_copies(k, node), keyspace_name(k), keyspace_name(k), own[k]);
	why("node %t has %d copies, and setting " SETTING " is %d", node_name(node), (int32_t)node_copies(node), all);
}
