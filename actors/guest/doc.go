// Package guest lets a WebAssembly module be a kind of virtual actors. What module and host agree on is wasm/abi/ACT.md; how messages
// reach their actor, and what becomes of what they change, is package virtual.
//
//	virtual.Turn: one message of one actor
//	      │
//	      ▼
//	Module.Handle ──► an instance of the pool ──► envelope into its inbox ──► act_handle, with fuel
//	      │                 ▲                                                    │
//	      │                 │ memory and globals are put back                    ├─ get, scan: the turn's data, own changes on top
//	      │                 └────────────────────────────────────────────────────┤  put, del: noted
//	      │                                                                      └─ tell, ask, remind, reply: the turn's
//	      ├─ 0 ──────────────► the turn gets the changes, and commits them with the reply
//	      └─ else, a trap ───► *virtual.Error: the turn is forgotten, nothing has happened
//
// A Shell keeps the kinds of the cluster state on a node: it compiles their modules, says which it can run, and has each shard change from one
// version to the next at one place of its log (kind.go has the picture). Messages that come before their code is compiled wait for it (DESIGN.md). A Rehearsal
// runs a module without a cluster, and plays scripts.
package guest
