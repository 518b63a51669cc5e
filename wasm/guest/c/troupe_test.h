/* troupe_test.h: native unit tests of a policy, with the cluster written down in the test.
 *
 *     #include "policy.c"
 *     #include "troupe_test.h"
 *
 *     int main(void) {
 *         world(3, 1, 2, 4);                                  // nodes, keyspaces, shards, slots for each shard's copies
 *         give(node_name, 0, word("n1"));
 *         give(node_flags, 1, NODE_DRAINING);
 *         give_attribute(0, "class", "spot");
 *         settings("{\"settings\":{\"tenant\":\"acme\"},\"keyspaces\":{}}");
 *         ready();                                            // calls PREPARE
 *         expect_row(can_allocate, 0, -1, 0, "c1 00 00");     // shard, copy, flags, the row in hexadecimal
 *         expect_why(ALLOCATE, 0, -1, 0, 0, 0xc1, "node n1 is a spot node");
 *         return done();
 *     }
 *
 * Columns that nobody gave are zeroes, and point nowhere. A test may also be asked about a whole image: load("x.image").
 */
#ifndef TROUPE_TEST_H
#define TROUPE_TEST_H

#include <stdio.h>
#include <string.h>

static int tr_failed, tr_checks;
static char tr_said[512];

void host_log(int32_t level, const char *at, int32_t length) { fprintf(stderr, "log %d: %.*s\n", level, length, at); }
int32_t host_log_enabled(int32_t level) { return level >= LEVEL_INFO; }
void host_error(const char *at, int32_t length) { snprintf(tr_said, sizeof tr_said, "%.*s", length, at); }

#define expect(condition) \
	do { \
		tr_checks++; \
		if (!(condition)) tr_failed++, printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
	} while (0)

/* The dictionary of the world, which grows. */
static uint32_t tr_test_starts[4096];
static char tr_test_bytes[1 << 16];

TR_UNUSED static uint32_t word(const char *s) {
	int32_t known = number_of(c_string(s));
	if (known >= 0) return (uint32_t)known;
	uint32_t n = tr_image.words++, length = (uint32_t)strlen(s);
	if (n + 2 > 4096 || tr_test_starts[n] + length > sizeof tr_test_bytes) {
		printf("the world has no room for more words\n");
		exit(2);
	}
	memcpy(tr_test_bytes + tr_test_starts[n], s, length);
	tr_test_starts[n + 1] = tr_test_starts[n] + length;
	return n;
}

#define TR_ROWS(id, name, type, rows, nothing) \
	enum { tr_nothing_##name = nothing }; \
	TR_UNUSED static int32_t tr_rows_##name(void) { return (int32_t)(rows); }
TROUPE_COLUMNS(TR_ROWS)
TR_UNUSED static int32_t tr_attributes;

/* Makes a column of zeroes, or of NONE where its values may point nowhere. */
TR_UNUSED static void *tr_room_for(int32_t rows, uint32_t size, int nothing) {
	void *at = calloc((size_t)rows + 1024, size);
	if (at) memset(at, nothing, ((size_t)rows + 1024) * size);
	return at;
}

#define TR_EMPTY(name) tr_at_##name = tr_room_for(tr_rows_##name(), sizeof(tr_type_##name), tr_nothing_##name);

TR_UNUSED static void world(int32_t node_count, int32_t keyspace_count, int32_t shard_count, int32_t slot_count) {
	memset(&tr_image, 0, sizeof tr_image);
	tr_image.nodes = node_count, tr_image.keyspaces = keyspace_count, tr_image.shards = shard_count, tr_image.slots = slot_count;
	tr_image.starts = tr_test_starts, tr_image.bytes = tr_test_bytes;
	tr_attributes = 0;
	tr_settings.count = 0;
	word("");
	TROUPE_NEEDS(TR_EMPTY)
}

#define give(column, row, value) \
	do { \
		int32_t tr_row = (row); \
		if (tr_row < 0 || tr_row >= tr_rows_##column()) { \
			printf("%s:%d: the world has no row %d of " #column ", only %d\n", __FILE__, __LINE__, tr_row, tr_rows_##column()); \
			exit(2); \
		} \
		((tr_type_##column *)tr_at_##column)[tr_row] = (value); \
	} while (0)

/* Attributes are given node by node, in the nodes' order. */
#define give_attribute(node, name, value) \
	do { \
		((uint32_t *)tr_at_attribute_name)[tr_attributes] = word(name); \
		((uint32_t *)tr_at_attribute_value)[tr_attributes++] = word(value); \
		for (int32_t tr_n = (node) + 1; tr_n <= nodes(); tr_n++) ((uint32_t *)tr_at_node_attributes)[tr_n] = (uint32_t)tr_attributes; \
	} while (0)

TR_UNUSED static void settings(const char *json) {
	int32_t ready = tr_image.ready;
	tr_image.ready = 0; /* PREPARE waits for ready() */
	expect(pol_configure(strcpy(pol_alloc((int32_t)strlen(json) + 1), json), (int32_t)strlen(json)) == 0);
	tr_image.ready = ready;
}

TR_UNUSED static void ready(void) {
	tr_image.ready = 1;
	tr_said[0] = 0;
	if (tr_prepare() != 0) tr_failed++, printf("refused: %s\n", tr_said);
}

/* Gives the policy an image from a file, as a host would. */
TR_UNUSED static int32_t load(const char *path) {
	FILE *f = fopen(path, "rb");
	if (!f) {
		printf("%s cannot be read\n", path);
		exit(2);
	}
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	rewind(f);
	char *at = pol_alloc((int32_t)size + 63);
	at += (64 - (uintptr_t)at % 64) % 64;
	size = (long)fread(at, 1, (size_t)size, f);
	fclose(f);
	return pol_state((const uint8_t *)at, (int32_t)size);
}

#define expect_row(rule, shard, copy, flags, want) tr_expect_row(__FILE__, __LINE__, #rule, rule, shard, copy, flags, want)

TR_UNUSED static void tr_expect_row(const char *file, int line, const char *name, void (*rule)(int32_t, int32_t, int32_t, uint8_t *), int32_t shard, int32_t copy, int32_t flags, const char *want) {
	uint8_t row[1024] = {0};
	char got[3 * 1024 + 1] = "";
	rule(shard, copy, flags, row);
	for (int32_t n = 0; n < nodes(); n++) sprintf(got + 3 * n, "%02x ", row[n]);
	if (nodes()) got[3 * nodes() - 1] = 0;
	tr_checks++;
	if (strcmp(got, want) != 0) tr_failed++, printf("%s:%d: %s(%d, %d, %d) says %s; wanted %s\n", file, line, name, shard, copy, flags, got, want);
}

#define expect_why(capability, shard, copy, flags, node, answer, want) \
	do { \
		char tr_line[1024]; \
		int32_t tr_n = explain(capability, shard, copy, flags, node, answer, tr_line, sizeof tr_line - 1); \
		tr_line[tr_n < (int32_t)sizeof tr_line ? tr_n : (int32_t)sizeof tr_line - 1] = 0; \
		tr_checks++; \
		if (strcmp(tr_line, want) != 0) tr_failed++, printf("%s:%d: explained as\n  %s\nwanted\n  %s\n", __FILE__, __LINE__, tr_line, want); \
	} while (0)

TR_UNUSED static int done(void) {
	printf("%d checks, %d failed\n", tr_checks, tr_failed);
	return tr_failed != 0 || tr_checks == 0;
}

#endif
