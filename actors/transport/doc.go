// Package transport is the wire between nodes: every message of one node to another passes through it, on one port with
// one TLS identity.
//
//	node A                                                        node B
//	Send ────► lane Control   ═══ stream ═══► reader ──► Receive(peer, Control, kind, body)
//	Send ────► lane Replicate ═══ stream ═══► reader ──► Receive(peer, Replicate, kind, body)
//	Call ────► lane Call      ═══ stream ═══► reader ──► Serve(ctx, peer, kind, body) ─┐
//	     ◄────────────────────────────────────────────────────── answer or error ◄─────┘
//	SendWait ► lane Bulk      ═══ stream ═══► reader ──► Receive(peer, Bulk, kind, body)
//
// Each node dials each of its peers, so that there are two connections to a pair, and each carries what its dialer sends,
// with the credits and answers that come back. Streams of one connection do not wait for each other: a receiver that
// stands still stops its own class only, after a window of bytes that it has granted; memory stays bounded by the windows.
//
// What is promised: messages of one class arrive whole and in the order of Send while one connection lives. When it
// breaks, what was on its way is lost, every call in flight fails at once with ErrPeerGone, and Changed tells it once.
// Nothing is sent again: protocols above repeat what they must.
//
// Transport works over gRPC (Listen) or over memory (Network.Join, for tests, also inside a testing/synctest bubble): all
// but the bytes' journey is the same code. DESIGN.md beside this file draws the frames.
package transport
