package policies

// Verdict is a decider's word about one node, from mild to strict: the strictest of all deciders wins.
type Verdict uint8

// The verdicts. They cross the wire: never reorder.
const (
	Yes          Verdict = iota
	NotPreferred         // only if no node is better
	Throttle             // not now; ask again
	No                   // never, as things are
)

// String is the verdict's name.
func (v Verdict) String() string {
	return [...]string{"YES", "NOT_PREFERRED", "THROTTLE", "NO"}[v&3]
}

// Answer is a verdict with the decider's own code for the reason, in one byte:
//
//	7 6 5 4 3 2 1 0
//	├─┴─┼─┴─┴─┴─┴─┘
//	verdict  code
//
// Of two answers the greater is the stricter, or as strict. The zero Answer is a YES that needs no reason.
type Answer uint8

// MaxCode bounds the codes.
const MaxCode = 1<<6 - 1

// Say makes an answer; code, up to MaxCode, is for the decider's Reason to recognize.
func Say(v Verdict, code uint8) Answer {
	if code > MaxCode {
		panic("policies: a reason code beyond six bits")
	}
	return Answer(v)<<6 | Answer(code)
}

// Verdict is the answer without its code.
func (a Answer) Verdict() Verdict { return Verdict(a >> 6) }

// Code is the decider's code for the reason.
func (a Answer) Code() uint8 { return uint8(a & MaxCode) }

// Row holds one answer per node of the View, in its order.
type Row []Answer

// Raise makes the answer about a node as strict as a, if it is not yet.
func (r Row) Raise(node int, a Answer) { r[node] = max(r[node], a) }

// RaiseAll does so for every node.
func (r Row) RaiseAll(a Answer) {
	for i := range r {
		r[i] = max(r[i], a)
	}
}

// Capability is a kind of question.
type Capability uint8

// The capabilities. They cross the wire: never reorder.
const (
	Allocate  Capability = iota // may a new copy be put on the node?
	Remain                      // may the copy stay, if it is on the node?
	Rebalance                   // may the copy leave the node for balance alone?
	Promote                     // may the copy lead, on the node?
	Start                       // may a recovery onto the node start now?
	capabilities
)

// String is the capability as the explanation names it.
func (c Capability) String() string {
	return [...]string{"allocate", "remain", "rebalance", "promote", "start"}[c]
}
