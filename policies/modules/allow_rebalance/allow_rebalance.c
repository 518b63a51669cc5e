/* allow_rebalance moves nothing for balance while any shard of the cluster is not well. */
#define TROUPE_NEEDS(need) need(unled) need(unwhole) need(node_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.allocation.allow_rebalance"

enum { UNLED = 1, UNWHOLE };

static const setting_t *allowed;
static int always, all;

static int32_t prepare(void) {
	allowed = setting_of((text_t){"", 0}, SETTING);
	always = is(allowed, "always"), all = is(allowed, "indices_all_active");
	return 0;
}

RULE(can_rebalance) {
	if (always) return;
	if (unled())
		SAY_ALL(NO, UNLED);
	else if (all && unwhole())
		SAY_ALL(NO, UNWHOLE);
}

EXPLAIN {
	int whole = reason_of(answer) == UNWHOLE;
	why("nothing leaves node %t for balance while shards have %s, now %d: setting " SETTING " is %T",
		node_name(node), whole ? "fewer copies in sync than they should" : "no primary", (int32_t)(whole ? unwhole() : unled()), allowed->text);
}
