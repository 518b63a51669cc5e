package hosted_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// hostile are modules that mean no good, by the file of testdata/hostile, with the kind of their faults; those without one are
// well-formed, and no worse than a bad opinion.
var hostile = map[string]string{
	"loop": string(wasm.Fuel), "recursion": string(wasm.Depth), "memory": string(wasm.Fuel), "beyond": string(wasm.Memory), "third": string(wasm.Unreachable), "random": hosted.BadByte,
	"refuse": hosted.Refused, "pointer": hosted.BadPointer, "text": hosted.BadText, "bytes": hosted.BadText, "nan": hosted.BadScore, "infinity": hosted.BadScore,
	"no": "", "yes": "", "overrun": "", "chatter": "", "fickle": "", "shardwise": "",
}

// DESIGN.md section 5: "A trap, exhausted fuel or a NaN gives the declared fail mode (hard rule: no; soft rule: ignored), is
// traced, and quarantines the module after three".
func TestHostileModulesAreQuarantined(t *testing.T) {
	e := engine(t)
	for name, kind := range hostile {
		for _, mode := range []string{abi.Hard, abi.Soft} {
			t.Run(name+" "+mode, func(t *testing.T) {
				v := load(t, e, fixture(t, "hostile/"+name, abi.Manifest{Kind: mode, Scale: 1}))
				set := hosted.NewSet(nil, []hosted.Policy{{Version: v}})
				defer set.Close()
				faults := provoke(t, set, orphans(t).View(), mode)
				if kind == "" {
					if len(faults) > 0 {
						t.Fatalf("it is well-formed, and failed: %s", faults[0].Text)
					}
					return
				}
				if len(faults) != hosted.Strikes || set.Strikes(v.Digest()) != hosted.Strikes {
					t.Fatalf("%d faults, want %d: %v", len(faults), hosted.Strikes, faults)
				}
				for i, f := range faults {
					if f.Kind != kind || f.Digest != v.Digest() || f.Policy != name || f.Count != i+1 || f.Out != (i == hosted.Strikes-1) || f.Export == "" || !strings.Contains(f.Text, f.Export) {
						t.Errorf("fault %d: %+v; want kind %s", i+1, f, kind)
					}
				}
			})
		}
	}
}

// provoke asks a set about everything, far more often than anybody may fail, and gives the faults. As long as a module may be
// asked, its failing is NO everywhere if it is hard, with a sentence that says so; after that it has no word.
func provoke(t *testing.T, set *hosted.Set, v *policies.View, mode string) (all []hosted.Fault) {
	t.Helper()
	failed := 0
	for range 5 {
		for place := range v.State.Shards {
			q := question(v, place)
			row := set.Ask(v, q)
			words := set.Explain(v, q, 0).Words
			for _, x := range set.Scores(v, q) {
				if x != 0 {
					t.Fatalf("its score of %v was believed", x)
				}
			}
			faults, _ := set.Faults()
			all = append(all, faults...)
			if row[0] != 0 && row[0].Code() == policies.MaxCode {
				failed++
				if mode == abi.Soft {
					t.Fatalf("it failed, is soft, and says %v", row[0].Verdict())
				}
			}
			if len(all) == hosted.Strikes && len(faults) == 0 && (row[0] != 0 || len(words) > 0) {
				t.Fatalf("it is quarantined, and says %v: %v", row[0].Verdict(), words)
			}
			for _, w := range words {
				if w.Verdict != policies.Yes && w.Reason == "" {
					t.Fatalf("%v without a reason", w.Verdict)
				}
			}
		}
	}
	if set.Strikes(all0(all)) == 0 && failed > 0 {
		t.Error("it said NO for a fault that nobody recorded")
	}
	return all
}

func all0(all []hosted.Fault) string {
	if len(all) == 0 {
		return ""
	}
	return all[0].Digest
}

