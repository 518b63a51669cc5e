// Package policies is how placement is decided: rules that may veto (Decider) or rank (Scorer) the nodes for one copy, each
// with its name and its reason.
//
//	question ──► decider ──► row   one answer per node, a byte each: ▓ NO  ▒ THROTTLE  ░ NOT_PREFERRED  · YES
//	                               n1 n2 n3 n4 n5
//	             same_node         ▓  ·  ·  ·  ·
//	             draining          ·  ·  ▓  ·  ·
//	             throttling        ·  ▒  ·  ·  ·
//	             ───────────────────────────────
//	             strictest wins    ▓  ▒  ▓  ·  ·
//
// Questions are capabilities, and a decider implements those that it has a word on: may the copy be allocated there, remain
// there, be moved away for balance, be promoted there, may its recovery start now. A question is asked by row: once for all
// nodes. The sentence behind an answer is made only when somebody asks why; it names the setting, its value and the node.
//
// Deciders are pure: the same view and question give the same row, on any node and in a replay.
package policies
