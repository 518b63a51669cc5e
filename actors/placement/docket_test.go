package placement

import (
	"context"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

const accused = cluster.Digest("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func fault(text string) []hosted.Fault {
	return []hosted.Fault{{Policy: "p", Digest: string(accused), Text: text}}
}

// courts is a state that members read, in which commands are carried out.
type courts struct {
	*testing.T
	state *cluster.State
}

func newCourts(t *testing.T) *courts {
	w := &courts{t, &cluster.State{}}
	w.apply(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: "0123456789012345678901234567890123456789",
		Member: cluster.Member{ID: "n1", Name: "N1", Raft: 1, Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format}}})
	return w
}

func (w *courts) apply(c *cluster.Command) {
	w.Helper()
	next, o := w.state.Apply(c)
	if o.Err != nil {
		w.Fatal(o.Err)
	}
	w.state = next
}

// told carries out what is due, and says how often that has the module failed; -1: it is quarantined.
func (w *courts) told(d *docket) int {
	w.Helper()
	for _, c := range d.due(w.state) {
		w.apply(c)
	}
	if left := d.due(w.state); len(left) > 0 {
		w.Errorf("still due: %+v", left[0])
	}
	if w.state.Quarantined(accused) != nil {
		return -1
	}
	return int(w.state.Strikes(accused))
}

// One plan that was too large for a policy is told and counts for nothing; what is out in one set is out.
func TestSparedFaultsDoNotCount(t *testing.T) {
	var d docket
	w := newCourts(t)
	for range 2 * hosted.Strikes {
		d.enter(w.state, []hosted.Fault{{Policy: "p", Digest: string(accused), Spared: true, Text: "too much"}})
	}
	d.enter(w.state, fault("a trap"))
	if n := d.strikes(w.state, accused); n != 1 {
		t.Errorf("%d strikes", n)
	}
	d.enter(w.state, []hosted.Fault{{Policy: "p", Digest: string(accused), Count: hosted.Strikes, Out: true, Text: "too much in three plans in a row"}})
	if n := d.strikes(w.state, accused); n != hosted.Strikes || w.told(&d) != -1 {
		t.Errorf("%d strikes, quarantine %v", n, w.state.Quarantine)
	}
}

// "quarantines the module after three": whoever leads when it fails, and however often what one leader says is said.
func TestNextLeaderGoesOnCounting(t *testing.T) {
	w := newCourts(t)
	var first, second docket
	first.enter(w.state, fault("a trap"))
	for _, c := range first.due(w.state) {
		before := w.state
		w.apply(c) // whoever proposed it was not told
		if c = first.due(before)[0]; c.Strike.Strikes != 1 {
			t.Errorf("said again, it counts twice: %+v", c.Strike)
		}
		w.apply(c)
	}
	if n := w.told(&first); n != 1 || len(first.cases) > 0 {
		t.Errorf("%d strikes, files %v", n, first.cases)
	}
	second.enter(w.state, fault("out of fuel"))
	if n := w.told(&second); n != 2 {
		t.Errorf("%d strikes", n)
	}
	first.enter(w.state, fault("a trap"))
	if n := w.told(&first); n != -1 {
		t.Errorf("%d strikes", n)
	}
}

// Who lifts a quarantine, or what was counted before there is one, lets it begin anew: on every node that has counted.
func TestLiftedIsForgotten(t *testing.T) {
	lift := &cluster.Command{Quarantine: &cluster.QuarantineModule{Digest: accused, Lift: true}}
	w := newCourts(t)
	var led, leads docket
	led.enter(w.state, fault("one"))
	led.enter(w.state, fault("two"))
	w.told(&led)
	leads.enter(w.state, fault("three"))
	if w.told(&leads) != -1 {
		t.Fatal("three faults, and no quarantine")
	}
	leads.enter(w.state, fault("asked before it was quarantined"))
	w.apply(lift)
	for _, d := range []*docket{&led, &leads} {
		if n := d.strikes(w.state, accused); n != 0 || w.told(d) != 0 {
			t.Errorf("%d strikes after it was lifted", n)
		}
	}
	leads.enter(w.state, fault("one"))
	w.told(&leads)
	leads.enter(w.state, fault("two"))
	w.apply(lift) // and two is not told yet
	if n := w.told(&leads); n != 1 {
		t.Errorf("%d strikes after the first was lifted", n)
	}
	older := w.state
	w.apply(lift)
	leads.enter(w.state, fault("one"))
	if n := leads.strikes(older, accused); n != 1 {
		t.Errorf("%d strikes by an older state, which comes late", n)
	}
}

// Beside a member of a release that cannot read it each leader counts for itself.
func TestOlderMembersAreToldOfNoStrikes(t *testing.T) {
	w := newCourts(t)
	old := w.state.Members[0]
	old.Epoch, old.Format = 2, cluster.FormatMoves
	w.apply(&cluster.Command{Join: &cluster.Join{Member: old}})
	var d docket
	d.enter(w.state, fault("one"))
	d.enter(w.state, fault("two"))
	if due := d.due(w.state); len(due) > 0 || d.strikes(w.state, accused) != 2 {
		t.Errorf("due %+v", due[0])
	}
	d.enter(w.state, fault("three"))
	if n := w.told(&d); n != -1 {
		t.Errorf("%d strikes", n)
	}
}

// What the leaders before have counted counts: a module that fails once in each reign is found out, too.
func TestStrikesOfLeadersBefore(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.push("spare", "one", "two")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.keyspace("orders", 4, 1)
		w.until("placed, and not on n3", func(s *cluster.State) bool { return green(s) && copiesOn(s, "n3") == 0 })
		digest := citizen{w, ""}.State().Policy("spare").At(2).Digest
		w.must(&cluster.Command{Strike: &cluster.StrikeModule{Digest: digest, Policy: "spare", Strikes: 2, Last: "it failed under another leader"}})
		w.activate("spare", 2, map[string]string{"mood": "trap"})
		w.until("the module is quarantined", func(s *cluster.State) bool { return len(s.Quarantine) == 1 })
		s := citizen{w, ""}.State()
		if q := s.Quarantine[0]; q.Digest != digest || !strings.Contains(q.Reason, "it failed 3 times") || len(s.Struck) > 0 {
			t.Errorf("quarantined as %+v, counted are %+v", q, s.Struck)
		}
		news, err := w.places["n1"].News(context.Background(), Question{Lines: "spare"})
		if err != nil {
			t.Fatal(err)
		}
		if text := linesOf(news.Lines); strings.Count(text, "fault ") != 1 {
			t.Errorf("lines %s", text)
		}
	})
}