// DESIGN.md section 5: "A failover never waits for a bad policy." Who is promoted does not depend on it either.
func TestPromotionsAreThoseWithoutTheHostile(t *testing.T) {
	e, w := engine(t), orphans(t)
	want := promotions(w, &policies.Set{Deciders: deciders.All()})
	if strings.Count(want, "c") < 20 {
		t.Fatalf("too few promotions: %s", want)
	}
	for name := range hostile {
		for _, mode := range []string{abi.Hard, abi.Soft} {
			set := with(load(t, e, fixture(t, "hostile/"+name, abi.Manifest{Kind: mode, Scale: 1})))
			for range 2 {
				if got := promotions(w, &set.Set); got != want {
					t.Errorf("%s, %s: promoted\n%s\nand without it\n%s", name, mode, got, want)
				}
			}
			if faults, _ := set.Faults(); len(faults) > hosted.Strikes {
				t.Errorf("%s: %d faults", name, len(faults))
			}
			set.Close()
		}
	}
}

// What it logs is bounded.
func TestChatter(t *testing.T) {
	set := hosted.NewSet(nil, []hosted.Policy{{Version: load(t, engine(t), fixture(t, "hostile/chatter", abi.Manifest{}))}})
	v := orphans(t).View()
	for place := range v.State.Shards {
		set.Ask(v, question(v, place))
	}
	lines, more := set.Lines()
	size := 0
	for _, l := range lines {
		size += len(l.Text)
	}
	if len(lines) == 0 || size > 64<<10 || len(lines)+more != 100*len(v.State.Shards) {
		t.Errorf("%d lines of %d bytes, and %d more", len(lines), size, more)
	}
	if again, _ := set.Lines(); len(again) > 0 {
		t.Error("the same lines twice")
	}
}

// leb is the length of a section.
func leb(n int) (out []byte) {
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

// A module that is all code would take seconds to compile: it is refused for its size, or for the size of its functions, or the
// compilation ends when its time does.
func TestBomb(t *testing.T) {
	e, binary := engine(t), fixture(t, "hostile/yes", abi.Manifest{})
	section := func(id byte, payload []byte) []byte {
		return append(append([]byte{id}, leb(len(payload))...), payload...)
	}
	large := append(bytes.Clone(binary), section(0, append([]byte{1, 'x'}, make([]byte, 4<<20)...))...)
	if _, err := hosted.Load(t.Context(), e, large); err == nil || !strings.Contains(err.Error(), "too large") || !strings.Contains(err.Error(), "4194304") {
		t.Errorf("4 MiB and more: %v", err)
	}
	body := append(append([]byte{0}, bytes.Repeat([]byte{0x41, 0, 0x1a}, 1<<20)...), 0x0b) // i32.const 0, drop: a million times
	code := append(append([]byte{1}, leb(len(body))...), body...)
	bomb := append([]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte{1, 0x60, 0, 0})...)
	bomb = append(append(bomb, section(3, []byte{1, 0})...), section(10, code)...)
	manifest, err := abi.FindManifest(binary)
	if err != nil {
		t.Fatal(err)
	}
	if bomb, err = abi.WithManifest(bomb, manifest.JSON()); err != nil {
		t.Fatal(err)
	}
	if _, err := hosted.Load(t.Context(), e, bomb); err == nil || !strings.Contains(err.Error(), "262144") {
		t.Errorf("one function of 3 MiB: %v", err)
	}
}

