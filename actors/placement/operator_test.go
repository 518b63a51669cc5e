package placement

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// ask has a node's Placement carry out a request.
func (w *town) ask(at shards.NodeID, r Request) *Answer {
	w.Helper()
	a, err := w.places[at].Reroute(context.Background(), r)
	if err != nil {
		w.Fatal(err)
	}
	return a
}

// home gives the nodes of a shard: of the primary, of a replica, and one without a copy.
func (w *town) home(id shards.ShardID) (primary, replica, free shards.NodeID) {
	s := citizen{w, ""}.State()
	r := s.Shard(id)
	for _, m := range s.Members {
		switch c := r.CopyOn(m.ID); {
		case c == nil:
			free = m.ID
		case c.ID == r.Primary:
			primary = m.ID
		default:
			replica = m.ID
		}
	}
	return primary, replica, free
}

func (w *town) settled(replicas int) {
	w.Helper()
	w.keyspace("orders", 6, replicas)
	w.green(2 * time.Second)
	w.mu.Lock()
	w.idle = true
	w.mu.Unlock()
}

// kinds lists the kinds of the moves of a shard.
func kinds(rows []cluster.RowChange, id shards.ShardID) (out []cluster.MoveKind) {
	for _, r := range rows {
		for _, m := range r.Moves {
			if r.Shard == id {
				out = append(out, m.Kind)
			}
		}
	}
	return out
}

func TestOperatorMovesFromAnyNode(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingRebalanceEnable, Value: cluster.EnableNone}}}})
		for _, at := range []shards.NodeID{"n1", "n2"} {
			id := shards.ShardID(slices.Index([]shards.NodeID{"n1", "n2"}, at))
			_, replica, free := w.home(id)
			a := w.ask(at, Request{Wishes: []Wish{{Kind: Move, Shard: id, From: replica, To: free}}})
			if got := kinds(a.Rows, id); len(a.Denied) > 0 || !slices.Equal(got, []cluster.MoveKind{cluster.MoveAllocate}) {
				t.Fatalf("at %s: %+v", at, a)
			}
			s := citizen{w, ""}.State()
			if c := s.Shard(id).CopyOn(free); c == nil || c.Source == 0 || a.Version == 0 || a.Version > s.Version {
				t.Errorf("at %s nothing is on its way: %s", at, s.Describe(s.Shard(id)))
			}
			a = w.ask(at, Request{Wishes: []Wish{{Kind: Cancel, Shard: id, From: replica}}})
			if s := (citizen{w, ""}).State(); len(a.Denied) > 0 || s.Shard(id).CopyOn(free) != nil {
				t.Errorf("at %s it was not cancelled: %+v", at, a)
			}
		}
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		<-time.After(time.Second)
		before := citizen{w, ""}.State()
		primary, replica, free := w.home(0)
		a := w.ask("n3", Request{DryRun: true, Wishes: []Wish{{Kind: Move, Shard: 0, From: replica, To: free}, {Kind: Promote, Shard: 0, To: replica}, {Kind: Promote, Shard: 0, To: primary}}})
		if got := kinds(a.Rows, 0); !slices.Equal(got, []cluster.MoveKind{cluster.MoveAllocate, cluster.MoveHandTo, cluster.MoveHandTo}) || a.Version != before.Version {
			t.Errorf("planned %v at version %d, denied %+v", got, a.Version, a.Denied)
		}
		<-time.After(time.Second)
		if now := (citizen{w, ""}).State(); now.Version != before.Version {
			t.Errorf("a dry run brought the state from version %d to %d", before.Version, now.Version)
		}
	})
}

func TestPromoteHandsOver(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		primary, replica, _ := w.home(2)
		w.ask("n1", Request{Wishes: []Wish{{Kind: Promote, Shard: 2, To: replica}}})
		s := citizen{w, ""}.State()
		if r := s.Shard(2); r.HandTo != r.CopyOn(replica).ID || r.PrimaryCopy().Node != primary {
			t.Errorf("a living primary hands over, it is not deposed: %s", s.Describe(r))
		}
	})
}

