// Package sim is the other runtime: the cores of shards and policies and the Raft group over a seeded network, disk and clock.
// One seed replays one world: loss, delay, replay, partition, slow disk, lost unsynced writes, crash, pause, clock drift.
//
//	          ┌──────────────────────────── World: one goroutine, one heap of events ─────────────────────────────┐
//	faults ──►│ n1: meta member placement copies actors     n2: …     n3: …   disks that forget, clocks that drift │
//	clients ─►│      └── metadata.Core, liveness, allocator, replica.Core, recovery, store, activation: the product's│
//	          │ watch: numbered invariants, after every event; at the end histories that must be linearizable     │
//	          └────────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// It runs under go test, since Raft draws its election timeouts from crypto/rand, which only a test may seed:
//
//	go test ./runtime/sim                                   what fits in a minute
//	go test ./runtime/sim -run 'TestSeeds$' -v -seeds 10000 -timeout 0     as many as asked; prints seeds, seconds and rate
//	go test ./runtime/sim -run 'TestSeeds$' -v -seeds 1 -seed 17 -tell     one world, told as it happens
//
// A failure prints the invariant, the sentence of the design that it stands for, the fewest faults that still break it, the
// last notes of that world, and the command that repeats it.
//
// DESIGN.md beside this file says what is simulated and what is not, and how the planted bugs show that the tests have teeth.
package sim
