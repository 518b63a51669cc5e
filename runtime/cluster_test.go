package runtime

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

func TestAnyNodeServesEveryKey(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	const keys = 60
	for i := range keys {
		s := open(t, c.nodes[i%3], "default")
		if _, err := s.Put(t.Context(), fmt.Sprint("key ", i), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		for _, n := range c.nodes {
			if v, err := open(t, n, "default").Get(t.Context(), fmt.Sprint("key ", i)); err != nil || string(v.Bytes) != fmt.Sprint(i) {
				t.Fatalf("%s reads key %d as %q, %v", n.Name(), i, v.Bytes, err)
			}
		}
	}
	for _, n := range c.nodes {
		seen := 0
		for e, err := range open(t, n, "default").Scan(t.Context(), ScanOptions{Prefix: "key "}) {
			if err != nil || !strings.HasPrefix(string(e.Key), "key ") {
				t.Fatal(err, e.Key)
			}
			seen++
		}
		if seen != keys {
			t.Errorf("%s scans %d keys of %d", n.Name(), seen, keys)
		}
	}
	if deleted, err := open(t, c.nodes[1], "default").DeletePrefix(t.Context(), "key "); err != nil || deleted != keys {
		t.Errorf("deleted %d of %d keys, %v", deleted, keys, err)
	}
}

// load increments counters through some nodes until it is told to end.
type load struct {
	ending  atomic.Bool
	running sync.WaitGroup
	rounds  atomic.Int64
	counts  [12]atomic.Int64
}

func (l *load) begin(t *testing.T, nodes ...*Node) {
	for _, n := range nodes {
		s := open(t, n, "default")
		for worker := range 3 {
			l.running.Go(func() {
				for i := worker; !l.ending.Load(); i++ {
					key := i % len(l.counts)
					if _, err := s.Increment(t.Context(), fmt.Sprint("counter ", key), 1); err != nil {
						t.Errorf("%s: %v", n.Name(), err)
						return
					}
					l.counts[key].Add(1)
					l.rounds.Add(1)
				}
			})
		}
	}
}

// more waits until so many more increments were acknowledged.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	from := l.rounds.Load()
	eventually(t, "more increments", func() bool { return t.Failed() || l.rounds.Load() >= from+n })
}

// end stops, and compares what was acknowledged with what each node reads.
func (l *load) end(t *testing.T, nodes ...*Node) {
	t.Helper()
	l.ending.Store(true)
	l.running.Wait()
	for _, n := range nodes {
		for key := range l.counts {
			v, err := open(t, n, "default").Get(t.Context(), fmt.Sprint("counter ", key))
			if want := fmt.Sprint(l.counts[key].Load()); err != nil || string(v.Bytes) != want {
				t.Errorf("%s reads counter %d as %s, %v; acknowledged %s", n.Name(), key, v.Bytes, err, want)
			}
		}
	}
}

// watched keeps what a watch tells of each counter: the last value, or that it has to be read again.
type watched struct {
	mu     sync.Mutex
	values map[string]string
	resync int // how often it has said that something may have been missed
	ended  chan error
}

func watchCounters(t *testing.T, ctx context.Context, n *Node) *watched {
	w := &watched{values: map[string]string{}, ended: make(chan error, 1)}
	s := open(t, n, "default")
	go func() {
		var failed error
		for c, err := range s.Watch(ctx, "counter ", nil) {
			if failed = err; err != nil {
				break
			}
			w.mu.Lock()
			if c.Kind == store.ChangeResync {
				w.resync++
			} else {
				w.values[c.Key] = string(c.Value)
			}
			w.mu.Unlock()
		}
		w.ended <- failed
	}()
	return w
}

// sees says whether the watch has told of a counter's value, and how often it has missed something.
func (w *watched) sees(key int, value string) (seen bool, missed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.values[fmt.Sprint("counter ", key)] == value, w.resync
}

// goesOn adds one to a counter, of which the watch must tell: if it says that it has missed something, of another one.
func (w *watched) goesOn(t *testing.T, s *Store, key int) {
	t.Helper()
	value, missed := "", -1
	eventually(t, "the watch goes on", func() bool {
		seen, resyncs := w.sees(key, value)
		if !seen && resyncs > missed {
			value, missed = fmt.Sprint(must[int64](t)(s.Increment(t.Context(), fmt.Sprint("counter ", key), 1))), resyncs
		}
		return seen
	})
}

