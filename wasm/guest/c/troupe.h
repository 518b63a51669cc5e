/* troupe.h: a placement policy in C, ABI version 1. The whole SDK is this file.
 *
 *     #define TROUPE_NEEDS(need) need(node_name) need(node_flags)
 *     #include "troupe.h"
 *     MANIFEST("manifest.json")
 *
 *     RULE(can_allocate) {
 *         EACH_NODE(n)
 *             if (node_flags(n) & NODE_DRAINING) say(n, NO, 1);
 *     }
 *
 *     EXPLAIN { why("node %t is draining", node_name(node)); }
 *
 * What happens:
 *
 *     host                                 this file                              your file
 *     pol_configure(JSON) ───────────────► reads the settings ──────────────────► PREPARE (if there is one)
 *     pol_state(image) ──────────────────► finds the columns of TROUPE_NEEDS ───► PREPARE
 *     can_allocate(shard, copy, flags, row) ────────────────────────────────────► RULE(can_allocate)
 *
 * A row has a byte for each node: the verdict in the upper two bits, your reason code in the lower six. It comes in as all
 * YES or as others left it, and say only makes it stricter. A column that TROUPE_NEEDS does not name does not compile, and one
 * that the host's image lacks is refused before any question is put.
 *
 * Built for Wasm:  clang --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all
 *                  -Wl,-z,stack-size=16384 -o policy.wasm policy.c
 * Built natively, for tests:  cc -o test test.c, where test.c includes policy.c and troupe_test.h.
 */
#ifndef TROUPE_H
#define TROUPE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define TR_EXPORT(name) __attribute__((export_name(name), used))
#define TR_IMPORT(name) __attribute__((import_module("host"), import_name(name)))
#define MANIFEST(file) __asm__(".section .custom_section.policy.manifest,\"\",@\n.incbin \"" file "\"\n");
#else
#include <stdlib.h>
#define TR_EXPORT(name)
#define TR_IMPORT(name)
#define MANIFEST(file)
#endif
#define TR_UNUSED __attribute__((unused))
#ifdef __clang__
#define TR_COLD __attribute__((unused, noinline, minsize)) /* runs once, or when somebody asks: small before fast */
#else
#define TR_COLD __attribute__((unused))
#endif

/* ---- words of the ABI ---- */

enum { YES, NOT_PREFERRED, THROTTLE, NO };                  /* verdicts, from mild to strict */
enum { ALLOCATE, REMAIN, REBALANCE, PROMOTE, START, SCORE }; /* capabilities, as EXPLAIN gets them */
enum { FLAG_PRIMARY = 1, FLAG_NEW = 2 };                    /* flags: the copy leads, or will; it is the shard's first */
enum { NODE_DOWN = 1, NODE_DRAINING = 2, NODE_MAINTAINED = 4, NODE_EXCLUDED = 8 };
enum { ROLE_META = 1, ROLE_DATA = 2, ROLE_GATEWAY = 4 };
enum { EVIDENCE_NONE, EVIDENCE_ALIVE, EVIDENCE_GREY, EVIDENCE_SUSPECT, EVIDENCE_DEAD };
enum { COPY_IN_SYNC = 1, COPY_STARTED = 2, COPY_FRESH = 4, COPY_FAILED = 8 };
enum { DURABILITY_FSYNC, DURABILITY_INTERVAL, DURABILITY_MEMORY };
enum { LEVEL_DEBUG = -4, LEVEL_INFO = 0, LEVEL_WARN = 4, LEVEL_ERROR = 8 };
enum { NONE = -1 };

TR_IMPORT("log") void host_log(int32_t level, const char *at, int32_t length);
TR_IMPORT("log_enabled") int32_t host_log_enabled(int32_t level);
TR_IMPORT("error") void host_error(const char *at, int32_t length);

/* ---- columns: number, name, type, rows, what stands for nothing ---- */

