package placement

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/shards"
)

// engine is what the nodes of a town compile with; it may be shared by all bubbles of a process.
func engine(t *testing.T) *hosted.Engine {
	t.Helper()
	e, err := hosted.NewEngine(hosted.EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// governed plays a test on n nodes that can run guests, but those named.
func governed(t *testing.T, n int, without []shards.NodeID, play func(w *town)) {
	e := engine(t)
	synctest.Test(t, func(t *testing.T) {
		w := build(t, n, func(id shards.NodeID, c *Config) {
			c.Engine = e
			for _, bare := range without {
				if bare == id {
					c.Engine = nil
				}
			}
		})
		play(w)
	})
}

// push brings the module of testdata, in as many versions as are asked for: each differs in a section that nobody reads.
func (w *town) push(name string, versions ...string) {
	w.Helper()
	code, err := os.ReadFile("testdata/keep_off.wasm")
	if err != nil {
		w.Fatal(err)
	}
	for _, v := range versions {
		section := append([]byte{byte(len(v))}, v...)
		module := append(append(append([]byte{}, code...), 0, byte(len(section))), section...)
		w.must(&cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf(module), Size: len(module), Bytes: module, At: time.Now().Unix()}})
		w.must(&cluster.Command{Register: &cluster.RegisterPolicy{Name: name, Digest: cluster.DigestOf(module), Label: v}})
	}
	w.until("the module is ready on every node", func(s *cluster.State) bool {
		for i := range s.Modules {
			if len(s.Unready(&s.Modules[i])) > 0 {
				return false
			}
		}
		return true
	})
}

// until waits for a state.
func (w *town) until(what string, fits func(*cluster.State) bool) {
	w.Helper()
	for range 3000 {
		if fits((citizen{w, ""}).State()) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	w.Fatalf("it did not come to this within 30 s: %s", what)
}

func settingsOf(values map[string]string) string {
	text, _ := json.Marshal(values) // strings always can be
	return string(text)
}

func (w *town) activate(name string, version uint32, values map[string]string) {
	w.Helper()
	w.must(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: name, Version: version, Settings: settingsOf(values), At: time.Now().Unix()}})
}

// copiesOn counts the copies that a node has.
func copiesOn(s *cluster.State, id shards.NodeID) (n int) {
	for i := range s.Shards {
		if s.Shards[i].CopyOn(id) != nil {
			n++
		}
	}
	return n
}

func green(s *cluster.State) bool { return cluster.HealthOf(s).Status == cluster.Green }