// DESIGN.md section 4: "Writes carry (client, sequence) so that a retry across a failover is applied once."
func TestFailoverCostsNoOperation(t *testing.T) {
	for name, end := range map[string]func(*troop, int){"closed": (*troop).stop, "killed": (*troop).kill} {
		for _, victim := range []string{"leader", "follower"} {
			t.Run(name+" "+victim, func(t *testing.T) {
				if testing.Short() && (name == "closed") == (victim == "leader") {
					t.Skip("one of each in a short run")
				}
				c := newTroop(t, false, volatileSpace("default", 1))
				leads, follows := c.leader()
				c.propose(c.nodes[follows], &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: cluster.SettingNodeLeftDelay, Value: "100ms"}}}})
				at := follows
				if victim == "leader" {
					at = leads
				}
				var l load
				survivors := []*Node{c.nodes[(at+1)%3], c.nodes[(at+2)%3]}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w := watchCounters(t, ctx, survivors[1])
				inOrder := orderly(t, open(t, survivors[0], "default"))
				l.begin(t, survivors...)
				l.more(t, 300)
				end(c, at)
				l.more(t, 300)
				c.whole()
				l.more(t, 100)
				l.end(t, survivors...)
				inOrder()
				for key := range l.counts { // the watch begins at some time, and goes on from node to node: one more of each must be seen
					w.goesOn(t, open(t, survivors[0], "default"), key)
				}
				cancel()
				if err := <-w.ended; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The same for the writes that a primary's own node was asked for: it is cut off with them under way, replaced, and heals.
func TestWritesOfANodeThatIsCutOffAreAppliedOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes longer than a lease")
	}
	c := newTroopOf(t, false, func(c *Config) { c.HTTP = "127.0.0.1:0" }, volatileSpace("default", 1))
	_, at := c.leader()
	victim := c.nodes[at]
	other := c.nodes[(at+1)%3]
	eventually(t, "the victim leads a shard", func() bool {
		for _, r := range victim.state().Shards {
			if h := victim.copyOf(r.ID); h != nil && h.Leads() {
				return true
			}
		}
		return false
	})
	var keys []string
	k := victim.keyspaces()[0]
	for i := 0; len(keys) < 4; i++ {
		key := fmt.Sprint("counter ", i)
		if h := victim.copyOf(k.id(k.ShardOf(shards.SlotOf([]byte(key))))); h != nil && h.Leads() {
			keys = append(keys, key)
		}
	}
	s := open(t, victim, "default")
	var working sync.WaitGroup
	var stopping atomic.Bool
	acknowledged := make([]atomic.Int64, len(keys))
	for i, key := range keys {
		for range 4 {
			working.Go(func() {
				for !stopping.Load() {
					if _, err := s.Increment(t.Context(), key, 1); err != nil {
						t.Errorf("an increment of %s on the node that leads it: %v", key, err)
						return
					}
					acknowledged[i].Add(1)
				}
			})
		}
	}
	eventually(t, "increments", func() bool { return acknowledged[0].Load() > 100 })
	wire := victim.life.Load().transport
	wire.Isolate([]shards.NodeID{c.nodes[(at+1)%3].id.Node, c.nodes[(at+2)%3].id.Node}, true)
	stopping.Store(true) // what is under way waits for an answer of the other copy
	readsWhilePrimaryIsOut(t, c, victim, keys[0])
	eventually(t, "the victim is declared dead", func() bool { m := other.state().Member(victim.id.Node); return m != nil && m.Down })
	wire.Isolate(nil, false)
	working.Wait()
	for i, key := range keys {
		v, err := open(t, other, "default").Get(t.Context(), key)
		if want := fmt.Sprint(acknowledged[i].Load()); err != nil || string(v.Bytes) != want {
			t.Errorf("%s is %s, %v; acknowledged %s", key, v.Bytes, err, want)
		}
	}
}