// Each forged manifest is refused by a sentence.
func TestForgedManifests(t *testing.T) {
	e := engine(t)
	good, err := abi.FindManifest(fixture(t, "hostile/yes", abi.Manifest{}))
	if err != nil {
		t.Fatal(err)
	}
	code := func(path string) []byte {
		binary, err := os.ReadFile(filepath.Join("testdata", path+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	for _, c := range []struct {
		module string
		forge  func(m *abi.Manifest)
		says   string
	}{
		{"hostile/yes", func(m *abi.Manifest) { m.ABI = 7 }, "this host speaks 1"},
		{"hostile/yes", func(m *abi.Manifest) { m.Kind = "sacred" }, "must be hard"},
		{"hostile/yes", func(m *abi.Manifest) { m.Limits.Pages = 1 << 20 }, "must be from 1 to 1024 pages"},
		{"hostile/yes", func(m *abi.Manifest) { m.Limits.FuelPerRow = 1 << 60 }, "limits.fuel_per_row"},
		{"hostile/yes", func(m *abi.Manifest) { m.Needs = []string{"passwords"} }, `column "passwords", which this host does not have`},
		{"hostile/yes", func(m *abi.Manifest) { m.Reasons = make64() }, "codes go from 1 to 62"},
		{"hostile/yes", func(m *abi.Manifest) { m.Limits.Pages = 1 }, "1"},
		{"hostile/nan", func(m *abi.Manifest) { m.Scale = 0 }, "has no scale"},
		{"hostile/nan", func(m *abi.Manifest) { m.Scale = -1 }, "scale"},
		{"forged/silent", nil, "no word on anything"},
		{"forged/unmarked", nil, "does not export pol_abi_1()"},
		{"forged/signature", nil, "a host of version 1 calls can_allocate(i32, i32, i32, i32)"},
		{"forged/importer", nil, "fd_open"},
		{"forged/starter", nil, "start"},
	} {
		m := *good
		m.Scale = 1
		if c.forge != nil {
			c.forge(&m)
		}
		binary, err := abi.WithManifest(code(c.module), m.JSON())
		if err == nil {
			_, err = hosted.Load(t.Context(), e, binary)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; should say %q", c.module, err, c.says)
		}
	}
	if _, err := hosted.Load(t.Context(), e, code("hostile/yes")); err == nil || !strings.Contains(err.Error(), "no section policy.manifest") {
		t.Errorf("no manifest: %v", err)
	}
}

func make64() []string {
	list := make([]string, 64)
	for i := range list {
		list[i] = "because"
	}
	return list
}

// A module may take the name of a built-in rule. It is none for that: no twin answers for it, and it is counted like any other.
func TestNameOfABuiltInIsOnlyAName(t *testing.T) {
	v := load(t, engine(t), fixture(t, "hostile/loop", abi.Manifest{Name: "same_node"}))
	set := hosted.NewSet(nil, []hosted.Policy{{Version: v}})
	view := orphans(t).View()
	for strike := 1; strike <= hosted.Strikes; strike++ {
		want := policies.Say(policies.No, policies.MaxCode) // and once it is out it says nothing any more
		if strike == hosted.Strikes {
			want = 0
		}
		if row := set.Ask(view, question(view, 1)); row[0] != want {
			t.Fatalf("after strike %d it says %v with code %d", strike, row[0].Verdict(), row[0].Code())
		}
	}
	if v.BuiltIn() || set.Strikes(v.Digest()) != hosted.Strikes {
		t.Errorf("built in: %v, strikes %d", v.BuiltIn(), set.Strikes(v.Digest()))
	}
}

// TestFixturesAreBuilt builds each .wat anew.
func TestFixturesAreBuilt(t *testing.T) {
	if _, err := exec.LookPath("wat2wasm"); err != nil {
		if os.Getenv("TROUPE_PEERS") == "required" {
			t.Fatalf("%v; .ci/run peers installs it", err)
		}
		t.Skipf("%v; apt-get install wabt", err)
	}
	sources, err := filepath.Glob("testdata/*/*.wat")
	if err != nil || len(sources) < len(hostile) {
		t.Fatalf("%d sources: %v", len(sources), err)
	}
	for _, source := range sources {
		out := filepath.Join(t.TempDir(), "out.wasm")
		if text, err := exec.Command("wat2wasm", source, "-o", out).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", source, err, text)
		}
		got, err := os.ReadFile(out)
		want, err2 := os.ReadFile(strings.TrimSuffix(source, ".wat") + ".wasm")
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the .wasm beside it was built from: wat2wasm %s -o …", source, source)
		}
	}
}
