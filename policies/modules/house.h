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

#endif
