/* house.h: what the shipped policies share beside the SDK. */
#ifndef HOUSE_H
#define HOUSE_H

#include "../../wasm/guest/c/troupe.h"

/* A shard as people know it, orders/17, for why("… %t/%d …", SHARD(shard)). Needs shard_keyspace, shard_number and keyspace_name. */
#define SHARD(shard) keyspace_name(shard_keyspace(shard)), (int32_t)shard_number(shard)

/* The same answer for every node; rows come in as all YES, and most of these are the only word in theirs. */
#define SAY_ALL(verdict, reason) __builtin_memset(row, answer_of(verdict, reason), (uint32_t)nodes())

/* ---- lists: "a, b,c" ---- */

static inline int blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

TR_UNUSED static text_t trim(text_t t) {
	while (t.length && blank(t.at[0])) t.at++, t.length--;
	while (t.length && blank(t.at[t.length - 1])) t.length--;
	return t;
}

/* Takes the next name off a list; 0 when there is none. */
TR_UNUSED static int next_name(text_t *list, text_t *name) {
	while (list->length) {
		uint32_t n = 0;
		while (n < list->length && list->at[n] != ',') n++;
		*name = trim((text_t){list->at, n});
		n += n < list->length;
		list->at += n, list->length -= n;
		if (name->length) return 1;
	}
	return 0;
}

/* ---- texts ---- */

TR_UNUSED static int has_prefix(text_t t, text_t prefix) { return t.length >= prefix.length && same((text_t){t.at, prefix.length}, prefix); }

TR_UNUSED static text_t after(text_t t, uint32_t n) { return (text_t){t.at + n, t.length - n}; }

/* Less than 0, 0 or more, as a stands before b, at its place or behind it. */
TR_UNUSED static int compare(text_t a, text_t b) {
	for (uint32_t i = 0; i < a.length && i < b.length; i++)
		if (a.at[i] != b.at[i]) return (uint8_t)a.at[i] < (uint8_t)b.at[i] ? -1 : 1;
	return a.length < b.length ? -1 : a.length > b.length;
}

/* ---- settings ---- */

#define ROUTING "cluster.routing."

/* The name that a setting was set by: cluster.routing.x, or a keyspace's own keyspace.orders.routing.x. */
TR_UNUSED static void why_name(const setting_t *s) {
	if (s->keyspace.length)
		why("keyspace.%T.routing.%T", s->keyspace, after(s->name, sizeof ROUTING - 1));
	else
		why("%T", s->name);
}

TR_UNUSED static int is(const setting_t *s, const char *value) { return s && same(s->text, c_string(value)); }

/* ---- sizes ---- */

/* A decimal number at the beginning of a text; what follows it stays. */
TR_UNUSED static double take_number(text_t *t) {
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

TR_UNUSED static const struct { text_t name; double bytes; } units[] = {
	{literal("kb"), 1024.0}, {literal("mb"), 1048576.0}, {literal("gb"), 1073741824.0}, {literal("tb"), 1099511627776.0}, {literal("b"), 1.0}};

TR_UNUSED static double take_size(text_t t) {
	double v = take_number(&t);
	for (uint32_t i = 0; i < sizeof units / sizeof *units; i++)
		if (same(t, units[i].name)) return (double)(int64_t)(v * units[i].bytes);
	return 0;
}

/* Bytes in the unit that leaves one to four digits before the point, with one behind it: the exact value, rounded, and a half
 * to the even. A double is M times a power of two, so that ten times M, shifted, is the value in tenths. */
TR_UNUSED static void why_size(double bytes) {
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

/* ---- times of the week, in minutes from Monday 00:00 ---- */

enum { DAY = 24 * 60, WEEK = 7 * DAY };

TR_UNUSED static const char days[] = "MonTueWedThuFriSatSun";

/* 1970 began on a Thursday. */
TR_UNUSED static int32_t minute_of_week(int64_t seconds) { return (int32_t)((seconds / 60 + 3 * DAY) % WEEK); }

TR_UNUSED static void why_time(int32_t at) {
	text_t day = {days + 3 * (at / DAY), 3};
	int32_t hours = at % DAY / 60, minutes = at % 60;
	why("%T %d%d:%d%d", day, hours / 10, hours % 10, minutes / 10, minutes % 10);
}

#endif
