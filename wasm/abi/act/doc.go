// Package act is what a module that is a kind of virtual actors and its host agree on: names, numbers and layouts, version 1. ACT.md in
// the folder above is the same as text, for those who write a host or an SDK of their own.
//
//	host                                          guest
//	────                                          ─────
//	(Go guests) _initialize ─────────────────────►
//	                      act_inbox(4096) ───────► memory of its own
//	the memory is remembered, see Manifest.Reuse
//
//	a message arrives: Envelope ─────────────────► written into that memory
//	                      act_handle(event, length)
//	                        │ act.get, scan, next ◄─ the actor's data, own changes included
//	                        │ act.put, del        ◄─┐
//	                        │ act.reply           ◄─┤ noted by the host
//	                        │ act.tell, ask       ◄─┤
//	                        │ act.remind, forget  ◄─┤
//	                        │ act.reason          ◄─┘ why it refuses, for programs
//	                        ▼
//	                      0: all of it is committed in one step. Else, or a trap: nothing has happened
//	the memory is put back
//
// The package is standard library only and touches no guest: it makes bytes, and looks at bytes.
package act
