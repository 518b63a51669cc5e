package simulate

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// TickLength is that of an invented cluster; a copy of a live one keeps its own.
const TickLength = 100 * time.Millisecond

// defaultBandwidth is what a node reads or writes a second for recoveries, in bytes.
const defaultBandwidth = 100 << 20

// World is a cluster whose placement leader is the allocator and whose nodes do what the table says. One goroutine at a time.
type World struct {
	State    *cluster.State
	Policies *policies.Set

	// Planned is told of each plan, with what it was made from, before it is carried out. nil: nobody wants to know.
	Planned func(in allocator.Input, p *allocator.Plan) error

	// Over is asked before each plan, and now and then while what many shards wait for is done: an error ends the run with it. nil: a run ends
	// by itself.
	Over func() error

	evidence []liveness.Status // sorted by node
	setbacks []policies.Setback
	machines map[shards.NodeID]*machine // asked by id; visits go by State.Members
	costs    map[shards.ShardID]*cost   // the same, by State.Shards
	length   time.Duration
	ticks    int64
	epoch    time.Time // what the calendar said at tick 0
	seed     uint64
	dice     *rand.Rand
	step     int64         // ticks between two looks
	noise    float64       // by how much of it what is measured of a shard's cores is off
	patience time.Duration // looks for the sake of policies that look at the time are so far apart at least
	restless bool          // changes(), as of the last line of the script that has to do with it: the leader looks every lookPeriod
	jobs     map[shards.CopyID]*job
	order    []shards.CopyID // of jobs, as the table has them
	due      []deed          // handed over or heard of at a tick, in order

	plan  *allocator.Plan // the last
	vain  int             // looks in a row at which something waited and nothing could be done
	tally tally
}

// machine is what a node can bear and what it has beside its copies.
type machine struct {
	capacity  policies.Load
	other     policies.Load // that is no copy's
	bandwidth float64       // bytes a second, in and out each
	dead      bool          // the truth; what is known of it is evidence
	kept      map[shards.ShardID]bool
	measured  bool
}

// cost is what one copy of a shard costs.
type cost struct {
	primary, replica policies.Load
	hot              float64 // times its cores
	swing            swing
	unknown          bool // nobody has measured it
}

// deed is something that happens at a tick of itself.
type deed struct {
	tick int64
	do   func() error
}

// NewWorld is an empty world with the built-in rules.
func NewWorld() *World {
	w := &World{State: &cluster.State{}, Policies: &policies.Set{Deciders: deciders.All()}, length: TickLength, step: 1,
		epoch: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	w.begin()
	w.reseed(1)
	return w
}

func (w *World) begin() {
	w.machines, w.costs, w.jobs = map[shards.NodeID]*machine{}, map[shards.ShardID]*cost{}, map[shards.CopyID]*job{}
}

// Copy is a world that goes on from what a leader saw. What it refers to is not changed.
func Copy(in allocator.Input, set *policies.Set) *World {
	w := &World{State: in.State, Policies: set, evidence: slices.Clone(in.Evidence), setbacks: slices.Clone(in.Setbacks),
		length: cmp.Or(in.TickLength, TickLength), ticks: in.Ticks, step: 1, seed: in.Seed}
	w.begin()
	w.dice = rand.New(rand.NewPCG(in.Seed, 1))
	if !in.Now.IsZero() {
		w.epoch = in.Now.Add(-time.Duration(in.Ticks) * w.length)
	}
	for i := range in.State.Members {
		id := in.State.Members[i].ID
		w.machines[id] = &machine{bandwidth: defaultBandwidth, kept: map[shards.ShardID]bool{}, dead: in.State.Members[i].Down}
	}
	for _, e := range in.Evidence {
		if m := w.machines[e.Node]; m != nil && e.State == liveness.Dead {
			m.dead = true
		}
	}
	for _, l := range in.Loads.Shards {
		w.costs[l.Shard] = &cost{primary: l.Primary, replica: l.Replica, hot: 1}
	}
	for i := range in.State.Shards {
		if id := in.State.Shards[i].ID; w.costs[id] == nil {
			w.costs[id] = &cost{hot: 1, unknown: true}
		}
	}
	for _, l := range in.Loads.Nodes {
		if m, member := w.machines[l.Node], in.State.Member(l.Node); m != nil && member.Epoch == l.Epoch {
			m.capacity, m.other, m.measured = l.Capacity, l.Used.Plus(w.held(l.Node).Times(-1)), true
		}
	}
	return w
}

// Unmeasured counts the shards whose size nobody has measured.
func (w *World) Unmeasured() (n int) {
	for i := range w.State.Shards {
		if w.costs[w.State.Shards[i].ID].unknown {
			n++
		}
	}
	return n
}

func (w *World) reseed(seed uint64) {
	w.seed, w.dice = seed, rand.New(rand.NewPCG(seed, 1))
}

// after is how long a number of ticks is.
func (w *World) after(ticks int64) time.Duration { return time.Duration(ticks) * w.length }

// ticksOf rounds a duration up.
func (w *World) ticksOf(d time.Duration) int64 { return int64((d + w.length - 1) / w.length) }

// apply has a command decided as the cluster would.
func (w *World) apply(c *cluster.Command) error {
	after, o := w.State.Apply(c)
	if o.Err != nil {
		return o.Err
	}
	w.State = after
	return nil
}

// must is apply for what the world itself does: refused, the world is wrong.
func (w *World) must(c *cluster.Command) {
	if err := w.apply(c); err != nil {
		panic(fmt.Sprintf("simulate: a command of the world itself was refused: %v", err))
	}
}

// judge says what the evidence about a member is from now on.
func (w *World) judge(id shards.NodeID, s liveness.State, reason string) {
	m := w.State.Member(id)
	e := liveness.Status{Node: id, Name: m.Name, Epoch: m.Epoch, State: s, Since: w.ticks, Heard: w.ticks, Limit: w.ticks + 10, Reason: reason, Proof: s == liveness.Dead}
	at, found := slices.BinarySearchFunc(w.evidence, id, func(e liveness.Status, id shards.NodeID) int { return strings.Compare(string(e.Node), string(id)) })
	if !found {
		w.evidence = slices.Insert(w.evidence, at, e)
	}
	w.evidence[at] = e
}

// alive is the truth about a node.
func (w *World) alive(id shards.NodeID) bool { return !w.machines[id].dead }

// share is what one copy costs, where it is.
func (w *World) share(r *cluster.Shard, c *cluster.Copy) policies.Load {
	cost := w.costs[r.ID]
	l := cost.replica
	if c.ID == r.Primary {
		l = cost.primary
	}
	l.CPU *= w.heat(cost)
	if !c.InSync { // what it holds of it so far
		if j := w.jobs[c.ID]; j != nil && j.total > 0 {
			l.Disk *= 1 - j.left/j.total
			l.Memory *= 1 - j.left/j.total
		} else {
			l.Disk, l.Memory = 0, 0
		}
	}
	return l
}

// held is what copies cost a node.
func (w *World) held(id shards.NodeID) (sum policies.Load) {
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		if c := r.CopyOn(id); c != nil {
			sum = sum.Plus(w.share(r, c))
		}
	}
	return sum
}

