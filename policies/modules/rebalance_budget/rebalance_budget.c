/* rebalance_budget bounds what is moved for balance alone in some time: copies and bytes, of all keyspaces and of one. What counts
 * is what began: the last copy to begin may go beyond the bytes. Where there is a budget and the time is not known nothing moves, nor
 * while a member is of a release that cannot read what is counted. */
#define TROUPE_NEEDS(need) \
	need(now) need(rebalanced) need(rebalanced_bytes) need(rebalanced_until) need(keyspace_rebalanced) need(keyspace_rebalanced_bytes) \
	need(keyspace_rebalanced_until) need(node_format) need(node_name) need(node_release) need(shard_keyspace) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.rebalance.budget."

enum { COPIES = 1, BYTES, OWN_COPIES, OWN_BYTES, UNKNOWN, UNREAD };

enum { FORMAT_BUDGET = 5 }; /* the first node_format that counts relocations */

/* What may move; below 0: any amount. */
typedef struct {
	const setting_t *copies_by, *bytes_by, *window;
	int32_t copies;
	double bytes;
} budget_t;

static budget_t all, *own; /* own by keyspace */
static int32_t unread;     /* the first node that cannot read what is counted; nodes() if all can */

static budget_t budget_of(text_t keyspace) {
	budget_t b = {.copies_by = setting_of(keyspace, SETTING "copies"), .bytes_by = setting_of(keyspace, SETTING "bytes"),
		.window = setting_of(keyspace, SETTING "window")};
	b.copies = (int32_t)b.copies_by->number;
	b.bytes = is(b.bytes_by, "-1") ? -1 : take_size(b.bytes_by->text);
	return b;
}

static int32_t prepare(void) {
	unread = 0;
	while (unread < nodes() && node_format(unread) >= FORMAT_BUDGET) unread++;
	all = budget_of((text_t){"", 0});
	own = scratch((uint32_t)keyspaces() * sizeof *own);
	if (!own && keyspaces()) return refuse("no memory for the budgets of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) {
		own[k] = budget_of(text(keyspace_name(k)));
		if (!own[k].copies_by->keyspace.length) own[k].copies = -1;
		if (!own[k].bytes_by->keyspace.length) own[k].bytes = -1;
	}
	return 0;
}

static int is_none(const budget_t *b) { return b->copies < 0 && b->bytes < 0; }

static int spent_copies(const budget_t *b, uint32_t copies) { return b->copies >= 0 && copies >= (uint32_t)b->copies; }

static int spent_bytes(const budget_t *b, double bytes) { return b->bytes >= 0 && bytes >= b->bytes; }

RULE(can_rebalance) {
	int32_t k = shard_keyspace(shard);
	if (is_none(&all) && is_none(&own[k])) return;
	if (!now())
		SAY_ALL(THROTTLE, UNKNOWN);
	else if (unread < nodes())
		SAY_ALL(THROTTLE, UNREAD);
	else if (spent_copies(&all, rebalanced()))
		SAY_ALL(THROTTLE, COPIES);
	else if (spent_bytes(&all, rebalanced_bytes()))
		SAY_ALL(THROTTLE, BYTES);
	else if (spent_copies(&own[k], keyspace_rebalanced(k)))
		SAY_ALL(THROTTLE, OWN_COPIES);
	else if (spent_bytes(&own[k], keyspace_rebalanced_bytes(k)))
		SAY_ALL(THROTTLE, OWN_BYTES);
}

EXPLAIN {
	int32_t k = shard_keyspace(shard), code = reason_of(answer), of_one = code >= OWN_COPIES;
	if (code == UNKNOWN) {
		why("nothing leaves node %t for balance: there is a budget of what may, and the time is not known", node_name(node));
		return;
	}
	if (code == UNREAD) {
		why("nothing leaves node %t for balance: there is a budget of what may, and node %t runs release %t, which cannot read what is counted; upgrade it first",
			node_name(node), node_name(unread), node_release(unread));
		return;
	}
	const budget_t *b = of_one ? &own[k] : &all;
	int64_t until = of_one ? keyspace_rebalanced_until(k) : rebalanced_until();
	why("nothing ");
	if (of_one) why("of keyspace %t ", keyspace_name(k));
	why("leaves node %t for balance", node_name(node));
	if (until) {
		why(" before ");
		why_time(minute_of_week(until + 59));
	}
	if (code == COPIES || code == OWN_COPIES) {
		why(": %d copies", (int32_t)(of_one ? keyspace_rebalanced(k) : rebalanced()));
	} else {
		why(": copies of ");
		why_size(of_one ? keyspace_rebalanced_bytes(k) : rebalanced_bytes());
	}
	why(" moved within %T, and setting ", b->window->text);
	if (code == COPIES || code == OWN_COPIES) {
		why_name(b->copies_by);
		why(" is %d", b->copies);
	} else {
		why_name(b->bytes_by);
		why(" is %T", b->bytes_by->text);
	}
}
