package admin

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/past"
	"github.com/troupe-actors/troupe/shards"
)

// agreed is a Cluster in memory: a real cluster state that takes commands, of three members. The node is the first of them.
type agreed struct {
	mutex    sync.Mutex
	state    *cluster.State
	newer    chan struct{}
	evidence Evidence
	mute     shards.NodeID                                         // does not answer
	silent   shards.NodeID                                         // does not even say that it will not
	behind   uint64                                                // how many versions views lag
	clocks   map[shards.NodeID]time.Duration                       // how far they are ahead, of members that tell the time; the others do not
	asked    Reroute                                               // the last one
	news     PolicyNews                                            // about policies
	audition func(digest cluster.Digest, settings string) Audition // nil: every module does well
	tried    func(set []cluster.Setting) (Audition, error)         // nil: likewise
	quicker  *cluster.Command                                      // somebody else's, which comes before the next one
	cutFrom  []shards.NodeID                                       // what Isolate was told
	cutBoth  bool
	books    map[shards.NodeID]*past.Book // what members remember; a change takes a second
	seconds  int64
}

func nodeID(i int) shards.NodeID { return shards.NodeID(strings.Repeat(fmt.Sprint(i), 40)) }

// newAgreed is a cluster of three nodes, n1 to n3, with the keyspace "default" of two shards, of two copies each.
func newAgreed(t testing.TB) *agreed {
	t.Helper()
	a := &agreed{state: &cluster.State{}, newer: make(chan struct{}), evidence: Evidence{Leader: nodeID(1), Term: 3, Members: map[shards.NodeID]Liveness{}}}
	k := shards.Keyspace{Name: "default", Shards: 2, MaxMemory: 1 << 20}
	if err := k.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		m := cluster.Member{
			ID: nodeID(i), Name: fmt.Sprintf("n%d", i), Raft: uint64(i), Epoch: 1, Peer: fmt.Sprintf("127.0.0.1:730%d", i),
			RESP: fmt.Sprintf("127.0.0.1:740%d", i), HTTP: fmt.Sprintf("127.0.0.1:750%d", i), Host: "here", Roles: cluster.DefaultRoles,
			Attributes: []cluster.Attribute{{Name: "zone", Value: "abc"[i-1 : i]}}, Release: "0.1.0", Format: cluster.Format,
		}
		a.evidence.Members[m.ID] = Liveness{State: Alive, Heard: 1}
		if i == 1 {
			a.apply(t, &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: string(m.ID), Member: m, Keyspaces: []shards.Keyspace{k}}})
			continue
		}
		a.apply(t, &cluster.Command{Join: &cluster.Join{Member: m}})
	}
	for i := range 2 {
		id := shards.NewShardID(0, i)
		a.move(t, id, cluster.Move{Kind: cluster.MoveCreate, Node: nodeID(1 + i)})
		a.move(t, id, cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(2 + i)})
		a.sync(t, id)
	}
	return a
}

// apply changes the state, and fails the test if it is refused.
func (a *agreed) apply(t testing.TB, c *cluster.Command) {
	t.Helper()
	outcome, err := a.Propose(context.Background(), c)
	if err = errors.Join(err, outcome.Error()); err != nil {
		t.Fatal(err)
	}
	for _, r := range outcome.Rows {
		t.Fatalf("%v: %v", r.Shard, r.Err)
	}
}

func (a *agreed) move(t testing.TB, id shards.ShardID, moves ...cluster.Move) {
	t.Helper()
	a.apply(t, &cluster.Command{Reroute: &cluster.Reroute{Rows: []cluster.RowChange{{Shard: id, Base: a.state.Shard(id).Version, Moves: moves}}}})
}

// handOver has the primary of a shard hand over to another copy.
func (a *agreed) handOver(t testing.TB, id shards.ShardID, to shards.CopyID) {
	t.Helper()
	row := a.state.Shard(id)
	a.apply(t, &cluster.Command{HandOver: &cluster.HandOver{Shard: id, Term: row.Term, From: row.Primary, To: to}})
}

// sync brings every copy of a shard in sync.
func (a *agreed) sync(t testing.TB, id shards.ShardID) {
	t.Helper()
	row := a.state.Shard(id)
	change := &cluster.InSync{Shard: id, Term: row.Term, Primary: row.Primary}
	for _, c := range row.Copies {
		if !c.InSync {
			change.Add = append(change.Add, c.ID)
		}
	}
	a.apply(t, &cluster.Command{InSync: change})
}

