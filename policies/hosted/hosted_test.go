package hosted_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm/abi"
)

func parse(t testing.TB, text string) *tck.World {
	t.Helper()
	w, err := tck.Parse(t.Name(), text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Settings are the policy's own, the cluster's, and a keyspace's in place of the cluster's; what nobody could read is as if it
// had not been set.
func TestSettings(t *testing.T) {
	least := 1.0
	m := abi.Manifest{Settings: []abi.Setting{
		{Name: "tenants", Type: abi.TypeList, Default: []any{"a"}},
		{Name: "most", Type: abi.TypeNumber, Default: 7.0, Min: &least},
		{Name: cluster.SettingAllocationEnable, Type: abi.TypeString, Keyspace: true},
		{Name: cluster.SettingRetryBackoff, Type: abi.TypeDuration},
		{Name: cluster.SettingExclude, Type: abi.TypeString, Prefix: true, Keyspace: true},
	}}
	v := load(t, engine(t), fixture(t, "hostile/yes", m))
	set := hosted.NewSet(nil, []hosted.Policy{{Version: v, Settings: map[string]string{"tenants": "b, c", "most": "3"}}})
	const world = "node N1\nkeyspace a.b shards=1\nkeyspace c shards=1\n"
	if _, _, settings := hosted.Of(set.Deciders[0]).Identity(); !strings.Contains(settings, `"most":3,"tenants":["b","c"]}`) {
		t.Errorf("before it is asked: %s", settings) // as when a leader's first plan has no question for it
	}
	for _, c := range []struct{ set, want string }{
		{"", `{"settings":{"cluster.routing.allocation.enable":"all","cluster.routing.allocation.retry_backoff":1000,"most":3,"tenants":["b","c"]},"keyspaces":{}}`},
		{"set cluster.routing.allocation.enable none\nset keyspace.a.b.routing.allocation.enable primaries\nset keyspace.c.routing.allocation.exclude.zone x,y\nset cluster.routing.allocation.exclude._name N9\nset keyspace.c.routing.allocation.retry_backoff 5s",
			`{"settings":{"cluster.routing.allocation.enable":"none","cluster.routing.allocation.exclude._name":"N9","cluster.routing.allocation.retry_backoff":1000,"most":3,"tenants":["b","c"]},` +
				`"keyspaces":{"a.b":{"cluster.routing.allocation.enable":"primaries"},"c":{"cluster.routing.allocation.exclude.zone":"x,y"}}}`},
	} {
		view := parse(t, world+c.set).View()
		set.Ask(view, question(view, 0))
		version, digest, settings := hosted.Of(set.Deciders[0]).Identity()
		if settings != c.want || version != "1" || digest != v.Digest() {
			t.Errorf("version %s, digest %s, settings\n%s\nwant\n%s", version, digest, settings, c.want)
		}
	}
	bad := hosted.NewSet(nil, []hosted.Policy{{Version: v, Settings: map[string]string{"most": "0"}}})
	view := parse(t, world).View()
	bad.Ask(view, question(view, 0))
	if faults, _ := bad.Faults(); len(faults) != 1 || faults[0].Kind != hosted.Refused || !strings.Contains(faults[0].Text, `most is "0"; must be a number, at least 1`) {
		t.Errorf("a setting that nobody can read: %+v", faults)
	}
}

// twin is what the hostile module "third" pretends to be, in Go.
type twin struct{}

func (twin) Name() string   { return "third" }
func (twin) PerShard() bool { return true }
func (twin) Allocate(_ *policies.View, q *policies.Question, r policies.Row) {
	r.Raise(q.Place%len(r), policies.Say(policies.No, 1))
}
func (twin) Promote(_ *policies.View, _ *policies.Question, r policies.Row) {
	r.Raise(0, policies.Say(policies.Throttle, 1))
}
func (twin) Reason(*policies.View, *policies.Question, int, policies.Answer) string {
	return "the twin says so"
}

// Who plans is told of modules that look at the time: these know nothing of when they will say something else.
func TestModulesThatLookAtTheTime(t *testing.T) {
	for _, c := range []struct {
		needs string
		want  bool
	}{{"now", true}, {"ticks", true}, {"node_copies", false}} {
		v := load(t, engine(t), fixture(t, "hostile/yes", abi.Manifest{Needs: []string{c.needs}}))
		if got := with(v).LooksAtTime(); got != c.want {
			t.Errorf("a decider that needs %s: %v", c.needs, got)
		}
	}
	if with().LooksAtTime() {
		t.Error("those of the house say when")
	}
}

// DESIGN.md section 5: "the built-in safe set takes over". A module of the house that fails is answered for by its twin: at
// each fault, and for good after three.
func TestTwinTakesOver(t *testing.T) {
	versions, err := hosted.LoadBuiltIns(t.Context(), engine(t), []hosted.BuiltIn{{Binary: fixture(t, "hostile/third", abi.Manifest{}), Twin: twin{}}})
	if err != nil {
		t.Fatal(err)
	}
	set := hosted.NewSet(nil, []hosted.Policy{{Version: versions[0]}})
	v, faults := orphans(t).View(), 0
	for i := range 30 {
		q := question(v, i)
		row := set.Ask(v, q)
		news, _ := set.Faults()
		failed := len(news) > 0 || faults == hosted.Strikes
		faults += len(news)
		if spoke := row[i%len(row)] != 0; spoke != failed {
			t.Fatalf("question %d: the twin spoke: %v; the module failed, or is out: %v", i, spoke, failed)
		}
		if len(news) > 0 && !news[0].BuiltIn {
			t.Errorf("it is one of the house: %+v", news[0])
		}
	}
	e := set.Explain(v, question(v, 4), 4)
	if faults != hosted.Strikes || e.String() != "N04 allocate NO: [third NO] the twin says so" {
		t.Errorf("%d faults, and then: %s", faults, e.String())
	}
	row := set.Ask(v, &policies.Question{Capability: policies.Promote, Keyspace: &v.State.Keyspaces[0], Shard: &v.State.Shards[0]})
	if row[0].Verdict() != policies.Throttle {
		t.Errorf("of promotions the twin has a word too: %v", row)
	}
}

func TestTwinsThatAreNone(t *testing.T) {
	e, all := engine(t), modules.All()
	at := func(name string) hosted.BuiltIn {
		return all[slices.IndexFunc(all, func(b hosted.BuiltIn) bool { return b.Twin.Name() == name })]
	}
	for _, c := range []struct {
		module, twin string
		says         string
	}{
		{"draining", "alive", "remain is answered by one of them alone"},
		{"same_node", "version", "is not the twin of version"},
		{"disk", "awareness", "is not the twin of awareness"},
	} {
		if _, err := hosted.LoadBuiltIns(t.Context(), e, []hosted.BuiltIn{{Binary: at(c.module).Binary, Twin: at(c.twin).Twin}}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s with twin %s: %v; should say %q", c.module, c.twin, err, c.says)
		}
	}
}

// A cluster that grows past the room of its guests, shards with more copies than there are usual slots, and more changes than
// are listed: the answers stay those of the twins.
func TestImageGrows(t *testing.T) {
	native, guests := sets(t, nil)
	for _, size := range []struct{ nodes, shards, replicas, copies, stirs int }{{3, 2, 1, 0, 10}, {40, 30, 2, 0, 600000}, {20, 10, 9, 10, 1000}, {20, 10, 1, 8, 1000}, {5, 3, 1, 0, 10}} {
		var text strings.Builder
		for i := range size.nodes {
			fmt.Fprintf(&text, "node N%02d host=h%d zone:z%d\n", i, i%7, i%3)
		}
		fmt.Fprintf(&text, "keyspace k shards=%d replicas=%d\nset cluster.routing.allocation.awareness.attributes zone\n", size.shards, size.replicas)
		for i := range size.shards {
			fmt.Fprintf(&text, "shard k/%d", i)
			for n := range size.copies {
				fmt.Fprintf(&text, " sync@N%02d", (i+n)%size.nodes)
			}
			text.WriteString("\n")
		}
		w := parse(t, text.String())
		trial := w.State.Try()
		v := policies.NewView(trial.State(), w.Facts)
		dice := rand.New(rand.NewPCG(uint64(size.nodes), 2))
		compare := func() {
			t.Helper()
			for range 200 {
				q := tck.Ask(dice, v)
				want := slices.Clone(native.Ask(v, q))
				if got := guests.Ask(v, q); !slices.Equal(got, want) {
					faults, _ := guests.Faults()
					t.Fatalf("%+v: of %v\n%v\nwant\n%v\n%v", size, q.Capability, got, want, faults)
				}
			}
		}
		compare()
		most := 0
		if testing.Short() {
			size.stirs = min(size.stirs, 10000) // too few for the list of changes to be cut
		}
		tck.Stir(dice, trial, v, size.stirs, func(place int) {
			native.Changed(v, place)
			guests.Changed(v, place)
			most = max(most, len(v.State.Shards[place].Copies))
		})
		if size.copies > 0 && most <= 8 {
			t.Fatalf("%+v: no shard had more than %d copies", size, most)
		}
		compare()
	}
}

// A module that keeps figures of its own is told what has changed.
func TestDelta(t *testing.T) {
	v := load(t, engine(t), fixture(t, "plain/counter", abi.Manifest{Needs: []string{"copy_node", "node_copies"}}))
	set := hosted.NewSet(nil, []hosted.Policy{{Version: v}})
	w := parse(t, "node N1\nnode N2\nkeyspace k shards=2\nshard k/0 primary@N1\n")
	trial := w.State.Try()
	view := policies.NewView(trial.State(), w.Facts)
	if row := set.Ask(view, question(view, 0)); row[0] != 0 {
		t.Error("nothing has changed yet")
	}
	r := &trial.State().Shards[0]
	view.Count(r, -1)
	if err := trial.Move(r.ID, &cluster.Move{Kind: cluster.MoveAllocate, Node: "n2"}); err != nil {
		t.Fatal(err)
	}
	view.Count(&trial.State().Shards[0], 1)
	set.Changed(view, 0)
	if row := set.Ask(view, question(view, 1)); row[0].Verdict() != policies.No {
		t.Errorf("it was not told: %v", row)
	}
	if row := set.Ask(w.View(), question(w.View(), 1)); row[0].Verdict() != policies.No {
		t.Error("another view is another image, and what it counted before it keeps: that is its own affair")
	}
}

// A module that looks at one of a keyspace's sums of what moved for balance is told when that one changes, whatever it looks at beside it.
func TestDeltaOfWhatMovedForBalance(t *testing.T) {
	for _, c := range []struct {
		needs string
		told  bool
	}{{"keyspace_rebalanced", true}, {"keyspace_rebalanced_bytes", true}, {"keyspace_rebalanced_until", true}, {"rebalanced_bytes", true}, {"keyspace_shards", false}} {
		v := load(t, engine(t), fixture(t, "plain/counter", abi.Manifest{Needs: []string{"node_flags", "copy_flags", c.needs}}))
		set := hosted.NewSet(nil, []hosted.Policy{{Version: v}})
		w := parse(t, "now 2026-11-23T22:30:00Z\nnode N1 format=5\nkeyspace k shards=2\nshard k/0 primary@N1\n")
		trial := w.State.Try()
		view := policies.NewView(trial.State(), w.Facts)
		set.Ask(view, question(view, 0))
		r := &trial.State().Shards[0]
		trial.Rebalance(cluster.Rebalance{Shard: r.ID, At: w.Facts.Now.UnixMilli(), Bytes: 5000})
		set.Changed(view, 0)
		if row := set.Ask(view, question(view, 1)); (row[0].Verdict() == policies.No) != c.told {
			t.Errorf("%s: told %v, want %v", c.needs, row[0].Verdict() == policies.No, c.told)
		}
	}
}

// What shards without a primary wait for is bounded: of some million instructions a question its share is had, which is less, and then the
// policy is passed over, without a fault. One that is quick is asked about them all.
func TestPromotionsWaitForNobody(t *testing.T) {
	e := engine(t)
	set := with(load(t, e, fixture(t, "plain/slow", abi.Manifest{})), load(t, e, fixture(t, "plain/wordy", abi.Manifest{Kind: abi.Soft})))
	defer set.Close()
	w := orphans(t)
	after, _ := w.State.Apply(&cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: "n00", Epoch: 1, Reason: "killed"}}}})
	v := policies.NewView(after, w.Facts)
	slow, quick := hosted.Of(set.Deciders[len(set.Deciders)-2]), hosted.Of(set.Deciders[len(set.Deciders)-1])
	asked, answered := 0, 0
	for place := range v.State.Shards {
		r := &v.State.Shards[place]
		if r.Primary != 0 {
			continue
		}
		q := &policies.Question{Capability: policies.Promote, Keyspace: &v.State.Keyspaces[0], Shard: r, Place: place, Primary: true}
		policies.Put(slow, v, q, make(policies.Row, len(v.Nodes)))
		policies.Put(quick, v, q, make(policies.Row, len(v.Nodes)))
		asked++
		if quick.FuelUsed() > 0 {
			answered++
		}
	}
	share := hosted.Emergency(asked) / 2
	planned := set.Fuel()["slow"] - 2*(1024*256+20) // without two calls of pol_alloc, which grow the memory
	if faults, _ := set.Faults(); len(faults) > 0 || asked < 15 || answered != asked || planned > share || planned < share*3/4 || slow.Out() {
		t.Errorf("%d questions, %d answered by the quick one, %d instructions of the slow one, faults %v", asked, answered, planned, faults)
	}
	fuel, spoke := quick.Cost(policies.Promote)
	if _, other := quick.Cost(policies.Start); !spoke || fuel == 0 || other {
		t.Error("traces cannot say what promotions cost")
	}
	if r := question(v, 1); set.Ask(v, r)[1].Verdict() != policies.NotPreferred {
		t.Error("for anything else there is time")
	}
}

