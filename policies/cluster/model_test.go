package cluster

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 draws one")
	runsFlag = flag.Int("runs", 30, "worlds that the random test plays")
)

func seeds(t *testing.T) (seed uint64) {
	if seed = *seedFlag; seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with: go test ./policies/cluster -run '^%s$' -seed %d", t.Name(), seed)
	return seed
}

// TestRandomCommands plays valid, stale and senseless commands on a state, beside a model of what the nodes' disks hold.
//
// DESIGN.md section 2: "the copies, named in the cluster state, that hold every acknowledged write; only they may be
// promoted". Section 4: "A copy that restarts without proof of a clean log re-enters as not in sync."
func TestRandomCommands(t *testing.T) {
	seed := seeds(t)
	for run := range *runsFlag {
		w := newWorld(t, rand.New(rand.NewPCG(seed, uint64(run))))
		for step := range 400 {
			w.step = fmt.Sprintf("run %d step %d", run, step)
			w.play()
		}
		if w.applied < 100 || w.refused < 20 {
			t.Errorf("run %d: %d commands changed something, %d were refused: the mix is wrong", run, w.applied, w.refused)
		}
	}
}

// world is a state beside what the disks of its nodes would hold: for each shard the writes acknowledged so far, and how
// many of them each node has.
type world struct {
	*testing.T
	rand             *rand.Rand
	state            *State
	acknowledged     map[shards.ShardID]int
	held             map[shards.NodeID]map[shards.ShardID]int
	epochs           map[shards.NodeID]shards.Epoch
	past             []*State // for stale commands
	step             string
	applied, refused int
}

func node(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%d", i)) }

func testMember(i int, epoch shards.Epoch) Member {
	return Member{ID: node(i), Name: fmt.Sprintf("N%d", i), Raft: uint64(100 + i), Epoch: epoch, Roles: DefaultRoles, Format: Format,
		Peer: fmt.Sprintf("h%d:7300", i), Host: fmt.Sprintf("h%d", i), Attributes: []Attribute{{ZoneAttribute, string(rune('a' + i%3))}}}
}

const testCluster = "0123456789abcdef0123456789abcdef01234567"

func newWorld(t *testing.T, r *rand.Rand) *world {
	w := &world{T: t, rand: r, state: &State{}, acknowledged: map[shards.ShardID]int{}, held: map[shards.NodeID]map[shards.ShardID]int{},
		epochs: map[shards.NodeID]shards.Epoch{node(1): 1}}
	w.must(&Command{Bootstrap: &Bootstrap{Cluster: testCluster, Member: testMember(1, 1), Keyspaces: []shards.Keyspace{
		{ID: 0, Name: "safe", Shards: 3}, {ID: 4, Name: "often", Shards: 2, Replicas: 2, Durability: shards.DurabilityInterval},
		{ID: 5, Name: "cache", Shards: 2, Durability: shards.DurabilityMemory}},
		Adopt: []shards.ShardID{shards.NewShardID(0, 1)}}})
	for i := 2; i <= 4; i++ {
		w.epochs[node(i)] = 1
		w.must(&Command{Join: &Join{Member: testMember(i, 1)}})
	}
	return w
}

func (w *world) must(c *Command) {
	w.Helper()
	if o := w.apply(c); o.Err != nil {
		w.Fatalf("%s: %v", w.step, o.Err)
	}
}

// apply applies a command as every node would, and holds the result to all that is promised about it.
func (w *world) apply(c *Command) Outcome {
	w.Helper()
	before := w.state.Encode()
	frame := c.Encode()
	again, err := DecodeCommand(frame)
	if err != nil || !bytes.Equal(again.Encode(), frame) {
		w.Fatalf("%s: the command changes on its way: %v", w.step, err)
	}
	after, outcome := w.state.Apply(c)
	twin, other := w.state.Apply(again)
	if !bytes.Equal(w.state.Encode(), before) {
		w.Fatalf("%s: Apply wrote to the old state: %+v", w.step, c)
	}
	if !bytes.Equal(after.Encode(), twin.Encode()) || !bytes.Equal(outcome.Encode(), other.Encode()) {
		w.Fatalf("%s: two nodes came to different states", w.step)
	}
	if outcome.Changed == (after == w.state) || outcome.Changed && after.Version != w.state.Version+1 {
		w.Fatalf("%s: changed %v, version %d to %d", w.step, outcome.Changed, w.state.Version, after.Version)
	}
	if err := errors.Join(Check(after), CheckStep(w.state, after)); err != nil {
		w.Fatalf("%s: %+v: %v", w.step, c, err)
	}
	read, err := DecodeState(after.Encode())
	if err != nil || !bytes.Equal(read.Encode(), after.Encode()) {
		w.Fatalf("%s: the state changes on its way: %v", w.step, err)
	}
	if back, err := DecodeOutcome(outcome.Encode()); err != nil || !bytes.Equal(back.Encode(), outcome.Encode()) {
		w.Fatalf("%s: the outcome changes on its way: %v", w.step, err)
	}
	w.past = append(w.past[max(0, len(w.past)-20):], w.state)
	w.follow(after)
	w.state = after
	if outcome.Changed {
		w.applied++
	}
	if outcome.Err != nil || len(outcome.Rows) > 0 {
		w.refused++
	}
	w.nothingLost()
	return outcome
}

// follow does on the disks what nodes do when they see the new table: copies that are new in the in-sync set have been
// brought there by the primary; those that are gone are deleted.
func (w *world) follow(after *State) {
	for i := range after.Shards {
		now := &after.Shards[i]
		old := w.state.Shard(now.ID)
		for _, c := range now.Copies {
			if w.held[c.Node] == nil {
				w.held[c.Node] = map[shards.ShardID]int{}
			}
			if was := copyOf(old, c.ID); c.InSync && !c.Fresh && (was == nil || !was.InSync) && old != nil && old.Primary != 0 && now.Term == old.Term {
				w.held[c.Node][now.ID] = w.acknowledged[now.ID]
			}
		}
		if old == nil {
			continue
		}
		for _, c := range old.Copies {
			if now.CopyOn(c.Node) == nil {
				delete(w.held[c.Node], now.ID)
			}
		}
	}
}

func copyOf(r *Shard, id shards.CopyID) *Copy {
	if r == nil {
		return nil
	}
	return r.Copy(id)
}

// write acknowledges a write of each shard whose in-sync copies are all on living members.
func (w *world) write() {
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		if r.Primary == 0 || slices.ContainsFunc(r.Copies, func(c Copy) bool { return c.InSync && w.state.Member(c.Node).Down }) {
			continue
		}
		w.acknowledged[r.ID]++
		for _, c := range r.Copies {
			if c.InSync {
				w.held[c.Node][r.ID] = w.acknowledged[r.ID]
			}
		}
	}
}

