package wasm

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what stopped a guest.
type Kind string

// The kinds of a Trap.
const (
	Unreachable Kind = "unreachable" // it ran into its own unreachable: a panic, an abort, a failed assertion
	Fuel        Kind = "fuel"        // it used up the fuel of its call
	Depth       Kind = "depth"       // its calls nested too deeply
	Memory      Kind = "memory"      // it reached beyond its memory
	Table       Kind = "table"       // it called through a table entry that is missing or of another type
	Arithmetic  Kind = "arithmetic"  // it divided by zero, or converted what does not fit
	Exit        Kind = "exit"        // it called proc_exit
	HostFault   Kind = "host"        // a function of the host failed
	Dead        Kind = "dead"        // the instance was stopped by an earlier trap, or closed
	Signature   Kind = "signature"   // the caller's stack does not fit the export
)

// Kinds lists them.
func Kinds() []Kind {
	return []Kind{Unreachable, Fuel, Depth, Memory, Table, Arithmetic, Exit, HostFault, Dead, Signature}
}

// A Trap is the end of an instance: the call failed, and every later call fails with kind Dead.
type Trap struct {
	Kind   Kind
	Module string // first digits of the module's digest
	Export string // what was called
	Value  uint64 // fuel used, depth reached, exit code, by kind
	Limit  uint64 // the limit that Value passed; 0 where there is none
	Text   string // what the engine said, and behind it what the guest did
	Said   string // what the guest said before it stopped, through host.error or its standard error; empty: nothing
	Trace  string // frames of the guest, innermost first, one a line
	cause  error
}

// Error names the export, the value, the limit and the fix, and what the guest said.
func (t *Trap) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wasm: module %s, export %s: ", t.Module, t.Export)
	switch t.Kind {
	case Fuel:
		fmt.Fprintf(&b, "used more than its fuel of %d%s", t.Limit, t.after())
	case Depth:
		fmt.Fprintf(&b, "calls nested more than %d deep%s", t.Limit, t.after())
	case Exit:
		fmt.Fprintf(&b, "called proc_exit(%d)%s", t.Value, t.after())
	default:
		b.WriteString(t.Text)
	}
	fmt.Fprintf(&b, " (%s)", t.Kind)
	if fix := t.Fix(); fix != "" {
		b.WriteString("; " + fix)
	}
	return b.String()
}

// after is what the guest said before it ran into a limit: one that panics can run out of fuel while it prints where.
func (t *Trap) after() string {
	if t.Said == "" {
		return ""
	}
	return " after it said: " + t.Said
}

// Fix says what the author of the guest, or its operator, can do.
func (t *Trap) Fix() string {
	switch t.Kind {
	case Unreachable:
		return "the guest panicked or aborted; build it with its name section kept to see where, and return an error through host.error instead"
	case Fuel:
		if t.Said != "" {
			return "mend what it says, if that is why it stopped; else look for a loop that does not end, or raise the fuel in the module's limits"
		}
		return "look for a loop that does not end, or raise the fuel in the module's limits"
	case Depth:
		return "look for a recursion that does not end, or turn it into a loop"
	case Memory:
		return "check the lengths and pointers that the guest computes"
	case Table:
		return "a function pointer is null or was cast to another type"
	case Arithmetic:
		return "check the divisor, and the range before a conversion to an integer"
	case Exit:
		return "a guest has no process to end; return an error instead"
	case Dead:
		return "make a new instance"
	case Signature:
		return "compare the export's type with the interface version that it was built for"
	default:
		return ""
	}
}

// Unwrap gives the failure of the host's function, if that is what stopped the guest.
func (t *Trap) Unwrap() error { return t.cause }

// exit is how proc_exit leaves the guest.
type exit struct{ code uint32 }

func (e *exit) Error() string { return fmt.Sprintf("proc_exit(%d)", e.code) }

// kinds finds the kind from the engine's words; its error values are internal.
var kinds = []struct {
	words string
	kind  Kind
}{
	{"unreachable", Unreachable},
	{"stack overflow", Depth},
	{"out of bounds memory access", Memory},
	{"invalid table access", Table},
	{"indirect call type mismatch", Table},
	{"null reference", Table},
	{"integer divide by zero", Arithmetic},
	{"integer overflow", Arithmetic},
	{"invalid conversion to integer", Arithmetic},
}

// newTrap reads what the engine said.
func newTrap(err error) *Trap {
	t := &Trap{Kind: HostFault}
	text, trace, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n")
	t.Trace, _, _ = strings.Cut(trace, "\n\n")
	t.Trace = strings.TrimSpace(strings.ReplaceAll(t.Trace, "\n\t", "\n"))
	var left *exit
	if errors.As(err, &left) {
		t.Kind, t.Value, t.Text = Exit, uint64(left.code), left.Error()
		return t
	}
	text = afterStart(text)
	said, fromGuest := strings.CutPrefix(text, "wasm error: ")
	t.Text = said
	if !fromGuest {
		t.Text, t.cause = strings.TrimSuffix(said, " (recovered by wazero)"), err
		if strings.HasPrefix(said, "stack overflow") {
			t.Kind, t.cause = Depth, nil
		}
		return t
	}
	t.Kind = Unreachable
	for _, k := range kinds {
		if said == k.words {
			t.Kind = k.kind
		}
	}
	return t
}

// afterStart cuts off what the engine says before the words of a trap in a start section.
func afterStart(text string) string {
	if _, words, cut := strings.Cut(text, "] failed: "); cut && strings.HasPrefix(text, "start function[") {
		return words
	}
	return text
}
