// Package actors is the concurrency of the house: actors over protoactor-go, the goroutines and timers around the pure
// cores of shards and policies.
//
//	    Tell ┌─────────┐   one message at a time
//	Ref ────►│ mailbox │──► Actor.Receive(message)
//	         └─────────┘        │ panic
//	                            ▼
//	                  supervisor: stop the actor, tell the owner
//
// protoactor-go gives mailboxes, dispatch and supervision inside a node. An idle actor has no goroutine. Nothing above
// this folder imports protoactor-go: the seam is System, Ref and Actor, so that its quirks are dealt with once.
package actors
