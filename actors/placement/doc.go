// Package placement is the shell of policies/allocator: on the member that leads the metadata group it looks at the agreed
// state and the evidence about members, lets the allocator plan, and proposes the plan as one command. On all others it waits,
// and takes operators' requests to the one that leads.
//
//	state changed ─┐
//	evidence ──────┼─► wake ─► look ─► allocator.Make ─► Group.ProposeIn(term) ─┐
//	time ──────────┘            ▲                                               │
//	                            └────────────── committed: look again ◄─────────┘
//
// There is one entry point, and it is level-triggered: whatever woke it, it compares what is with what should be. A wake that
// comes while it plans is not lost, and a thousand are one. Looks keep a pause from each other, longer where planning takes
// long; one that finds a dead member or a shard to promote waits for nothing.
//
// The policies that it asks are those that the state says are in force:
//
//	State.Modules ──► stager: compiles, one at a time, on every member that may lead ──► shelf, StageReport
//	State.Policies ─► mind: a set for one goroutine, made anew between two plans when what is in force has changed
//	                    ├── plans          faults ──► docket ──► StrikeModule, QuarantineModule after three
//	                    ├── requests       moves of a shard, slow plans ──► unrest ──► RetirePolicy while on probation
//	                    └── comparisons    with what is in the shadow, of the same inputs, after the plan, newest first
//
// While there is nothing to do another goroutine asks what the death of each node would come to (losses.go): with the policies in force,
// those of the house in Go. Nothing is proposed for it.
//
// A plan is proposed in the reign in which it was made or not at all, and each of its rows only on the version that it was
// made for: what came between is looked at again.
package placement
