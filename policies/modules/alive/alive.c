/* alive follows the evidence about members: nothing goes to the dead, no new copies to the suspect, the unheard and the
 * unsteady until that is settled, and neither copies nor leads to the sick if somebody else can. */
#define TROUPE_NEEDS(need) \
	need(node_flags) need(node_evidence) need(node_since) need(node_held) need(node_reason) need(node_epoch) need(node_name) need(ticks) need(tick_length)
#include "../house.h"
MANIFEST("manifest.json")

enum { DOWN = 1, DEAD, SUSPECT, UNHEARD, GREY, HELD };

/* What stands against a node, or 0. */
static inline uint8_t standing(int32_t n) {
	if (node_flags(n) & NODE_DOWN) return DOWN;
	switch (node_evidence(n)) {
	case EVIDENCE_DEAD: return DEAD;
	case EVIDENCE_SUSPECT: return SUSPECT;
	case EVIDENCE_NONE: return UNHEARD;
	case EVIDENCE_GREY: return GREY;
	}
	return node_held(n) > ticks() ? HELD : 0;
}

RULE(can_allocate) {
	static const uint8_t verdicts[] = {YES, NO, NO, THROTTLE, THROTTLE, NOT_PREFERRED, THROTTLE};
	EACH_NODE(n) {
		uint8_t code = standing(n);
		if (code) say(n, verdicts[code], code);
	}
}

RULE(can_promote) {
	static const uint8_t verdicts[] = {YES, NO, NO, NOT_PREFERRED, YES, NOT_PREFERRED, NOT_PREFERRED};
	EACH_NODE(n) {
		uint8_t code = standing(n);
		if (verdicts[code]) say(n, verdicts[code], code);
	}
}

static int64_t ago(int64_t tick) { return (ticks() - tick) * tick_length(); }

EXPLAIN {
	uint32_t name = node_name(node);
	switch (reason_of(answer)) {
	case DOWN: return why("node %t was declared dead in epoch %l", name, node_epoch(node));
	case DEAD: return why("node %t is dead since %m: %t", name, ago(node_since(node)), node_reason(node));
	case SUSPECT: return why("node %t is suspect since %m: %t", name, ago(node_since(node)), node_reason(node));
	case UNHEARD: return why("nothing has been heard of node %t in epoch %l yet", name, node_epoch(node));
	case GREY: return why("node %t is sick since %m: %t", name, ago(node_since(node)), node_reason(node));
	}
	why("node %t came back too often, and is kept waiting for %m more", name, -ago(node_held(node)));
}
