/* draining empties a node that is to leave: nothing new comes to it, what it holds moves away, and others lead if they can. */
#define TROUPE_NEEDS(need) need(node_flags) need(node_name)
#include "../house.h"
MANIFEST("manifest.json")

static inline void on_draining(uint8_t *restrict row, uint8_t verdict) {
	EACH_NODE(n)
		if (node_flags(n) & NODE_DRAINING) say(n, verdict, 1);
}

RULE(can_allocate) { on_draining(row, NO); }
RULE(can_remain) { on_draining(row, NO); }
RULE(can_promote) { on_draining(row, NOT_PREFERRED); }

EXPLAIN { why("node %t is draining", node_name(node)); }
