/* primaries spreads what nodes lead, beside what they hold: a primary does the work of its shard's writes. */
#define TROUPE_NEEDS(need) need(node_primaries) need(copy_node) need(shard_primary)
#include "../house.h"
MANIFEST("manifest.json")

SCORER {
	if (!(flags & FLAG_PRIMARY)) return;
	int here = copy >= 0 && copy == (int)shard_primary(shard) ? copy_node(copy) : -1; /* it is not counted where it is */
	EACH_NODE(n) {
		double leads = node_primaries(n);
		points[n] = n == here && leads > 0 ? leads - 1 : leads; /* none: it hands over, and counts where it goes */
	}
}
