package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// language is an SDK with how a rule in it becomes a module.
type language struct {
	name     string
	folder   string   // with the sources
	compiler string   // that must be found
	version  string   // of which the modules that are kept were built: another one's differ in bytes, and are not compared
	build    []string // run in the folder; OUT stands for the module's path
	env      []string
	keep     string // a built module in the folder, for where the compiler is not to be had; "" builds always
}

var languages = []language{
	{"c", golden, "clang-19", "version 19.", []string{"--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib", "-ffreestanding", "-fno-builtin", "-Wall", "-Wextra", "-Werror",
		"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=16384", "-I../../c", "-o", "OUT", "rule.c"}, withoutWasmOpt, "c.wasm"},
	{"rust", golden, "/usr/bin/rustc", "rustc 1.63.", []string{"--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-C", "opt-level=3", "-C", "panic=abort",
		"-C", "lto", "-C", "linker=wasm-ld-14", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "-o", "OUT", "rule.rs"}, nil, "rust.wasm"},
	{"assemblyscript", golden, "asc", "Version 0.28.20", []string{"rule.ts", "-O3", "--exportStart", "_initialize", "--use", "abort=../../assemblyscript/troupe/abort", "-o", "OUT"}, nil, "assemblyscript.wasm"},
	{"go", golden, "go", "", []string{"build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", "OUT", "./go"}, []string{"GOOS=wasip1", "GOARCH=wasm"}, ""},
}

// withoutWasmOpt hides it from clang, which runs whatever it finds: another one gives other bytes.
var withoutWasmOpt = []string{"PATH=/usr/bin:/bin"}

const golden = "testdata/golden"

// built keeps what was built once.
var built = map[string][]byte{}

// module builds the golden rule, or takes the built one where its compiler is not to be had.
func (l *language) module(t testing.TB) []byte {
	t.Helper()
	key := filepath.Join(l.folder, l.name)
	if built[key] != nil {
		return built[key]
	}
	compiler, err := exec.LookPath(l.compiler)
	if err != nil || testing.Short() {
		if l.keep == "" {
			t.Skipf("no %s here, or no time for it, and no built module to take instead", l.compiler)
		}
		t.Logf("no %s here; taking %s", l.compiler, l.keep)
		return read(t, filepath.Join(l.folder, l.keep))
	}
	path := filepath.Join(t.TempDir(), l.name+".wasm")
	arguments := make([]string, len(l.build))
	for i, a := range l.build {
		arguments[i] = strings.ReplaceAll(a, "OUT", path)
	}
	c := exec.Command(compiler, arguments...)
	c.Dir, c.Env = l.folder, append(os.Environ(), l.env...)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, text)
	}
	built[key] = read(t, path)
	return built[key]
}

