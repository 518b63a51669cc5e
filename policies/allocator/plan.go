package allocator

import (
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Input is all that a plan depends on.
type Input struct {
	State      *cluster.State
	Evidence   []liveness.Status // sorted by node; a member without one has not been heard of
	Policies   *policies.Set     // its rows are forgotten at the beginning of each plan
	Seed       uint64            // breaks ties between nodes that are equal, so that they do not all go to the first
	Ticks      int64             // now
	TickLength time.Duration     // default 100 ms
	Now        time.Time         // the same by the leader's calendar, in UTC: for windows of maintenance and budgets, and nothing else
	Loads      policies.Loads    // what members have measured
	Setbacks   []policies.Setback
	Behind     []cluster.Behind // sorted by keyspace and node: see behind.go
	Explain    bool             // fill in Candidates of every decision, not only of the emergency's
	NoBalance  bool             // leave lane 4 out
}

// facts are what a view knows.
func (in *Input) facts() policies.Facts {
	return policies.Facts{Evidence: in.Evidence, Loads: in.Loads, Setbacks: in.Setbacks, Ticks: in.Ticks, TickLength: in.TickLength, Now: in.Now}
}

// MaxRows bounds the rows of one plan, and with it one entry of the metadata log. The rest follows in the next.
const MaxRows = 16384

// alone is how many rows lanes 1 and 2 fill before the plan is theirs alone.
const alone = 256

// Lane says why something is done.
type Lane uint8

// The lanes, the most urgent first.
const (
	Emergency Lane = iota
	Create
	Missing
	Evacuate // lane 3
	Balance
	Surplus // part of lane 2: copies that are too many
)

// String is the lane's name in traces and explanations.
func (l Lane) String() string {
	return [...]string{"emergency", "create", "missing", "evacuate", "balance", "surplus"}[l]
}

// Decision is one thing that was decided, or that could not be done.
type Decision struct {
	Lane       Lane
	Shard      shards.ShardID
	Name       string           // of the shard, as in "orders/17"
	Verdict    policies.Verdict // YES or NOT_PREFERRED: Move is planned; THROTTLE: it waits; NO: no node is allowed
	Move       cluster.Move     // as planned, or with Kind 0
	Reason     string           // a sentence
	Candidates []policies.Explanation
}

// Plan is what should change now.
type Plan struct {
	Version   uint64 // of the state that it was made for
	Down      []cluster.Death
	Rows      []cluster.RowChange // sorted by shard
	Decisions []Decision          // in the order in which they were made
	Waiting   int                 // copies that are wanted and wait: throttled, delayed, or with nowhere to go
	Next      int64               // tick at which to look again though nothing happens; 0: when something happens
	Again     bool                // more is to be done as soon as this is committed

	Rebalances []cluster.Rebalance // what of it counts against budgets of relocations for balance, sorted by shard
}

// Command is the plan as one command, or nil if nothing is to change.
func (p *Plan) Command() *cluster.Reroute {
	if len(p.Down)+len(p.Rows) == 0 {
		return nil
	}
	return &cluster.Reroute{Down: p.Down, Rows: p.Rows, Rebalances: p.Rebalances}
}

// Moves is the number of moves in the plan.
func (p *Plan) Moves() int {
	n := 0
	for _, r := range p.Rows {
		n += len(r.Moves)
	}
	return n
}

// Make plans.
func Make(in Input) *Plan { return newPlanner(in).run() }

// Make plans as the function Make does, and gives the same plan, for less.
func (m *Memory) Make(in Input) *Plan {
	p := newPlanner(in)
	p.memory = m
	return p.run()
}

func (p *planner) run() *Plan {
	p.declare()
	p.look()
	p.promoteAll()
	if len(p.plan.Down) > 0 || p.planned > 0 {
		p.plan.Again = true // the other lanes go on from what has been committed
		return p.finish()
	}
	p.filling = true
	p.fillAll()
	p.filling, p.placing = false, nil
	if p.planned >= alone {
		p.plan.Again = true // what many shards lack does not wait for what could be better
		return p.finish()
	}
	p.evacuateAll()
	if !p.in.NoBalance {
		p.balance()
		if !p.measured() {
			p.balancePrimaries()
		}
	}
	return p.finish()
}
