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

/* A decimal number at the beginning of a text; what follows it stays. */
static double take_number(text_t *t) {
	double v = 0, scale = 1;
	int32_t exponent = 0, sign = 1;
	uint32_t i = 0;
	for (; i < t->length && t->at[i] >= '0' && t->at[i] <= '9'; i++) v = v * 10 + (t->at[i] - '0');
	if (i < t->length && t->at[i] == '.')
		for (i++; i < t->length && t->at[i] >= '0' && t->at[i] <= '9'; i++, exponent--) v = v * 10 + (t->at[i] - '0');
	if (i < t->length && (t->at[i] == 'e' || t->at[i] == 'E')) {
		int32_t e = 0;
		i++;
		if (i < t->length && (t->at[i] == '-' || t->at[i] == '+')) sign = t->at[i++] == '-' ? -1 : 1;
		for (; i < t->length && t->at[i] >= '0' && t->at[i] <= '9'; i++) e = e * 10 + (t->at[i] - '0');
		exponent += sign * e;
	}
	*t = after(*t, i);
	for (int32_t e = exponent < 0 ? -exponent : exponent; e > 0; e--) scale *= 10;
	return exponent < 0 ? v / scale : v * scale;
}

static const struct { text_t name; double bytes; } units[] = {
	{literal("kb"), 1024.0}, {literal("mb"), 1048576.0}, {literal("gb"), 1073741824.0}, {literal("tb"), 1099511627776.0}, {literal("b"), 1.0}};

static double take_size(text_t t) {
	double v = take_number(&t);
	for (uint32_t i = 0; i < sizeof units / sizeof *units; i++)
		if (same(t, units[i].name)) return (double)(int64_t)(v * units[i].bytes);
	return 0;
}

static void read_mark(mark_t *m, const char *mark, const char *headroom) {
	*m = (mark_t){.mark = setting_of((text_t){"", 0}, mark), .headroom = setting_of((text_t){"", 0}, headroom)};
	text_t t = m->mark->text;
	if (t.length && t.at[t.length - 1] == '%')
		m->part = take_number(&t) / 100;
	else
		m->left = take_size(t);
	if (!same(m->headroom->text, literal("-1"))) m->most_left = take_size(m->headroom->text);
}

static int32_t prepare(void) {
	on = setting_flag(SETTINGS "threshold_enabled");
	read_mark(&marks[LOW], SETTINGS "watermark.low", SETTINGS "watermark.low.max_headroom");
	read_mark(&marks[HIGH], SETTINGS "watermark.high", SETTINGS "watermark.high.max_headroom");
	return 0;
}

static inline double larger(double a, double b) { return a > b ? a : b; }

static inline double limit_of(const mark_t *m, double capacity, double headroom) {
	if (m->left > 0) return larger(0, capacity - m->left);
	if (headroom > 0) return larger(capacity * m->part, capacity - headroom);
	return capacity * m->part;
}

static inline double limit(int stage, double capacity) { return limit_of(&marks[stage], capacity, marks[stage].most_left); }

/* What a copy costs. */
static inline double cost(int32_t shard, int32_t flags) { return flags & FLAG_PRIMARY ? PRIMARY_COST(shard) : REPLICA_COST(shard); }

static inline uint8_t judge(int32_t capability, double costs, int32_t flags, int32_t n) {
	double capacity = CAPACITY(n), used = USED(n);
	if (capacity <= 0) return YES;
	if (capability == REMAIN) return used - LEAVING(n) > limit(HIGH, capacity) && costs > 0 ? answer_of(NO, MUST_LEAVE) : YES;
	used += COMING(n);
	if (used > limit(HIGH, capacity)) return answer_of(NO, BEYOND_HIGH);
	if (flags & FLAG_NEW) return YES;
	if (used > limit(LOW, capacity)) return answer_of(NO, BEYOND_LOW);
	return used + costs > limit(HIGH, capacity) ? answer_of(NO, WOULD_BE_HIGH) : YES;
}

static inline void judge_all(int32_t capability, int32_t shard, int32_t flags, uint8_t *restrict row) {
	double costs = cost(shard, flags);
	if (on) EACH_NODE(n) tr_raise(&row[n], judge(capability, costs, flags, n));
}

RULE(can_allocate) { judge_all(ALLOCATE, shard, flags, row); }
RULE(can_remain) { judge_all(REMAIN, shard, flags, row); }
METER { return on ? judge(capability, cost(shard, flags), flags, node) : YES; }

/* Bytes in the unit that leaves one to four digits before the point, with one behind it: the exact value, rounded, and a half
 * to the even. A double is M times a power of two, so that ten times M, shifted, is the value in tenths. */
static void why_size(double bytes) {
	static const char *const names[] = {"b", "kb", "mb", "gb", "tb"};
	union { double value; uint64_t bits; } d = {bytes};
	uint64_t mantissa = (d.bits & ((1ull << 52) - 1)) | 1ull << 52, tenths = 0;
	int unit = 0;
	for (double in = bytes; in >= 1024 && unit < 4; unit++) in /= 1024;
	int shift = 52 + 10 * unit - ((int)(d.bits >> 52 & 0x7ff) - 1023);
	if (bytes > 0 && shift < 60) {
		if (unit) mantissa *= 10;
		uint64_t rest = mantissa & ((1ull << shift) - 1), half = 1ull << shift >> 1;
		tenths = mantissa >> shift;
		tenths += rest > half || (rest == half && tenths & 1);
	}
	if (unit)
		why("%l.%d%s", (int64_t)(tenths / 10), (int32_t)(tenths % 10), names[unit]);
	else
		why("%lb", (int64_t)tenths);
}

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
