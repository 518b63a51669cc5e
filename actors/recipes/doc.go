// Package recipes holds the classic ways in which services coordinate, as virtual actors: sessions, locks with fencing tokens, leader
// election, registries of ephemeral keys, queues and barriers. What they keep lies in shards, with copies, and outlives its node.
//
//	process ── Open ──► session S          renewed by the process; over when it closes, or was not renewed for its TTL
//	   │                   ▲    │
//	   │ Acquire(S)        │    └─ "S has ended" ─► everything that S is attached to
//	   ▼                   │ attach                        │
//	lock L   S(token 7) ◄─ Q ◄─ R        ◄─────────────────┘  L goes to Q, with token 8
//
// A session is one actor, and tells what is attached to it when it ends: so a process that dies lets go of its locks, its leadership,
// its keys and its place at barriers, by one heartbeat for all of them. What is attached to a session that has ended meanwhile hears
// that at once.
//
// # How it is used
//
//	for _, k := range recipes.Kinds() {              // on each node, after runtime.Start
//		err = node.Register(ctx, k)
//	}
//	s, err := recipes.Open(ctx, node.Actors(), 10*time.Second)
//	defer s.Close(ctx)
//	token, err := recipes.NewLock(node.Actors(), "ledger").Acquire(ctx, s)
//	…                                                // write with the token, while s.Done() is open
//	err = recipes.NewLock(node.Actors(), "ledger").Release(ctx, s)
//
// A program that runs is the example "Coordination" of package runtime. The kinds are for programs that embed Troupe: no node registers them by itself.
//
// # What is guaranteed
//
//	session    over at the actor not before its TTL has passed without a renewal; Session.Done closes before that if clocks run at
//	           one speed. While the actor itself cannot be reached nobody's session ends: all get their TTL anew
//	lock       tokens rise with each grant; no two grants have the same. Who writes to something outside passes its token on, and
//	           that refuses lower ones: a process that was paused past its session cannot do harm, lock or not. First come, first served
//	election   the same, with a value that all can read; the token is the term
//	registry   a key with a session is gone soon after it; watchers are told of each change, in order, once (virtual.Turn.Tell)
//	queue      at least once: an item that is not acknowledged within its visibility timeout comes again, first in line; after so many
//	           deliveries it is set aside. A receipt of an earlier delivery acknowledges nothing
//	dropped    a queue or a registry (Drop) goes with all that it kept. Locks and elections cannot be dropped: their tokens rise for ever, and
//	           barriers keep nothing. Sessions go by themselves
//	barrier    opens when as many sessions wait as it takes; then it begins anew
//	not        that at no moment two processes believe to hold a lock: no lock in a network can promise it, hence the token
package recipes
