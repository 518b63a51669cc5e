// Package troupe is the SDK for placement policies in Go, ABI version 1. A policy is a type with the questions that it has a
// word on:
//
//	type spot struct{}
//
//	func (spot) Allocate(q troupe.Question, r troupe.Row) {
//		for n := range troupe.Nodes() {
//			if troupe.Attribute(n, "class") == "spot" {
//				r.Say(n, troupe.No, 1)
//			}
//		}
//	}
//
// and an export for each of them, since a host asks a module only what it exports:
//
//	//go:embed manifest.json
//	var manifest string
//
//	func init() { troupe.Use(spot{}, manifest) }
//
//	//go:wasmexport can_allocate
//	func canAllocate(shard, copy, flags int32, row unsafe.Pointer) {
//		troupe.Allocate(shard, copy, flags, row)
//	}
//
//	func main() {}
//
// Columns of the state are functions of their names: NodeFlags(n), CopyNode(c). Those that the manifest's needs do not name
// have no rows, and reading them panics, in a native test as in the cluster.
//
// Built by: GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags="-s -w" -o policy.wasm .
//
// A rule that makes garbage runs the collector inside a question, which then takes milliseconds. Keep what a rule needs in
// variables that Prepare fills, and build strings in Explain alone; this package yields to the collector (runtime.Gosched)
// after Prepare and Explain, where nobody waits.
//
// The package is for one goroutine and one image: a guest has no more. It stands on the standard library alone, and is copied
// into the project that uses it.
package troupe

import "unsafe"

// Verdict is a word about one node, from mild to strict: the strictest wins.
type Verdict uint8

// The verdicts.
const (
	Yes Verdict = iota
	NotPreferred
	Throttle
	No
)

// Capability is a kind of question.
type Capability int32

// The capabilities, as Explain gets them.
const (
	ToAllocate Capability = iota
	ToRemain
	ToRebalance
	ToPromote
	ToStart
	ToScore
)

// Bits of NodeFlags, NodeRoles and CopyFlags.
const (
	NodeDown       = 1
	NodeDraining   = 2
	NodeMaintained = 4
	NodeExcluded   = 8

	RoleMeta    = 1
	RoleData    = 2
	RoleGateway = 4

	CopyInSync  = 1
	CopyStarted = 2
	CopyFresh   = 4
	CopyFailed  = 8
)

// Values of NodeEvidence and of KeyspaceDurability.
const (
	EvidenceNone = iota
	EvidenceAlive
	EvidenceGrey
	EvidenceSuspect
	EvidenceDead

	DurabilityFsync    = 0
	DurabilityInterval = 1
	DurabilityMemory   = 2
)

// None is what a column that points to a row holds when it points to none.
const None = -1

// Question is about one copy of one shard.
type Question struct {
	Shard   int  // row of the shard's columns
	Copy    int  // row of the copy's columns; None for a copy that does not exist yet
	Primary bool // the copy leads, or will
	New     bool // it is the shard's first
}

// Row has a byte for each node, which begins as YES or as others left it.
type Row []byte

// Say makes the answer about a node as strict as this one, if it is not yet. The reason, from 1 to 62, is the policy's own code.
func (r Row) Say(node int, v Verdict, reason uint8) {
	r[node] = max(r[node], byte(AnswerOf(v, reason)))
}

// SayAll says so about every node.
func (r Row) SayAll(v Verdict, reason uint8) {
	for n := range r {
		r.Say(n, v, reason)
	}
}

// Answer is a byte of a row.
type Answer uint8

// AnswerOf makes one.
func AnswerOf(v Verdict, reason uint8) Answer { return Answer(v)<<6 | Answer(reason&63) }

// Verdict and Reason are its halves.
func (a Answer) Verdict() Verdict { return Verdict(a >> 6) }

// Reason is the policy's own code.
func (a Answer) Reason() uint8 { return uint8(a & 63) }

