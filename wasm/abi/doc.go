// Package abi is what a policy module and its host agree on: names, numbers and layouts, version 1. ABI.md beside it is the
// same as text, for those who write a host or an SDK of their own.
//
//	host                                        guest
//	────                                        ─────
//	(Go guests) _initialize ───────────────────►
//	settings, as JSON ──── pol_alloc ──────────► bytes in the guest's own memory
//	                       pol_configure ──────► 0, or refused: text by host.error
//	image, see Image ───── pol_alloc ──────────►
//	                       pol_state ──────────► 0, or refused
//	row of zeroes ──────── can_allocate(shard, copy, flags, row) ─► raises bytes: one per node
//	a copy moves: host pokes the image ─ pol_delta ─► (optional)
//	row of zeroes ──────── can_allocate …
//	somebody asks why ──── explain(…) ─────────► a sentence
//
// One byte of a row:
//
//	7 6 5 4 3 2 1 0
//	├─┴─┼─┴─┴─┴─┴─┘
//	verdict  code      verdict 0 YES, 1 NOT_PREFERRED, 2 THROTTLE, 3 NO; code: index into the manifest's reasons
//
// The package is standard library only and touches no guest: it makes bytes, and looks at bytes.
package abi
