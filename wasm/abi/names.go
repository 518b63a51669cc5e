package abi

// Version is the version of the ABI, which a module names in its manifest and by its marker export.
const Version = 1

// Names of the exports. The first four are required; a module has the others for what it has a word on.
const (
	ExportMemory     = "memory"
	ExportMarker     = "pol_abi_1" // func(); says that the module speaks version 1, and is never called
	ExportAlloc      = "pol_alloc" // func(size i32) -> ptr i32; 0 refuses. What it gave is the host's to write, and never freed
	ExportState      = "pol_state" // func(ptr i32, len i32) -> i32; 0 accepts the image
	ExportConfigure  = "pol_configure"
	ExportDelta      = "pol_delta"
	ExportAllocate   = "can_allocate"
	ExportRemain     = "can_remain"
	ExportRebalance  = "can_rebalance"
	ExportPromote    = "can_promote"
	ExportStart      = "can_start"
	ExportScore      = "score"
	ExportExplain    = "explain"
	ExportMeter      = "meter"       // func(capability, shard, copy, flags, node i32) -> i32: one byte of the row; says that it depends on that node's sums alone
	ExportInitialize = "_initialize" // of modules built by Go; called before all others
)

// Names of the imports. A module may import these, and of module WASI what grants nothing; anything else is refused.
const (
	ImportHost       = "host"
	ImportLog        = "log"         // func(level i32, ptr i32, len i32)
	ImportLogEnabled = "log_enabled" // func(level i32) -> i32
	ImportError      = "error"       // func(ptr i32, len i32): why the call that is about to return refuses
	ImportWASI       = "wasi_snapshot_preview1"
)

// Required lists the exports without which a module is no policy.
func Required() []string { return []string{ExportMemory, ExportMarker, ExportAlloc, ExportState} }

// Capability is a kind of question; its number is what explain is given.
type Capability uint8

// The capabilities, the first five as in package policies. They cross the wire: never reorder.
const (
	Allocate Capability = iota
	Remain
	Rebalance
	Promote
	Start
	Score
)

var capabilityExports = [...]string{ExportAllocate, ExportRemain, ExportRebalance, ExportPromote, ExportStart, ExportScore}

// Capabilities lists them all, in their order.
func Capabilities() []Capability {
	return []Capability{Allocate, Remain, Rebalance, Promote, Start, Score}
}

// Export is the name of the export that answers the question.
func (c Capability) Export() string {
	if int(c) < len(capabilityExports) {
		return capabilityExports[c]
	}
	return ""
}

// Flags of a question.
const (
	FlagPrimary = 1 << iota // the copy leads, or will
	FlagNew                 // it is the shard's first
)

// Levels of host.log, in slog's numbers.
const (
	LevelDebug = -4
	LevelInfo  = 0
	LevelWarn  = 4
	LevelError = 8
)

// The verdicts, from mild to strict.
const (
	Yes          = 0
	NotPreferred = 1
	Throttle     = 2
	No           = 3
)

// MaxReason is the greatest reason code. It is the host's own: what it says of a hard policy that it could not ask.
const MaxReason = 1<<6 - 1

// Say makes a byte of a row. A code beyond MaxReason panics: it would be another verdict.
func Say(verdict, code uint8) byte {
	if verdict > No || code > MaxReason {
		panic("abi: a verdict beyond NO or a reason code beyond six bits")
	}
	return verdict<<6 | code
}

// Verdict and Reason are the halves of a byte of a row.
func Verdict(answer byte) uint8 { return answer >> 6 }

// Reason is the reason code of an answer.
func Reason(answer byte) uint8 { return answer & MaxReason }

// NoCopy is the copy argument of a question about a copy that does not exist yet.
const NoCopy = -1

// None stands in a column that points into a table for no row of it: minus one, as an i32 guest reads it.
const None = 1<<32 - 1
