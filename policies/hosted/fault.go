package hosted

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/wasm"
)

// Strikes is the number of faults after which a version is not asked any more.
const Strikes = 3

// Fault is one way in which a policy failed.
type Fault struct {
	Policy  string
	Digest  string
	BuiltIn bool
	Export  string // what was called
	Kind    string // a wasm.Kind, or one of the kinds below
	Text    string // a sentence: the export, the limit, the value and the fix
	Count   int    // of this version, with this one
	Out     bool   // it is quarantined by this one
	Spared  bool   // it does not count: it has used what it may use in one plan, and not in Strikes of them in a row
}

// The kinds of faults beside those of a wasm.Trap.
const (
	BadByte    = "row"    // a byte of a row that the manifest has no reason for
	BadScore   = "score"  // a score that is no finite number
	BadText    = "text"   // an explanation that is no text
	BadPointer = "memory" // pol_alloc gave what is not in the guest's memory
	Refused    = "refuse" // it refuses settings, or the state
	NoImage    = "image"  // the host cannot make the image that it needs
)

// FaultKinds lists what Fault.Kind may be.
func FaultKinds() []string {
	kinds := []string{BadByte, BadScore, BadText, Refused, NoImage}
	for _, k := range wasm.Kinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

// faulty makes a fault of what happened in a call.
func (v *Version) faulty(export, kind, format string, args ...any) *Fault {
	return &Fault{Policy: v.Name(), Digest: v.digest, BuiltIn: v.BuiltIn(), Export: export, Kind: kind,
		Text: fmt.Sprintf("policy %s %s, export %s: ", v.Name(), v.Manifest.Version, export) + fmt.Sprintf(format, args...)}
}

// trapped makes a fault of a trap.
func (v *Version) trapped(export string, err error) *Fault {
	var t *wasm.Trap
	kind := string(wasm.HostFault)
	if errors.As(err, &t) {
		kind = string(t.Kind)
	}
	return v.faulty(export, kind, "%v", err)
}

// Line is a line that a policy logged.
type Line struct {
	Policy string
	Level  int32
	Text   string
}

// maxLines and maxLogged bound what policies may log until somebody drains it.
const (
	maxLines  = 256
	maxLogged = 64 << 10
	maxFaults = 64
)

// ledger is what a set's owner has to hear.
type ledger struct {
	faults  []Fault
	dropped int // faults beyond maxFaults
	lines   []Line
	logged  int // bytes
	muted   int // lines beyond the bounds
	watch   Stopwatch
	lenient bool
	haste   bool
	fenced  bool // a row that is written beyond its end is a fault
	patient bool // the fault that would be one too many does not count
}

func (l *ledger) fault(f Fault) {
	if len(l.faults) >= maxFaults && !f.Out {
		l.dropped++
		return
	}
	l.faults = append(l.faults, f)
}

func (l *ledger) line(policy string, level int32, text string) {
	if len(l.lines) >= maxLines || l.logged+len(text) > maxLogged {
		l.muted++
		return
	}
	l.logged += len(text)
	l.lines = append(l.lines, Line{policy, level, text})
}
