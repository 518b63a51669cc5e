package placement

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// town is a cluster in a synctest bubble: a council that orders commands in place of the metadata group, nodes that do what
// the table says some time later, and evidence that the test makes.
type town struct {
	*testing.T
	log bytes.Buffer // written on the leader's goroutine

	mu       sync.Mutex
	state    *cluster.State
	leader   shards.NodeID
	term     uint64
	nodes    map[shards.NodeID]liveness.State
	since    map[shards.NodeID]int64
	begun    time.Time
	commits  int // commands of the placement
	meddle   func(*cluster.State) *cluster.Command
	refusing error         // what ProposeIn answers
	latency  time.Duration // of a commit
	idle     bool          // nodes do nothing

	places  map[shards.NodeID]*Placement
	working sync.WaitGroup
	work    chan struct{}
}

const tick = 50 * time.Millisecond

// build makes a cluster of n members that are alive, n1 leading, with a Placement on each.
func build(t *testing.T, n int, tweaks ...func(shards.NodeID, *Config)) *town {
	w := &town{T: t, state: &cluster.State{}, nodes: map[shards.NodeID]liveness.State{}, since: map[shards.NodeID]int64{}, begun: time.Now(),
		places: map[shards.NodeID]*Placement{}, latency: 2 * time.Millisecond, work: make(chan struct{}, 1)}
	for i := 1; i <= n; i++ {
		w.join(i)
	}
	w.leader, w.term = "n1", 7
	for id := range w.nodes {
		c := w.config(id)
		for _, tweak := range tweaks {
			tweak(id, &c)
		}
		p, err := Start(c)
		if err != nil {
			t.Fatal(err)
		}
		w.places[id] = p
	}
	done := make(chan struct{})
	w.working.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-w.work:
			}
			<-time.After(5 * time.Millisecond) // recoveries take a while
			w.toil()
		}
	})
	t.Cleanup(func() {
		close(done)
		w.working.Wait()
		for _, p := range w.places {
			p.Close()
		}
	})
	return w
}

func (w *town) config(id shards.NodeID) Config {
	return Config{Self: id, Group: citizen{w, id}, Members: citizen{w, id}, Log: slog.New(slog.NewTextHandler(&safe{w}, nil)),
		Call: func(ctx context.Context, to shards.NodeID, body []byte) ([]byte, error) {
			p := w.places[to]
			if p == nil {
				return nil, errors.New("nobody there")
			}
			return p.Serve(ctx, body)
		}}
}

type safe struct{ w *town }

func (s *safe) Write(p []byte) (int, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.w.log.Write(p)
}

// citizen is one node's view of the town: Group and Members.
type citizen struct {
	w  *town
	id shards.NodeID
}

func (c citizen) State() *cluster.State {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.state
}

func (c citizen) Leader() (shards.NodeID, uint64) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.leader, c.w.term
}

func (c citizen) ProposeIn(ctx context.Context, term uint64, command *cluster.Command) (cluster.Outcome, error) {
	w := c.w
	<-time.After(w.latency)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.refusing != nil:
		return cluster.Outcome{}, w.refusing
	case w.leader != c.id || w.term != term:
		return cluster.Outcome{}, &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("no leader in that term")}
	}
	if w.meddle != nil {
		if other := w.meddle(w.state); other != nil {
			w.order(other)
		}
	}
	w.commits++
	return w.order(command), nil
}

func (c citizen) Propose(ctx context.Context, command *cluster.Command) (cluster.Outcome, error) {
	<-time.After(c.w.latency)
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.order(command), nil
}

// order applies a command and wakes everybody. w.mu is held.
func (w *town) order(c *cluster.Command) cluster.Outcome {
	after, o := w.state.Apply(c)
	if err := cluster.Check(after); err != nil {
		w.Error(err)
	}
	w.state = after
	for _, p := range w.places {
		p.Wake()
	}
	select {
	case w.work <- struct{}{}:
	default:
	}
	return o
}

func (w *town) must(c *cluster.Command) {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.order(c); o.Err != nil || len(o.Rows) > 0 {
		w.Fatalf("refused: %v %v", o.Err, o.Rows)
	}
}

func (c citizen) Evidence() *member.Evidence {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leader != c.id {
		return &member.Evidence{}
	}
	e := &member.Evidence{Leading: true, Term: w.term, Ticks: w.now(), TickLength: tick}
	for i := range w.state.Members {
		m := &w.state.Members[i]
		e.Nodes = append(e.Nodes, member.Node{Status: liveness.Status{Node: m.ID, Name: m.Name, Epoch: m.Epoch, State: w.nodes[m.ID], Since: w.since[m.ID], Reason: "so says the test"}})
	}
	return e
}

