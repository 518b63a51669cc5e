package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// The house, floor by floor:
//
//	5  integration  examples      everything
//	4  runtime                    the operating system
//	3  actors                     concurrency
//	2  policies  tracing          pure decisions; spans and metrics
//	1  shards    wasm             pure state and protocols; the sandbox
//
// An arrow (an import) may only point down, or stay within its own folder.

const house = "github.com/troupe-actors/troupe"

// wing is one folder at the root.
type wing struct {
	floor int
	role  string   // what it is for, quoted when an arrow into or out of it is refused
	rooms []string // its packages below the folder; "..." ends a name that stands for all below it
}

var wings = map[string]wing{
	"shards": {1, "shards keep: pure state and protocols, which must replay the same on every copy",
		[]string{"", "radix", "store", "wal", "replica", "recovery", "activation", "wire"}},
	"wasm": {1, "wasm fences: bytes in, bytes out",
		[]string{"", "abi", "abi/act", "guest/..."}},
	"policies": {2, "policies decide: the same state gives the same plan, on any node and in a replay",
		[]string{"", "cluster", "liveness", "allocator", "allocator/fit", "deciders", "record", "past", "hosted", "modules/...", "tck"}},
	"tracing": {2, "tracing tells: spans, metrics and carriers, and no decision",
		[]string{"", "tracetest"}},
	"actors": {3, "actors act: goroutines, timers and connections live here and above",
		[]string{"", "transport", "directory", "shard", "member", "metadata", "placement", "failover", "virtual", "virtual/virtualtest", "topics", "recipes", "guest"}},
	"runtime": {4, "the runtime runs: it wires everything and meets the operating system",
		[]string{"", "resp", "socket", "admin", "admin/console", "admin/recent", "sim", "preflight", "cmd/troupe/..."}},
	"examples":    {5, "examples stand on the roof: they use the house as a stranger would", []string{"..."}},
	"integration": {5, "integration stands on the roof: it tests the house from outside", []string{"", "bench/...", "harness"}},
}

// hostedOnly are the one crossing on floor 2: a decider whose mind is a guest.
const hostedOnly = "policies/hosted"

// bytesOnly is the part of wasm that calls nobody: manifests and images.
const bytesOnly = "wasm/abi"

// door is a library that only some folders may import. Whoever replaces or upgrades it then knows where to look.
type door struct {
	library string
	folders []string
	reason  string
}

// worlds are the disks that forget and fail; tests of every floor may make one.
const worlds = "github.com/cockroachdb/pebble/v2/vfs"

var doors = []door{
	{"github.com/asynkron/protoactor-go", []string{"actors", "integration/bench/actors"},
		"its API moves between versions and its remote loses messages; the house sees only actors.System"},
	{worlds, []string{"shards/wal"},
		"a log is given its file system by whoever opens it; product code leaves that to the log"},
	{"github.com/cockroachdb/pebble/v2", []string{"shards/wal"},
		"the log is wal.Log; what lies below it may be exchanged"},
	{"github.com/vmihailenco/msgpack/v5", []string{"shards/wire"},
		"seven hostile bytes make it ask for 28.9 GB; only wire bounds a frame before it decodes"},
	{"github.com/spf13/", []string{"runtime/cmd/troupe"},
		"an embedder has no command line"},
	{"github.com/schollz/progressbar/v3", []string{"runtime/cmd/troupe"},
		"only a person at a terminal looks at a progress bar"},
	{"github.com/HdrHistogram/hdrhistogram-go", []string{"runtime/cmd/troupe"},
		"only the bench verb draws a histogram; the node exports Prometheus'"},
	{"golang.org/x/term", []string{"runtime/cmd/troupe"},
		"only the command line has a terminal"},
	{"go.yaml.in/yaml/v3", []string{"runtime"},
		"settings are read once, at the edge; inside the house they are structs"},
	{"github.com/prometheus/", []string{"runtime", "tracing"},
		"cores return figures; who exports them is the edge's business"},
	{"go.opentelemetry.io/", []string{"tracing"},
		"names of spans and attributes are a public format and have one home"},
	{"github.com/tetratelabs/wazero", []string{"wasm"},
		"limits hold only if every guest goes through the one gate that sets them"},
	{"google.golang.org/grpc", []string{"actors", "integration/bench/actors"},
		"the node-to-node wire is one package with an in-memory twin"},
	{"go.etcd.io/raft/v3", []string{"actors", "runtime/sim"},
		"the metadata group is a shell around cluster.State; nothing else may vote. The simulator keeps its log for it"},
	{"github.com/anishathalye/porcupine", []string{"runtime/sim"},
		"a checker of histories is for worlds that are over; nothing that serves may need it"},
	{"google.golang.org/protobuf", []string{"actors", "integration/bench/actors"},
		"Raft's messages and the wire's frames; what the house defines itself is msgpack, in shards/wire"},
	{"github.com/cespare/xxhash/v2", []string{"shards", "policies", "actors"},
		"a hash for digests and tables, not for names that must be found by other programs"},
	{"golang.org/x/sys", []string{"runtime"},
		"calls to one operating system belong where the others' answers stand beside them"},
}

// effect is an import that gives a package a power its folder may not have.
type effect struct {
	folders  []string
	packages []string
	reason   string
	except   string // the one package that may, whose comment says why
}

var pure = []string{"shards", "policies"}

