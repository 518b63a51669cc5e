/* windows lets copies move for balance at certain times of the week alone, in UTC. What has begun in a window ends after it.
 * If the time is not known no window is open. */
#define TROUPE_NEEDS(need) need(now) need(node_name) need(shard_keyspace) need(keyspace_name)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.rebalance.windows"

enum { CLOSED = 1, UNKNOWN };
/* Minutes from Monday 00:00, from included and to not. One that goes past Sunday has a to beyond the week. */
typedef struct { int32_t from, to; } window_t;

/* The windows of a keyspace. */
typedef struct {
	const setting_t *by;
	int32_t count;
	window_t *windows;
} times_t;

static times_t *times; /* by keyspace */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

/* Takes a day off a text: 0 for Monday, or NONE. */
static int32_t take_day(text_t *t) {
	for (int32_t d = 0; t->length >= 3 && d < 7; d++) {
		int32_t i = 0;
		while (i < 3 && lower(t->at[i]) == lower(days[3 * d + i])) i++;
		if (i < 3) continue;
		*t = after(*t, 3);
		return d;
	}
	return NONE;
}

static int32_t take_digits(text_t *t) {
	int32_t v = 0;
	for (; t->length && t->at[0] >= '0' && t->at[0] <= '9'; *t = after(*t, 1)) v = v * 10 + (t->at[0] - '0');
	return v;
}

static int take_char(text_t *t, char c) {
	if (!t->length || t->at[0] != c) return 0;
	*t = after(*t, 1);
	return 1;
}

static int32_t take_minute(text_t *t) {
	int32_t hours = take_digits(t);
	take_char(t, ':');
	return 60 * hours + take_digits(t);
}

/* Reads "Mon-Fri 22:00-06:00": a window for each of the days, which the host has seen to be well-formed. */
static int32_t read_windows(text_t t, window_t *to) {
	int32_t n = 0, first = take_day(&t), last = take_char(&t, '-') ? take_day(&t) : first;
	t = trim(t);
	int32_t begin = take_minute(&t);
	take_char(&t, '-');
	int32_t end = take_minute(&t);
	if (first < 0 || last < 0) return 0;
	if (end <= begin) end += DAY;
	for (int32_t d = first;; d = (d + 1) % 7) {
		to[n++] = (window_t){d * DAY + begin, d * DAY + end};
		if (d == last) return n;
	}
}

static int32_t prepare(void) {
	times = scratch((uint32_t)keyspaces() * sizeof *times);
	if (!times && keyspaces()) return refuse("no memory for the windows of each keyspace; raise limits.pages");
	for (int32_t k = 0; k < keyspaces(); k++) {
		times[k] = (times_t){.by = setting_of(text(keyspace_name(k)), SETTING)};
		text_t list = times[k].by ? times[k].by->text : (text_t){"", 0}, part;
		if (!list.length) continue;
		uint32_t parts = 1;
		for (uint32_t i = 0; i < list.length; i++) parts += list.at[i] == ',';
		if (!(times[k].windows = scratch(7 * parts * sizeof(window_t)))) return refuse("no memory for the windows; raise limits.pages");
		while (next_name(&list, &part)) times[k].count += read_windows(part, times[k].windows + times[k].count);
	}
	return 0;
}

static int32_t minute(void) { return minute_of_week(now()); }

static int open(const times_t *t) {
	int32_t at = minute();
	for (int32_t i = 0; i < t->count; i++)
		if ((t->windows[i].from <= at && at < t->windows[i].to) || at + WEEK < t->windows[i].to) return 1;
	return 0;
}

RULE(can_rebalance) {
	const times_t *t = &times[shard_keyspace(shard)];
	if (!t->count) return;
	if (!now())
		SAY_ALL(NO, UNKNOWN);
	else if (!open(t))
		SAY_ALL(NO, CLOSED);
}

EXPLAIN {
	const times_t *t = &times[shard_keyspace(shard)];
	why("nothing leaves node %t for balance", node_name(node));
	if (reason_of(answer) == UNKNOWN) {
		why(": the time is not known, and setting ");
	} else {
		int32_t ahead = WEEK;
		for (int32_t i = 0; i < t->count; i++)
			for (int edge = 0; edge < 2; edge++) {
				int32_t to = ((edge ? t->windows[i].to : t->windows[i].from) - minute() + 2 * WEEK) % WEEK;
				if (to && to < ahead) ahead = to;
			}
		why(" before ");
		why_time((minute() + ahead) % WEEK);
		why(": it is ");
		why_time(minute());
		why(" UTC, and setting ");
	}
	why_name(t->by);
	why(" is %T", t->by->text);
}