// DESIGN.md section 5: "activate switches module and settings together at one Raft index, between plans, and keeps the previous
// version for rollback".
func TestPolicyDecides(t *testing.T) {
	governed(t, 4, nil, func(w *town) {
		w.keyspace("orders", 8, 1)
		w.green(2 * time.Second)
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N4"})
		w.until("node n4 is free", func(s *cluster.State) bool { return copiesOn(s, "n4") == 0 && green(s) })
		w.lead("n2", 8) // another node leads, and had it ready
		w.activate("spare", 2, map[string]string{"nodes": "N3,N1*"})
		w.until("n1 and n3 are free", func(s *cluster.State) bool { return copiesOn(s, "n1")+copiesOn(s, "n3") == 0 && green(s) })
		e, err := w.places["n3"].Explain(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if text := explained(e.Nodes, "N3"); !strings.Contains(text, "[keep_off NO] node N3 is among those that setting nodes names") {
			t.Errorf("why not on N3: %s", text)
		}
		w.must(&cluster.Command{Retire: &cluster.RetirePolicy{Name: "spare", How: cluster.RetreatRollback, At: time.Now().Unix()}})
		w.until("node n4 alone is free again", func(s *cluster.State) bool { return copiesOn(s, "n4") == 0 && copiesOn(s, "n3") > 0 && green(s) })
		w.must(&cluster.Command{Retire: &cluster.RetirePolicy{Name: "spare", How: cluster.RetreatDeactivate}})
		w.until("every node has copies", func(s *cluster.State) bool { return copiesOn(s, "n4") > 0 && copiesOn(s, "n1") > 0 && green(s) })
	})
}

// A leader that begins its life has to compile what is in force. Until then it plans nothing that can wait: a node that is kept
// free stays free.
func TestPlansWaitForPolicies(t *testing.T) {
	governed(t, 4, nil, func(w *town) {
		w.keyspace("orders", 8, 1)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N4"})
		w.until("node n4 is free", func(s *cluster.State) bool { return copiesOn(s, "n4") == 0 && green(s) })
		for range 5 {
			w.again("n1")
			w.keyspace(fmt.Sprintf("k%d", w.count()), 4, 1)
			w.until("all is well", func(s *cluster.State) bool {
				if n := copiesOn(s, "n4"); n > 0 {
					w.Fatalf("%d copies on n4", n)
				}
				return green(s)
			})
		}
	})
}

// A leader that cannot run what is in force, since it joined later, places what is missing and moves nothing for balance.
func TestLeaderWithoutThePolicy(t *testing.T) {
	governed(t, 4, nil, func(w *town) {
		w.keyspace("orders", 8, 1)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N4"})
		w.until("node n4 is free", func(s *cluster.State) bool { return copiesOn(s, "n4") == 0 && green(s) })
		w.again("n2", func(c *Config) { c.Engine = nil })
		w.lead("n2", 8)
		<-time.After(time.Minute)
		if n := copiesOn(citizen{w, ""}.State(), "n4"); n > 0 {
			t.Errorf("%d copies were moved to n4", n)
		}
		if l, err := w.places["n2"].Losses(t.Context()); err != nil || len(l.Waiting) > 0 || !strings.Contains(l.Why, "the leader cannot ask: version 1 of policy spare") {
			t.Errorf("what a death would come to is %+v, %v; want why nobody can know", l, err)
		}
		w.deaf()
		w.keyspace("more", 4, 1)
		w.until("what is missing is placed", green)
		if text := w.log.String(); !strings.Contains(text, "this node plans without it") || !strings.Contains(text, "cannot run on this node: it was built or started without an engine") {
			t.Errorf("nothing in the log about it: %s", text)
		}
		w.lead("n3", 9)
		w.until("a node that can run it makes up for that", func(s *cluster.State) bool { return copiesOn(s, "n4") == 0 && green(s) })
	})
}

// again ends a node's Placement and begins another: a life later.
func (w *town) again(id shards.NodeID, changes ...func(*Config)) {
	w.mu.Lock()
	old := w.places[id]
	w.mu.Unlock()
	config := old.c
	for _, change := range changes {
		change(&config)
	}
	old.Close()
	p, err := Start(config)
	if err != nil {
		w.Fatal(err)
	}
	w.mu.Lock()
	w.places[id] = p
	w.mu.Unlock()
}

func explained(list []policies.Explanation, node string) string {
	for i := range list {
		if list[i].Node == node {
			return list[i].String()
		}
	}
	return "nothing"
}

// DESIGN.md section 5: "A trap, exhausted fuel or a NaN … quarantines the module after three; the built-in safe set takes over. A
// failover never waits for a bad policy."
func TestBadPolicyIsQuarantined(t *testing.T) {
	for mood, sign := range map[string]string{"trap": "unreachable", "spin": "fuel"} {
		t.Run(mood, func(t *testing.T) {
			governed(t, 3, nil, func(w *town) {
				w.push("spare", "one", "two")
				w.activate("spare", 1, map[string]string{"nodes": "N3"})
				w.keyspace("orders", 4, 1)
				w.until("placed, and not on n3", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n3") == 0 })
				w.activate("spare", 2, map[string]string{"mood": mood})
				w.keyspace("more", 4, 1)
				w.until("the module is quarantined, and what was before is in force", func(s *cluster.State) bool {
					return len(s.Quarantine) == 1 && s.Policy("spare").Active.Version == 1
				})
				s := citizen{w, ""}.State()
				if q := s.Quarantine[0]; q.Policy != "spare" || !strings.Contains(q.Reason, "it failed 3 times") || !strings.Contains(q.Reason, sign) {
					t.Errorf("quarantined as %+v", q)
				}
				w.until("everything is placed", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n3") == 0 })
				if _, o := s.Apply(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare", Version: 2}}); o.Err == nil {
					t.Error("it could be activated again")
				}
				news, err := w.places["n2"].News(context.Background(), Question{Lines: "spare"})
				if err != nil {
					t.Fatal(err)
				}
				if text := linesOf(news.Lines); !strings.Contains(text, "info keeping copies off some nodes") || !strings.Contains(text, "fault ") {
					t.Errorf("lines %s", text)
				}
			})
		})
	}
}

func linesOf(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Level + " " + l.Text + "\n")
	}
	return b.String()
}

// A policy under which no copy may stay anywhere moves them for ever. It is taken back.
func TestRestlessPolicyIsTakenBack(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 2, 1)
		w.green(2 * time.Second)
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"mood": "restless"})
		w.until("it is not in force", func(s *cluster.State) bool { return s.Policy("spare").Active.Version == 0 })
		if note := (citizen{w, ""}).State().Policy("spare").Note; !strings.Contains(note, "was moved") {
			t.Errorf("taken back with the note %q", note)
		}
		w.until("all is well", green)
	})
}

