package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	records "github.com/troupe-actors/troupe/policies/record"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

// recordedIn writes plans of an invented cluster into a folder, as a leader does: from its beginning to the loss of a node.
func recordedIn(t *testing.T, folder string) (last string) {
	t.Helper()
	for i, text := range []string{
		"nodes 4 zones=2 disk=1tb\neval 100ms\nkeyspace orders shards=8 replicas=1 data=1gb\n",
		"nodes 4 zones=2 disk=1tb\nkeyspace orders shards=8 replicas=1 data=1gb\neval 5m\nlose node n2\n",
		"nodes 4 zones=2 disk=1tb\nkeyspace orders shards=8 replicas=1 data=1gb\neval 5m\nnow 2026-01-01T01:00:00Z\ndrain n3\n",
	} {
		last = recordOf(t, folder, uint64(i+1), text+strings.Repeat("\n", i))
	}
	return last
}

// recordOf writes the plan that a scenario ends with.
func recordOf(t *testing.T, folder string, number uint64, scenario string) (path string) {
	t.Helper()
	o, err := simulate.Play("x.txt", []byte(scenario), simulate.Config{})
	if err != nil {
		t.Fatal(err)
	}
	in := o.World.Input()
	r := records.New(records.Key{Term: 3, Number: number}, runtime.Software(), in.Now, in, allocator.Make(in), records.Outcome{Proposed: true, Took: time.Millisecond})
	frame, err := r.Frame()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(folder, r.Key.String()+".plan")
	if err := os.WriteFile(path, frame, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReplay(t *testing.T) {
	folder := t.TempDir()
	last := recordedIn(t, folder)
	out, errs, code := invoke(t, nil, "", "replay", folder)
	if code != 0 || errs != "" || !strings.HasPrefix(out, "3 plans, 3 the same bit for bit") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, errs, code = invoke(t, nil, "", "replay", last, "--without", "draining", "--verbose")
	if code != 0 || errs != "" || !strings.Contains(out, "1 plan differs, and") || !strings.Contains(out, "nothing, instead of evacuate YES") || !strings.Contains(out, "milder") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, _, code = invoke(t, nil, "", "replay", folder, "--without", "draining", "--json")
	var sum replaySum
	if err := json.Unmarshal([]byte(out), &sum); err != nil || code != 0 || sum.Plans != 3 || sum.Same != 3 || sum.Differ != 1 || sum.Milder == 0 || sum.Stricter != 0 || sum.Is.Total() >= sum.Was.Total() || sum.Balance["disk"][0] == 0 {
		t.Errorf("exit code %d, %v: %+v", code, err, sum)
	}
}

// A plan that the same rules make otherwise is told, with what differs first: here it is the seed that was changed.
func TestReplaySeesWhatDiffers(t *testing.T) {
	folder := t.TempDir()
	recordedIn(t, folder)
	path := filepath.Join(folder, "3.1.plan")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := records.Next(data)
	if err != nil {
		t.Fatal(err)
	}
	r.Plan.Decisions[2].Reason += ", it was said"
	r.Software = records.Software{Release: "v9.9.9", Build: "another build"}
	if data, err = r.Frame(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := invoke(t, nil, "", "replay", folder)
	if code != exitDifferent || !strings.Contains(out, "3 plans, 2 the same") || !strings.Contains(out, "plan 3.1: decision 2 was ") ||
		!strings.Contains(out, " (it was planned by release v9.9.9 (another build), and this is release "+runtime.Version()) ||
		!strings.Contains(out, "1 plan by release v9.9.9 (another build); this is") || !strings.Contains(errs, "1 of 3 plans") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// A plan that was made with what is not here any more is left out and counted; the others are made again.
func TestReplayLeavesOutWhatIsLost(t *testing.T) {
	folder := t.TempDir()
	recordedIn(t, folder)
	for name, x := range map[string]records.Policy{"3.2.plan": {Name: "spot", Version: "1", Digest: strings.Repeat("7a6b", 16)}, "3.3.plan": {Name: "gravity"}} {
		path := filepath.Join(folder, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := records.Next(data)
		if err != nil {
			t.Fatal(err)
		}
		r.Policies.Deciders = append(r.Policies.Deciders, x)
		if data, err = r.Frame(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, errs, code := invoke(t, nil, "", "replay", folder, "--without", "gravity")
	if code != exitDifferent || !strings.HasPrefix(out, "1 plan, 1 the same bit for bit") || !strings.Contains(errs, "2 plans left out; give with --module the file of policy spot, 7a6b7a6b7a6b (1 plan: ") || !strings.Contains(errs, "; made with rule gravity, which this build does not have (1 plan)") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, _, code = invoke(t, nil, "", "replay", filepath.Join(folder, "3.2.plan"), "--json")
	var sum replaySum
	if err := json.Unmarshal([]byte(out), &sum); err != nil || code != exitDifferent || sum.Plans != 0 || sum.Skipped != 1 || len(sum.Lacking) != 1 || sum.Lacking[0].Policy != "spot" || sum.Lacking[0].Plans != 1 {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
}

func TestReplayUsage(t *testing.T) {
	folder := t.TempDir()
	recordedIn(t, folder)
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"replay --last -1", exitUsage, "--last is -1"},
		{"replay " + folder + " --without gravity", exitUsage, "--without gravity: none of these plans"},
		{"replay " + folder + " --policy missing.wasm", exitFailed, "missing.wasm"},
		{"replay " + folder + "/none", exitFailed, "no such file"},
		{"replay " + t.TempDir(), exitNotFound, "no plans are recorded there"},
		{"replay help_test.go", exitFailed, "is not the beginning of a recorded plan"},
		{"rehearse --lose node", exitUsage, "write KIND=NAME"},
		{"rehearse", exitUsage, "at least one of the flags"},
		{"rehearse " + folder + "/3.1.plan --lose node=n9", exitNotFound, `there is no node "n9"`},
		{"rehearse " + folder + "/3.1.plan --all shelf", exitNotFound, `no node has an attribute "shelf"; there are node, host, zone`},
		{"rehearse " + folder + "/3.1.plan --all class", exitNotFound, `no node has an attribute "class"; there`},
		{"rehearse " + folder + "/3.1.plan --all node --without gravity", exitUsage, "--without gravity: none of these plans"},
		{"rehearse " + folder + "/3.1.plan --at 10m --all node", exitUsage, "--at is for the plans of a cluster"},
		{"simulate none.txt", exitFailed, "none.txt"},
		{"simulate help_test.go", exitUsage, "help_test.go:1: "},
	} {
		if _, errs, code := invoke(t, nil, "", strings.Fields(c.line)...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit code %d, want %d: %s", c.line, code, c.code, errs)
		}
	}
}

func TestRehearse(t *testing.T) {
	folder := t.TempDir()
	last := recordedIn(t, folder)
	out, errs, code := invoke(t, nil, "", "rehearse", last, "--all", "nodes")
	if code != 0 || errs != "" || strings.Count(out, "survives") != 4 || !strings.Contains(out, "score: 4 of 4 losses (100%)") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	refuses := filepath.Join(folder, "always-no.wasm") // a module in place of the rule of its name, which takes no node
	manifest := write(t, folder, "no.json", `{"name":"always-no","version":"1","abi":1,"kind":"hard","per":"class","needs":["node_name"],"reasons":["","no"]}`)
	if _, errs, code := invoke(t, nil, "", "policy", "pack", "../../../policies/hosted/testdata/hostile/no.wasm", manifest, "-o", refuses); code != 0 {
		t.Fatal(errs)
	}
	if out, errs, code := invoke(t, nil, "", "rehearse", last, "--all", "node", "--policy", refuses); code != exitDifferent || !strings.Contains(out, "DOES NOT") || !strings.Contains(errs, "does not get over") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	classes := write(t, folder, "class.txt", "nodes 2 disk=1tb attr.class=fast\nnodes 2 name=s disk=1tb attr.class=slow\nkeyspace orders shards=1 replicas=1\neval 100ms\n")
	if _, errs, code := invoke(t, nil, "", "simulate", classes, "--record", filepath.Join(folder, "classes")); code != 0 {
		t.Fatal(errs)
	}
	for _, kind := range []string{"class", "classs"} { // the name of an attribute, or its plural
		if out, errs, _ := invoke(t, nil, "", "rehearse", filepath.Join(folder, "classes", "1.1.plan"), "--all", kind); !strings.Contains(out, "class fast") || !strings.Contains(out, "class slow") {
			t.Errorf("--all %s: %s%s", kind, out, errs)
		}
	}
	out, errs, code = invoke(t, nil, "", "rehearse", last, "--lose", "zone=z1", "--lose", "zone=z2")
	if strings.Count(out, "lose zone") != 2 || !strings.Contains(out, "KEYSPACE") || code != exitDifferent && code != 0 || (code != 0) != strings.Contains(errs, "does not get over") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, _, _ = invoke(t, nil, "", "rehearse", last, "--all", "zone", "--json")
	var answer struct {
		Score      float64
		Rehearsals []struct {
			Lost   string
			Nodes  []string
			Result struct{ Moves simulate.Moves }
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Rehearsals) != 2 || answer.Rehearsals[0].Lost != "zone z1" || len(answer.Rehearsals[0].Nodes) != 2 || answer.Rehearsals[0].Result.Moves.Total() == 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestSimulate(t *testing.T) {
	folder := t.TempDir()
	out, errs, code := invoke(t, nil, "", "simulate", "simulate/testdata/drain.txt", "--svg", filepath.Join(folder, "drain.svg"))
	if code != 0 || errs != "" || !strings.Contains(out, "holds  line") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, name := range []string{"drain-1.svg", "drain-2.svg", "drain-3.svg"} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !strings.HasPrefix(string(text), "<svg") {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := filepath.Join(folder, "bad.txt")
	if err := os.WriteFile(bad, []byte("nodes 3\nkeyspace orders shards=4\neval 1m\nassert creations == 5\nassert red == 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code = invoke(t, nil, "", "simulate", bad, "simulate/testdata/drain.txt", "--quiet")
	if code != exitDifferent || out != bad+":4: creations == 5: it is 4\n" || !strings.Contains(errs, "1 of ") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	short := write(t, folder, "short.txt", "nodes 3 disk=1tb\nkeyspace orders shards=4 replicas=1\neval 5m\nassert creations == 4\nlose node n9\n")
	if out, errs, code := invoke(t, nil, "", "simulate", short); code != exitUsage || !strings.Contains(out, "holds  line 4") || !strings.Contains(errs, short+`:5: there is no node "n9"`) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for text, want := range map[string]string{"nodes 3 disk=1tb\n": ": nothing is played", "nodes 3 disk=1tb\neval 5m\nnodes?\nfly\n": `:4: "fly" is no event`, "at 5s lose node n1\n": `:1: "lose node n1" never happens`} {
		if out, errs, code := invoke(t, nil, "", "simulate", write(t, folder, "short.txt", text)); code != exitUsage || out != "" || !strings.Contains(errs, short+want) {
			t.Errorf("exit code %d: %s%s", code, out, errs)
		}
	}
	out, _, _ = invoke(t, nil, "", "simulate", bad, "--json")
	var o simulate.Outcome
	if err := json.Unmarshal([]byte(out), &o); err != nil || len(o.Evals) != 1 || o.Evals[0].Moves.Creations != 4 || len(o.Evals[0].Samples) == 0 || len(o.Asserts) != 2 || o.Asserts[0].Holds {
		t.Errorf("%v: %s", err, out)
	}
}

// What modules decided is planned again by the modules, found by their digests, compiled and interpreted: all the same.
func TestReplayOfModules(t *testing.T) {
	folder := t.TempDir()
	shop := &workshop{}
	defer shop.close()
	set, err := shop.rules(t.Context(), ask{house: true})
	if err != nil {
		t.Fatal(err)
	}
	o, err := simulate.Play("x.txt", []byte("nodes 5 zones=2 disk=1tb\nkeyspace orders shards=12 replicas=1 data=1gb\nsetting cluster.routing.allocation.awareness.attributes zone\neval 100ms\nlose node n2\n"),
		simulate.Config{Rules: func(simulate.Rules) (*policies.Set, error) { return &set.Set, nil }})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		in := o.World.Input()
		in.Seed += uint64(i)
		plan := allocator.Make(in)
		r := records.New(records.Key{Term: 3, Number: uint64(i + 1)}, runtime.Software(), in.Now, in, plan, records.Outcome{Proposed: true})
		for _, p := range r.Policies.Deciders {
			if p.Digest == "" || p.Version == "" {
				t.Fatalf("policy %+v is not known by its module", p)
			}
		}
		frame, err := r.Frame()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, r.Key.String()+".plan"), frame, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range [][]string{nil, {"--interpreter"}} {
		out, errs, code := invoke(t, nil, "", append([]string{"replay", folder}, flags...)...)
		if code != 0 || errs != "" || !strings.HasPrefix(out, "3 plans, 3 the same bit for bit") {
			t.Errorf("%v: exit code %d: %s%s", flags, code, out, errs)
		}
	}
	// Without one of them, and with a module in place of the one of its name: which is the same.
	out, errs, code := invoke(t, nil, "", "replay", folder, "--policy", "../../../policies/modules/draining/draining.wasm")
	if code != 0 || errs != "" || !strings.Contains(out, "Under the other rules 0 plans differ") || !strings.Contains(out, "0 milder") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

// A recorded plan explains itself: what was decided, what each rule said, and of a copy without a place the rules in the way.
func TestExplainAt(t *testing.T) {
	folder := t.TempDir()
	recordedIn(t, folder)
	path := filepath.Join(folder, "3.3.plan")
	out, errs, code := invoke(t, nil, "", "explain", "orders/0", "--at", path)
	if code != 0 || errs != "" || !strings.HasPrefix(out, "plan 3.3 of ") || !strings.Contains(out, "green\n") || !strings.Contains(out, "node n3 is draining") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, _, _ = invoke(t, nil, "", "explain", "orders/0", "n3", "--at", path, "--json")
	var x pastExplanation
	if err := json.Unmarshal([]byte(out), &x); err != nil || !x.Same || x.Plan != "3.3" || len(x.Nodes) != 1 || x.Nodes[0].Decision != "no" || len(x.Nodes[0].Verdicts) == 0 || x.Shard.Shard != "orders/0" {
		t.Errorf("%v: %+v", err, x)
	}
	for _, key := range []string{`"node_allocation_decisions":`, `"node_name":`, `"node_decision":`, `"decision":`, `"explanation":`} { // as explain says of now
		if !strings.Contains(out, key) {
			t.Errorf("%s lacks %s", out, key)
		}
	}
	path = recordOf(t, folder, 8, "nodes 3 disk=1tb\nkeyspace orders shards=2 replicas=2 data=1gb\neval 5m\nlose node n3\neval 10s\n")
	out, errs, code = invoke(t, nil, "", "explain", "--at", path)
	if code != 0 || errs != "" || !strings.Contains(out, "is down with a copy\n") || strings.Count(out, "holds a copy\n") != 2 {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	path = recordOf(t, folder, 9, "nodes 2 disk=1tb\nkeyspace orders shards=2 replicas=2 data=1gb\neval 5m\n")
	out, errs, code = invoke(t, nil, "", "explain", "--at", path)
	if code != 0 || errs != "" || !strings.Contains(out, "yellow: 2 of 3 copies") || !strings.Contains(out, "decided: missing NO: ") || !strings.Contains(out, "in the way: [same_node] refuses 2 nodes") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"orders/7", "--at", path}, exitNotFound, "there was no shard orders/7"},
		{[]string{"orders/0", "n9", "--at", path}, exitNotFound, `there was no node "n9"`},
		{[]string{"--at", filepath.Join(folder, "3.1.plan")}, 0, ""},
		{[]string{"--at", "none.plan"}, exitFailed, "none.plan"},
	} {
		if _, errs, code := invoke(t, nil, "", append([]string{"explain"}, c.args...)...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit code %d: %s", c.args, code, errs)
		}
	}
}

// Issue 4: "Replay of 1000 recorded plans: all identical, on the compiler and the interpreter." The plans are those of all scenarios and
// of seeds of one, decided by the shipped modules.
func TestThousandPlansReplayInBothEngines(t *testing.T) {
	folder := t.TempDir()
	files, err := filepath.Glob("simulate/testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(path string) bool { // a day has a look each minute, most of which find nothing
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nswing ")
	})
	seeds, least := 14, 1000
	if testing.Short() {
		seeds, least = 1, 50
	}
	for seed := range seeds {
		text := fmt.Sprintf("nodes 7 zones=3 disk=200gb cpu=4 memory=16gb\nkeyspace orders shards=20 replicas=1 data=2gb cpu=0.1 memory=500mb load=skew\nsetting cluster.routing.allocation.awareness.attributes zone\n"+
			"eval 5m seed=%d\nat 10s lose node n%d\nat 3m hot shards 10%% x4\nat 5m return node n%d\nat 6m drain n%d\nat 7m fail copy orders/%d replica\nat 8m add nodes 1 zone=z1 disk=200gb cpu=4 memory=16gb\neval 40m\n",
			seed, 1+seed%7, 1+seed%7, 1+(seed+3)%7, seed%20)
		files = append(files, write(t, folder, fmt.Sprintf("seed-%d.txt", seed), text))
	}
	plans := filepath.Join(folder, "plans")
	if _, errs, code := invoke(t, nil, "", append([]string{"simulate", "--modules", "--quiet", "--record", plans}, files...)...); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, flags := range [][]string{nil, {"--interpreter"}} {
		out, errs, code := invoke(t, nil, "", append([]string{"replay", plans, "--json"}, flags...)...)
		var sum replaySum
		if err := json.Unmarshal([]byte(out), &sum); err != nil || code != 0 || sum.Plans < least || sum.Same != sum.Plans {
			t.Fatalf("%v: exit code %d, %v: %d plans, %d the same: %s%s", flags, code, err, sum.Plans, sum.Same, strings.Join(sum.Others, "\n"), errs)
		}
		t.Logf("%v: %d plans, all the same, %d µs each", flags, sum.Plans, sum.Micros)
	}
}

// A scenario's module is asked as well as the rules of the house, or in place of the one of its name; a hostile one is told of.
func TestSimulateWithAModule(t *testing.T) {
	module, err := filepath.Abs("../../../policies/modules/draining/draining.wasm")
	if err != nil {
		t.Fatal(err)
	}
	hostile, err := filepath.Abs("../../../policies/hosted/testdata/hostile/loop.wasm")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	path := write(t, folder, "drain.txt", "nodes 3 disk=10gb\nkeyspace orders shards=4 replicas=1 data=1mb\npolicy "+module+"\neval 1m\ndrain n3\neval 5m\nassert copies.n3 == 0\n"+
		"keyspace orders replicas=2\neval 1m\nassert unplaceable == 4\nwithout draining\neval 5m\nassert copies.n3 == 4\n")
	if out, errs, code := invoke(t, nil, "", "simulate", path); code != 0 || errs != "" {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	module, err = filepath.Abs("../../../policies/modules/primaries/primaries.wasm")
	if err != nil {
		t.Fatal(err)
	}
	path = write(t, folder, "scored.txt", "nodes 3\nkeyspace orders shards=4 replicas=1\npolicy "+module+"\neval 1m\nkeyspace more shards=2 replicas=1\nexplain more/0\n")
	if out, errs, code := invoke(t, nil, "", "simulate", path); code != 0 || errs != "" || strings.Count(out, " score ") != 3 || !strings.Contains(out, "n1 score 1.00: [primaries]\n") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	path = write(t, folder, "lost.txt", "nodes 3\npolicy lost.wasm\neval 1m\n")
	if _, errs, code := invoke(t, nil, "", "simulate", path); code != exitUsage || !strings.Contains(errs, path+":2: ") || !strings.Contains(errs, "lost.wasm") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	manifest := write(t, folder, "manifest.json", `{"name":"loop","version":"1","abi":1,"kind":"hard","per":"class","needs":["node_name"],"reasons":["","no"]}`)
	if _, errs, code := invoke(t, nil, "", "policy", "pack", hostile, manifest, "-o", filepath.Join(folder, "loop.wasm")); code != 0 {
		t.Fatal(errs)
	}
	path = write(t, folder, "hostile.txt", "nodes 3\nkeyspace orders shards=4 replicas=1\npolicy loop.wasm\neval 1m\nassert green == 4\n") // three faults, and it is not asked
	if out, errs, code := invoke(t, nil, "", "simulate", path, "--quiet"); code != exitDifferent || out != "" || !strings.Contains(errs, "fuel") || !strings.Contains(errs, "(3 times)") || !strings.Contains(errs, path+": policy loop failed; ") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	path = write(t, folder, "expected.txt", "nodes 3\nkeyspace orders shards=4 replicas=1\npolicy loop.wasm\nfaults loop\neval 1m\nassert green == 4\n")
	if out, errs, code := invoke(t, nil, "", "simulate", path, "--quiet"); code != 0 || out != "" || !strings.Contains(errs, "fuel") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for text, line := range map[string]string{"nodes 3\npolicy loop.wasm bogus=3\neval 1m\n": ":2: ", "nodes 3\nat 1s policy loop.wasm bogus=\neval 1m\n": ":2: "} {
		path = write(t, folder, "bogus.txt", text)
		if _, errs, code := invoke(t, nil, "", "simulate", path); code != exitUsage || !strings.Contains(errs, path+line) || !strings.Contains(errs, "policy loop has no setting bogus; it has none of its own") {
			t.Errorf("exit code %d: %s", code, errs)
		}
	}
	if _, errs, code := invoke(t, nil, "", "simulate", filepath.Join(folder, "expected.txt"), "--record", filepath.Join(folder, "played")); code != 0 {
		t.Fatal(errs)
	}
	if out, errs, code := invoke(t, nil, "", "rehearse", filepath.Join(folder, "played", "1.1.plan"), "--lose", "node=n2", "--module", filepath.Join(folder, "loop.wasm")); code != exitDifferent ||
		!strings.Contains(errs, "does not get over the loss of node n2; policy loop failed: ") { // it is in force there
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	plan := recordedIn(t, folder)
	if _, errs, _ := invoke(t, nil, "", "rehearse", plan, "--lose", "node=n1", "--lose", "node=n2", "--policy", filepath.Join(folder, "loop.wasm")); !strings.Contains(errs, "can_allocate: used") ||
		!strings.Contains(errs, "(4 times)") || !strings.Contains(errs, "(2 times)") { // out of force after three faults in the first loss, it is in force in the second
		t.Errorf("of two losses: %s", errs)
	}
	for _, verb := range []string{"replay " + plan, "rehearse " + plan + " --all node"} {
		loop := filepath.Join(folder, "loop.wasm")
		if _, errs, code := invoke(t, nil, "", append(strings.Fields(verb), "--policy", loop+":bogus=3")...); code != exitUsage || !strings.Contains(errs, "has no setting bogus") {
			t.Errorf("%s: exit code %d: %s", verb, code, errs)
		}
		if out, errs, code := invoke(t, nil, "", append(strings.Fields(verb), "--policy", loop)...); code != exitDifferent || !strings.Contains(errs, "fuel") || !strings.Contains(errs, "policy loop failed: ") || out == "" {
			t.Errorf("%s: exit code %d: %s", verb, code, errs)
		}
	}
}

// A scenario may begin with a cluster that was recorded, and ask what more nodes would do to it.
func TestSimulateARecordedCluster(t *testing.T) {
	folder := t.TempDir()
	recordedIn(t, folder)
	path := write(t, folder, "more.txt", "cluster 3.3.plan\nassertless nothing\n")
	if _, errs, code := invoke(t, nil, "", "simulate", path); code != exitUsage || !strings.Contains(errs, path+":2: ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	path = write(t, folder, "more.txt", "cluster 3.3.plan\nundrain n3\nadd nodes 4 zones=2 disk=1tb\neval 2h\nassert red == 0\nassert balance.disk <= 1.3\nassert copies.n5 >= 1\nassert bytes >= 4gb\nnodes?\n")
	if out, errs, code := invoke(t, nil, "", "simulate", path); code != 0 || errs != "" || !strings.Contains(out, "zone=z2") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	path = write(t, folder, "late.txt", "nodes 3\ncluster 3.3.plan\neval 1m\n")
	if _, errs, code := invoke(t, nil, "", "simulate", path); code != exitUsage || !strings.Contains(errs, ":2: cluster comes first") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

// A scorer draws copies to where it wants them in a cluster that is even, comes to rest, and stays at rest when a node is lost.
func TestSimulateAScorer(t *testing.T) {
	out, errs, code := invoke(t, nil, "", "simulate", "../../../examples/policy-rust/cold.txt")
	if code != 0 || errs != "" || strings.Count(out, "holds ") != 7 {
		t.Errorf("exit code %d: %s\n%s", code, errs, out)
	}
}