// What a policy may have a word on. It implements one or more, and exports as many.
type (
	Allocator  interface{ Allocate(q Question, r Row) }
	Remainer   interface{ Remain(q Question, r Row) }
	Rebalancer interface {
		Rebalance(q Question, r Row)
	}
	Promoter interface{ Promote(q Question, r Row) }
	Starter  interface{ Start(q Question, r Row) }
	// Scorer ranks nodes: lower is better.
	Scorer interface {
		Score(q Question, points []float64)
	}
	// Explainer writes the sentence behind an answer; without it, the manifest's reason stands.
	Explainer interface {
		Explain(c Capability, q Question, node int, a Answer) string
	}
	// Preparer is called when the state or the settings are new. An error refuses them.
	Preparer interface{ Prepare() error }
	// Observer is told of each value that the host has changed in the image: for a policy that keeps figures of its own, derived in
	// Prepare from columns that move. The others read the columns anew at each question. Column gives a column's number.
	Observer interface{ Changed(column, row int) }
	// Metered gives the answer about one node, equal to the row's: for a policy whose answers depend on the sums of that node
	// alone (NodeCopies and its kin).
	Metered interface {
		Meter(c Capability, q Question, node int) Answer
	}
)

var inUse struct {
	policy any
	needs  []string
}

// Use names the policy of this module, and its manifest. It is called once, from init.
func Use(policy any, manifest string) {
	m, ok := parse([]byte(manifest))
	if !ok {
		panic("troupe: the manifest is no JSON")
	}
	inUse.policy, inUse.needs = policy, m.get("needs").list
}

func question(shard, copy, flags int32) Question {
	return Question{int(shard), int(copy), flags&1 != 0, flags&2 != 0}
}

func asked(shard, copy, flags int32, row unsafe.Pointer) (Question, Row) {
	return question(shard, copy, flags), unsafe.Slice((*byte)(row), image.nodes)
}

// Allocate is for the export can_allocate.
func Allocate(shard, copy, flags int32, row unsafe.Pointer) {
	inUse.policy.(Allocator).Allocate(asked(shard, copy, flags, row))
}

// Remain is for the export can_remain.
func Remain(shard, copy, flags int32, row unsafe.Pointer) {
	inUse.policy.(Remainer).Remain(asked(shard, copy, flags, row))
}

// Rebalance is for the export can_rebalance.
func Rebalance(shard, copy, flags int32, row unsafe.Pointer) {
	inUse.policy.(Rebalancer).Rebalance(asked(shard, copy, flags, row))
}

// Promote is for the export can_promote.
func Promote(shard, copy, flags int32, row unsafe.Pointer) {
	inUse.policy.(Promoter).Promote(asked(shard, copy, flags, row))
}

// Start is for the export can_start.
func Start(shard, copy, flags int32, row unsafe.Pointer) {
	inUse.policy.(Starter).Start(asked(shard, copy, flags, row))
}

// Score is for the export score.
func Score(shard, copy, flags int32, points unsafe.Pointer) {
	inUse.policy.(Scorer).Score(question(shard, copy, flags), unsafe.Slice((*float64)(points), image.nodes))
}

// Meter is for the export meter.
func Meter(capability, shard, copy, flags, node int32) int32 {
	return int32(inUse.policy.(Metered).Meter(Capability(capability), question(shard, copy, flags), int(node)))
}

// Delta is for the export pol_delta.
func Delta(list unsafe.Pointer, length int32) {
	data := unsafe.Slice((*byte)(list), length)
	for ; len(data) >= 8; data = data[8:] {
		inUse.policy.(Observer).Changed(int(data[0])|int(data[1])<<8, int(data[4])|int(data[5])<<8|int(data[6])<<16|int(data[7])<<24)
	}
}

// Explain is for the export explain.
func Explain(capability, shard, copy, flags, node, answer int32, out unsafe.Pointer, room int32) int32 {
	text := inUse.policy.(Explainer).Explain(Capability(capability), question(shard, copy, flags), int(node), Answer(answer))
	for i := range min(len(text), int(room)) {
		*(*byte)(unsafe.Add(out, i)) = text[i]
	}
	rest()
	return int32(len(text))
}

// refused tells the host why.
func refused(why string) int32 {
	tell(why)
	return 1
}