// T22: "red; never automatic". What nobody asked for is not done. The gap is shown by runtime/admin: TestWhatIsGivenUp.
func TestLossIsAccepted(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		primary, replica, free := w.home(0)
		s := citizen{w, ""}.State()
		r := s.Shard(0)
		w.must(&cluster.Command{InSync: &cluster.InSync{Shard: 0, Term: r.Term, Primary: r.Primary, Remove: []shards.CopyID{r.CopyOn(replica).ID}}})
		if primary == "n1" { // it leads the council
			w.mu.Lock()
			w.leader, w.term = replica, 8
			w.mu.Unlock()
		}
		w.judge(primary, liveness.Dead)
		<-time.After(10 * time.Minute)
		if h := w.health(); h.Status != cluster.Red {
			t.Fatalf("a stale copy was promoted: %+v", h)
		}
		at, _ := citizen{w, ""}.Leader()
		a := w.ask(at, Request{Wishes: []Wish{{Kind: Promote, Shard: 0, To: replica}, {Kind: AllocateStale, Shard: 0, To: replica}, {Kind: AllocateEmpty, Shard: 0, To: free}}})
		if len(a.Denied) != 2 || a.Denied[0].Wish != 0 || !strings.Contains(a.Denied[0].Reason, "not in sync") ||
			a.Denied[1].Wish != 2 || !strings.Contains(a.Denied[1].Reason, "nothing has to be given up") {
			t.Errorf("denied %+v", a.Denied)
		}
		if h := w.health(); h.Status == cluster.Red {
			t.Errorf("the loss was accepted, and yet: %+v", h)
		}
	})
}

func TestWishesAreDeniedWithReasons(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.settled(1)
		primary, replica, free := w.home(0)
		yes := true
		w.must(&cluster.Command{Member: &cluster.MemberChange{Node: free, Draining: &yes}})
		for _, c := range []struct {
			wish    Wish
			reason  string
			decider string
		}{
			{Wish{Kind: Move, Shard: 99, From: primary, To: free}, "no shard", ""},
			{Wish{Kind: Move, Shard: 0, From: free, To: primary}, "has no copy on node", ""},
			{Wish{Kind: Move, Shard: 0, From: primary, To: free}, "is draining", "draining"},
			{Wish{Kind: Move, Shard: 0, From: primary, To: replica}, "already", "same_node"},
			{Wish{Kind: Move, Shard: 0, From: primary, To: "nobody"}, "not a member", ""},
			{Wish{Kind: Cancel, Shard: 0, From: free}, "has no copy", ""},
			{Wish{Kind: Cancel, Shard: 0, From: replica}, "nothing to cancel", ""},
			{Wish{Kind: Promote, Shard: 0, To: primary}, "leads shard orders/0 already", ""},
			{Wish{Kind: Promote, Shard: 0, To: free}, "has no copy", ""},
			{Wish{Kind: AllocateReplica, Shard: 0, To: free}, "has all of its 2 copies", ""},
			{Wish{Kind: AllocateStale, Shard: 0, To: free}, "has no copy", ""},
			{Wish{Kind: AllocateStale, Shard: 0, To: replica}, "nothing has to be given up", ""},
			{Wish{Kind: AllocateEmpty, Shard: 0, To: free}, "nothing has to be given up", ""},
			{Wish{Kind: "shuffle", Shard: 0, To: free}, "there is no command", ""},
		} {
			a := w.ask("n2", Request{DryRun: true, Wishes: []Wish{c.wish}})
			if len(a.Denied) != 1 || a.Denied[0].Wish != 0 || !strings.Contains(a.Denied[0].Reason, c.reason) || a.Denied[0].Explanation.Decisive().Decider != c.decider {
				t.Errorf("%+v: %+v", c.wish, a.Denied)
			}
		}
		if a := w.ask("n1", Request{DryRun: true, Wishes: make([]Wish, MaxWishes+5)}); len(a.Denied) != MaxWishes+1 {
			t.Errorf("%d of too many commands were denied", len(a.Denied))
		}
	})
}

