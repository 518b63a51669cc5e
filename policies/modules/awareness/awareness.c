/* awareness spreads the copies of a shard over the values of attributes, so that a zone or a rack that fails takes few of
 * them: of N values each has at most 1/N of the copies, rounded up. */
#define TROUPE_NEEDS(need) \
	need(node_attributes) need(attribute_name) need(attribute_value) need(node_flags) need(node_roles) need(node_name) \
	need(copy_node) need(copy_id) need(copy_source) need(shard_keyspace) need(shard_number) need(keyspace_name) need(keyspace_replicas)
#define PREPARE prepare
#include "../house.h"
MANIFEST("manifest.json")

#define SETTING "cluster.routing.allocation.awareness.attributes"
#define FORCE "cluster.routing.allocation.awareness.force."

enum { FULL = 1, MISSING = 32, MOST = 31 };     /* codes: from each on, one for every attribute; those beyond MOST share the last */
enum { UNSAID = -1, UNSEEN = -2 };              /* nodes that do not say the attribute; and those that others judge, with a value nobody else says */

/* An attribute that copies are spread over. */
typedef struct {
	text_t name;
	int32_t count;
	text_t *values; /* sorted */
	int32_t *of;    /* by node: the place of its value, UNSAID or UNSEEN: in that order they are places before the first */
} attribute_t;

/* How a keyspace's copies are spread. */
typedef struct {
	const setting_t *from;
	int32_t count;
	attribute_t *attributes;
} spread_t;

static spread_t *spreads; /* by keyspace */
static int32_t *held;     /* copies at each value of the attribute that is looked at */
static uint8_t *answers;  /* of nodes that do not say the attribute, of those with a value that nobody else says, and of those with each value */
static int32_t held_room;

/* The place of a value, or where it would be, less one and negative. */
static int32_t place(const attribute_t *a, text_t value) {
	int32_t low = 0, high = a->count;
	while (low < high) {
		int32_t middle = (low + high) / 2, c = compare(a->values[middle], value);
		if (c == 0) return middle;
		if (c < 0) low = middle + 1;
		else high = middle;
	}
	return -low - 1;
}

static int add(attribute_t *a, int32_t room, text_t value) {
	int32_t at = place(a, value);
	if (at >= 0) return 1;
	if (a->count == room) return 0;
	at = -at - 1;
	for (int32_t i = a->count++; i > at; i--) a->values[i] = a->values[i - 1];
	a->values[at] = value;
	return 1;
}

static int32_t commas(text_t t) {
	int32_t n = 1;
	for (uint32_t i = 0; i < t.length; i++) n += t.at[i] == ',';
	return n;
}

static int read_attribute(attribute_t *a, text_t name) {
	*a = (attribute_t){.name = name};
	text_t forced = {"", 0}, value;
	for (const setting_t *s = 0; (s = next_setting(s, (text_t){"", 0}, FORCE));) {
		text_t rest = after(s->name, sizeof FORCE - 1);
		if (has_prefix(rest, name) && same(after(rest, name.length), literal(".values"))) forced = s->text;
	}
	int32_t room = commas(forced) + nodes();
	a->values = scratch((uint32_t)room * sizeof *a->values);
	a->of = scratch((uint32_t)nodes() * sizeof *a->of);
	if (!a->values || (!a->of && nodes())) return 0;
	while (next_name(&forced, &value)) add(a, room, value);
	EACH_NODE(n) {
		uint32_t says = attribute(n, name);
		if (says && !(node_flags(n) & (NODE_DOWN | NODE_DRAINING)) && node_roles(n) & ROLE_DATA) add(a, room, text(says));
	}
	EACH_NODE(n) {
		uint32_t says = attribute(n, name);
		int32_t at = place(a, text(says));
		a->of[n] = at >= 0 ? at : says ? UNSEEN : UNSAID;
	}
	if (a->count > held_room) held_room = a->count;
	return 1;
}

static int read_spread(spread_t *to, const setting_t *s) {
	*to = (spread_t){.from = s};
	if (!s) return 1;
	text_t list = s->text, name;
	to->attributes = scratch((uint32_t)commas(list) * sizeof *to->attributes);
	if (!to->attributes) return 0;
	while (next_name(&list, &name))
		if (!read_attribute(&to->attributes[to->count++], name)) return 0;
	return 1;
}

