/* watermark.h: three watermarks on one dimension of load, which disk.c and memory.c name:
 *
 *     used  ├──────────────────┼─────────┼───────┼───┤ capacity
 *                             low       high   flood stage
 *           copies may come    none come  copies    writes are refused: the host's business
 *                                         leave
 *
 * What is used counts with what is coming, and where copies must leave, without what is leaving already. A shard's first copy
 * is empty, and may come up to high. Of a node whose capacity is not known nothing is said.
 */
#define PREPARE prepare
#include "house.h"

enum { LOW, HIGH };
enum { BEYOND_LOW = 1, BEYOND_HIGH, WOULD_BE_HIGH, MUST_LEAVE };

/* A limit as it was read: a part of what there is, or all but what is left. */
typedef struct {
	const setting_t *mark, *headroom;
	double part, left, most_left;
} mark_t;

static int on;
static mark_t marks[2];

static void read_mark(mark_t *m, const char *mark, const char *headroom) {
	*m = (mark_t){.mark = setting_of((text_t){"", 0}, mark), .headroom = setting_of((text_t){"", 0}, headroom)};
	text_t t = m->mark->text;
	if (t.length && t.at[t.length - 1] == '%')
		m->part = take_number(&t) / 100;
	else
		m->left = take_size(t);
	if (!same(m->headroom->text, literal("-1"))) m->most_left = take_size(m->headroom->text);
}

static inline double larger(double a, double b) { return a > b ? a : b; }

static inline double limit_of(const mark_t *m, double capacity, double headroom) {
	if (m->left > 0) return larger(0, capacity - m->left);
	if (headroom > 0) return larger(capacity * m->part, capacity - headroom);
	return capacity * m->part;
}

static inline double limit(int stage, double capacity) { return limit_of(&marks[stage], capacity, marks[stage].most_left); }

static double *limits; /* by node: low, high; no node's capacity changes while there is one image */

static int32_t prepare(void) {
	on = setting_flag(SETTINGS "threshold_enabled");
	read_mark(&marks[LOW], SETTINGS "watermark.low", SETTINGS "watermark.low.max_headroom");
	read_mark(&marks[HIGH], SETTINGS "watermark.high", SETTINGS "watermark.high.max_headroom");
	if (!on || !nodes()) return 0;
	limits = scratch((uint32_t)nodes() * 2 * sizeof *limits);
	if (!limits) return refuse("no memory for what nodes may use; raise limits.pages");
	EACH_NODE(n) {
		limits[2 * n + LOW] = limit(LOW, CAPACITY(n));
		limits[2 * n + HIGH] = limit(HIGH, CAPACITY(n));
	}
	return 0;
}

/* What a copy costs. */
static inline double cost(int32_t shard, int32_t flags) { return flags & FLAG_PRIMARY ? PRIMARY_COST(shard) : REPLICA_COST(shard); }

static inline uint8_t judge(int32_t capability, double costs, int32_t flags, int32_t n) {
	double used = USED(n), high = limits[2 * n + HIGH];
	if (CAPACITY(n) <= 0) return YES;
	if (capability == REMAIN) return used - LEAVING(n) > high && costs > 0 ? answer_of(NO, MUST_LEAVE) : YES;
	used += COMING(n);
	if (used > high) return answer_of(NO, BEYOND_HIGH);
	if (flags & FLAG_NEW) return YES;
	if (used > limits[2 * n + LOW]) return answer_of(NO, BEYOND_LOW);
	return used + costs > high ? answer_of(NO, WOULD_BE_HIGH) : YES;
}

static inline void judge_all(int32_t capability, int32_t shard, int32_t flags, uint8_t *restrict row) {
	double costs = cost(shard, flags);
	if (on) EACH_NODE(n) tr_raise(&row[n], judge(capability, costs, flags, n));
}

RULE(can_allocate) { judge_all(ALLOCATE, shard, flags, row); }
RULE(can_remain) { judge_all(REMAIN, shard, flags, row); }
METER { return on ? judge(capability, cost(shard, flags), flags, node) : YES; }

EXPLAIN {
	int stage = reason_of(answer) == BEYOND_LOW ? LOW : HIGH;
	double capacity = CAPACITY(node), used = USED(node), above = limit(stage, capacity);
	if (reason_of(answer) == MUST_LEAVE)
		used -= LEAVING(node);
	else
		used += COMING(node);
	if (reason_of(answer) == WOULD_BE_HIGH) used += cost(shard, flags);
	why(WHAT " of node %t has ", node_name(node));
	why_size(used);
	why(" of ");
	why_size(capacity);
	why(" in use");
	if (reason_of(answer) == MUST_LEAVE) {
		why(" without what is leaving");
	} else {
		why(" with what is coming");
		if (reason_of(answer) == WOULD_BE_HIGH) {
			why(" and the ");
			why_size(cost(shard, flags));
			why(" of shard %t/%d", SHARD(shard));
		}
	}
	why(", above ");
	why_size(above);
	why(": setting %T is %T", marks[stage].mark->name, marks[stage].mark->text);
	if (limit_of(&marks[stage], capacity, 0) < above) why(", and %T %T", marks[stage].headroom->name, marks[stage].headroom->text);
}
