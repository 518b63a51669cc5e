/* throttling bounds what begins on a node at a time: recoveries into it, those that its primaries feed, and first copies of
 * shards. A copy of a shard whose primary has just begun is not counted: there is nothing to copy. */
#define TROUPE_NEEDS(need) \
	need(node_incoming) need(node_outgoing) need(node_opening) need(node_name) need(copy_node) need(copy_flags) need(shard_primary)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING(name) "cluster.routing.allocation.node_" name

enum { IN = 1, OUT, INITIAL };
enum { FREE, FEEDS, FEEDS_MOST }; /* the shard: nothing to copy; a primary feeds it, whose node may feed more; and may not */

static const setting_t *incoming, *outgoing;
static int32_t most_in, most_out, most_initial;

/* A bound of its own, or the one for both. */
static const setting_t *bound(const char *name, int32_t *most) {
	const setting_t *s = setting_of((text_t){"", 0}, name);
	if (!s || s->number < 1) s = setting_of((text_t){"", 0}, SETTING("concurrent_recoveries"));
	*most = (int32_t)s->number;
	return s;
}

static int32_t prepare(void) {
	incoming = bound(SETTING("concurrent_incoming_recoveries"), &most_in);
	outgoing = bound(SETTING("concurrent_outgoing_recoveries"), &most_out);
	most_initial = (int32_t)setting_number(SETTING("initial_primaries_recoveries"));
	return 0;
}

static inline int kind(int32_t shard) {
	int32_t primary = shard_primary(shard);
	if (primary < 0 || copy_flags(primary) & COPY_FRESH) return FREE;
	return (int32_t)node_outgoing(copy_node(primary)) >= most_out ? FEEDS_MOST : FEEDS;
}

static inline uint8_t judge(int kind, int32_t flags, int32_t n) {
	if (kind == FEEDS_MOST) return answer_of(THROTTLE, OUT);
	if (kind == FEEDS && (int32_t)node_incoming(n) >= most_in) return answer_of(THROTTLE, IN);
	if (flags & FLAG_NEW && most_initial > 0 && (int32_t)node_opening(n) >= most_initial) return answer_of(THROTTLE, INITIAL);
	return YES;
}

RULE(can_start) {
	int k = kind(shard);
	if (k == FEEDS_MOST) {
		SAY_ALL(THROTTLE, OUT);
		return;
	}
	if (k == FREE && !(flags & FLAG_NEW && most_initial > 0)) return;
	EACH_NODE(n) tr_raise(&row[n], judge(k, flags, n));
}

METER { return judge(kind(shard), flags, node); }

EXPLAIN {
	switch (reason_of(answer)) {
	case OUT: {
		int32_t n = copy_node(shard_primary(shard));
		return why("%d recoveries go on out of node %t, and setting %T is %d", (int32_t)node_outgoing(n), node_name(n), outgoing->name, most_out);
	}
	case INITIAL:
		return why("%d shards begin on node %t, and setting " SETTING("initial_primaries_recoveries") " is %d", (int32_t)node_opening(node), node_name(node), most_initial);
	}
	why("%d recoveries go on into node %t, and setting %T is %d", (int32_t)node_incoming(node), node_name(node), incoming->name, most_in);
}