// nothingLost holds that every in-sync copy has every acknowledged write.
func (w *world) nothingLost() {
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		for _, c := range r.Copies {
			if has := w.held[c.Node][r.ID]; c.InSync && has != w.acknowledged[r.ID] {
				w.Fatalf("%s: c%d is in sync and has %d of %d acknowledged writes: %s", w.step, c.ID, has, w.acknowledged[r.ID], w.state.Describe(r))
			}
		}
		if len(r.Copies) == 0 && w.acknowledged[r.ID] > 0 {
			w.Fatalf("%s: shard %v has no copy and %d acknowledged writes", w.step, r.ID, w.acknowledged[r.ID])
		}
	}
}

// view is the state that whoever gives the next command has seen: mostly the newest.
func (w *world) view() *State {
	if len(w.past) > 0 && w.rand.IntN(5) == 0 {
		return w.past[w.rand.IntN(len(w.past))]
	}
	return w.state
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// play gives one command.
func (w *world) play() {
	w.write()
	s := w.view()
	if len(s.Members) == 0 || len(s.Shards) == 0 {
		return
	}
	switch w.rand.IntN(12) {
	case 0:
		w.restart()
	case 1, 2:
		w.kill(s)
	case 3, 4, 5:
		w.apply(&Command{Reroute: w.counted(&Reroute{Rows: w.rows(s)})})
	case 6, 7:
		w.apply(&Command{InSync: w.inSync(s)})
	case 8:
		r := pick(w.rand, s.Shards)
		if len(r.Copies) > 0 {
			w.apply(&Command{HandOver: &HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: pick(w.rand, r.Copies).ID}})
		}
	case 9:
		w.report(s)
	case 10:
		m := pick(w.rand, s.Members)
		yes := w.rand.IntN(2) == 0
		w.apply(&Command{Member: &MemberChange{Node: m.ID, Draining: &yes}})
		if w.rand.IntN(2) == 0 {
			w.apply(&Command{Moves: &BeginMoves{Record: make([]byte, w.rand.IntN(9))}})
		}
		if len(s.Drains) > 0 {
			w.apply(&Command{Drain: &DrainChange{At: pick(w.rand, s.Drains).At, Record: make([]byte, w.rand.IntN(9)), Close: yes}})
		}
		w.apply(&Command{Settings: &SettingsChange{Set: []Setting{{pick(w.rand, []string{"a", "b", "c"}), pick(w.rand, []string{"", "x", "y"})}}, ReadOnly: &yes, By: "somebody", At: 7}})
		w.apply(&Command{Member: &MemberChange{Node: m.ID, Forget: true}})
	case 11:
		w.apply(&Command{Keyspace: &KeyspaceChange{Keyspace: shards.Keyspace{Name: "safe", Shards: 3, Replicas: 1 + w.rand.IntN(3)}}})
		w.apply(&Command{Voters: &VotersChange{VotersFor(s, func(shards.NodeID) bool { return w.rand.IntN(4) > 0 })}})
	}
}

