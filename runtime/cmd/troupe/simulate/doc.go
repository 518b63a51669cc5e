// Package simulate plays invented clusters: text in, the real allocator and the real deciders over a world whose nodes do what the
// shard table says, figures and plots out.
//
//	scenario ─► lines ─► World ◄──────────────┐
//	                      │ look: allocator.Make, commit     one turn; then time goes on to whatever comes next:
//	                      │ work: recover, hand over         an event, a recovery's end, the time that the plan asked for
//	                      └──────► sample ────┘
//
// Recoveries share the bandwidth of the nodes at both ends, and take as long as their bytes do. There is no network, no log and no
// client: what the data plane does in a failure is runtime/sim's to play. Everything is visited in order and chance has a seed, so that one
// file has one outcome, which golden files hold.
//
// LANGUAGE.md is the language. A World may also begin as a copy of a live cluster: that is what troupe rehearse plays.
package simulate

import _ "embed"

// Language describes the scenario language, for people.
//
//go:embed LANGUAGE.md
var Language string