func (w *town) now() int64 { return int64(time.Since(w.begun) / tick) }

func (w *town) join(i int) {
	id := shards.NodeID(fmt.Sprintf("n%d", i))
	m := cluster.Member{ID: id, Name: strings.ToUpper(string(id)), Raft: uint64(i), Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format}
	if known := w.state.Member(id); known != nil {
		m.Epoch = known.Epoch + 1
	}
	if i == 1 && w.state.Cluster == "" {
		w.must(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: m}})
	} else {
		w.must(&cluster.Command{Join: &cluster.Join{Member: m}})
	}
	w.judge(id, liveness.Alive)
}

// judge changes the evidence about a member, and wakes whoever leads.
func (w *town) judge(id shards.NodeID, s liveness.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nodes[id], w.since[id] = s, w.now()
	for _, p := range w.places {
		p.Wake()
	}
}

// toil does on living nodes what the table asks for.
func (w *town) toil() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		p := r.PrimaryCopy()
		if w.idle || p == nil || w.nodes[p.Node] == liveness.Dead {
			continue
		}
		c := &cluster.InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
		to := r.HandTo
		for _, x := range r.Copies {
			if !x.InSync && w.nodes[x.Node] != liveness.Dead {
				c.Add = append(c.Add, x.ID)
			}
			if x.InSync && x.Source == r.Primary {
				to = x.ID
			}
		}
		if len(c.Add) > 0 {
			w.order(&cluster.Command{InSync: c})
		} else if to != 0 {
			w.order(&cluster.Command{HandOver: &cluster.HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: to}})
		}
	}
}

func (w *town) keyspace(name string, n, replicas int) {
	w.must(&cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: name, Shards: n, Replicas: replicas}}})
}

func (w *town) health() cluster.Health { return cluster.HealthOf(citizen{w, ""}.State()) }

// green waits until all is well and still, for so long at most.
func (w *town) green(patience time.Duration) {
	w.Helper()
	deadline := time.Now().Add(patience)
	for {
		synctest.Wait()
		h := w.health()
		if h.Status == cluster.Green && h.Relocating+h.Initializing == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("after %v: %+v", patience, h)
		}
		<-time.After(time.Millisecond)
	}
}

// lead makes another node lead.
func (w *town) lead(id shards.NodeID, term uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leader, w.term = id, term
	for _, p := range w.places {
		p.Wake()
	}
}

func (w *town) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.commits
}

func bubble(t *testing.T, n int, f func(w *town)) {
	synctest.Test(t, func(t *testing.T) { f(build(t, n)) })
}

func TestPlacesAndRests(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.keyspace("orders", 12, 1)
		w.green(2 * time.Second)
		before := w.count()
		<-time.After(time.Minute)
		if got := w.count(); got != before {
			t.Errorf("%d commands were given though all was well", got-before)
		}
		if w.places["n1"].Last() == nil || w.places["n2"].Last() != nil {
			t.Error("who leads plans, and nobody else")
		}
	})
}

// Reference section 6.2: "Lane 0 emergency (event, ≤50 ms)": a look that finds a death waits for no pause.
func TestFailoverWaitsForNothing(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.keyspace("orders", 12, 1)
		w.green(2 * time.Second)
		for i := range 10 {
			w.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "x", Value: fmt.Sprint(i)}}}}) // a look has just been
		}
		synctest.Wait()
		before := w.count()
		w.judge("n2", liveness.Dead)
		<-time.After(w.latency + time.Microsecond)
		synctest.Wait()
		if h := w.health(); h.Primaries != 12 || h.Down != 1 || h.Status != cluster.Yellow {
			t.Errorf("one commit later: %+v", h)
		}
		if got := w.count(); got != before+1 {
			t.Errorf("%d commands, want 1 for all shards", got-before)
		}
		if !strings.Contains(w.log.String(), `level=WARN msg="a member is declared dead"`) {
			t.Error("no warning in the log about it")
		}
	})
}

// "delayed re-replication when a node leaves": the wait ends by itself, with nobody to wake the loop.
func TestReplacesWhenTheWaitIsOver(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.keyspace("orders", 6, 1)
		w.green(2 * time.Second)
		w.judge("n3", liveness.Dead)
		<-time.After(59 * time.Second)
		if h := w.health(); h.Status != cluster.Yellow || h.Initializing > 0 {
			t.Errorf("before the wait is over: %+v", h)
		}
		<-time.After(2 * time.Second)
		w.green(2 * time.Second)
		w.mu.Lock()
		w.join3()
		w.mu.Unlock()
	})
}

