package allocator

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator/fit"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Memory is what whoever makes one plan after the other keeps between them, so that what has not changed need not be looked at
// again. No plan depends on it: with a Memory, without one, or with that of another history, the same input gives the same plan. The
// zero value remembers nothing. It belongs to one goroutine.
type Memory struct {
	view  *policies.View
	tally *tally
}

// View is what the newest plan was made from, with its moves; nil if there is none. The next plan uses it up.
func (m *Memory) View() *policies.View { return m.view }

// tally sums up by keyspace what shards cost, if all have been measured.
type tally struct {
	loads     []policies.ShardLoad // that it was made from
	keyspaces []cluster.Keyspace
	sums      []sums // by place of the keyspace
	known     int    // shards that have been measured
}

// sums are those of one keyspace: of the copies that lead, of one that does not of each shard, and of the heavier of the two.
type sums struct{ primary, replica, top fit.Vector }

// tallied gives the tally for the planner's input.
func (p *planner) tallied() *tally {
	if p.tally == nil {
		p.tally = p.memory.recall(&p.in)
	}
	return p.tally
}

func (m *Memory) recall(in *Input) *tally {
	if m == nil {
		return newTally(in)
	}
	if t := m.tally; t == nil || !cluster.Same(t.loads, in.Loads.Shards) || !cluster.Same(t.keyspaces, in.State.Keyspaces) {
		m.tally = newTally(in)
	}
	return m.tally
}

func newTally(in *Input) *tally {
	t := &tally{loads: in.Loads.Shards, keyspaces: in.State.Keyspaces, sums: make([]sums, len(in.State.Keyspaces))}
	at, i := 0, 0
	for k := range in.State.Keyspaces {
		s := &t.sums[k]
		for last := i + in.State.Keyspaces[k].Shards; i < last; i++ {
			id := in.State.Shards[i].ID
			for at < len(t.loads) && t.loads[at].Shard < id {
				at++
			}
			if at == len(t.loads) || t.loads[at].Shard != id {
				continue
			}
			primary, replica := vector(t.loads[at].Primary), vector(t.loads[at].Replica)
			s.primary.Add(&primary)
			s.replica.Add(&replica)
			for d := range primary {
				s.top[d] += max(primary[d], replica[d])
			}
			t.known++
		}
	}
	return t
}
