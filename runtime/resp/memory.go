package resp

import (
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/shards/store"
)

// memoryRows are about bytes.
var memoryRows = []command{
	{name: "memory", arity: -2, flags: flagRead, group: "server", since: "4.0.0", summary: "A container for memory diagnostics commands.", run: runArity,
		subs: []*command{
			{name: "memory|usage", arity: -3, flags: flagRead, first: 2, final: 2, step: 1, since: "4.0.0", summary: "Estimates the memory usage of a key.", syntax: "key [SAMPLES count]", compile: compileMemoryUsage, result: resultMemoryUsage},
			{name: "memory|doctor", arity: 2, flags: flagLoading | flagStale, since: "4.0.0", summary: "Outputs a memory problems report.", run: runMemoryDoctor},
		}},
}

// keyCost is about what a key costs beside its own bytes and its value's.
const keyCost = 57

// compileMemoryUsage takes SAMPLES, which has no meaning for values that are one piece.
func compileMemoryUsage(q *request) error {
	switch {
	case len(q.args) == 3:
	case len(q.args) != 5 || upper(q.args[3]) != "SAMPLES":
		return errSyntax
	default:
		if n, ok := parseInt(q.args[4]); !ok {
			return errNotInteger
		} else if n < 0 {
			return errSyntax
		}
	}
	q.op(store.Op{Kind: store.OpGet, Key: q.args[2], WantOld: true})
	return nil
}

func resultMemoryUsage(q *request, _ int, r *store.Result) {
	if !r.Found {
		q.out = appendNull(q.out, q.v3)
		return
	}
	q.out = appendInt(q.out, int64(keyCost+len(q.args[2])+len(r.Value)))
}

func runMemoryDoctor(c *conn, q *request) {
	f := c.s.backend.Facts()
	keys := int64(0)
	for _, k := range f.PerKeyspace {
		keys += k.Keys
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d keys take %d bytes", keys, f.UsedMemory)
	if keys > 0 {
		fmt.Fprintf(&text, ", %d each", f.UsedMemory/keys)
	}
	switch {
	case f.MaxMemory == 0:
		text.WriteString("; there is no limit. Give the keyspace one (maxmemory) if it is a cache.\n")
	case f.UsedMemory > f.MaxMemory-f.MaxMemory/10:
		fmt.Fprintf(&text, "; the limit of %d is near, and then: %s.\n", f.MaxMemory, evictionName(&f))
	default:
		fmt.Fprintf(&text, " of %d allowed. Nothing to complain of.\n", f.MaxMemory)
	}
	q.out = appendText(q.out, text.String(), q.v3)
}

func evictionName(f *Facts) string {
	if f.Eviction == "" {
		return "noeviction"
	}
	return f.Eviction
}
