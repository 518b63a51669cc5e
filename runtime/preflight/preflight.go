// Package preflight finds out what would stop this machine from running a node, before the node is started: addresses, the
// data folder, the disk's space and its fsync, limits, memory, the clock, and the cluster that it would join.
//
//	Input ──► Run ──► []Result{name, OK | Warn | Fail, found, want, fix} ──► Table, JSON, ExitCode
//
// A check leaves nothing behind: it opens and closes listeners, and writes a temporary file that it removes. What it says
// holds for the moment of the check. Limits and memory are read on Linux, and partly on macOS; elsewhere they are reported
// as not checked.
package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Level is how bad a result is.
type Level string

// The levels. A Fail stops the node; a Warn is something that an operator should know.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Result is the outcome of one check.
type Result struct {
	Name  string `json:"name"`
	Level Level  `json:"level"`
	Found string `json:"found"`
	Want  string `json:"want"`
	Fix   string `json:"fix,omitempty"` // what to do; empty if the level is OK
}

// Identity is what a data folder says about its owner.
type Identity struct{ Node, Cluster string }

// ErrLocked is what Input.Identity returns, wrapped or not, if another process uses the folder.
var ErrLocked = errors.New("preflight: the data folder is in use by another process")

// Input says what the node would use. The zero value checks only the machine.
type Input struct {
	// RESP, HTTP and Peer are the addresses that the node would listen on, as host:port. Empty ones are not checked.
	RESP, HTTP, Peer string

	// Data is the node's folder; empty for a node without one. It need not exist.
	Data string

	// Identity reads the owner of the folder, if it has one. It is called only if the folder exists. Default: not checked.
	Identity func(data string) (id Identity, found bool, err error)

	// Join are peer addresses of members that the node would ask to let it in. Empty: it would not join.
	Join []string

	// Initial are peer addresses of nodes that began the cluster. A node that joins nobody and has a folder of a cluster asks those that
	// answer.
	Initial []string

	// Advertise is the host under which others would reach this node; empty: that of Peer.
	Advertise string

	// Ask says who listens at a member's peer address; an error says why this node would not be let in. Default: the addresses
	// are only dialed. own is whose the data folder is, as Identity has found; empty: nobody's yet.
	Ask func(ctx context.Context, address string, own Identity) (Peer, error)

	// Config is an error if no node can run with its configuration. Default: not checked.
	Config func() error

	// Strange are sentences about what is set and means nothing to a node.
	Strange []string

	// Seeds reads the file of peers and lists the addresses of members that are in it. Default: there is none.
	Seeds func() ([]string, error)

	// Format is the newest format of the wire between nodes that this release speaks. It is compared with what Ask found.
	Format uint32

	// Node and Cluster are whom the folder should belong to. Empty: whoever it is.
	Node, Cluster string

	// Reserve is the free space, in bytes, below which the node refuses writes. Default 256 MiB.
	Reserve int64

	// Memory is what the node is meant to hold, in bytes. 0: not known.
	Memory int64

	// Connections is how many clients the node should be able to serve. Default 10,000.
	Connections int

	// Syncs is how many 4-KiB writes with fsync are timed. Default 64.
	Syncs int

	owned   Identity // whose the folder is, once owner has found it
	refused bool     // Config said so: members would be asked with what cannot be used
}

func (in *Input) fill() {
	if in.Reserve <= 0 {
		in.Reserve = 256 << 20
	}
	if in.Connections <= 0 {
		in.Connections = 10_000
	}
	if in.Syncs <= 0 {
		in.Syncs = 64
	}
}

// Run makes every check in a fixed order. If ctx ends, the checks that are left are missing.
func Run(ctx context.Context, in Input) []Result {
	in.fill()
	checks := []func(context.Context, *Input) []Result{config, strange, seeds, addresses, folder, owner, join, space, fsync, files, memory, hugePages, clock, versions}
	var results []Result
	for _, check := range checks {
		if ctx.Err() != nil {
			break
		}
		results = append(results, check(ctx, &in)...)
	}
	return results
}

// config checks what a node refuses wherever it is.
func config(_ context.Context, in *Input) []Result {
	if in.Config == nil {
		return nil
	}
	r := Result{Name: "configuration", Level: OK, Found: "nothing against it", Want: "one that a node can run with"}
	if err := in.Config(); err != nil {
		in.refused = true
		r.Level, r.Found, r.Fix = Fail, "refused", err.Error()
	}
	return []Result{r}
}

// strange warns of what was set and is not looked at.
func strange(_ context.Context, in *Input) []Result {
	if len(in.Strange) == 0 {
		return nil
	}
	return []Result{{
		Name: "environment", Level: Warn, Found: fmt.Sprintf("%d unknown", len(in.Strange)), Want: "only variables that are settings", Fix: strings.Join(in.Strange, "\n  "),
	}}
}

// seeds adds the members that a file of peers names. A node starts without the file, and waits for it.
func seeds(_ context.Context, in *Input) []Result {
	if in.Seeds == nil {
		return nil
	}
	r := Result{Name: "file of peers", Level: OK, Want: "a file with an address in each line"}
	list, err := in.Seeds()
	in.Join = append(slices.Clone(in.Join), list...)
	switch r.Found = fmt.Sprintf("%d addresses", len(list)); {
	case err != nil:
		r.Level, r.Found = Warn, err.Error()
		r.Fix = "a node goes on without it, and reads it once it is there: write it, or correct its name"
	case len(list) == 0:
		r.Level, r.Fix = Warn, "write the peer address of a member in each line"
	}
	return []Result{r}
}

// ExitCode is 1 if a check failed, else 0: warnings stop nothing.
func ExitCode(results []Result) int {
	for _, r := range results {
		if r.Level == Fail {
			return 1
		}
	}
	return 0
}

// Table writes results for people: a line for each, and below it what to do.
func Table(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tRESULT\tFOUND\tWANTED") // errors stick in the writer until Flush
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.Name, r.Level, r.Found, r.Want)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	for _, r := range results {
		if r.Fix == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", r.Name, r.Fix); err != nil {
			return fmt.Errorf("write the advice: %w", err)
		}
	}
	return nil
}

// JSON writes results for programs, in one line: {"ok":true,"results":[...]}.
func JSON(w io.Writer, results []Result) error {
	return json.NewEncoder(w).Encode(struct {
		OK      bool     `json:"ok"`
		Results []Result `json:"results"`
	}{ExitCode(results) == 0, results})
}

func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return fmt.Sprintf("%.4g %s", value, units[unit])
}
