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
// A decider says about itself how it is to be asked, so that a thousand nodes need not be looked at for each of a hundred
// thousand copies:
//
//	PerShard false   one row for a keyspace's shards
//	Classifier       one row for each of the classes that it puts shards into
//	Metered          one answer for each node, asked for again when the node's sums have changed
//	PairClassifier   one answer for each of the classes that it puts pairs of a shard and a node into, where one node is asked about
//	PerShard true    a row for each question: it should touch the nodes that the shard's copies are on, and no others
//
// And what it needs to hear: Observer, which rows a plan has changed; Timer, when time alone changes its mind; Digested, which
// module its mind is; Fueled, what that cost. A View is made of the cluster state and of Facts, and keeps its sums by Count while a plan changes rows.
//
// Deciders are pure: the same view and question give the same row, on any node and in a replay.
package policies