// pinned says whether the compiler here is the one that built what is kept.
func (l *language) pinned() bool {
	text, err := exec.Command(l.compiler, "--version").CombinedOutput()
	return err == nil && l.keep != "" && strings.Contains(string(text), l.version)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// guest is an instance with its image, and what it needs to be asked.
type guest struct {
	t        testing.TB
	instance *wasm.Instance
	image    *abi.Image
	row, out uint32
}

const fuel = 200_000_000

// start makes an instance of a module with these settings and this image.
func start(t testing.TB, module []byte, settings []byte, image *abi.Image) *guest {
	t.Helper()
	g := instantiate(t, module)
	g.configure(settings)
	g.see(image)
	return g
}

func instantiate(t testing.TB, module []byte) *guest {
	t.Helper()
	engine, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := engine.Compile(context.Background(), module, wasm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	instance, err := compiled.Instantiate(context.Background(), wasm.Host{Log: func(_ wasm.Level, line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = instance.Close()
		_ = compiled.Close()
		_ = engine.Close()
	})
	return &guest{t: t, instance: instance}
}

// call calls an export and fails the test if it traps.
func (g *guest) call(export string, args ...uint64) uint64 {
	g.t.Helper()
	f := g.instance.Func(export)
	if f == nil {
		g.t.Fatalf("it does not export %s", export)
	}
	stack := make([]uint64, 8)
	copy(stack, args)
	if err := f.Call(fuel, stack); err != nil {
		g.t.Fatal(err)
	}
	return stack[0]
}

// give copies bytes to where the guest has room for them, aligned as the ABI promises.
func (g *guest) give(data []byte, room int) uint32 {
	g.t.Helper()
	at := uint32(g.call(abi.ExportAlloc, uint64(room+abi.Alignment-1)))
	at = (at + abi.Alignment - 1) &^ (abi.Alignment - 1)
	view, err := g.instance.View(at, uint32(room))
	if err != nil {
		g.t.Fatal(err)
	}
	copy(view, data)
	return at
}

func (g *guest) configure(settings []byte) {
	g.t.Helper()
	at := g.give(settings, len(settings))
	if code := g.call(abi.ExportConfigure, uint64(at), uint64(len(settings))); code != 0 {
		g.t.Fatalf("it refuses its settings with %d: %s", code, g.instance.Said())
	}
}

func (g *guest) see(image *abi.Image) {
	g.t.Helper()
	at := g.give(image.Bytes(), len(image.Bytes()))
	if code := g.call(abi.ExportState, uint64(at), uint64(len(image.Bytes()))); code != 0 {
		g.t.Fatalf("it refuses the state with %d: %s", code, g.instance.Said())
	}
	g.image = image
	g.row = g.give(nil, 8*image.Counts().Nodes+8)
	g.out = g.give(nil, 512)
}

// question is one for all languages.
type question struct {
	export             string
	shard, copy, flags int
}

// ask gives the answer as text: the row in hexadecimal, or the bits of the points, then each sentence.
func (g *guest) ask(q question) string {
	g.t.Helper()
	nodes := g.image.Counts().Nodes
	size := nodes
	if q.export == abi.ExportScore {
		size = 8 * nodes
	}
	view, _ := g.instance.View(g.row, uint32(size))
	clear(view)
	g.call(q.export, uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(g.row))
	view, _ = g.instance.View(g.row, uint32(size))
	row := bytes.Clone(view)
	text := fmt.Sprintf("%s shard=%d copy=%d flags=%d: %s\n", q.export, q.shard, q.copy, q.flags, hex.EncodeToString(row))
	if q.export == abi.ExportScore {
		return text
	}
	said := map[byte]bool{}
	for node, answer := range row {
		if one := g.call(abi.ExportMeter, uint64(capability(q)), uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(node)); q.export == abi.ExportPromote && byte(one) != answer {
			g.t.Errorf("%s of node %d alone is %#02x, in its row %#02x", q.export, node, one, answer)
		}
		if answer != 0 && !said[answer] {
			said[answer] = true
			text += fmt.Sprintf("  %02x: %s\n", answer, g.explain(q, node, answer))
		}
	}
	return text
}

func capability(q question) abi.Capability {
	for _, c := range abi.Capabilities() {
		if c.Export() == q.export {
			return c
		}
	}
	panic("no capability is exported as " + q.export)
}

func (g *guest) explain(q question, node int, answer byte) string {
	g.t.Helper()
	n := g.call(abi.ExportExplain, uint64(capability(q)), uint64(q.shard), uint64(uint32(q.copy)), uint64(q.flags), uint64(node), uint64(answer), uint64(g.out), 512)
	view, err := g.instance.View(g.out, uint32(n))
	if err != nil || n > 512 {
		g.t.Fatalf("a sentence of %d bytes: %v", n, err)
	}
	return string(view)
}

// cluster is an image by chance: the same for the same dice.
func cluster(t testing.TB, dice *rand.Rand, needs []abi.Column) *abi.Image {
	t.Helper()
	counts := abi.Counts{Nodes: 1 + dice.IntN(12), Keyspaces: 1 + dice.IntN(3), Shards: 1 + dice.IntN(8), Slots: 4}
	b, err := abi.NewBuilder(counts, dice.Uint64(), needs)
	if err != nil {
		t.Fatal(err)
	}
	pick := func(words ...string) string { return words[dice.IntN(len(words))] }
	b.I64(abi.Ticks, 0, 1000)
	for n := range counts.Nodes {
		b.Text(abi.NodeName, n, fmt.Sprintf("n%d", n+1))
		b.Text(abi.NodeHost, n, pick("h1", "h2", "h3", "hôte"))
		b.U8(abi.NodeFlags, n, uint8(dice.IntN(16)))
		b.I64(abi.NodeHeld, n, int64(dice.IntN(2000)))
		b.U32(abi.NodeCopies, n, uint32(dice.IntN(100)))
		b.F64(abi.NodeCapacityDisk, n, float64(dice.IntN(3))*1e12)
		b.F64(abi.NodeUsedDisk, n, dice.Float64()*1e12)
		if dice.IntN(3) > 0 {
			b.Attribute(n, "class", pick("spot", "spot-cheap", "solid", ""))
		}
		b.Attribute(n, "zone", pick("a", "b"))
	}
	for k := range counts.Keyspaces {
		b.Text(abi.KeyspaceName, k, []string{"orders", "events", "cache"}[k])
		for n := range counts.Nodes {
			b.U32(abi.KeyspaceNodeCopies, k*counts.Nodes+n, uint32(dice.IntN(20)))
		}
	}
	for s := range counts.Shards {
		b.U32(abi.ShardKeyspace, s, uint32(dice.IntN(counts.Keyspaces)))
		b.U32(abi.ShardNumber, s, uint32(s))
		for slot := range dice.IntN(counts.Slots) {
			b.Row(abi.CopyNode, s*counts.Slots+slot, dice.IntN(counts.Nodes))
			b.U8(abi.CopyFlags, s*counts.Slots+slot, uint8(dice.IntN(16)))
			b.Row(abi.ShardPrimary, s, s*counts.Slots+slot)
		}
	}
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// questions asks everything about each shard once.
func questions(dice *rand.Rand, m *abi.Image) []question {
	var out []question
	slots := m.Counts().Slots
	for s := range m.Counts().Shards {
		out = append(out,
			question{abi.ExportAllocate, s, abi.NoCopy, dice.IntN(4)},
			question{abi.ExportRemain, s, s*slots + dice.IntN(slots), 0},
			question{abi.ExportPromote, s, s * slots, abi.FlagPrimary},
			question{abi.ExportScore, s, abi.NoCopy, dice.IntN(4)})
	}
	return out
}

// settingsOf gives the golden rule other settings each time.
func settingsOf(t testing.TB, dice *rand.Rand, m *abi.Manifest) []byte {
	t.Helper()
	values, own := map[string]string{}, map[string]map[string]string{}
	if dice.IntN(2) > 0 {
		values = map[string]string{"strict": "true", "full": "0.5", "avoid": "*cheap, solid", "patience": "2500ms", "limit.orders": "7", "limit.événements": "3"}
		own = map[string]map[string]string{"events": {"full": "0.125", "avoid": ""}, "cache": {"avoid": "a*b"}}
	}
	text, err := m.Configuration(values, own)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestLanguagesAnswerAlike asks the golden rule in every language the same questions about the same clusters. What they say is
// kept in answers.txt for the first clusters; for all others they are held to each other, byte for byte.
func TestLanguagesAnswerAlike(t *testing.T) {
	manifest, err := abi.ParseManifest(read(t, golden+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, golden+"/manifest.json"), read(t, golden+"/go/manifest.json")) {
		t.Error("the Go rule's manifest is another; a Go file embeds only what lies below it, so there are two")
	}
	needs, _ := manifest.Columns()
	heard := map[string]string{}
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			module := l.module(t)
			dice := rand.New(rand.NewPCG(4, 2026))
			var all, first strings.Builder
			var g *guest
			for round := range 60 {
				image, settings := cluster(t, dice, needs), settingsOf(t, dice, manifest)
				if g == nil {
					g = start(t, module, settings, image)
				} else {
					g.configure(settings)
					g.see(image)
				}
				from := all.Len()
				for _, q := range questions(dice, image) {
					all.WriteString(g.ask(q))
				}
				if round < 3 {
					fmt.Fprintf(&first, "settings: %s\n%s", settings, all.String()[from:])
				}
			}
			heard[l.name] = all.String()
			check(t, golden+"/answers.txt", first.String())
		})
	}
	for _, l := range languages[1:] {
		if a, b := heard[languages[0].name], heard[l.name]; a != "" && b != "" && a != b {
			t.Errorf("%s and %s part at\n%s", languages[0].name, l.name, parting(a, b))
		}
	}
}

// parting is where two texts differ first.
func parting(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return as[i] + "\n" + bs[i]
		}
	}
	return "the end of one of them"
}

