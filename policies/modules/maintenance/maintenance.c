/* maintenance leaves a node in peace that may restart at any moment: it gets no new copies, keeps those it has, and others
 * lead if they can. */
#define TROUPE_NEEDS(need) need(node_flags) need(node_name)
#include "../house.h"
MANIFEST("manifest.json")

static inline void on_maintained(uint8_t *restrict row, uint8_t verdict) {
	EACH_NODE(n)
		if (node_flags(n) & NODE_MAINTAINED) say(n, verdict, 1);
}

RULE(can_allocate) { on_maintained(row, NO); }
RULE(can_rebalance) { on_maintained(row, NO); }
RULE(can_promote) { on_maintained(row, NOT_PREFERRED); }

EXPLAIN { why("node %t is in maintenance and may restart", node_name(node)); }