static int32_t prepare(void) {
	spreads = scratch((uint32_t)keyspaces() * sizeof *spreads);
	int enough = spreads || !keyspaces();
	int32_t everybody = NONE; /* a keyspace without a word of its own: what it has, the others have too */
	held_room = 0;
	for (int32_t k = 0; enough && k < keyspaces(); k++) {
		const setting_t *s = setting_of(text(keyspace_name(k)), SETTING);
		if (everybody >= 0 && s == spreads[everybody].from) {
			spreads[k] = spreads[everybody];
			continue;
		}
		enough = read_spread(&spreads[k], s);
		if (!s || !s->keyspace.length) everybody = k;
	}
	if (enough && held_room) enough = (held = scratch((uint32_t)held_room * sizeof *held)) != 0;
	if (enough) enough = (answers = scratch((uint32_t)held_room + 2)) != 0;
	return enough ? 0 : refuse("no memory for the values of attributes; raise limits.pages");
}

/* The node of a copy that takes its part of a value from the one in question, or NONE. Asked where a copy may remain, the
 * older ones do. */
static inline int32_t counted(int32_t capability, int32_t shard, int32_t copy, int32_t c) {
	if (node_flags(copy_node(c)) & NODE_DOWN) return NONE;
	if (copy >= 0 && (c == copy || copy_source(c) == copy || (capability == REMAIN && copy_id(c) > copy_id(copy)))) return NONE;
	EACH_COPY(other, shard)
		if (copy_source(other) == c) return NONE;
	return copy_node(c);
}

static void count(const attribute_t *a, int32_t capability, int32_t shard, int32_t copy) {
	for (int32_t i = 0; i < a->count; i++) held[i] = 0;
	EACH_COPY(c, shard) {
		int32_t n = counted(capability, shard, copy, c);
		if (n >= 0 && a->of[n] >= 0) held[a->of[n]]++;
	}
}

static int32_t copies(int32_t shard) { return 1 + (int32_t)keyspace_replicas(shard_keyspace(shard)); }

static int32_t most(const attribute_t *a, int32_t shard) {
	int32_t n = a->count ? a->count : 1;
	return (copies(shard) + n - 1) / n;
}

static inline void judge(int32_t capability, int32_t shard, int32_t copy, uint8_t *restrict row) {
	spread_t *s = &spreads[shard_keyspace(shard)];
	for (int32_t i = 0; i < s->count; i++) {
		attribute_t *a = &s->attributes[i];
		int32_t code = i < MOST - 1 ? i : MOST - 1, limit = most(a, shard);
		count(a, capability, shard, copy);
		answers[0] = YES, answers[1] = answer_of(NO, MISSING + code);
		for (int32_t v = 0; v < a->count; v++) answers[2 + v] = held[v] >= limit ? answer_of(NO, FULL + code) : YES;
		const uint8_t *by = answers + 2;
		if (i)
			EACH_NODE(n) tr_raise(&row[n], by[a->of[n]]);
		else
			EACH_NODE(n) row[n] = by[a->of[n]]; /* all of it was YES */
	}
}

RULE(can_allocate) { judge(ALLOCATE, shard, copy, row); }
RULE(can_remain) { judge(REMAIN, shard, copy, row); }

EXPLAIN {
	spread_t *s = &spreads[shard_keyspace(shard)];
	int32_t code = reason_of(answer);
	attribute_t *a = &s->attributes[code >= MISSING ? code - MISSING : code - FULL];
	if (code >= MISSING) {
		why("node %t does not say which %T it is in, and setting ", node_name(node), a->name);
		why_name(s->from);
		return why(" is %T", s->from->text);
	}
	count(a, capability, shard, copy);
	int32_t value = a->of[node];
	why("node %t is in %T %T, where %scopies of shard %t/%d are %d already: of %d copies at most %d may be in one of the values ", node_name(node), a->name,
		a->values[value], capability == REMAIN ? "older " : "", SHARD(shard), held[value], copies(shard), most(a, shard));
	for (int32_t i = 0; i < a->count; i++) why(i ? ", %T" : "%T", a->values[i]);
	why("; setting ");
	why_name(s->from);
	why(" is %T", s->from->text);
}