func TestRetryFailed(t *testing.T) {
	bubble(t, 2, func(w *town) {
		w.keyspace("orders", 1, 1)
		w.green(time.Second)
		w.mu.Lock()
		w.idle = true
		w.mu.Unlock()
		_, replica, _ := w.home(0)
		for range 20 {
			<-time.After(2 * time.Second)
			if c := (citizen{w, ""}).State().Shard(0).CopyOn(replica); c != nil {
				w.must(&cluster.Command{Failed: &cluster.Failed{Node: replica, Epoch: 1, Copies: []cluster.ShardCopy{{Shard: 0, Copy: c.ID}}}})
			}
		}
		s := citizen{w, ""}.State()
		if r := s.Shard(0); r.Failures != 5 || r.CopyOn(replica) != nil {
			t.Fatalf("after max_retries it is left alone: %s", s.Describe(r))
		}
		e, err := w.places["n2"].Explain(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := slices.IndexFunc(e.Nodes, func(x policies.Explanation) bool { return x.Node == strings.ToUpper(string(replica)) }); e.Nodes[n].Decisive().Decider != "max_retries" || len(e.Decisions) == 0 {
			t.Errorf("explained as %+v", e)
		}
		a := w.ask("n1", Request{RetryFailed: true})
		if s := (citizen{w, ""}).State(); !slices.Contains(kinds(a.Rows, 0), cluster.MoveRetry) || s.Shard(0).CopyOn(replica) == nil {
			t.Errorf("it was not tried again: %+v", a)
		}
	})
}

func TestAnswersWaitingCopies(t *testing.T) {
	bubble(t, 2, func(w *town) {
		w.keyspace("orders", 1, 3)
		<-time.After(time.Second)
		a := w.ask("n2", Request{})
		if len(a.Waiting) != 2 || a.Waiting[0].Verdict != policies.No || !strings.Contains(a.Waiting[0].Reason, "2 of 4 copies") {
			t.Errorf("waiting %+v", a.Waiting)
		}
	})
}

func TestWhereNobodyLeads(t *testing.T) {
	bubble(t, 2, func(w *town) {
		w.keyspace("orders", 1, 1)
		w.green(time.Second)
		w.mu.Lock()
		w.leader = ""
		w.mu.Unlock()
		var kind *shards.Error
		if _, err := w.places["n1"].Reroute(context.Background(), Request{}); !errors.As(err, &kind) || kind.Kind != shards.KindUnavailable {
			t.Errorf("a reroute without a leader: %v", err)
		}
		if _, err := w.places["n1"].Explain(context.Background(), 0); !errors.As(err, &kind) || kind.Kind != shards.KindUnavailable {
			t.Errorf("an explanation without a leader: %v", err)
		}
		if _, err := w.places["n1"].Serve(context.Background(), wire.Marshal(question{Explain: true})); !errors.As(err, &kind) || kind.Kind != shards.KindUnavailable {
			t.Errorf("a question to who does not lead: %v", err)
		}
	})
}

func TestBadQuestions(t *testing.T) {
	bubble(t, 1, func(w *town) {
		w.keyspace("orders", 1, 1)
		for _, body := range [][]byte{nil, {0xc1}, wire.Marshal(question{}), wire.Marshal(question{Explain: true, Reroute: &Request{}}), wire.Marshal(question{Explain: true, Shard: 77})} {
			var kind *shards.Error
			if _, err := w.places["n1"].Serve(context.Background(), body); !errors.As(err, &kind) || kind.Kind != shards.KindInvalid {
				t.Errorf("% x: %v", body, err)
			}
		}
	})
}

// A replica may be asked for while the lead moves: the copy that waits for the hand-over is not the one that is missing.
func TestAReplicaIsAllocatedWhileTheLeadMoves(t *testing.T) {
	s := &cluster.State{Keyspaces: []cluster.Keyspace{{Keyspace: shards.Keyspace{Name: "orders", Shards: 1, Replicas: 1}}}}
	r := &cluster.Shard{Term: 1, Primary: 1, Copies: []cluster.Copy{{ID: 1, Node: "n1", InSync: true, Started: true}, {ID: 3, Node: "n3", InSync: true, Started: true, Source: 1}}}
	wish := &Wish{Kind: AllocateReplica, To: "n2"}
	if m, reason := new(wishing).resolve(wish, s, r); m == nil {
		t.Errorf("refused: %s", reason)
	}
	r.Copies[1].Source = 0
	if m, reason := new(wishing).resolve(wish, s, r); m != nil || !strings.Contains(reason, "has all of its 2 copies") {
		t.Errorf("a third copy: %+v %s", m, reason)
	}
}