// join3 says that n3 is alive in a second life. w.mu is held.
func (w *town) join3() {
	w.order(&cluster.Command{Join: &cluster.Join{Member: cluster.Member{ID: "n3", Name: "N3", Raft: 3, Epoch: 2, Roles: cluster.DefaultRoles}}})
	w.nodes["n3"] = liveness.Alive
}

func TestManyWakesAreOne(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.keyspace("orders", 6, 1)
		w.green(2 * time.Second)
		looked := func() time.Time {
			synctest.Wait()
			return w.places["n1"].looked
		}
		looks, last := 0, looked()
		for range 200 {
			w.places["n1"].Wake()
			<-time.After(time.Millisecond)
			if now := looked(); now != last {
				looks, last = looks+1, now
			}
		}
		if looks > 9 || looks < 6 {
			t.Errorf("%d looks in 200 ms, with a pause of 25 ms", looks)
		}
	})
}

// DESIGN.md section 3: no plan is committed from a deposed leader; a new one goes on from the committed state.
func TestDeposedLeaderPlacesNothing(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.keyspace("orders", 6, 1)
		w.green(2 * time.Second)
		w.mu.Lock()
		w.latency = 100 * time.Millisecond
		w.mu.Unlock()
		before := w.count()
		w.judge("n3", liveness.Dead)
		<-time.After(50 * time.Millisecond) // n1's plan is on its way
		w.mu.Lock()
		w.leader, w.term = "n2", 8
		w.nodes["n3"] = liveness.Alive // it holds a lease of the new reign
		w.mu.Unlock()
		<-time.After(time.Second)
		if got := w.count(); got != before {
			t.Errorf("%d commands of the deposed leader were ordered", got-before)
		}
		w.judge("n3", liveness.Dead)
		<-time.After(time.Second)
		if h := w.health(); h.Down != 1 || h.Primaries != 6 {
			t.Errorf("the new leader did nothing: %+v", h)
		}
	})
}

// "a row whose Version differs from Base is left out (the leader looks again)"
func TestLooksAgainAtWhatCameBetween(t *testing.T) {
	bubble(t, 3, func(w *town) {
		meddled := 0
		w.mu.Lock()
		w.meddle = func(s *cluster.State) *cluster.Command {
			for i := range s.Shards {
				if r := &s.Shards[i]; r.Primary == 0 && len(r.Copies) == 0 && meddled < 3 {
					meddled++
					return &cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: r.ID, Base: r.Version,
						Moves: []cluster.Move{{Kind: cluster.MoveCreate, Node: "n3", Reason: "somebody was quicker"}}}}}}
				}
			}
			return nil
		}
		w.mu.Unlock()
		w.keyspace("orders", 6, 1)
		w.green(5 * time.Second)
		if meddled == 0 {
			t.Error("nobody came between")
		}
	})
}

func TestComesBackAfterALostQuorum(t *testing.T) {
	bubble(t, 3, func(w *town) {
		w.mu.Lock()
		w.refusing = &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("no quorum")}
		w.mu.Unlock()
		w.keyspace("orders", 6, 1)
		w.judge("n3", liveness.Dead)
		<-time.After(time.Second)
		w.mu.Lock()
		w.refusing = nil
		if got := w.log.String(); strings.Count(got, "was not committed") != 1 || strings.Contains(got, "declared dead") {
			t.Errorf("logged:\n%s", got)
		}
		w.mu.Unlock()
		w.green(time.Second)
	})
}

func TestConfigIsChecked(t *testing.T) {
	w := citizen{&town{}, "n1"}
	for _, c := range []Config{{}, {Self: "n1", Group: w}, {Self: "n1", Members: w}, {Group: w, Members: w}, {Self: "n1", Group: w, Members: w, Pause: -1}} {
		if _, err := Start(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestPlannedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, 2)
		w.places["n1"].Close()
		var told []Planned
		c := w.config("n1")
		c.Planned = func(p Planned) { told = append(told, p) }
		p, err := Start(c)
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.places["n1"] = p
		w.mu.Unlock()
		w.keyspace("orders", 4, 1)
		w.green(time.Second)
		p.Close()
		if len(told) == 0 || told[0].Term != 7 || told[0].Commit != w.latency || len(told[0].Plan.Rows) != 4 || told[0].Err != nil ||
			!slices.IsSortedFunc(told, func(a, b Planned) int { return int(a.Plan.Version) - int(b.Plan.Version) }) {
			t.Errorf("told %+v", told)
		}
	})
}
