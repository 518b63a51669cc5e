/* primaries spreads what nodes lead, beside what they hold: a primary does the work of its shard's writes. */
#define TROUPE_NEEDS(need) need(node_primaries)
#include "../house.h"
MANIFEST("manifest.json")

SCORER {
	if (flags & FLAG_PRIMARY) EACH_NODE(n) points[n] = node_primaries(n);
}
