package admin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// keepOff is a real policy, with a section that nobody reads behind it, so that each name gives another module.
func keepOff(t *testing.T, name string) []byte {
	t.Helper()
	code, err := os.ReadFile("../../actors/placement/testdata/keep_off.wasm")
	if err != nil {
		t.Fatal(err)
	}
	section := append([]byte{byte(len(name))}, name...)
	return append(append(code, 0, byte(len(section))), section...)
}

// TestStrikesAreTold: how often a version has failed is told, and forgotten by who lifts what is no quarantine yet.
func TestStrikesAreTold(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	for _, word := range []string{"one", "two"} {
		digest, err := client.PushModule(ctx, keepOff(t, word), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.RegisterPolicy(ctx, "spare", digest, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.apply(t, &cluster.Command{Strike: &cluster.StrikeModule{Digest: a.state.Policy("spare").At(1).Digest, Policy: "spare", Strikes: 2, Last: "it trapped"}})
	p, err := client.Policy(ctx, "spare")
	if err != nil || p.Find(1).Strikes != 2 || p.Find(1).Fault != "it trapped" || p.Find(2).Strikes != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if _, err := client.QuarantinePolicy(ctx, "spare", 0, ""); err != nil {
		t.Fatal(err)
	}
	if p, err = client.Policy(ctx, "spare"); err != nil || p.Find(1).Strikes != 0 || p.Find(1).Fault != "" {
		t.Errorf("lifted: %+v %v", p, err)
	}
}

// ready lets every member say that it can run every module, or why not.
func (a *agreed) ready(t *testing.T, problem string) {
	t.Helper()
	for i := 1; i <= 3; i++ {
		report := &cluster.StageReport{Node: nodeID(i), Epoch: 1}
		for n := range a.state.Modules {
			report.Modules = append(report.Modules, cluster.StagedModule{Digest: a.state.Modules[n].Digest, Problem: problem})
		}
		a.apply(t, &cluster.Command{Stage: report})
	}
}

func text(s string) *string { return &s }

// Who has a node lead that cannot ask what is in force is told so.
func TestLeadOfANodeThatCannotAsk(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	digest, err := client.PushModule(ctx, keepOff(t, "one"), nil)
	if err == nil {
		_, err = client.RegisterPolicy(ctx, "spare", digest, nil)
	}
	a.ready(t, "")
	if err == nil {
		_, err = client.ActivatePolicy(ctx, "spare", Activation{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if done, err := client.TransferLeader(ctx, "n2"); err != nil || len(done.Warnings) > 0 {
		t.Errorf("where it can: %+v, %v", done, err)
	}
	a.ready(t, "it was started without an engine")
	done, err := client.TransferLeader(ctx, "n2")
	if want := "node n2 cannot ask policy spare, which is in force: it was started without an engine"; err != nil || len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], want) {
		t.Errorf("where it cannot: %+v, %v", done, err)
	}
}

func TestPolicyLife(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	one, two := keepOff(t, "one"), keepOff(t, strings.Repeat("two", 40))
	var progress []int
	digest, err := client.PushModule(ctx, one, func(n int) { progress = append(progress, n) })
	if err != nil || !slices.Equal(progress, []int{len(one)}) {
		t.Fatalf("pushed: %v, progress %v", err, progress)
	}
	pushed, err := client.RegisterPolicy(ctx, "spare", digest, nil)
	if err != nil || pushed.Number != 1 || pushed.Label != "1.0.0" || !pushed.Changed {
		t.Fatalf("%+v %v", pushed, err)
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{}); err == nil || !strings.Contains(err.Error(), "node n1 has not made it ready yet") {
		t.Errorf("activated before anybody was ready: %v", err)
	}
	a.ready(t, "")
	for settings, want := range map[string]string{"nodes": "", "mood": "must be one of well", "nods": "has no setting nods; it has mood, nodes", "cluster.name": "is a setting of the cluster"} {
		_, err := client.ShadowPolicy(ctx, "spare", Activation{Settings: map[string]*string{settings: text("n3")}})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("setting %s: %v", settings, err)
		}
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: 1}); err != nil {
		t.Fatal(err)
	}
	if digest, err = client.PushModule(ctx, two, nil); err != nil {
		t.Fatal(err)
	}
	order := 7
	if pushed, err = client.RegisterPolicy(ctx, "spare", digest, &order); err != nil || pushed.Number != 2 {
		t.Fatalf("%+v %v", pushed, err)
	}
	a.ready(t, "")
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Settings: map[string]*string{"mood": text("restless")}}); err != nil {
		t.Fatal(err)
	}
	p, err := client.Policy(ctx, "spare")
	if err != nil {
		t.Fatal(err)
	}
	// What was in the shadow, and then in force, keeps its settings but for what is said.
	if p.Active.Version != 2 || p.Active.Settings["nodes"] != "n3" || p.Active.Settings["mood"] != "restless" || p.Previous.Version != 1 || p.Previous.Settings["nodes"] != "n3" ||
		p.Order != 7 || p.Shadow != nil || p.Find(0).Version != 2 || len(p.Find(1).Ready) != 3 || !p.Find(1).Ready[2].Ready || p.Find(1).Manifest.Name != "keep_off" {
		t.Errorf("policy %+v", p)
	}
	if code, err := client.PolicyModule(ctx, "spare", 1); err != nil || !bytes.Equal(code, one) {
		t.Errorf("the module came back as %d bytes: %v", len(code), err)
	}
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.QuarantinePolicy(ctx, "spare", 0, "it is not liked"); err != nil {
		t.Fatal(err)
	}
	if p, _ = client.Policy(ctx, "spare"); p.Active == nil || p.Active.Version != 2 || p.Note != "version 1 was quarantined: it is not liked" || p.Find(1).Quarantined != "it is not liked" {
		t.Errorf("after the quarantine of what was in force: %+v", p)
	}
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); !Conflict(err) || !strings.Contains(err.Error(), "version 1 was quarantined: it is not liked. In force is version 2") || !strings.Contains(err.Error(), "troupe policy deactivate spare") {
		t.Errorf("a rollback takes the good version out of force as well: %v", err)
	}
	if _, err := client.QuarantinePolicy(ctx, "spare", 0, ""); err != nil {
		t.Fatal(err)
	}
	if p, _ = client.Policy(ctx, "spare"); p.Note != "" {
		t.Errorf("the quarantine was lifted, and the policy says still: %s", p.Note)
	}
	list, err := client.Policies(ctx)
	if err != nil || len(list.Policies) != 1 || len(list.Quarantine) != 0 || list.Bytes != len(one)+len(two) || !slices.ContainsFunc(list.House, func(h HousePolicy) bool { return h.Name == "same_node" }) {
		t.Errorf("list %+v, %v", list, err)
	}
	for _, number := range []int{0, 2} {
		a.apply(t, &cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare", Version: 1, Settings: "{}"}})
		if _, err := client.ForgetPolicy(ctx, "spare", number); !Conflict(err) || !strings.Contains(err.Error(), "is in use, as active, previous or shadow") {
			t.Errorf("forgotten while in use: version %d: %v", number, err)
		}
	}
	if _, err := client.ForgetPolicy(ctx, "spare", 7); !NotFound(err) || !strings.Contains(err.Error(), "there are 1, 2") {
		t.Errorf("a version that is not there was forgotten: %v", err)
	}
	if _, err := client.RetirePolicy(ctx, "spare", "reset"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ForgetPolicy(ctx, "spare", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Policy(ctx, "spare"); !NotFound(err) || len(a.state.Modules) != 0 {
		t.Errorf("forgotten: %v, %d modules", err, len(a.state.Modules))
	}
}

func TestPolicyIsRefused(t *testing.T) {
	_, _, client := gather(t, ServerConfig{})
	ctx := context.Background()
	bare := []byte("\x00asm\x01\x00\x00\x00")
	digest, err := client.PushModule(ctx, bare, nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func() error{
		"manifest":         func() error { _, err := client.RegisterPolicy(ctx, "bare", digest, nil); return err },
		"cannot be called": func() error { _, err := client.RegisterPolicy(ctx, "Not_a_name", digest, nil); return err },
		`called "a.b"`:     func() error { _, err := client.RegisterPolicy(ctx, "a.b", digest, nil); return err },
		"none was pushed":  func() error { _, err := client.ActivatePolicy(ctx, "spare", Activation{}); return err },
		"one of the house": func() error { _, err := client.RetirePolicy(ctx, "same_node", "rollback"); return err },
		"hexadecimal": func() error {
			return client.json(ctx, call{method: "PUT", path: "/_module/abc?size=1&part=0", body: []byte{1}}, &struct{}{})
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	list, err := client.Policies(ctx)
	if err != nil || len(list.Uploads) != 1 || list.Uploads[0].Have != len(bare) {
		t.Errorf("uploads %+v, %v", list.Uploads, err)
	}
	var pushed Pushed
	if err := client.json(ctx, call{method: "PUT", path: "/_policy/spare", body: keepOff(t, "x")}, &pushed); err != nil || pushed.Number != 1 {
		t.Errorf("a module as the body: %+v %v", pushed, err)
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: 3}); !NotFound(err) || !strings.Contains(err.Error(), "there are 1") {
		t.Errorf("a version that is not there: %v", err)
	}
	for method, path := range map[string]string{"GET": "/_policy/spare/module", "DELETE": "/_policy/spare"} {
		if err := client.json(ctx, call{method: method, path: path + "?version=4294967297"}, &struct{}{}); err == nil || !strings.Contains(err.Error(), "must be a number from 0 to 4294967295") {
			t.Errorf("%s of a version that is 1 in 32 bits: %v", method, err)
		}
	}
}

// withSpare is a cluster with one version of policy spare, which every node can run.
func withSpare(t *testing.T) (*agreed, *Client) {
	t.Helper()
	_, a, client := gather(t, ServerConfig{})
	digest, err := client.PushModule(t.Context(), keepOff(t, "one"), nil)
	if err == nil {
		_, err = client.RegisterPolicy(t.Context(), "spare", digest, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.ready(t, "")
	return a, client
}

// What the cluster took back by itself is not put in force again by the verb that people type in a hurry.
func TestRollbackToWhatWasTakenBack(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{}); err != nil {
		t.Fatal(err)
	}
	next, o := a.state.Apply(&cluster.Command{Retire: &cluster.RetirePolicy{Name: "spare", If: 1, How: cluster.RetreatRollback, Note: "version 1 was taken back: it starved all", At: 1}})
	if o.Err != nil {
		t.Fatal(o.Err)
	}
	a.state = next
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); err == nil || !strings.Contains(err.Error(), "it starved all. To put that in force all the same: troupe policy activate spare --version 1") {
		t.Errorf("rolled back to it: %v", err)
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: 1}); err != nil {
		t.Errorf("nor activated: %v", err)
	}
}

// What was out of force for a while and is in force again has itself before it: a rollback would say that all is done, and change nothing.
func TestRollbackToTheSame(t *testing.T) {
	_, client := withSpare(t)
	ctx := context.Background()
	for _, step := range []func() (Acknowledged, error){
		func() (Acknowledged, error) { return client.ActivatePolicy(ctx, "spare", Activation{}) },
		func() (Acknowledged, error) { return client.RetirePolicy(ctx, "spare", "deactivate") },
		func() (Acknowledged, error) { return client.ActivatePolicy(ctx, "spare", Activation{}) },
	} {
		if done, err := step(); err != nil || !done.Changed {
			t.Fatalf("%+v %v", done, err)
		}
	}
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); !Conflict(err) || !strings.Contains(err.Error(), "the same version with the same settings") {
		t.Errorf("rolled back from a version to the same: %v", err)
	}
}

// Promised: "gate with limits". What is looked at are the newest comparisons of just this version and settings.
func TestGate(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	of := func(settings map[string]string, flips int, moves ...string) Comparison {
		return Comparison{Number: 1, Policies: []ShadowedPolicy{{Name: "other"}, {Name: "spare", Version: 1, Settings: settings}}, Flips: []PolicyFlip{{Count: flips}}, Added: moves}
	}
	n3 := map[string]string{"nodes": "n3"}
	ask := Activation{Settings: map[string]*string{"nodes": text("n3")}, Gate: &Gate{Comparisons: 2, MaxFlips: new(4), MaxMoves: new(1)}}
	for _, x := range []struct {
		news []Comparison
		want string
	}{
		{nil, "0 of 2 comparisons"},
		{[]Comparison{of(n3, 0), of(map[string]string{}, 0), of(n3, 0)}, "1 of 2 comparisons"},
		{[]Comparison{of(n3, 0), of(n3, 5)}, "5 verdicts that would be others; at most 4"},
		{[]Comparison{of(n3, 4), of(n3, 4, "a", "b")}, "2 moves that only one"},
		{[]Comparison{of(n3, 9), of(n3, 4, "a"), of(n3, 4)}, ""},
	} {
		a.mutex.Lock()
		a.news.Comparisons = x.news
		a.mutex.Unlock()
		_, err := client.ActivatePolicy(ctx, "spare", ask)
		if (err == nil) != (x.want == "") || err != nil && (!Conflict(err) || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("want %q: %v", x.want, err)
		}
	}
}

// What a gate of bytes and balance is about is what the policy adds, and not what goes on without it.
func TestGateOfBytesAndBalance(t *testing.T) {
	g := Gate{Comparisons: 1, MaxBytes: new(float64(100)), MaxBalance: new(1.2)}
	for _, x := range []struct {
		active, shadow PlanSketch
		want           string
	}{
		{PlanSketch{Bytes: 500, Copies: 1.5, Primaries: 2}, PlanSketch{Bytes: 600, Copies: 1.5, Primaries: 2}, ""},
		{PlanSketch{Bytes: 500}, PlanSketch{Bytes: 601}, "101 bytes that would be moved beside those that are; at most 100"},
		{PlanSketch{Copies: 1.1}, PlanSketch{Copies: 1.2}, ""},
		{PlanSketch{Copies: 1.1}, PlanSketch{Copies: 1.3}, "1.30 times the mean of copies, and 1.10 without it; at most 1.20"},
		{PlanSketch{Primaries: 1.5}, PlanSketch{Primaries: 1.6}, "1.60 times the mean of primaries"},
	} {
		if text := g.against(&Comparison{Active: x.active, Shadow: x.shadow}); (text == "") != (x.want == "") || !strings.Contains(text, x.want) {
			t.Errorf("%+v beside %+v: %q, want %q", x.shadow, x.active, text, x.want)
		}
	}
}

// A gate that the cluster requires holds for every activation, also for one that asks for an easier one; who passes over it says why, and what
// is kept of that is not taken for a policy that the cluster took back.
func TestRequiredGate(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	if _, err := client.SetSettings(ctx, map[string]*string{"cluster.policies.gate": text("plans=2, moves=0")}); err != nil {
		t.Fatal(err)
	}
	if l, err := client.Policies(ctx); err != nil || l.Gate != "plans=2, moves=0" {
		t.Errorf("the list says of the gate %q, %v", l.Gate, err)
	}
	made := func(moves ...string) Comparison {
		return Comparison{Number: 1, Policies: []ShadowedPolicy{{Name: "spare", Version: 1}}, Added: moves}
	}
	for _, x := range []struct {
		ask  Activation
		news []Comparison
		want string
	}{
		{Activation{}, nil, "the gate is closed that cluster.policies.gate requires: 0 of 2 comparisons"},
		{Activation{Gate: &Gate{Comparisons: 1}}, []Comparison{made()}, "1 of 2 comparisons"},
		{Activation{}, []Comparison{made(), made("a")}, "1 moves that only one of the two plans has; at most 0"},
		{Activation{Gate: &Gate{Comparisons: 3}}, []Comparison{made(), made()}, "the gate is closed: 2 of 3 comparisons"},
		{Activation{Gate: &Gate{Comparisons: 3}, Force: "now"}, nil, "does not"},
		{Activation{Gate: &Gate{MaxMoves: new(0)}}, []Comparison{made(), made()}, "0 comparisons; say how many, from 1 to 100"},
		{Activation{Gate: &Gate{Comparisons: 101}}, []Comparison{made(), made()}, "101 comparisons; say how many"},
		{Activation{}, []Comparison{made(), made()}, ""},
	} {
		a.mutex.Lock()
		a.news.Comparisons = x.news
		a.mutex.Unlock()
		if _, err := client.ActivatePolicy(ctx, "spare", x.ask); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v, want %q", x.ask, err, x.want)
		}
	}
	forced := Activation{Settings: map[string]*string{"nodes": text("n3")}, Force: "zone b burns"}
	if _, err := client.ActivatePolicy(ctx, "spare", forced); err != nil {
		t.Fatal(err)
	}
	p, err := client.Policy(ctx, "spare")
	if want := "the gate was passed over: zone b burns; 0 of 2 comparisons"; err != nil || !strings.HasPrefix(p.Note, want) {
		t.Errorf("the note is %q, %v; want %q", p.Note, err, want)
	}
	if done, err := client.RetirePolicy(ctx, "spare", "rollback"); err != nil || !done.Changed {
		t.Errorf("rolled back after that: %+v %v", done, err)
	}
}

func TestPolicyStreams(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	digest, err := client.PushModule(ctx, keepOff(t, "one"), nil)
	if err == nil {
		_, err = client.RegisterPolicy(ctx, "spare", digest, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.news.Lines = []PolicyLine{{At: 1, Level: "info", Text: "one"}}
	a.news.Comparisons = []Comparison{{Number: 1, Policies: []ShadowedPolicy{{Name: "other"}}}, {Number: 2, Policies: []ShadowedPolicy{{Name: "spare"}}}}
	var numbers []uint64
	for k, err := range client.PolicyComparisons(ctx, "spare", false) {
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, k.Number)
	}
	if !slices.Equal(numbers, []uint64{2}) {
		t.Errorf("comparisons %v, want that of this policy", numbers)
	}
	following, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	var heard []string
	for l, err := range client.PolicyLogs(following, "same_node", true) {
		if err != nil {
			t.Fatal(err)
		}
		if heard = append(heard, l.Text); len(heard) == 2 {
			break
		}
		a.mutex.Lock()
		a.news.Lines = append(a.news.Lines, PolicyLine{At: 2, Level: "info", Text: "two"})
		a.mutex.Unlock()
	}
	if strings.Join(heard, " ") != "one two" || errors.Is(following.Err(), context.DeadlineExceeded) {
		t.Errorf("heard %v", heard)
	}
}