// check compares a text with the golden one.
func check(t *testing.T, path, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, path)); got != want {
		t.Errorf("%s says otherwise:\n%s", path, parting(want, got))
	}
}

// TestPokeIsSeen changes one value in the guest's image, and asks again.
func TestPokeIsSeen(t *testing.T) {
	manifest, err := abi.ParseManifest(read(t, golden+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	needs, _ := manifest.Columns()
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(4, 7))
			image, settings := cluster(t, dice, needs), settingsOf(t, dice, manifest)
			g := start(t, l.module(t), settings, image)
			q := question{abi.ExportScore, 0, abi.NoCopy, 0}
			before := g.ask(q)
			at := g.give(image.Bytes(), len(image.Bytes()))
			if code := g.call(abi.ExportState, uint64(at), uint64(len(image.Bytes()))); code != 0 {
				t.Fatal(g.instance.Said())
			}
			offset, _ := image.PutU32(abi.NodeCopies, 0, 1<<20)
			view, _ := g.instance.View(at+offset, 4)
			copy(view, image.Bytes()[offset:])
			after := g.ask(q)
			points, err := hex.DecodeString(after[strings.LastIndex(after, " ")+1 : len(after)-1])
			if err != nil {
				t.Fatal(err)
			}
			if got := math.Float64frombits(binary.LittleEndian.Uint64(points)); before == after || got < 1<<18 {
				t.Errorf("a node with %d copies is worth %v; before: %s", 1<<20, got, before)
			}
		})
	}
}