// Promised: "a node that cannot run a staged module keeps its cluster from activating it, with a sentence that says which and why".
func TestNodeThatCannotRunIt(t *testing.T) {
	governed(t, 3, []shards.NodeID{"n2"}, func(w *town) {
		code, err := os.ReadFile("testdata/keep_off.wasm")
		if err != nil {
			t.Fatal(err)
		}
		w.must(&cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf(code), Size: len(code), Bytes: code, At: time.Now().Unix()}})
		w.must(&cluster.Command{Register: &cluster.RegisterPolicy{Name: "spare", Digest: cluster.DigestOf(code)}})
		w.until("every node has said something", func(s *cluster.State) bool { return len(s.Modules[0].Staged) == 3 })
		_, o := citizen{w, ""}.State().Apply(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare"}})
		if o.Err == nil || !strings.Contains(o.Err.Text, "node N2 cannot run it: it was built or started without an engine") || strings.Contains(o.Err.Text, "N1") {
			t.Errorf("activated: %v", o.Err)
		}
	})
}

func TestUploadsThatStopAreCollected(t *testing.T) {
	governed(t, 2, nil, func(w *town) {
		chunk := make([]byte, cluster.ChunkBytes)
		w.must(&cluster.Command{Push: &cluster.PushChunk{Digest: cluster.DigestOf([]byte("half")), Size: 2 * cluster.ChunkBytes, Bytes: chunk, At: time.Now().Unix()}})
		<-time.After(uploadLimit - time.Minute)
		if s := (citizen{w, ""}).State(); len(s.Modules) != 1 {
			t.Fatal("it was collected while it might go on")
		}
		<-time.After(3 * time.Minute)
		if s := (citizen{w, ""}).State(); len(s.Modules) != 0 {
			t.Error("it was not collected")
		}
	})
}