var effects = []effect{
	{pure, []string{"sync", "sync/atomic"},
		"state belongs to one actor, and its turn is the lock; a mutex here would hide a second owner", "shards/wal"},
	{pure, []string{"context"},
		"a core does not wait, so it has nothing to cancel; only the compilation of a guest is bounded by one", hostedOnly},
	{pure, []string{"log", "log/slog"},
		"a core returns what happened; its shell decides whether that is a line, a span or a metric", ""},
	{pure, []string{"math/rand", "crypto/rand"},
		"chance is a seeded generator (math/rand/v2) handed to the constructor, so that one seed replays one world", ""},
	{pure, []string{"runtime", "runtime/debug"},
		"what the scheduler and the collector say differs from run to run", ""},
	{append(slices.Clone(pure), "wasm", "tracing"), []string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "flag"},
		"files, sockets and signals belong to runtime; the log reaches the disk through Pebble's file-system seam", ""},
	{[]string{"actors"}, []string{"os", "os/exec", "os/signal", "syscall", "flag", "net/http"},
		"actors own goroutines and connections; processes, files, flags and HTTP belong to runtime", ""},
}

func TestEveryPackageHasItsPlace(t *testing.T) {
	onceIsEnough(t)
	for _, f := range repository(t).sources {
		if _, known := place(f.folder); !known {
			t.Errorf("%s: the table of layers does not know package %q; say which floor it stands on before it grows", f.path, f.folder)
		}
	}
}

func TestArrowsPointDown(t *testing.T) { complain(t, arrows) }

func TestDoors(t *testing.T) { complain(t, throughDoors) }

func TestEffects(t *testing.T) { complain(t, forbiddenEffects) }

// complain runs one check over every source file of the repository.
func complain(t *testing.T, check func(*source) []string) {
	t.Helper()
	for _, f := range repository(t).sources {
		for _, complaint := range check(f) {
			t.Error(complaint)
		}
	}
}

// place finds the wing of a folder, and whether the table knows the folder.
func place(folder string) (string, bool) {
	name, room, _ := strings.Cut(folder, "/")
	w, ok := wings[name]
	if !ok {
		return name, false
	}
	known := slices.ContainsFunc(w.rooms, func(r string) bool {
		above, whole := strings.CutSuffix(r, "...")
		return r == room || whole && strings.HasPrefix(room+"/", above)
	})
	return name, known
}

// arrows lists the imports of the house that point up or across.
func arrows(f *source) []string {
	var out []string
	from, _ := place(f.folder)
	for _, i := range f.imports {
		target, ours := strings.CutPrefix(i.path, house+"/")
		if !ours {
			continue
		}
		to, _ := place(target)
		switch {
		case f.folder == "shards":
			out = append(out, fmt.Sprintf("%s: shards imports %s; the vocabulary imports nothing of the house, so that all may import it", i.at, target))
		case to == "wasm" && !within(target, bytesOnly) && from == "policies" && !within(f.folder, hostedOnly):
			out = append(out, fmt.Sprintf("%s: %s imports %s; of the policies only %s may call a guest", i.at, f.folder, target, hostedOnly))
		case from != to && wings[to].floor >= wings[from].floor:
			out = append(out, fmt.Sprintf("%s: %s (floor %d) imports %s (floor %d); arrows only point down: %s",
				i.at, f.folder, wings[from].floor, target, wings[to].floor, wings[to].role))
		}
	}
	return out
}

// throughDoors lists the libraries that a file imports and its folder may not. Tests are held to it as well, except for
// worlds: a test that needs the library behind a door tests the wrong side of it.
func throughDoors(f *source) []string {
	var out []string
	for _, i := range f.imports {
		if !strings.Contains(strings.SplitN(i.path, "/", 2)[0], ".") || strings.HasPrefix(i.path, house) || wings[f.wing()].floor == 5 {
			continue
		}
		at := slices.IndexFunc(doors, func(d door) bool {
			return within(i.path, strings.TrimSuffix(d.library, "/"))
		})
		switch {
		case at < 0:
			out = append(out, fmt.Sprintf("%s: %s imports %s, which has no door; a dependency is a decision: add it to the table with its folder and the reason", i.at, f.folder, i.path))
		case f.test && within(i.path, worlds):
		case !slices.ContainsFunc(doors[at].folders, func(d string) bool { return within(f.folder, d) }):
			out = append(out, fmt.Sprintf("%s: %s imports %s; its only door is %s: %s",
				i.at, f.folder, i.path, strings.Join(doors[at].folders, ", "), doors[at].reason))
		}
	}
	return out
}

// forbiddenEffects lists the powers that product code takes and its folder does not have. Tests may have them all.
func forbiddenEffects(f *source) []string {
	if f.test {
		return nil
	}
	var out []string
	for _, i := range f.imports {
		for _, e := range effects {
			if slices.Contains(e.packages, i.path) && f.folder != e.except && slices.ContainsFunc(e.folders, func(d string) bool { return within(f.folder, d) }) {
				out = append(out, fmt.Sprintf("%s: %s imports %q: %s", i.at, f.folder, i.path, e.reason))
			}
		}
	}
	if slices.ContainsFunc(pure, func(d string) bool { return within(f.folder, d) }) {
		out = append(out, impure(f)...)
	}
	return out
}

// within says whether a path is the folder or lies below it.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