// One question in eight is timed, the first of them, and by the clock that is handed in.
func TestOneQuestionInEightIsTimed(t *testing.T) {
	set := with(load(t, engine(t), fixture(t, "plain/slow", abi.Manifest{})))
	defer set.Close()
	var took []string
	now := int64(0)
	set.Time(hosted.Stopwatch{
		Now:  func() int64 { now += 5; return now },
		Took: func(policy string, ns int64) { took = append(took, fmt.Sprint(policy, " ", ns)) },
	})
	w := orphans(t)
	v := policies.NewView(w.State, w.Facts)
	for i := range 17 {
		set.Ask(v, question(v, i%3)) // no two in a row have the same answer at hand
	}
	name := set.Deciders[len(set.Deciders)-1].Name()
	if want := name + " 5"; !slices.Equal(took, []string{want, want, want}) {
		t.Errorf("of 17 questions %q are timed", took)
	}
}

// Each instruction is counted once: what is known already costs nothing, and what a guest did that was dropped is not lost.
func TestFuelIsCountedOnce(t *testing.T) {
	set := with(load(t, engine(t), fixture(t, "plain/slow", abi.Manifest{})))
	w := orphans(t)
	v := policies.NewView(w.State, w.Facts)
	slow := hosted.Of(set.Deciders[len(set.Deciders)-1])
	used := uint64(0)
	for range 2 {
		for place := range 3 {
			set.Ask(v, question(v, place))
			used += slow.FuelUsed()
		}
	}
	all := slow.Burnt()
	if used == 0 || all < used {
		t.Errorf("questions took %d, all calls %d", used, all)
	}
	q := question(v, 2) // the last that was asked
	if set.Ask(v, q); slow.Burnt() != 0 {
		t.Error("an answer that was known is counted again")
	}
	set.Ask(v, question(v, 1))
	used = slow.FuelUsed()
	set.Close()
	if got := slow.Burnt(); used == 0 || got != used || slow.Burnt() != 0 {
		t.Errorf("of a guest that is gone %d of %d are counted", got, used)
	}
}