// A version that nothing has used for thirty days is forgotten with its module, and no other: neither what is in use, nor what a rollback would
// bring back, nor the newest, nor what recorded plans were made with.
func TestOldVersionsAreCollected(t *testing.T) {
	e, recorded := engine(t), cluster.Digest("")
	synctest.Test(t, func(t *testing.T) {
		w := build(t, 2, func(_ shards.NodeID, c *Config) {
			c.Engine, c.Recorded = e, func(d cluster.Digest) bool { return d == recorded }
		})
		w.push("spare", "one", "two", "three", "four", "five", "six")
		recorded = citizen{w, ""}.State().Policy("spare").At(2).Digest
		old := time.Now().Add(-versionLimit - time.Hour)
		for v := uint32(3); v <= 4; v++ {
			w.must(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare", Version: v, At: old.Unix()}})
		}
		w.must(&cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare", Version: 5}})
		<-time.After(3 * sweepPeriod)
		s := citizen{w, ""}.State()
		if p := s.Policy("spare"); len(p.Versions) != 5 || p.At(1) != nil || len(s.Modules) != 5 {
			t.Errorf("left are %d modules and versions %+v; want all but 1", len(s.Modules), p.Versions)
		}
		p := *s.Policy("spare")
		for since, want := range map[int64]int{p.Since: 1, old.Add(2 * time.Hour).Unix(): 0} {
			p.Versions, p.Since = append([]cluster.PolicyVersion{{Number: 9}}, p.Versions...), since
			if got := oldVersions(&p, time.Now().Add(-versionLimit), func(d cluster.Digest) bool { return d == recorded }); len(got) != want {
				t.Errorf("since %d: %v are old, want %d", since, got, want)
			}
			p.Versions = p.Versions[1:]
		}
	})
}

// DESIGN.md section 5: "shadow evaluates it on every plan beside the active one and records the difference (verdict flips, moves,
// balance, bytes)".
func TestShadow(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 6, 1)
		w.green(2 * time.Second)
		w.push("spare", "one")
		before := citizen{w, ""}.State().Shards
		w.must(&cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare", Version: 1, Settings: settingsOf(map[string]string{"nodes": "N3"})}})
		question, c := Question{Wait: true}, Comparison{}
		for range 20 {
			news, err := w.places["n2"].News(context.Background(), question)
			if err != nil {
				t.Fatal(err)
			}
			question.Of, question.Reign, question.After = news.Of, news.Reign, news.Last
			if len(news.Comparisons) > 0 {
				c = news.Comparisons[len(news.Comparisons)-1]
				break
			}
		}
		held := copiesOn(citizen{w, ""}.State(), "n3")
		if len(c.Policies) != 1 || c.Policies[0].Name != "spare" || c.Policies[0].Absent != "" || c.Asked != 6 || c.Active.Moves != 0 || c.Shadow.Moves == 0 ||
			len(c.Added) != c.Shadow.Moves || len(c.Gone) != 0 || c.Shadow.Copies <= c.Active.Copies {
			t.Errorf("compared as %+v", c)
		}
		flips := map[string]int{}
		for _, f := range c.Flips {
			flips[f.Question+" "+f.From+"->"+f.To] = f.Count
			if !strings.Contains(f.Example, "node N3") {
				t.Errorf("an example of another node: %s", f.Example)
			}
		}
		if flips["remain YES->NO"] != held || flips["allocate YES->NO"] != 6-held {
			t.Errorf("n3 holds %d copies, and verdicts flip like %v", held, flips)
		}
		now := citizen{w, ""}.State().Shards
		for i := range now {
			if now[i].Version != before[i].Version {
				t.Errorf("the shadow moved something: %v", now[i])
			}
		}
		w.must(&cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare"}})
		<-time.After(30 * time.Second)
		question.Wait = false
		if _, err := w.places["n2"].News(context.Background(), question); err != nil {
			t.Fatal(err)
		}
		last := w.places["n1"].compared.last
		<-time.After(time.Minute)
		if again := w.places["n1"].compared.last; again != last {
			t.Errorf("%d comparisons after the shadow has ended", again-last)
		}
	})
}

// Promised: "Swap under planning load: no plan missed". Versions are exchanged while there is always something to place: between
// two of them there is no plan without a policy, so that the node which all keep free stays free, and every plan is made.
func TestSwapsUnderLoad(t *testing.T) {
	governed(t, 4, nil, func(w *town) {
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N4"})
		for i := range 60 {
			w.keyspace(fmt.Sprintf("k%d", i), 2, 1)
			w.activate("spare", uint32(1+i%2), map[string]string{"nodes": "N4," + strings.Repeat("x", 1+i%7)})
			<-time.After(time.Duration(i%5) * 10 * time.Millisecond)
			if n := copiesOn(citizen{w, ""}.State(), "n4"); n > 0 {
				t.Fatalf("after exchange %d: %d copies on n4", i, n)
			}
		}
		w.until("everything is placed", green)
		s := citizen{w, ""}.State()
		if n := copiesOn(s, "n4"); n > 0 || len(s.Quarantine) > 0 || s.Policy("spare").Active.Version != 2 {
			t.Errorf("%d copies on n4, quarantine %v, policy %+v", n, s.Quarantine, s.Policy("spare"))
		}
	})
}

// What fails in the shadow is quarantined as well: it would fail in force. Nothing that is in force is touched.
func TestBadShadowIsQuarantined(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("n3 is free", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n3") == 0 })
		w.must(&cluster.Command{Shadow: &cluster.ShadowPolicy{Name: "spare", Version: 2, Settings: settingsOf(map[string]string{"mood": "trap"})}})
		w.until("the module is quarantined", func(s *cluster.State) bool { return len(s.Quarantine) == 1 })
		s := citizen{w, ""}.State()
		if p := s.Policy("spare"); p.Shadow.Version != 0 || p.Active.Version != 1 || s.Quarantine[0].Digest != p.At(2).Digest || copiesOn(s, "n3") != 0 {
			t.Errorf("policy %+v, quarantine %+v", p, s.Quarantine)
		}
		news, err := w.places["n1"].News(context.Background(), Question{})
		if err != nil || len(news.Comparisons) == 0 || len(news.Comparisons[0].Faults) == 0 {
			t.Errorf("no comparison says that it failed: %+v %v", news, err)
		}
		w.must(&cluster.Command{Quarantine: &cluster.QuarantineModule{Digest: s.Quarantine[0].Digest, Lift: true}})
		w.activate("spare", 2, map[string]string{"nodes": "N2"})
		w.until("n2 is free: a lifted quarantine is forgotten", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n2") == 0 })
		<-time.After(time.Minute)
		if s := (citizen{w, ""}).State(); len(s.Quarantine) != 0 || s.Policy("spare").Active.Version != 2 {
			t.Errorf("quarantined again: %+v", s.Quarantine)
		}
	})
}

func TestRing(t *testing.T) {
	r := newRing[uint64](3)
	for range 5 {
		r.add(func(n uint64) uint64 { return n })
	}
	for after, want := range map[uint64]int{0: 3, 1: 3, 2: 3, 3: 2, 4: 1, 5: 0, 9: 3} {
		list, last, more := r.after(after)
		if len(list) != want || last != 5 || want > 0 && list[len(list)-1] != 5 {
			t.Errorf("after %d: %v, last %d", after, list, last)
		}
		select {
		case <-more:
			t.Error("more was announced, and there is none")
		default:
		}
	}
}

// DESIGN.md section 5: "The built-in deciders ship both as Go (reference, safe set) and as Wasm (what runs by default)".
func TestHouseIsWasm(t *testing.T) {
	e := engine(t)
	synctest.Test(t, func(t *testing.T) {
		w := build(t, 4, func(_ shards.NodeID, c *Config) {
			c.Engine = e
			c.House = func(ctx context.Context, e *hosted.Engine) ([]*hosted.Version, error) {
				return hosted.LoadBuiltIns(ctx, e, modules.All())
			}
		})
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		<-time.After(2 * houseDelay)
		w.keyspace("more", 4, 2)
		w.green(5 * time.Second)
		w.judge("n2", liveness.Dead)
		<-time.After(2 * time.Minute)
		w.green(10 * time.Second)
		p := w.places["n1"]
		p.asking.Lock()
		defer p.asking.Unlock()
		m := p.desk.sit(citizen{w, ""}.State())
		for _, d := range m.set.Deciders {
			if named, ok := d.(policies.Digested); !ok || named.Digest() == "" {
				t.Errorf("%s is decided in Go", d.Name())
			}
		}
		if faults := p.drain(m); len(faults) > 0 {
			t.Errorf("faults: %+v", faults)
		}
	})
}