// TestChangesAreHeard gives a list of changes, and asks what came of it.
func TestChangesAreHeard(t *testing.T) {
	manifest, err := abi.ParseManifest(read(t, golden+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	needs, _ := manifest.Columns()
	list := abi.AppendChanges(nil, []abi.Change{{Column: abi.NodeCopies, Row: 0}, {Column: abi.CopyNode, Row: 7}, {Column: abi.NodeCopies, Row: 70_000}})
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(4, 9))
			image, settings := cluster(t, dice, needs), settingsOf(t, dice, manifest)
			g := start(t, l.module(t), settings, image)
			g.call(abi.ExportDelta, uint64(g.give(list, len(list))), uint64(len(list)))
			q := question{abi.ExportAllocate, 0, abi.NoCopy, 0}
			if got, want := g.explain(q, 0, abi.Say(abi.No, 6)), "heard of 3 changes, 2 of them of node_copies; the last of row 70000"; got != want {
				t.Errorf("it says %q; wanted %q", got, want)
			}
		})
	}
}

// TestBuiltModulesAreTheSources builds what is kept built, where the same compiler is to be had, and compares byte for byte.
func TestBuiltModulesAreTheSources(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles every module")
	}
	for _, l := range append(slices.Clone(languages), kinds...) {
		if !l.pinned() {
			continue
		}
		path, module := filepath.Join(l.folder, l.keep), l.module(t)
		if *rewrite {
			if err := os.WriteFile(path, module, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(read(t, path), module) {
			t.Errorf("%s is not what its source gives; run: go test ./wasm/guest -rewrite", path)
		}
	}
}
