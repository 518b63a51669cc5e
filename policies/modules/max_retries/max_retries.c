/* max_retries leaves a shard alone for a while after a copy of it failed, twice as long after each further one in a row, and
 * after so many altogether until somebody retries it. */
#define TROUPE_NEEDS(need) \
	need(shard_failures) need(shard_setback) need(ticks) need(tick_length) need(node_name) need(shard_keyspace) need(shard_number) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

enum { RECENTLY = 1, ENOUGH };

/* What a keyspace allows. */
static struct retries { const setting_t *most, *backoff; } *limits;

static int32_t prepare(void) {
	limits = scratch((uint32_t)keyspaces() * sizeof *limits);
	if (!limits && keyspaces()) return refuse("no memory for the limits of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) {
		limits[k].most = setting_of(text(keyspace_name(k)), "cluster.routing.allocation.max_retries");
		limits[k].backoff = setting_of(text(keyspace_name(k)), "cluster.routing.allocation.retry_backoff");
	}
	return 0;
}

/* The tick from which a shard is tried again; 0: it is not known since when it is not. */
static int64_t retry_at(int32_t shard) {
	static const int64_t day = 24 * 3600 * 1000;
	uint32_t failures = shard_failures(shard);
	if (shard_setback(shard) == INT64_MIN || !failures || !tick_length()) return 0;
	int64_t wait = (int64_t)limits[shard_keyspace(shard)].backoff->number << (failures - 1 < 20 ? failures - 1 : 20);
	if (wait > day) wait = day;
	return shard_setback(shard) + (wait + tick_length() - 1) / tick_length();
}

RULE(can_allocate) {
	uint32_t failures = shard_failures(shard);
	if (!failures) return;
	if (failures >= (uint32_t)limits[shard_keyspace(shard)].most->number)
		SAY_ALL(NO, ENOUGH);
	else if (retry_at(shard) > ticks())
		SAY_ALL(THROTTLE, RECENTLY);
}

EXPLAIN {
	struct retries *r = &limits[shard_keyspace(shard)];
	int32_t failures = (int32_t)shard_failures(shard);
	if (reason_of(answer) == RECENTLY) {
		why("shard %t/%d is not tried on node %t for %m more: %d copies failed in a row, and setting ", SHARD(shard), node_name(node),
			(retry_at(shard) - ticks()) * tick_length(), failures);
		why_name(r->backoff);
		return why(" is %m, twice as long after each", (int64_t)r->backoff->number);
	}
	why("shard %t/%d is not tried on node %t: %d copies failed in a row, and setting ", SHARD(shard), node_name(node), failures);
	why_name(r->most);
	why(" is %d; reroute with retry_failed when the cause is gone", (int32_t)r->most->number);
}
