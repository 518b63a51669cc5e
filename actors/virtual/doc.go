// Package virtual gives actors that can always be called: by a kind and a name, from any node. An actor lives in a shard, beside
// its state; it is activated on the shard's primary when somebody calls it, handles one message at a time, and forgets its memory
// when it is idle. What a message changed is durable, as durable as the keyspace asks, when the call returns.
//
//	Call(counter/page-7, "add", 1)
//	  │ {counter/page-7} ─► slot ─► shard ─► its primary's node, again if that has changed
//	  ▼
//	Host ──► mailbox of the activation ──► handler(state, request)
//	                                          │ nil                               │ error, panic
//	                                          ▼                                   ▼
//	          one write: state, data, reply, outgoing messages, reminders     nothing has changed
//	          guarded by the version of the state, taken only by the primary
//	                                          │
//	                                          ▼ replicated
//	                                        reply
//
// What an actor has lies in its shard under keys that share the tag of its name:
//
//	s/{kind/name}              state: number of the last message sent (8 bytes, little-endian), then the state as JSON
//	d/{kind/name}/KEY          data: what the handler set under KEY
//	r/{kind/name}/CLIENT       the last reply to a client: a call that is repeated after a failover is answered, and not run again
//	o/{kind/name}/NUMBER       a message on its way to another actor; a question until its answer is handled
//	m/{kind/name}/REMINDER     a reminder that is to come
//	v/{TAG}/NAME               a marker: what the shard keeps for all of its actors; TAG is any whose slot is the shard's
//	a/{kind/name}/NUMBER       a message or reminder that was refused so often that it was set aside
//
// Nobody else writes there. The keyspace is open to other keys, and to everybody's eyes: a program, or a Redis client, that writes under an
// actor's tag changes it behind its back. The actor notices, and goes on with what it finds: its next message runs again on that, and is
// refused as failed if it cannot be read. What an actor keeps is cleared by itself (Context.Clear).
//
// Messages are handled one at a time, but for methods that only read (HandleRead). Actors send each other messages (Turn.Tell), ask each
// other without waiting (Turn.Ask), and remind themselves (Turn.Remind); all of that is kept in the shard. Timers (Turn.SetTimer)
// are not: they last as long as the activation.
//
// There is one activation: only the copy that leads a shard, under the node's lease, takes the write that ends a message, and it
// takes it only on the state that the handler has seen. An activation whose node has been deposed can neither commit nor reply: what a
// handler answers from memory counts only if its node leads in the term in which the state was read. The rules are numbered in
// shards/activation, and hold in the worlds of runtime/sim.
//
// # From zero to three nodes
//
// One node, in memory, which listens nowhere; the kind is registered before the first call:
//
//	node, err := runtime.Start(ctx, runtime.Config{})
//	err = node.Register(ctx, k.Kind)
//	n, err := virtual.Call[int, int](ctx, node.Actors(), virtual.ID{Kind: "counter", Name: "page-7"}, "add", 1)
//
// With Data it keeps what actors did when it restarts. With Peer, and the same Initial list on each, three of them are a cluster: each
// has the same kinds (best in Config.Kinds: then it knows them before it leads the first shard), each calls every actor, and the death of one is a pause
// of some tens of milliseconds:
//
//	runtime.Config{Data: "./data", Peer: "10.0.0.1:7300", Initial: []string{"10.0.0.1:7300", "10.0.0.2:7300", "10.0.0.3:7300"}}
//
// A fourth has Join with the address of any. The keyspace of a kind says how many copies there are and how durable they are; Register
// makes it if there is none, with 64 shards and a replica of each. Kinds of your own are tested in a world in memory: package virtualtest.
// The examples of package runtime run all of this. A kind may also be a WebAssembly module, which is pushed to the running cluster
// (runtime.Node.Kinds, or troupe actor push) and called like any other.
//
// # Changing the type of a state
//
// A state is kept as encoding/json writes it, and each message that changes it writes all of it anew, as the release of its node knows it; one
// that changes nothing in it, but data say, leaves it as another release wrote it. While releases are mixed, and after one is rolled back, an
// actor may move to an older node:
//
//	a new field               zero until it is written. An older release that writes the state drops it
//	a field that goes         dropped with the next write. An older release finds zero
//	another name in Go        is another field. Keep the name that is kept: Total int `json:"Sum"`; upper and lower case are the same
//	a wider type              int32 to int64, say: fine, until an older release finds what it cannot hold
//	a type that cannot read   every message is refused with CodeFailed, and what is kept stays as it is
//
// So give fields their json tags from the first release on, and change what must be changed in two: the first reads both and writes the old, the
// second, when no node runs anything older than the first, writes the new. OnActivate is the place to bring over what is found, for it is
// committed before the message is handled:
//
//	type account struct {
//		Cents int64
//		Euros float64 `json:",omitempty"` // of the time before Cents
//	}
//	virtual.OnActivate(k, func(c *virtual.Context[account]) error {
//		if c.State.Euros != 0 {
//			c.State.Cents, c.State.Euros = int64(math.Round(c.State.Euros*100)), 0
//		}
//		return nil
//	})
//
// A type with an UnmarshalJSON of its own reads whatever it was before. What is new and must survive older releases is kept as data: no
// release touches keys that it does not know (Turn.Set).
//
// # Rolling out a release
//
// The nodes of a program are restarted one after the other (runtime/OPERATING.md). Meanwhile some have the kinds of the release before, and an actor
// moves with its shard from one to the other, in either direction. What the node where it lives does not know is refused there:
//
//	a new kind          CodeNoKind. A call from a node that knows the kind is tried for as long as that is patient, from another it is refused at once.
//	                    What actors tell it comes again for some 6 min, and is set aside then
//	a new method        CodeUnknown: a call and a question at once; what actors tell as above
//	a kind that went    as a new kind. What its actors keep stays, with what they have sent and their reminders; nobody looks at it until a node has
//	                    the kind again
//	new fields          of requests and replies are passed over, but see Strict; of states see above
//
// So what is new is handled by one release, and called by the next; what is to go is called no more by one release, and left out by the next. Of kinds
// and methods that both releases have callers notice nothing but the pause of a failover, or less if the node was drained before. That holds from a node's
// first moment on if it has its kinds from runtime.Config.Kinds. Operators see with troupe actor list which nodes lack a kind.
//
// # What may come between
//
//	Handle                nothing: a message has the actor for itself until its handler returns
//	HandleRead            runs beside others, on what was committed when it began
//	Tell                  goes out with the commit; the sender does not learn what became of it
//	Ask, HandleAnswer     other messages come between question and answer, or wait until it is handled: HoldWhileAsking
//	Call from a handler   refused if it is made with the handler's context (Turn.Context): two actors that wait for each other would wait
//	                      for ever
//
// MOVING.md says what is guaranteed, and how it differs from Orleans, Akka, Dapr and Proto.Actor.
package virtual
