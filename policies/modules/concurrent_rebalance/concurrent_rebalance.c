/* concurrent_rebalance bounds the relocations that go on in the whole cluster, before another begins for balance alone. */
#define TROUPE_NEEDS(need) need(relocating) need(node_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.allocation.cluster_concurrent_rebalance"

static int32_t most;

static int32_t prepare(void) {
	most = (int32_t)setting_number(SETTING);
	return 0;
}

RULE(can_rebalance) {
	if ((int32_t)relocating() >= most) SAY_ALL(THROTTLE, 1);
}

EXPLAIN { why("nothing leaves node %t for balance now: %d relocations go on, and setting " SETTING " is %d", node_name(node), (int32_t)relocating(), most); }