// A scan shows one moment of each shard. If that is lost with its node the scan says so, and goes on after its last key when asked.
func TestScanAcrossAFailover(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	leads, follows := c.leader()
	s, gone := open(t, c.nodes[leads], "default"), c.nodes[follows].id.Node
	const keys = 30000
	w := must[*Writer](t)(s.Writer(WriterOptions{}))
	for i := range keys {
		if err := w.Write(t.Context(), Put(fmt.Sprintf("key %05d", i), nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	terms := func() (sum, victims int) { // how often shards were given a new primary, and how many the victim leads
		for _, row := range c.nodes[leads].state().Shards {
			sum += int(row.Term)
			if p := row.PrimaryCopy(); p != nil && p.Node == gone {
				victims++
			}
		}
		return sum, victims
	}
	before, lost, next, last, interrupted := 0, 0, 0, "", 0
	for done := false; !done; {
		done = true
		for e, err := range s.Scan(t.Context(), ScanOptions{After: last}) {
			if err != nil {
				interrupted++
				done = false
				break
			}
			if string(e.Key) != fmt.Sprintf("key %05d", next) {
				t.Fatalf("%s comes after %s", e.Key, last)
			}
			last = string(e.Key)
			if next++; next == 100 {
				before, lost = terms()
				c.kill(follows)
			}
		}
	}
	after, _ := terms()
	if others := max(0, after-before-lost); next != keys || interrupted > 1+others { // a busy machine may lose another primary meanwhile
		t.Errorf("%d keys of %d, interrupted %d times, and %d primaries changed beside those that died", next, keys, interrupted, others)
	}
}

func (c *troop) propose(n *Node, command *cluster.Command) {
	c.t.Helper()
	if outcome, err := (clusterAPI{n}).Propose(c.t.Context(), command); err != nil || outcome.Err != nil {
		c.t.Fatal(err, outcome.Err)
	}
}

// A keyspace that one node makes is served by all, and has as many copies as it is told to.
func TestKeyspacesChangeLive(t *testing.T) {
	c := newTroop(t, true, shards.Keyspace{Name: "default", Shards: 2})
	k := shards.Keyspace{Name: "late", Shards: 5, Replicas: 1}
	c.propose(c.nodes[1], &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
	for _, n := range c.nodes {
		eventually(t, "the keyspace comes to "+n.Name(), func() bool { _, err := n.Store("late"); return err == nil })
	}
	for i := range 40 {
		if _, err := open(t, c.nodes[i%3], "late").Put(t.Context(), fmt.Sprint("key ", i), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	c.whole()
	copies := func(n int) {
		t.Helper()
		eventually(t, fmt.Sprint(n, " copies of each shard"), func() bool {
			state := c.nodes[0].state()
			for _, row := range state.ShardsOf(state.KeyspaceByName("late").ID) {
				if len(row.Copies) != n || row.InSync() != n || row.Primary == 0 {
					return false
				}
			}
			return true
		})
		for i := range 40 {
			if v, err := open(t, c.nodes[i%3], "late").Get(t.Context(), fmt.Sprint("key ", i)); err != nil || string(v.Bytes) != "v" {
				t.Fatalf("key %d is %q, %v", i, v.Bytes, err)
			}
		}
	}
	copies(2)
	for _, replicas := range []int{2, shards.NoReplicas, 1} {
		k.Replicas, k.MinInSync = replicas, 0
		c.propose(c.nodes[2], &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
		copies(max(1, 1+replicas))
	}
	// Two copies that must both have a write: without the third node to make up for one that stops, there are none.
	k.Replicas, k.MinInSync = 2, 3
	c.propose(c.nodes[0], &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
	copies(3)
	c.stop(2)
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := open(t, c.nodes[0], "late").Put(soon, "key 0", []byte("refused"))
	if err == nil {
		t.Fatal("a write is acknowledged with two of three copies that are asked for")
	}
	k.MinInSync = 2
	c.propose(c.nodes[0], &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: k}})
	if _, err := open(t, c.nodes[0], "late").Put(t.Context(), "key 1", []byte("taken")); err != nil {
		t.Errorf("fewer are asked for, and a write is not taken: %v", err)
	}
}

// declareDead has the cluster take a running node for dead, and waits until it has come back as another epoch.
func (c *troop) declareDead(by, at int) {
	c.t.Helper()
	n := c.nodes[at]
	epoch := n.epoch()
	c.propose(c.nodes[by], &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: n.ID(), Epoch: epoch, Reason: "the test says so"}}}})
	for _, other := range c.running() {
		eventually(c.t, other.Name()+" sees the next epoch", func() bool {
			m := other.state().Member(n.ID())
			return m != nil && !m.Down && m.Epoch > epoch
		})
	}
}

func TestNodeDeclaredDeadComesBack(t *testing.T) {
	c := newTroop(t, true, shards.Keyspace{Name: "default", Shards: 6}, shards.Keyspace{Name: "single", Shards: 3, Replicas: shards.NoReplicas},
		volatileSpace("volatile", shards.NoReplicas))
	singles := []string{"single", "volatile"}
	for i := range 20 {
		for _, name := range singles {
			if _, err := open(t, c.nodes[0], name).Put(t.Context(), fmt.Sprint("key ", i), []byte("v")); err != nil {
				t.Fatal(err)
			}
		}
	}
	leads, follows := c.leader()
	n := c.nodes[follows]
	address, epoch := n.PeerAddr(), n.epoch()
	redis := speak(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := watchCounters(t, ctx, n) // goes on through lives of its own node
	var l load
	l.begin(t, c.nodes[leads])
	for range 2 {
		l.more(t, 30)
		c.declareDead(leads, follows)
		if got := redis.do("SET", "from redis", "v"); got != "OK" {
			t.Errorf("SET through the node that was dead: %q", got)
		}
	}
	if n.PeerAddr() != address || n.epoch() != epoch+2 {
		t.Errorf("it came back at %s as epoch %d; it was at %s, epoch %d", n.PeerAddr(), n.epoch(), address, epoch)
	}
	c.whole()
	l.more(t, 30)
	l.end(t, c.nodes...)
	for i := range 20 {
		for _, name := range singles { // its process has gone on: it has what it had, in memory too
			if v, err := open(t, n, name).Get(t.Context(), fmt.Sprint("key ", i)); err != nil || string(v.Bytes) != "v" {
				t.Errorf("key %d of %s is %q, %v", i, name, v.Bytes, err)
			}
		}
	}
	for key := range l.counts {
		w.goesOn(t, open(t, c.nodes[leads], "default"), key)
	}
	cancel()
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
}

// A node whose port was taken when it came to life again waits for it; and can be closed meanwhile.
func TestNodeComesBackWhenItsPortIsFree(t *testing.T) {
	for _, closed := range []bool{false, true} {
		c := newTroop(t, false, volatileSpace("default", 1))
		leads, follows := c.leader()
		n := c.nodes[follows]
		squatter, err := net.Listen("tcp", freeAddress(t)) // which nobody else gets when it is free again
		if err != nil {
			t.Fatal(err)
		}
		defer squatter.Close()
		epoch := n.epoch()
		n.peer = squatter.Addr().String() // what the next life will listen on
		c.propose(c.nodes[leads], &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: n.ID(), Epoch: epoch}}}})
		eventually(t, "the old life has ended", func() bool { return placing{n}.group().Status().Leader == "" || groupEnded(n) })
		if n.state().Cluster == "" {
			t.Error("between two lives the node knows nothing of its cluster")
		}
		if closed {
			c.stop(follows)
			continue
		}
		squatter.Close()
		eventually(t, "it is back", func() bool {
			m := c.nodes[leads].state().Member(n.ID())
			return !m.Down && m.Epoch > epoch && m.Peer == squatter.Addr().String()
		})
	}
}