#define TROUPE_COLUMNS(column) \
	/* columns begin */ \
	column(1, now, int64_t, 1, 0) /* wall time of the plan in seconds since 1970, UTC; 0: not known */ \
	column(2, ticks, int64_t, 1, 0) /* the placement leader's clock, in ticks */ \
	column(3, tick_length, uint32_t, 1, 0) /* length of a tick in milliseconds */ \
	column(4, relocating, uint32_t, 1, 0) /* relocations for balance alone that are under way in the cluster */ \
	column(5, unled, uint32_t, 1, 0) /* shards without a primary */ \
	column(6, unwhole, uint32_t, 1, 0) /* shards with fewer copies in sync than their keyspace wants */ \
	column(7, rebalanced, uint32_t, 1, 0) /* copies that began to move for balance alone within cluster.routing.rebalance.budget.window; counted while a budget or a cooldown is set */ \
	column(8, rebalanced_bytes, double, 1, 0) /* bytes of these copies, as far as their shards had been measured */ \
	column(9, rebalanced_until, int64_t, 1, 0) /* wall time in seconds since 1970, UTC, at which the oldest of them counts no more; 0: there are none */ \
	column(16, text_starts, uint32_t, 0, 0) /* where each string begins in text; string 0 is empty */ \
	column(17, text, uint8_t, 0, 0) /* the bytes of all strings, UTF-8, without separators */ \
	column(32, node_id, uint32_t, nodes(), 0) /* the node's id, which survives its restarts */ \
	column(33, node_name, uint32_t, nodes(), 0) /* its name, for people */ \
	column(34, node_host, uint32_t, nodes(), 0) /* the machine that it runs on */ \
	column(35, node_address, uint32_t, nodes(), 0) /* host:port where other nodes reach it */ \
	column(36, node_release, uint32_t, nodes(), 0) /* version of the program that it runs, for people */ \
	column(37, node_format, uint32_t, nodes(), 0) /* version of wire and state that it speaks */ \
	column(38, node_epoch, int64_t, nodes(), 0) /* number of its life, raised at each start */ \
	column(39, node_roles, uint8_t, nodes(), 0) /* bits: 1 meta, 2 data, 4 gateway */ \
	column(40, node_flags, uint8_t, nodes(), 0) /* bits: 1 down, 2 draining, 4 maintained, 8 excluded from voting */ \
	column(41, node_evidence, uint8_t, nodes(), 0) /* 0 none, 1 alive, 2 grey, 3 suspect, 4 dead */ \
	column(42, node_since, int64_t, nodes(), 0) /* tick of the last change of node_evidence */ \
	column(43, node_held, int64_t, nodes(), 0) /* tick until which it gets no new copies, since it came back too often; 0: not held */ \
	column(44, node_reason, uint32_t, nodes(), 0) /* the sentence behind node_evidence */ \
	column(45, node_copies, uint32_t, nodes(), 0) /* copies that it will hold when all relocations have ended */ \
	column(46, node_primaries, uint32_t, nodes(), 0) /* copies that it will lead when all hand-overs have ended */ \
	column(47, node_incoming, uint32_t, nodes(), 0) /* recoveries into it */ \
	column(48, node_outgoing, uint32_t, nodes(), 0) /* recoveries that it, as a primary, feeds */ \
	column(49, node_capacity_cpu, double, nodes(), 0) /* cores that it may use; 0: not known, as in all figures of capacity */ \
	column(50, node_capacity_memory, double, nodes(), 0) /* bytes of memory that it may use */ \
	column(51, node_capacity_disk, double, nodes(), 0) /* bytes of its data folder's disk */ \
	column(52, node_used_cpu, double, nodes(), 0) /* cores that are busy, with whatever */ \
	column(53, node_used_memory, double, nodes(), 0) /* bytes of memory that are taken, by whatever */ \
	column(54, node_used_disk, double, nodes(), 0) /* bytes of disk that are taken, by whatever */ \
	column(55, node_attributes, uint32_t, nodes() + 1, 0) /* where each node's attributes begin in attribute_name and attribute_value */ \
	column(56, attribute_name, uint32_t, 0, 0) /* name of an attribute that a node was started with */ \
	column(57, attribute_value, uint32_t, 0, 0) /* its value */ \
	column(58, node_coming_cpu, double, nodes(), 0) /* cores that recoveries into it will add to node_used_cpu, as far as their shards have been measured */ \
	column(59, node_coming_memory, double, nodes(), 0) /* bytes of memory that they will add */ \
	column(60, node_coming_disk, double, nodes(), 0) /* bytes of disk that they will add */ \
	column(61, node_leaving_cpu, double, nodes(), 0) /* cores that copies on it free when others have taken their place */ \
	column(62, node_leaving_memory, double, nodes(), 0) /* bytes of memory that they free */ \
	column(63, node_leaving_disk, double, nodes(), 0) /* bytes of disk that they free */ \
	column(64, node_opening, uint32_t, nodes(), 0) /* first copies of shards on it that have not said yet that they are open */ \
	column(96, keyspace_name, uint32_t, keyspaces(), 0) /* the keyspace's name */ \
	column(97, keyspace_shards, uint32_t, keyspaces(), 0) /* its shards */ \
	column(98, keyspace_replicas, uint32_t, keyspaces(), 0) /* replicas wanted of each, beside the primary */ \
	column(99, keyspace_min_in_sync, uint32_t, keyspaces(), 0) /* copies that must hold a write, the primary among them */ \
	column(100, keyspace_durability, uint8_t, keyspaces(), 0) /* 0 fsync, 1 interval, 2 memory */ \
	column(101, keyspace_node_copies, uint32_t, keyspaces() * nodes(), 0) /* node_copies of this keyspace alone */ \
	column(102, keyspace_node_primaries, uint32_t, keyspaces() * nodes(), 0) /* node_primaries of this keyspace alone */ \
	column(103, keyspace_rebalanced, uint32_t, keyspaces(), 0) /* rebalanced of this keyspace alone, within its own budget.window */ \
	column(104, keyspace_rebalanced_bytes, double, keyspaces(), 0) /* rebalanced_bytes of this keyspace alone */ \
	column(105, keyspace_rebalanced_until, int64_t, keyspaces(), 0) /* rebalanced_until of this keyspace alone */ \
	column(128, shard_keyspace, int32_t, shards(), 0) /* the shard's keyspace */ \
	column(129, shard_number, uint32_t, shards(), 0) /* its number in its keyspace */ \
	column(130, shard_primary, int32_t, shards(), NONE) /* the copy that leads; none if none does */ \
	column(131, shard_hand_to, int32_t, shards(), NONE) /* the copy that the primary is asked to hand over to; none if it is not */ \
	column(132, shard_failures, uint32_t, shards(), 0) /* copies that failed in a row */ \
	column(133, shard_copies, uint32_t, shards(), 0) /* copies that exist: slots whose copy_node is not none */ \
	column(134, shard_primary_cpu, double, shards(), 0) /* cores that the copy which leads takes; 0: not measured, as in all figures of load */ \
	column(135, shard_primary_memory, double, shards(), 0) /* bytes of memory that it takes */ \
	column(136, shard_primary_disk, double, shards(), 0) /* bytes of disk that it takes */ \
	column(137, shard_replica_cpu, double, shards(), 0) /* cores that a copy which does not lead takes */ \
	column(138, shard_replica_memory, double, shards(), 0) /* bytes of memory that it takes */ \
	column(139, shard_replica_disk, double, shards(), 0) /* bytes of disk that it takes */ \
	column(140, shard_setback, int64_t, shards(), 0) /* tick at which a copy was last seen to fail; the least number if none was */ \
	column(141, shard_rebalanced, int64_t, shards(), 0) /* wall time in seconds since 1970, UTC, at which a copy last began to move for balance; 0: none did, or it is not counted, as with rebalanced */ \
	column(160, copy_node, int32_t, shards() * slots(), NONE) /* the node that holds the copy; none if the slot is free */ \
	column(161, copy_flags, uint8_t, shards() * slots(), 0) /* bits: 1 in sync, 2 started, 4 fresh, 8 failed */ \
	column(162, copy_source, int32_t, shards() * slots(), NONE) /* relocation: the copy whose place it takes; else none */ \
	column(163, copy_id, int64_t, shards() * slots(), 0) /* the copy's number, as people see it in c7: the smaller is the older; 0 if the slot is free */ \
	/* columns end */