// kill declares a member dead.
func (a *agreed) kill(t testing.TB, i int) {
	t.Helper()
	a.apply(t, &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: nodeID(i), Epoch: 1, Reason: "its port is closed"}}}})
}

func (a *agreed) State() (*cluster.State, <-chan struct{}) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.state, a.newer
}

func (a *agreed) Evidence() Evidence {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	return a.evidence
}

func (a *agreed) View(ctx context.Context, node shards.NodeID, copies bool) (View, error) {
	if node == a.silent {
		<-ctx.Done()
		return View{}, ctx.Err()
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if node == a.mute || a.state.Member(node).Down {
		return View{}, fmt.Errorf("node %s does not answer: the peer is gone", a.state.NodeName(node))
	}
	sum := fnv.New64a()
	sum.Write(a.state.Encode())
	v := View{Leader: a.evidence.Leader, Term: a.evidence.Term, Version: a.state.Version - a.behind, Applied: 100 + a.state.Version, Digest: sum.Sum64(), Lease: 1000}
	if ahead, tells := a.clocks[node]; tells {
		v.Clock = time.Now().Add(ahead).UnixNano()
	}
	if book := a.books[node]; book != nil {
		v.Past = book.Began() / 1e6
	}
	if !copies {
		return v, nil
	}
	for _, r := range a.state.Shards {
		if c := r.CopyOn(node); c != nil {
			v.Copies = append(v.Copies, Shard{ID: r.ID, Copy: c.ID, Keys: 10 + int64(r.ID), Bytes: 2048, Applied: 42, Rolling: 0xabc, LogBytes: 7, Last: 42, LastTerm: r.Term})
		}
		if p := r.PrimaryCopy(); p != nil && p.Node == node { // who sends knows how much
			for _, c := range r.Copies {
				if !c.InSync {
					v.Arriving = append(v.Arriving, Arriving{Shard: r.ID, Copy: c.ID, Recovery: Recovery{Source: node, Stage: "snapshot", Bytes: 512, Total: 2048, Operations: 5, Began: testNow - 1500}})
				}
			}
		}
	}
	return v, nil
}

func (a *agreed) Past(_ context.Context, node shards.NodeID, s Span) (History, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if node == a.mute || a.books[node] == nil {
		return History{}, errors.New("the peer is gone")
	}
	moments, more := a.books[node].Between(s.From*1e6-1, s.To*1e6, 100)
	return HistoryOf(a.state.NodeName(node), a.books[node].Began(), moments, more), nil
}

// RoundTrips are a hundred microseconds for each node in between; who is mute is not reached.
func (a *agreed) RoundTrips(_ context.Context, node shards.NodeID) (list []RoundTrip, err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if node == a.mute {
		return nil, errors.New("the peer is gone")
	}
	at := slices.IndexFunc(a.state.Members, func(m cluster.Member) bool { return m.ID == node })
	for i := range a.state.Members {
		switch m := &a.state.Members[i]; {
		case i == at || m.Down:
		case m.ID == a.mute:
			list = append(list, RoundTrip{To: m.ID, Problem: "no answer within 1s"})
		default:
			list = append(list, RoundTrip{To: m.ID, Micros: 100 * int64(max(i-at, at-i))})
		}
	}
	return list, nil
}

func (a *agreed) Propose(_ context.Context, c *cluster.Command) (cluster.Outcome, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if quicker := a.quicker; quicker != nil {
		a.quicker = nil
		a.state, _ = a.state.Apply(quicker)
	}
	state, outcome := a.state.Apply(c)
	if state != a.state {
		if err := errors.Join(cluster.Check(state), cluster.CheckStep(a.state, state)); err != nil {
			return outcome, err
		}
		a.state = state
		a.seconds++
		for _, book := range a.books {
			book.Note(state, a.evidence.Leader, a.seconds*1e9)
		}
		close(a.newer)
		a.newer = make(chan struct{})
	}
	return outcome, nil
}

// Reroute carries out moves and cancels, and refuses everything else.
func (a *agreed) Reroute(ctx context.Context, r Reroute) (Rerouted, error) {
	a.mutex.Lock()
	a.asked = r
	var result Rerouted
	for i, c := range r.Commands {
		row := a.state.Shard(c.Shard)
		from := row.CopyOn(c.From)
		if to := row.CopyOn(c.To); c.Kind == CommandAllocateStale && to != nil && row.Primary == 0 {
			result.Rows = append(result.Rows, cluster.RowChange{Shard: c.Shard, Base: row.Version, Moves: []cluster.Move{{Kind: cluster.MoveStale, Copy: to.ID, Reason: "an operator asked for it"}}})
			continue
		}
		if c.Kind != CommandMove || from == nil {
			refused := RefusedCommand{Command: i, Reason: "there is no such copy"}
			if r.Explain {
				refused.Verdicts = []Verdict{{"allocate", "same_node", "no", "a copy of the shard is there already"}}
			}
			result.Refused = append(result.Refused, refused)
			continue
		}
		result.Rows = append(result.Rows, cluster.RowChange{Shard: c.Shard, Base: row.Version, Moves: []cluster.Move{
			{Kind: cluster.MoveAllocate, Node: c.To, Source: from.ID, Reason: "an operator asked for it"},
		}})
	}
	for _, h := range cluster.HealthOf(a.state).Reasons {
		result.Waiting = append(result.Waiting, WaitingCopy{Shard: h.Shard, Reason: "the node may come back"})
	}
	result.Version = a.state.Version
	a.mutex.Unlock()
	if !r.DryRun && len(result.Rows) > 0 {
		outcome, err := a.Propose(ctx, &cluster.Command{Reroute: &cluster.Reroute{Rows: result.Rows}})
		result.Version = outcome.Version
		return result, err
	}
	return result, nil
}

func (a *agreed) PolicyNews(_ context.Context, q PolicyQuestion) (n PolicyNews, err error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for i := range a.news.Lines {
		if q.Lines != "" && uint64(i) >= q.After.Number {
			n.Lines = append(n.Lines, a.news.Lines[i])
		}
	}
	for i := range a.news.Comparisons {
		if q.Lines == "" && uint64(i) >= q.After.Number {
			n.Comparisons = append(n.Comparisons, a.news.Comparisons[i])
		}
	}
	n.Next = PolicyPlace{Node: nodeID(1), Term: 3, Number: q.After.Number + uint64(len(n.Lines)+len(n.Comparisons))}
	return n, nil
}

func (a *agreed) Audition(_ context.Context, digest cluster.Digest, settings string) (Audition, error) {
	if a.audition == nil {
		return Audition{}, nil
	}
	return a.audition(digest, settings), nil
}

func (a *agreed) AuditionSettings(_ context.Context, set []cluster.Setting) (Audition, error) {
	if a.tried == nil {
		return Audition{}, nil
	}
	return a.tried(set)
}

func (a *agreed) Explain(_ context.Context, id shards.ShardID, node shards.NodeID) (Explanation, error) {
	state, _ := a.State()
	e := Explanation{Summary: state.Describe(state.Shard(id))}
	for _, m := range state.Members {
		if node == "" || node == m.ID {
			e.Nodes = append(e.Nodes, NodeExplanation{Node: m.ID, Decision: "yes", Verdicts: []Verdict{{"allocate", "enable", "yes", "all copies may be allocated"}}})
		}
	}
	return e, nil
}

func (a *agreed) Losses(context.Context) (LossAnswer, error) {
	return LossAnswer{Losses: []NodeLoss{{Node: "n2", Summary: "3 of its copies would have no place", Lasting: true, Copies: 9, Unserved: 2, Single: 2, Unplaceable: 4, Few: 1, Fullest: "n1", Full: 120, Dimension: "cpu"}},
		Waiting: []string{"n3"}}, nil
}

func (a *agreed) Transfer(_ context.Context, to shards.NodeID) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.evidence.Leader = to
	a.evidence.Term++
	close(a.newer)
	a.newer = make(chan struct{})
	return nil
}

func (a *agreed) Isolate(nodes []shards.NodeID, both bool) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.cutFrom, a.cutBoth = slices.Clone(nodes), both
	return nil
}

// gather starts a real HTTP server over a node of a cluster in memory, and a client of it.
func gather(t *testing.T, c ServerConfig) (*memory, *agreed, *Client) {
	t.Helper()
	m := newMemory()
	m.cluster = newAgreed(t)
	server := httptest.NewServer(NewServer(m, c))
	t.Cleanup(server.Close)
	client, err := New([]string{server.URL}, c.Token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return m, m.cluster, client
}