// loads is what members would have measured by now.
func (w *World) loads() (out policies.Loads) {
	used := make(map[shards.NodeID]policies.Load, len(w.State.Members))
	for i := range w.State.Shards {
		r := &w.State.Shards[i]
		for n := range r.Copies {
			c := &r.Copies[n]
			used[c.Node] = used[c.Node].Plus(w.share(r, c))
		}
		if cost := w.costs[r.ID]; !cost.unknown {
			l := policies.ShardLoad{Shard: r.ID, Primary: cost.primary, Replica: cost.replica}
			heat := w.heat(cost) * w.seen(r.ID)
			l.Primary.CPU *= heat
			l.Replica.CPU *= heat
			out.Shards = append(out.Shards, l)
		}
	}
	for i := range w.State.Members {
		m := &w.State.Members[i]
		if x := w.machines[m.ID]; x.measured {
			out.Nodes = append(out.Nodes, policies.NodeLoad{Node: m.ID, Epoch: m.Epoch, Capacity: x.capacity, Used: x.other.Plus(used[m.ID])})
		}
	}
	return out
}

// Input is what the leader would plan from now.
func (w *World) Input() allocator.Input {
	return allocator.Input{State: w.State, Evidence: slices.Clone(w.evidence), Policies: w.Policies, Seed: w.seed, Ticks: w.ticks, TickLength: w.length,
		Now: w.epoch.Add(w.after(w.ticks)), Loads: w.loads(), Setbacks: slices.Clone(w.setbacks)}
}

// over is why the run ends early; nil if it does not.
func (w *World) over() error {
	if w.Over == nil {
		return nil
	}
	return w.Over()
}

// look plans and commits until a plan asks for nothing at once.
func (w *World) look() (*allocator.Plan, error) {
	for range 1000 {
		if err := w.over(); err != nil {
			return nil, err
		}
		in := w.Input()
		p := allocator.Make(in)
		w.plan = p
		if w.Planned != nil {
			if err := w.Planned(in, p); err != nil {
				return nil, err
			}
		}
		c := p.Command()
		if c == nil {
			return p, nil
		}
		after, o := w.State.Apply(&cluster.Command{Reroute: c})
		if o.Err != nil || len(o.Rows) > 0 {
			return nil, fmt.Errorf("the cluster refuses what the allocator planned: %v, %d rows: this is a defect of the allocator", o.Err, len(o.Rows))
		}
		w.tally.planned(w, p)
		w.State = after
		if !p.Again {
			return p, nil
		}
	}
	return nil, fmt.Errorf("at %v the allocator plans for ever: 1000 plans in one look", w.after(w.ticks))
}

// seedOf is a seed of its own for a name.
func seedOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}
