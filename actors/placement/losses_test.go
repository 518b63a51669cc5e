package placement

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// seen waits for what a node says of all losses, once they fit.
func (w *town) seen(by shards.NodeID, what string, fits func(l []Lost) bool) []Lost {
	w.Helper()
	var l *Losses
	for range 3000 {
		var err error
		if l, err = w.places[by].Losses(w.Context()); err != nil {
			w.Fatal(err)
		}
		if len(l.Waiting) == 0 && l.Why == "" && fits(l.Lost) {
			return l.Lost
		}
		<-time.After(100 * time.Millisecond)
	}
	w.Fatalf("it did not come to this: %s, but to %+v", what, l)
	return nil
}

// A leader at rest knows what each node's death would come to, also under a user's policy: whoever is asked says so, what has changed is
// looked at again, and the next leader looks itself. Nothing is moved for it.
func TestLossesAreForeseen(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 12, 1)
		w.green(2 * time.Second)
		w.seen("n2", "nothing would be lost", func(l []Lost) bool {
			return len(l) == 3 && !slices.ContainsFunc(l, func(x Lost) bool { return x.Loss.Copies != 8 || x.Loss.Lasting() })
		})
		before := w.count()
		<-time.After(3 * time.Minute)
		if got := w.count(); got != before {
			t.Errorf("%d commands were given while all was well", got-before)
		}
		w.push("spare", "one")
		w.activate("spare", 1, map[string]string{"nodes": "N3"})
		w.until("node n3 is free", func(s *cluster.State) bool { return copiesOn(s, "n3") == 0 && green(s) })
		fits := func(l []Lost) bool {
			return len(l) == 3 && l[0].Loss.Unplaceable == 12 && l[1].Loss.Unplaceable == 12 && l[2].Loss.Copies == 0 && !l[2].Loss.Lasting()
		}
		l := w.seen("n2", "the others have no place", fits)
		if why := l[0].Loss.String(); l[0].Loss.Few != 0 || !strings.Contains(why, "12 of its copies would have no place (orders/0 has 1 of 2 copies, and no node may have it; in the way: ") ||
			!strings.Contains(why, "[keep_off] refuses 1 nodes, 1 of them alone, as N3: node N3 is among those that setting nodes names") {
			t.Errorf("why: %s", why)
		}
		w.lead("n2", 8)
		if l, err := w.places["n1"].Losses(t.Context()); err != nil || len(l.Lost) != 0 || len(l.Waiting) != 3 {
			t.Errorf("who has just begun to lead says %+v, %v", l, err)
		}
		w.seen("n1", "the next leader knows", fits)
	})
}

// A module that fails when a loss is looked at has failed as in any other plan: it is counted and told of, and who plans has it quarantined.
func TestFaultsInLosses(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		w.push("spare", "one")
		p := w.places["n1"]
		s, o := citizen{w, ""}.State().Apply(&cluster.Command{Activate: &cluster.ActivatePolicy{Name: "spare", Version: 1, Settings: settingsOf(map[string]string{"mood": "trap"})}})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		own := &chair{p: p, native: true}
		defer own.leave()
		p.foresaw(own, &calm{in: allocator.Input{State: s, Evidence: make([]liveness.Status, len(s.Members))}, term: 1}, "n2")
		w.until("who plans has it quarantined", func(s *cluster.State) bool { return len(s.Quarantine) == 1 && s.Quarantine[0].Policy == "spare" })
		if news, err := p.news(t.Context(), &Question{Lines: "spare"}); err != nil || !slices.ContainsFunc(news.Lines, func(l Line) bool { return l.Level == "fault" }) {
			t.Errorf("its log is %+v, %v", news, err)
		}
	})
}

// Whoever closes a Placement waits for no loss that is being looked at.
func TestLossIsStopped(t *testing.T) {
	governed(t, 3, nil, func(w *town) {
		w.keyspace("orders", 4, 1)
		w.green(2 * time.Second)
		p := w.places["n1"]
		p.Close()
		own := &chair{p: p, native: true}
		defer own.leave()
		s := citizen{w, ""}.State()
		if p.foresaw(own, &calm{in: allocator.Input{State: s, Evidence: make([]liveness.Status, len(s.Members))}, term: 99}, "n2"); p.foreseen.Load() != nil && p.foreseen.Load().term == 99 {
			t.Error("it was looked at though nobody waits for it")
		}
	})
}

// A round goes on behind where the one before was cut short, and begins anew after a minute.
func TestRoundsOfLosses(t *testing.T) {
	s := &cluster.State{Version: 1, Shards: make([]cluster.Shard, 3)}
	for _, id := range []shards.NodeID{"a", "b", "c", "d"} {
		s.Members = append(s.Members, cluster.Member{ID: id, Roles: cluster.DefaultRoles, Down: id == "c"})
	}
	var r round
	at := time.Unix(1000, 0)
	begin := func(after time.Duration, wake bool, want ...shards.NodeID) {
		t.Helper()
		if got := r.begin(&calm{allocator.Input{State: s}, 1}, at.Add(after)); got != wake || !slices.Equal(r.queue, want) {
			t.Fatalf("wakes %v, and looks at %v; want %v, %v", got, r.queue, wake, want)
		}
	}
	begin(0, true, "a", "b", "d")
	if n := r.next(); n != "a" {
		t.Fatal(n)
	}
	begin(time.Second, false, "b", "d") // nothing has changed
	s.Version = 2
	begin(2*time.Second, false, "b", "d", "a")
	for range 3 {
		r.next()
	}
	begin(time.Minute, false)
	begin(2*time.Second+lossPeriod, true, "b", "d", "a")
	s.Version, s.Shards[0].Copies = 3, make([]cluster.Copy, lossCopies+1)
	begin(2*time.Second+lossPeriod, false) // nobody looks at so many
}

// A shard that is too large is logged once in a reign, however often another is the worst, or none is: loads go up and down.
func TestBurdensAreToldOnce(t *testing.T) {
	var log bytes.Buffer
	p := &Placement{c: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	a, b := &allocator.Burden{Shard: 1, Name: "orders/1"}, &allocator.Burden{Shard: 2, Name: "orders/2"}
	for term := range uint64(2) {
		log.Reset()
		for _, worst := range []*allocator.Burden{a, nil, a, b, a, b} {
			after := &foreseen{term: term, burden: worst}
			p.tellBurden(after)
			p.foreseen.Store(after)
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if !slices.EqualFunc(lines, []string{"shard=orders/1", "shard=orders/2"}, strings.Contains) {
			t.Errorf("in reign %d is logged:\n%s", term, log.String())
		}
	}
}
