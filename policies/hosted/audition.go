package hosted

import (
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// auditioned is how many keyspaces are asked about at most: what a module has to say of one it mostly has to say of all.
const auditioned = 8

// Audition has a new guest take settings of its own and a view, as it would if it were in force, and then asks it about one shard of a keyspace what
// there is to ask: each export that the module has is called, if there is a shard. It gives the first fault, or nil. Nothing is held against the
// module, and nobody acts on its answers.
func (v *Version) Audition(view *policies.View, settings map[string]string) *Fault {
	s := NewSet(nil, []Policy{{Version: v, Settings: settings}})
	defer s.Close()
	s.Ready(view)
	asked := 0
	for place := range view.State.Shards {
		r := &view.State.Shards[place]
		first := place == 0 || view.State.Shards[place-1].ID.Keyspace() != r.ID.Keyspace()
		if !first {
			continue
		}
		if asked++; asked > auditioned || len(s.ledger.faults) > 0 {
			break
		}
		s.audition(view, r, place)
	}
	if len(s.ledger.faults) == 0 {
		return nil
	}
	return &s.ledger.faults[0]
}

// audition asks about a shard: whether a copy more may go to each node and begin there, and whether its first copy may stay, leave and lead.
func (s *Set) audition(v *policies.View, r *cluster.Shard, place int) {
	q := policies.Question{Keyspace: v.State.Keyspace(r.ID.Keyspace()), Shard: r, Place: place, New: len(r.Copies) == 0, Primary: r.Primary == 0}
	for _, c := range []policies.Capability{policies.Allocate, policies.Start} {
		s.hear(v, q, c)
	}
	if q.New = false; len(r.Copies) == 0 {
		return
	}
	q.Copy = &r.Copies[0]
	q.Primary = q.Copy.ID == r.Primary
	for _, c := range []policies.Capability{policies.Remain, policies.Rebalance, policies.Promote} {
		s.hear(v, q, c)
	}
}

// hear puts one question, for rows and for points, and asks for the reason of the first answer that has one.
func (s *Set) hear(v *policies.View, q policies.Question, c policies.Capability) {
	q.Capability = c
	for _, d := range s.Deciders {
		if !policies.Has(d, c) {
			continue
		}
		row := make(policies.Row, len(v.Nodes))
		policies.Put(d, v, &q, row)
		for n, a := range row {
			if m, ok := d.(policies.Metered); ok && n == 0 {
				m.Meter(v, &q, n)
			}
			if a.Code() > 0 && a.Code() != faultCode {
				d.Reason(v, &q, n, a)
				break
			}
		}
	}
	for _, x := range s.Scorers {
		if c == policies.Allocate {
			x.Score(v, &q, make([]float64, len(v.Nodes)))
		}
	}
}