#define TR_DECLARE(id, name, type, rows, nothing) \
	typedef type tr_type_##name; \
	enum { tr_id_##name = id };
TROUPE_COLUMNS(TR_DECLARE)

#ifndef TROUPE_NEEDS
#error "define TROUPE_NEEDS(need) before troupe.h: the columns that the policy reads, as in need(node_name)"
#endif
#define TR_POINTER(name) TR_UNUSED static const tr_type_##name *tr_at_##name;
TROUPE_NEEDS(TR_POINTER)

/* accessors begin */
#define now() (tr_at_now[0])
#define ticks() (tr_at_ticks[0])
#define tick_length() (tr_at_tick_length[0])
#define relocating() (tr_at_relocating[0])
#define unled() (tr_at_unled[0])
#define unwhole() (tr_at_unwhole[0])
#define rebalanced() (tr_at_rebalanced[0])
#define rebalanced_bytes() (tr_at_rebalanced_bytes[0])
#define rebalanced_until() (tr_at_rebalanced_until[0])
#define node_id(i) (tr_at_node_id[i])
#define node_name(i) (tr_at_node_name[i])
#define node_host(i) (tr_at_node_host[i])
#define node_address(i) (tr_at_node_address[i])
#define node_release(i) (tr_at_node_release[i])
#define node_format(i) (tr_at_node_format[i])
#define node_epoch(i) (tr_at_node_epoch[i])
#define node_roles(i) (tr_at_node_roles[i])
#define node_flags(i) (tr_at_node_flags[i])
#define node_evidence(i) (tr_at_node_evidence[i])
#define node_since(i) (tr_at_node_since[i])
#define node_held(i) (tr_at_node_held[i])
#define node_reason(i) (tr_at_node_reason[i])
#define node_copies(i) (tr_at_node_copies[i])
#define node_primaries(i) (tr_at_node_primaries[i])
#define node_incoming(i) (tr_at_node_incoming[i])
#define node_outgoing(i) (tr_at_node_outgoing[i])
#define node_capacity_cpu(i) (tr_at_node_capacity_cpu[i])
#define node_capacity_memory(i) (tr_at_node_capacity_memory[i])
#define node_capacity_disk(i) (tr_at_node_capacity_disk[i])
#define node_used_cpu(i) (tr_at_node_used_cpu[i])
#define node_used_memory(i) (tr_at_node_used_memory[i])
#define node_used_disk(i) (tr_at_node_used_disk[i])
#define node_attributes(i) (tr_at_node_attributes[i])
#define attribute_name(i) (tr_at_attribute_name[i])
#define attribute_value(i) (tr_at_attribute_value[i])
#define node_coming_cpu(i) (tr_at_node_coming_cpu[i])
#define node_coming_memory(i) (tr_at_node_coming_memory[i])
#define node_coming_disk(i) (tr_at_node_coming_disk[i])
#define node_leaving_cpu(i) (tr_at_node_leaving_cpu[i])
#define node_leaving_memory(i) (tr_at_node_leaving_memory[i])
#define node_leaving_disk(i) (tr_at_node_leaving_disk[i])
#define node_opening(i) (tr_at_node_opening[i])
#define keyspace_name(i) (tr_at_keyspace_name[i])
#define keyspace_shards(i) (tr_at_keyspace_shards[i])
#define keyspace_replicas(i) (tr_at_keyspace_replicas[i])
#define keyspace_min_in_sync(i) (tr_at_keyspace_min_in_sync[i])
#define keyspace_durability(i) (tr_at_keyspace_durability[i])
#define keyspace_node_copies(k, n) (tr_at_keyspace_node_copies[(k) * nodes() + (n)])
#define keyspace_node_primaries(k, n) (tr_at_keyspace_node_primaries[(k) * nodes() + (n)])
#define keyspace_rebalanced(i) (tr_at_keyspace_rebalanced[i])
#define keyspace_rebalanced_bytes(i) (tr_at_keyspace_rebalanced_bytes[i])
#define keyspace_rebalanced_until(i) (tr_at_keyspace_rebalanced_until[i])
#define shard_keyspace(i) (tr_at_shard_keyspace[i])
#define shard_number(i) (tr_at_shard_number[i])
#define shard_primary(i) (tr_at_shard_primary[i])
#define shard_hand_to(i) (tr_at_shard_hand_to[i])
#define shard_failures(i) (tr_at_shard_failures[i])
#define shard_copies(i) (tr_at_shard_copies[i])
#define shard_primary_cpu(i) (tr_at_shard_primary_cpu[i])
#define shard_primary_memory(i) (tr_at_shard_primary_memory[i])
#define shard_primary_disk(i) (tr_at_shard_primary_disk[i])
#define shard_replica_cpu(i) (tr_at_shard_replica_cpu[i])
#define shard_replica_memory(i) (tr_at_shard_replica_memory[i])
#define shard_replica_disk(i) (tr_at_shard_replica_disk[i])
#define shard_setback(i) (tr_at_shard_setback[i])
#define shard_rebalanced(i) (tr_at_shard_rebalanced[i])
#define copy_node(i) (tr_at_copy_node[i])
#define copy_flags(i) (tr_at_copy_flags[i])
#define copy_source(i) (tr_at_copy_source[i])
#define copy_id(i) (tr_at_copy_id[i])
/* accessors end */

static struct {
	int32_t nodes, keyspaces, shards, slots, ready;
	uint64_t epoch;
	const uint32_t *starts; /* of the dictionary */
	const char *bytes;
	uint32_t words;
} tr_image;

/* Lengths of the tables. A shard has slots() copies, some of them free. */
TR_UNUSED static inline int32_t nodes(void) { return tr_image.nodes; }
TR_UNUSED static inline int32_t keyspaces(void) { return tr_image.keyspaces; }
TR_UNUSED static inline int32_t shards(void) { return tr_image.shards; }
TR_UNUSED static inline int32_t slots(void) { return tr_image.slots; }

#define EACH_NODE(n) for (int32_t n = 0, n##_end = nodes(); n < n##_end; n++)
/* Every copy that the shard has. Needs copy_node. */
#define EACH_COPY(c, shard) \
	for (int32_t c = (shard) * slots(), c##_end = c + slots(); c < c##_end; c++) \
		if (copy_node(c) >= 0)

/* ---- rules ---- */

#define RULE(name) \
	static void tr_rule_##name(int32_t shard, int32_t copy, int32_t flags, uint8_t *restrict row); \
	TR_EXPORT(#name) void name(int32_t shard, int32_t copy, int32_t flags, uint8_t *row) { tr_rule_##name(shard, copy, flags, row); } \
	static inline void tr_rule_##name(TR_UNUSED int32_t shard, TR_UNUSED int32_t copy, TR_UNUSED int32_t flags, uint8_t *restrict row)

/* A scorer: points[n] for each node, lower is better. */
#define SCORER \
	static void tr_scorer(int32_t shard, int32_t copy, int32_t flags, double *restrict points); \
	TR_EXPORT("score") void score(int32_t shard, int32_t copy, int32_t flags, double *points) { tr_scorer(shard, copy, flags, points); } \
	static inline void tr_scorer(TR_UNUSED int32_t shard, TR_UNUSED int32_t copy, TR_UNUSED int32_t flags, double *restrict points)

/* The answer about one node, equal to the row's byte: a policy has it if its answers about a node depend on the sums of that node
 * alone (node_copies and its kin), so that the host need not ask for the whole row when they change. */
#define METER \
	static int32_t tr_meter(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node); \
	TR_EXPORT("meter") int32_t meter(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node) { return tr_meter(capability, shard, copy, flags, node); } \
	static inline int32_t tr_meter(TR_UNUSED int32_t capability, TR_UNUSED int32_t shard, TR_UNUSED int32_t copy, TR_UNUSED int32_t flags, TR_UNUSED int32_t node)

/* Called for each value that the host has changed in the image: for a policy that keeps figures of its own, derived in PREPARE from
 * columns that move. The others read the columns anew at each question. column_of(node_copies) is a column's number. */
#define CHANGED \
	static void tr_changed(int32_t column, int32_t row); \
	TR_EXPORT("pol_delta") void pol_delta(const uint8_t *list, int32_t length) { \
		for (int32_t i = 0; i + 8 <= length; i += 8) tr_changed((int32_t)(tr_u32(list + i) & 0xffff), (int32_t)tr_u32(list + i + 4)); \
	} \
	static inline void tr_changed(TR_UNUSED int32_t column, TR_UNUSED int32_t row)
#define column_of(name) ((int32_t)tr_id_##name)

#define answer_of(verdict, reason) ((verdict) << 6 | (reason))
#define say(n, verdict, reason) tr_raise(&row[n], (uint8_t)((verdict) << 6 | (reason)))
#define say_all(verdict, reason) \
	do EACH_NODE(tr_n) say(tr_n, verdict, reason); \
	while (0)
#define verdict_of(answer) ((answer) >> 6)
#define reason_of(answer) ((answer) & 63)

TR_UNUSED static inline void tr_raise(uint8_t *at, uint8_t answer) {
	if (answer > *at) *at = answer;
}

/* ---- memory: taken, never given back; scratch is given back as a whole before each PREPARE ---- */

/* memory begin */
#ifdef __wasm__
extern unsigned char __heap_base;
static uintptr_t tr_top;

TR_COLD static void *tr_take(uint32_t size) {
	if (!tr_top) tr_top = (uintptr_t)&__heap_base;
	uintptr_t at = (tr_top + 15) & ~(uintptr_t)15;
	uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
	if (size > UINT32_MAX - 65536 - at) return 0;
	if (at + size > have && __builtin_wasm_memory_grow(0, (at + size - have + 65535) >> 16) == (size_t)-1) return 0;
	tr_top = at + size;
	return (void *)at;
}
#else
TR_COLD static void *tr_take(uint32_t size) { return malloc(size + 64); }
#endif

static struct { char *at; uint32_t size; } tr_chunks[20];
static uint32_t tr_chunk, tr_used;

/* Memory of zeroes until scratch is given back; 0 when there is no more. Each chunk is twice the last, and is kept. */
TR_COLD static void *scratch(uint32_t size) {
	for (; tr_chunk < 20; tr_chunk++, tr_used = 0) {
		if (!tr_chunks[tr_chunk].at) {
			uint32_t wish = 4096u << tr_chunk;
			tr_chunks[tr_chunk].size = wish < size ? size : wish;
			tr_chunks[tr_chunk].at = tr_take(tr_chunks[tr_chunk].size);
			if (!tr_chunks[tr_chunk].at) return 0;
		}
		uint32_t from = (tr_used + 7) & ~7u;
		if (from <= tr_chunks[tr_chunk].size && size <= tr_chunks[tr_chunk].size - from) {
			tr_used = from + size;
			for (uint32_t i = 0; i < size; i++) tr_chunks[tr_chunk].at[from + i] = 0;
			return tr_chunks[tr_chunk].at + from;
		}
	}
	return 0;
}
/* memory end */

TR_EXPORT("pol_abi_1") void pol_abi_1(void) {}
TR_EXPORT("pol_alloc") void *pol_alloc(int32_t size) { return size < 0 ? 0 : tr_take((uint32_t)size); }

/* ---- strings ---- */

/* strings begin: what stands between such lines is troupe_actor.h's too */
typedef struct {
	const char *at;
	uint32_t length;
} text_t;

/* A string that stands in the source, as in literal("zone"). */
#define literal(s) ((text_t){"" s, sizeof(s) - 1})

TR_COLD static text_t c_string(const char *s) {
	uint32_t n = 0;
	while (s[n]) n++;
	return (text_t){s, n};
}

TR_UNUSED static int same(text_t a, text_t b) {
	if (a.length != b.length) return 0;
	for (uint32_t i = 0; i < a.length; i++)
		if (a.at[i] != b.at[i]) return 0;
	return 1;
}
/* strings end */

/* The string behind a number that a column of strings holds; 0 is the empty string. */
TR_UNUSED static text_t text(uint32_t number) {
	if (number >= tr_image.words) return (text_t){"", 0};
	return (text_t){tr_image.bytes + tr_image.starts[number], tr_image.starts[number + 1] - tr_image.starts[number]};
}

/* The number of a string in the image, or -1: no column holds it. Look once in PREPARE, and compare numbers in rules. */
TR_COLD static int32_t number_of(text_t wanted) {
	for (uint32_t i = 0; i < tr_image.words; i++)
		if (same(text(i), wanted)) return (int32_t)i;
	return NONE;
}

/* Whether a value fits a pattern, in which * stands for any run of bytes. */
TR_UNUSED static int matches(text_t pattern, text_t value) {
	uint32_t p = 0, v = 0, star = UINT32_MAX, resume = 0;
	while (v < value.length) {
		if (p < pattern.length && pattern.at[p] == '*') {
			star = p++;
			resume = v;
		} else if (p < pattern.length && pattern.at[p] == value.at[v]) {
			p++, v++;
		} else if (star != UINT32_MAX) {
			p = star + 1;
			v = ++resume;
		} else {
			return 0;
		}
	}
	while (p < pattern.length && pattern.at[p] == '*') p++;
	return p == pattern.length;
}

/* A node's attribute by its name, as in attribute(n, literal("zone")): the number of its value, 0 if it has none. In a rule
 * that is asked often, look for the name once, in PREPARE, and compare numbers: attribute_numbered(n, zone). Both need the columns
 * node_attributes, attribute_name and attribute_value. */
#define attribute(node, name) tr_attribute(tr_at_node_attributes, tr_at_attribute_name, tr_at_attribute_value, node, name)
#define attribute_numbered(node, number) tr_attribute_numbered(tr_at_node_attributes, tr_at_attribute_name, tr_at_attribute_value, node, number)

TR_UNUSED static uint32_t tr_attribute(const uint32_t *starts, const uint32_t *names, const uint32_t *values, int32_t node, text_t name) {
	for (uint32_t i = starts[node]; i < starts[node + 1]; i++)
		if (same(text(names[i]), name)) return values[i];
	return 0;
}

TR_UNUSED static inline uint32_t tr_attribute_numbered(const uint32_t *starts, const uint32_t *names, const uint32_t *values, int32_t node, int32_t name) {
	for (uint32_t i = starts[node]; i < starts[node + 1]; i++)
		if ((int32_t)names[i] == name) return values[i];
	return 0;
}

/* ---- refusing, logging ---- */

/* Refuses what pol_state or pol_configure was given, with the reason; return it from PREPARE. */
TR_COLD static int32_t refuse(const char *reason) {
	host_error(reason, (int32_t)c_string(reason).length);
	return 1;
}

TR_COLD static void log_line(int32_t level, const char *line) {
	if (host_log_enabled(level)) host_log(level, line, (int32_t)c_string(line).length);
}

/* ---- settings: {"settings":{NAME:value,…},"keyspaces":{KEYSPACE:{NAME:value,…}}} ---- */

typedef enum { SETTING_NONE, SETTING_TEXT, SETTING_NUMBER, SETTING_BOOL, SETTING_LIST, TR_ITEM } setting_kind;

typedef struct {
	text_t keyspace; /* whose own value it is; empty: everybody's */
	text_t name;
	setting_kind kind;
	text_t text;    /* of a text, and of a list's item */
	double number;  /* of a number: durations in milliseconds; of a flag 0 or 1 */
	uint32_t items; /* of a list; they are the next values */
} setting_t;

static struct {
	setting_t *values;
	uint32_t count, room;
} tr_settings;

TR_COLD static setting_t *tr_add(void) {
	if (tr_settings.count == tr_settings.room) {
		uint32_t room = tr_settings.room ? 2 * tr_settings.room : 32;
		setting_t *values = tr_take(room * (uint32_t)sizeof *values);
		if (!values) return 0;
		for (uint32_t i = 0; i < tr_settings.count; i++) values[i] = tr_settings.values[i];
		tr_settings.values = values;
		tr_settings.room = room;
	}
	setting_t *s = &tr_settings.values[tr_settings.count++];
	*s = (setting_t){0};
	return s;
}

/* json begin */
static struct { char *next, *end; } tr_json; /* what is being read */

TR_COLD static int tr_skip(char c) { /* blanks, and then c */
	while (tr_json.next < tr_json.end && (*tr_json.next == ' ' || *tr_json.next == '\n' || *tr_json.next == '\t' || *tr_json.next == '\r')) tr_json.next++;
	if (tr_json.next == tr_json.end || *tr_json.next != c) return 0;
	tr_json.next++;
	return 1;
}

TR_COLD static int32_t tr_hex4(void) {
	int32_t v = 0;
	for (int i = 0; i < 4; i++) {
		if (tr_json.next == tr_json.end) return -1;
		char c = *tr_json.next++;
		int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
		if (d < 0) return -1;
		v = v * 16 + d;
	}
	return v;
}

TR_COLD static char *tr_utf8(char *to, int32_t c) {
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* A JSON string, decoded where it stands: no escape is shorter than what it stands for. */
TR_COLD static int tr_string(text_t *out) {
	if (!tr_skip('"')) return 0;
	char *to = tr_json.next;
	out->at = to;
	while (tr_json.next < tr_json.end) {
		char c = *tr_json.next++;
		if (c == '"') {
			out->length = (uint32_t)(to - out->at);
			return 1;
		}
		if (c != '\\') {
			*to++ = c;
			continue;
		}
		if (tr_json.next == tr_json.end) return 0;
		c = *tr_json.next++;
		if (c == 'u') {
			int32_t rune = tr_hex4();
			if (rune < 0) return 0;
			if (rune >= 0xd800 && rune < 0xdc00 && tr_json.end - tr_json.next >= 6 && tr_json.next[0] == '\\' && tr_json.next[1] == 'u') {
				tr_json.next += 2;
				int32_t low = tr_hex4();
				if (low < 0xdc00 || low > 0xdfff) return 0;
				rune = 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
			}
			to = tr_utf8(to, rune);
		} else {
			*to++ = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'b' ? '\b' : c == 'f' ? '\f' : c;
		}
	}
	return 0;
}

/* A JSON number. Up to 15 digits with an exponent up to 22 come out exact. */
TR_COLD static int tr_number(double *out) {
	int negative = tr_skip('-'), digits = 0, exponent = 0;
	double v = 0;
	char *n = tr_json.next, *end = tr_json.end;
	for (; n < end && *n >= '0' && *n <= '9'; n++, digits++) v = v * 10 + (*n - '0');
	if (n < end && *n == '.')
		for (n++; n < end && *n >= '0' && *n <= '9'; n++, digits++, exponent--) v = v * 10 + (*n - '0');
	if (!digits) return 0;
	if (n < end && (*n == 'e' || *n == 'E')) {
		int minus = 0, e = 0;
		n++;
		if (n < end && (*n == '+' || *n == '-')) minus = *n++ == '-';
		for (; n < end && *n >= '0' && *n <= '9' && e < 1000; n++) e = e * 10 + (*n - '0');
		exponent += minus ? -e : e;
	}
	double scale = 1;
	for (int i = exponent < 0 ? -exponent : exponent; i > 0; i--) scale *= 10;
	v = exponent < 0 ? v / scale : v * scale;
	if (v != v) v = 0; /* nothing by infinity, of 0e400; and infinity by infinity */
	*out = negative ? -v : v;
	tr_json.next = n;
	return 1;
}

TR_COLD static int tr_word(const char *w) {
	text_t word = c_string(w);
	if (tr_json.end - tr_json.next < (ptrdiff_t)word.length || !same((text_t){tr_json.next, word.length}, word)) return 0;
	tr_json.next += word.length;
	return 1;
}
/* json end */

TR_COLD static int tr_value(text_t keyspace, text_t name) {
	setting_t *s = tr_add();
	if (!s) return 0;
	s->keyspace = keyspace;
	s->name = name;
	if (tr_string(&s->text)) return s->kind = SETTING_TEXT, 1;
	if (tr_number(&s->number)) return s->kind = SETTING_NUMBER, 1;
	if (tr_word("true")) return s->kind = SETTING_BOOL, s->number = 1, 1;
	if (tr_word("false")) return s->kind = SETTING_BOOL, 1;
	if (!tr_skip('[')) return 0;
	s->kind = SETTING_LIST;
	uint32_t at = (uint32_t)(s - tr_settings.values), items = 0;
	while (!tr_skip(']')) {
		if (items && !tr_skip(',')) return 0;
		if (!(s = tr_add()) || !tr_string(&s->text)) return 0;
		s->kind = TR_ITEM;
		items++;
	}
	tr_settings.values[at].items = items;
	return 1;
}

/* An object of settings. */
TR_COLD static int tr_object(text_t keyspace) {
	if (!tr_skip('{')) return 0;
	for (int first = 1; !tr_skip('}'); first = 0) {
		text_t name;
		if (!first && !tr_skip(',')) return 0;
		if (!tr_string(&name) || !tr_skip(':')) return 0;
		if (!tr_value(keyspace, name)) return 0;
	}
	return 1;
}

TR_COLD static int tr_read_settings(void) {
	if (!tr_skip('{')) return 0;
	for (int first = 1; !tr_skip('}'); first = 0) {
		text_t part, keyspace;
		if (!first && !tr_skip(',')) return 0;
		if (!tr_string(&part) || !tr_skip(':')) return 0;
		if (same(part, literal("settings"))) {
			if (!tr_object((text_t){"", 0})) return 0;
			continue;
		}
		if (!same(part, literal("keyspaces")) || !tr_skip('{')) return 0;
		for (int one = 1; !tr_skip('}'); one = 0) {
			if (!one && !tr_skip(',')) return 0;
			if (!tr_string(&keyspace) || !tr_skip(':') || !tr_object(keyspace)) return 0;
		}
	}
	return 1;
}

/* The next setting after the one at s (0: the first) whose name begins with prefix, of one keyspace or, with "", of all; 0
 * when there is none. */
TR_COLD static const setting_t *next_setting(const setting_t *s, text_t keyspace, const char *prefix) {
	text_t start = c_string(prefix);
	for (s = s ? s + 1 : tr_settings.values; s && s < tr_settings.values + tr_settings.count; s++)
		if (s->kind != TR_ITEM && same(s->keyspace, keyspace) && s->name.length >= start.length && same((text_t){s->name.at, start.length}, start)) return s;
	return 0;
}

/* The setting of a keyspace, or else everybody's; 0 if there is none. */
TR_COLD static const setting_t *setting_of(text_t keyspace, const char *name) {
	text_t wanted = c_string(name);
	const setting_t *found = 0;
	for (uint32_t i = 0; i < tr_settings.count; i++) {
		const setting_t *s = &tr_settings.values[i];
		if (s->kind == TR_ITEM || !same(s->name, wanted)) continue;
		if (s->keyspace.length == 0) {
			if (!found) found = s;
		} else if (same(s->keyspace, keyspace)) {
			return s;
		}
	}
	return found;
}

/* Values in force. They are what the manifest declares, so a name that is spelt otherwise there gives nothing. */
TR_UNUSED static text_t setting_text(const char *name) {
	const setting_t *s = setting_of((text_t){"", 0}, name);
	return s ? s->text : (text_t){"", 0};
}
TR_UNUSED static double setting_number(const char *name) {
	const setting_t *s = setting_of((text_t){"", 0}, name);
	return s ? s->number : 0;
}
TR_UNUSED static int setting_flag(const char *name) { return setting_number(name) != 0; }

/* The items of a list: how many, and one of them. */
TR_UNUSED static uint32_t setting_count(const setting_t *s) { return s ? s->items : 0; }
TR_UNUSED static text_t setting_item(const setting_t *s, uint32_t i) { return i < setting_count(s) ? s[1 + i].text : (text_t){"", 0}; }

/* ---- the image ---- */

#ifdef PREPARE
static int32_t PREPARE(void);
#endif

static int32_t tr_prepare(void) {
	tr_chunk = tr_used = 0;
#ifdef PREPARE
	return tr_image.ready ? PREPARE() : 0;
#else
	return 0;
#endif
}

TR_COLD TR_EXPORT("pol_configure") int32_t pol_configure(char *at, int32_t length) {
	tr_settings.count = 0;
	tr_json.next = at;
	tr_json.end = at + length;
	if (!tr_read_settings()) return refuse("the settings are not the JSON of ABI version 1");
	return tr_prepare();
}

static uint32_t tr_u32(const uint8_t *at) { return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24; }

/* Where a column's values are; 0 if the image does not have it as that type. */
TR_COLD static const void *tr_column(const uint8_t *image, uint32_t id, uint32_t type, uint32_t *values) {
	uint32_t header = tr_u32(image + 4) >> 16, columns = tr_u32(image + 32);
	for (uint32_t i = 0; i < columns; i++) {
		const uint8_t *entry = image + header + 12 * i;
		if ((tr_u32(entry) & 0xffff) != id || entry[2] != type) continue;
		*values = tr_u32(entry + 8);
		return image + tr_u32(entry + 4);
	}
	return 0;
}

TR_COLD static int32_t tr_lacks(text_t column) {
	char line[160];
	uint32_t n = 0;
	text_t parts[] = {literal("needs column "), column, literal(", which the image does not have; does the manifest name it?")};
	for (int p = 0; p < 3; p++)
		for (uint32_t i = 0; i < parts[p].length && n < sizeof line; i++) line[n++] = parts[p].at[i];
	host_error(line, (int32_t)n);
	return 1;
}

#define TR_KIND(type) _Generic((type)0, uint8_t: 1, uint32_t: 2, int32_t: 2, int64_t: 3, double: 4)
#define TR_FIND(name) \
	if (!(tr_at_##name = tr_column(image, tr_id_##name, TR_KIND(tr_type_##name), &values))) \
		return tr_lacks(c_string(#name));

TR_COLD TR_EXPORT("pol_state") int32_t pol_state(const uint8_t *image, int32_t length) {
	uint32_t values = 0;
	tr_image.ready = 0;
	if (length < 40 || tr_u32(image) != 0x474d4954 || (tr_u32(image + 4) & 0xffff) != 1) return refuse("the state is no image of ABI version 1");
	tr_image.epoch = tr_u32(image + 8) | (uint64_t)tr_u32(image + 12) << 32;
	tr_image.nodes = (int32_t)tr_u32(image + 16);
	tr_image.keyspaces = (int32_t)tr_u32(image + 20);
	tr_image.shards = (int32_t)tr_u32(image + 24);
	tr_image.slots = (int32_t)tr_u32(image + 28);
	tr_image.starts = tr_column(image, tr_id_text_starts, 2, &values);
	tr_image.words = tr_image.starts ? values - 1 : 0;
	tr_image.bytes = tr_column(image, tr_id_text, 1, &values);
	TROUPE_NEEDS(TR_FIND)
	tr_image.ready = 1;
	return tr_prepare();
}

/* ---- explaining ---- */

#define EXPLAIN \
	static void tr_explain(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node, int32_t answer); \
	TR_EXPORT("explain") int32_t explain(int32_t capability, int32_t shard, int32_t copy, int32_t flags, int32_t node, int32_t answer, char *out, int32_t room) { \
		tr_out = out, tr_room = room, tr_written = 0; \
		tr_explain(capability, shard, copy, flags, node, answer); \
		return tr_written; \
	} \
	static void tr_explain(TR_UNUSED int32_t capability, TR_UNUSED int32_t shard, TR_UNUSED int32_t copy, TR_UNUSED int32_t flags, TR_UNUSED int32_t node, TR_UNUSED int32_t answer)

/* writing begin */
TR_UNUSED static char *tr_out;
TR_UNUSED static int32_t tr_room, tr_written;

TR_COLD static void tr_put(char c) { /* what does not fit is counted all the same: the host comes back with more room */
	if (tr_written < tr_room) tr_out[tr_written] = c;
	tr_written++;
}

TR_COLD static void tr_put_text(text_t t) {
	for (uint32_t i = 0; i < t.length; i++) tr_put(t.at[i]);
}

TR_COLD static void tr_put_digits(uint64_t v, int width) {
	char digits[20];
	int n = 0;
	do digits[n++] = (char)('0' + v % 10), v /= 10;
	while (v);
	for (int i = n; i < width; i++) tr_put('0');
	while (n) tr_put(digits[--n]);
}

TR_COLD static void tr_put_integer(int64_t v) {
	if (v < 0) tr_put('-');
	tr_put_digits(v < 0 ? -(uint64_t)v : (uint64_t)v, 1);
}

/* A number, rounded to so many decimals; zeroes at its end are left out. */
TR_COLD static void tr_put_number(double v, int decimals) {
	uint64_t scale = 1;
	for (int i = 0; i < decimals; i++) scale *= 10;
	if (v != v) return tr_put_text(literal("NaN"));
	if (v < 0) tr_put('-'), v = -v;
	if (v > 1e18) return tr_put_text(literal("more than 10^18"));
	uint64_t whole = (uint64_t)v, part = (uint64_t)((v - (double)whole) * (double)scale + 0.5);
	if (part >= scale) whole++, part -= scale;
	tr_put_digits(whole, 1);
	for (; part && part % 10 == 0; decimals--) part /= 10;
	if (part) tr_put('.'), tr_put_digits(part, decimals);
}

/* A duration as Go prints it: 1m30s, 1.5s, 250ms. */
TR_COLD static void tr_put_duration(int64_t ms) {
	if (ms < 0) tr_put('-'), ms = -ms;
	if (ms == 0) return tr_put_text(literal("0s"));
	if (ms < 1000) return tr_put_integer(ms), tr_put_text(literal("ms"));
	int64_t hours = ms / 3600000, minutes = ms / 60000 % 60;
	if (hours) tr_put_integer(hours), tr_put('h');
	if (hours || minutes) tr_put_integer(minutes), tr_put('m');
	tr_put_number((double)(ms % 60000) / 1000, 3);
	tr_put('s');
}

TR_COLD static void tr_put_bytes(double v) {
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	int unit = 0;
	for (; v >= 1024 && unit < 5; unit++) v /= 1024;
	tr_put_number(v, 1);
	tr_put_text(c_string(units[unit]));
}
/* writing end */

/* Writes the sentence of EXPLAIN:
 *
 *     %s  const char *, a C string       %t  uint32_t, the number of a string of the image
 *     %T  text_t                         %d  int32_t
 *     %l  int64_t                        %f  double, up to two decimals
 *     %p  double, as a percentage        %b  double, as bytes: 1.5GB, 1024 to the next unit
 *     %m  int64_t milliseconds: 1m30s    %%  %
 */
TR_COLD static void why(const char *format, ...) {
	va_list a;
	va_start(a, format);
	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			tr_put(*f);
			continue;
		}
		switch (*++f) {
		case 's': tr_put_text(c_string(va_arg(a, const char *))); break;
		case 't': tr_put_text(text(va_arg(a, uint32_t))); break;
		case 'T': tr_put_text(va_arg(a, text_t)); break;
		case 'd': tr_put_integer(va_arg(a, int32_t)); break;
		case 'l': tr_put_integer(va_arg(a, int64_t)); break;
		case 'f': tr_put_number(va_arg(a, double), 2); break;
		case 'p': tr_put_number(100 * va_arg(a, double), 1), tr_put('%'); break;
		case 'b': tr_put_bytes(va_arg(a, double)); break;
		case 'm': tr_put_duration(va_arg(a, int64_t)); break;
		case 0: f--; break;
		default: tr_put(*f);
		}
	}
	va_end(a);
}

#endif