// restart lets a node begin another life, clean or not, with what its disk kept.
func (w *world) restart() {
	i := 1 + w.rand.IntN(6)
	id, clean := node(i), w.rand.IntN(2) == 0
	w.epochs[id]++
	if w.state.Member(id) != nil {
		for n := range w.state.Shards {
			r := &w.state.Shards[n]
			c := r.CopyOn(id)
			if c == nil {
				continue
			}
			kept := w.held[id][r.ID]
			switch w.state.Keyspace(r.ID.Keyspace()).Durability {
			case shards.DurabilityInterval:
				if !clean && kept > 0 {
					kept--
				}
			case shards.DurabilityMemory:
				kept = 0
			}
			w.held[id][r.ID] = kept
			if c.InSync && r.InSync() == 1 {
				w.acknowledged[r.ID] = kept // lost everywhere, as the durability says
			}
		}
	}
	w.apply(&Command{Join: &Join{Member: testMember(i, w.epochs[id]), Clean: clean}})
}

func (w *world) kill(s *State) {
	var deaths []Death
	for _, m := range s.Members {
		if w.rand.IntN(len(s.Members)) == 0 {
			deaths = append(deaths, Death{Node: m.ID, Epoch: m.Epoch, Reason: "it was killed"})
		}
	}
	w.apply(&Command{Reroute: &Reroute{Down: deaths, Rows: w.rows(s)}})
}

func (w *world) rows(s *State) []RowChange {
	var out []RowChange
	for i := range s.Shards {
		r := &s.Shards[i]
		if w.rand.IntN(2) == 0 {
			continue
		}
		change := RowChange{Shard: r.ID, Base: r.Version}
		for range 1 + w.rand.IntN(2) {
			change.Moves = append(change.Moves, w.move(s, r))
		}
		out = append(out, change)
	}
	return out
}

func (w *world) move(s *State, r *Shard) Move {
	m := Move{Node: pick(w.rand, s.Members).ID, Reason: "at random"}
	if len(r.Copies) == 0 {
		m.Kind = MoveCreate
		return m
	}
	m.Copy = pick(w.rand, r.Copies).ID
	m.Kind = pick(w.rand, []MoveKind{MoveAllocate, MoveAllocate, MoveAllocate, MovePromote, MovePromote, MoveDrop, MoveHandTo, MoveRetry, MoveCreate})
	if m.Kind == MoveAllocate && w.rand.IntN(2) == 0 {
		m.Source = m.Copy
	}
	return m
}

// counted says of some rows that they are for balance.
func (w *world) counted(c *Reroute) *Reroute {
	for i, r := range c.Rows {
		if w.rand.IntN(4) == 0 && (i == 0 || r.Shard > c.Rows[i-1].Shard) {
			c.Rebalances = append(c.Rebalances, Rebalance{Shard: r.Shard, At: 1 + w.rand.Int64N(2*MaxBudgetWindow.Milliseconds()), Bytes: w.rand.Uint64N(1 << 40)})
		}
	}
	return c
}

func (w *world) inSync(s *State) *InSync {
	r := pick(w.rand, s.Shards)
	c := &InSync{Shard: r.ID, Term: r.Term, Primary: r.Primary}
	for _, x := range r.Copies {
		switch w.rand.IntN(4) {
		case 0, 1:
			c.Add = append(c.Add, x.ID)
		case 2:
			c.Remove = append(c.Remove, x.ID)
		}
	}
	return c
}

// report lets a node say that copies are open, or that it gives them up.
func (w *world) report(s *State) {
	m := pick(w.rand, s.Members)
	var list []ShardCopy
	for i := range s.Shards {
		if c := s.Shards[i].CopyOn(m.ID); c != nil && w.rand.IntN(2) == 0 {
			list = append(list, ShardCopy{Shard: s.Shards[i].ID, Copy: c.ID})
		}
	}
	if w.rand.IntN(2) == 0 {
		w.apply(&Command{Opened: &Opened{Node: m.ID, Epoch: m.Epoch, Copies: list}})
		return
	}
	w.apply(&Command{Failed: &Failed{Node: m.ID, Epoch: m.Epoch, Copies: list, Reason: "a checksum is wrong"}})
}
