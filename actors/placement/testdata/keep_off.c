/* keep_off keeps copies off nodes that its setting nodes names. With another mood than well it misbehaves, for the tests of what
 * happens then; as newly_trap and newly_spin only when it is asked about a shard's first copy, which is after it was looked at. Awareness
 * of an attribute shelf it refuses.
 *
 *     clang-19 --target=wasm32 -O2 -mbulk-memory -nostdlib -ffreestanding -fno-builtin -Wl,--no-entry -Wl,--strip-all \
 *         -Wl,-z,stack-size=16384 -o keep_off.wasm keep_off.c
 */
#define TROUPE_NEEDS(need) need(node_name) need(copy_node)
#define PREPARE prepare
#include "../../../wasm/guest/c/troupe.h"
MANIFEST("keep_off.json")

static int32_t prepare(void) {
	const setting_t *attributes = setting_of(literal(""), "cluster.routing.allocation.awareness.attributes");
	for (uint32_t i = 0; i < setting_count(attributes); i++)
		if (same(setting_item(attributes, i), literal("shelf"))) return refuse("nobody has shelves");
	log_line(LEVEL_INFO, setting_count(setting_of(literal(""), "nodes")) ? "keeping copies off some nodes" : "keeping copies off no node");
	return 0;
}

static int mood(const char *is) { return same(setting_text("mood"), c_string(is)); }

static void misbehave(int first) {
	if (mood("trap") || (first && mood("newly_trap"))) __builtin_trap();
	if (mood("spin") || (first && mood("newly_spin")))
		for (volatile int i = 0;; i++) {
		}
}

static int kept(int32_t n) {
	const setting_t *list = setting_of(literal(""), "nodes");
	for (uint32_t i = 0; i < setting_count(list); i++)
		if (matches(setting_item(list, i), text(node_name(n)))) return 1;
	return 0;
}

RULE(can_allocate) {
	misbehave(flags & FLAG_NEW);
	EACH_NODE(n)
		if (kept(n)) say(n, NO, 1);
}

RULE(can_remain) {
	misbehave(0);
	EACH_NODE(n)
		if (kept(n)) say(n, NO, 1);
	if (mood("restless") && copy != NONE) say(copy_node(copy), NO, 2);
}

EXPLAIN {
	if (reason_of(answer) == 1)
		why("node %t is among those that setting nodes names", node_name(node));
	else
		why("no copy may stay where it is");
}
