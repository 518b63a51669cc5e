/* enable switches kinds of allocation off by two settings, which a keyspace may say for itself. An in-sync copy is promoted
 * whatever they say: a restarted node serves what it has. */
#define TROUPE_NEEDS(need) need(node_name) need(shard_keyspace) need(keyspace_name)
#include "../house.h"
MANIFEST("manifest.json")

static const setting_t *allocation(int32_t shard) { return setting_of(text(keyspace_name(shard_keyspace(shard))), "cluster.routing.allocation.enable"); }
static const setting_t *rebalance(int32_t shard) { return setting_of(text(keyspace_name(shard_keyspace(shard))), "cluster.routing.rebalance.enable"); }

RULE(can_allocate) {
	const setting_t *s = allocation(shard);
	int allowed = 1;
	if (is(s, "primaries"))
		allowed = flags & (FLAG_PRIMARY | FLAG_NEW);
	else if (is(s, "new_primaries"))
		allowed = flags & FLAG_NEW;
	else if (is(s, "none"))
		allowed = 0;
	if (!allowed) SAY_ALL(NO, 1);
}

RULE(can_rebalance) {
	const setting_t *s = rebalance(shard);
	int allowed = 1;
	if (is(s, "primaries"))
		allowed = flags & FLAG_PRIMARY;
	else if (is(s, "replicas"))
		allowed = !(flags & FLAG_PRIMARY);
	else if (is(s, "none"))
		allowed = 0;
	if (!allowed) SAY_ALL(NO, 2);
}

EXPLAIN {
	const char *kind = flags & FLAG_NEW ? "new primary" : flags & FLAG_PRIMARY ? "primary" : "replica";
	int moves = reason_of(answer) == 2;
	const setting_t *s = moves ? rebalance(shard) : allocation(shard);
	if (moves)
		why("no %s leaves node %t for balance: setting ", kind, node_name(node));
	else
		why("no %s is allocated on node %t: setting ", kind, node_name(node));
	why_name(s);
	why(" is %T", s->text);
}
