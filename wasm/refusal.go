package wasm

import (
	"fmt"
	"strings"
)

// A Refusal is why a module was not loaded. Nothing of it has run.
type Refusal struct {
	Section string // of the module: import, code, export…; "module" for the whole
	Name    string // of the export, import or function; "" where the section has no names
	Reason  string // what is wrong, with value and limit in words
	Value   uint64
	Limit   uint64 // 0 where the rule is no number
	Fix     string
}

// Error names the section, the name, the value, the limit and the fix.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wasm: module refused: %s", r.Section)
	if r.Name != "" {
		b.WriteString(" " + r.Name)
	}
	b.WriteString(": " + r.Reason)
	if r.Limit > 0 {
		fmt.Fprintf(&b, " (%d, limit %d)", r.Value, r.Limit)
	}
	if r.Fix != "" {
		b.WriteString("; " + r.Fix)
	}
	return b.String()
}