func groupEnded(n *Node) bool {
	select {
	case <-placing{n}.group().Done():
		return true
	default:
		return false
	}
}

// The leader's word on the members reaches the others, and is asked for once however many want it.
func TestEvidenceIsTheLeaders(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	leads, follows := c.leader()
	eventually(t, "all are alive in the leader's eyes", func() bool {
		seen := clusterAPI{c.nodes[leads]}.Evidence()
		for _, n := range c.nodes {
			if seen.Members[n.ID()].State != admin.Alive {
				return false
			}
		}
		return len(seen.Members) == 3
	})
	eventually(t, "a node that does not lead knows of all, however many ask it", func() bool { // on a busy machine the lead may be lost meanwhile
		var asking sync.WaitGroup
		var told atomic.Int64
		for range 8 {
			asking.Go(func() {
				if seen := (clusterAPI{c.nodes[follows]}).Evidence(); len(seen.Members) == 3 {
					told.Add(1)
				}
			})
		}
		asking.Wait()
		return told.Load() == 8
	})
	eventually(t, "hearsay is not passed on", func() bool {
		leads, follows = c.leader()
		body, err := c.nodes[follows].answer(t.Context(), c.nodes[follows].id.Node, []byte(`{"evidence":true}`))
		if after, _ := c.leader(); after != leads { // and it may lead by now
			return false
		}
		if err != nil || string(body) != "null" {
			t.Fatalf("hearsay is passed on: %s, %v", body, err)
		}
		return true
	})
}
