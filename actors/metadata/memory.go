package metadata

import (
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// keptOutcomes bounds what the group remembers of commands that it has applied: each counts one, and one for each row that it
// left out. It is part of the replicated state: the same on all members, for ever.
const keptOutcomes = 4096

// memory holds the outcomes of the last commands, so that one which is proposed again, because nobody heard of it, is not
// applied again. Oldest first.
type memory struct {
	kept  []remembered
	at    map[ProposalID]int // place in kept, plus gone
	gone  int                // how many were dropped since the map began
	cost  int
	floor uint64 // index of the newest one that was dropped
}

type remembered struct {
	id      ProposalID
	index   uint64
	outcome cluster.Outcome
}

func (r *remembered) cost() int { return 1 + len(r.outcome.Rows) }

func (m *memory) find(id ProposalID) *remembered {
	if i, found := m.at[id]; found {
		return &m.kept[i-m.gone]
	}
	return nil
}

// add remembers an outcome, and drops the oldest ones that are too much; the newest stays, whatever it costs.
func (m *memory) add(r remembered) {
	if m.at == nil {
		m.at = map[ProposalID]int{}
	}
	m.at[r.id] = m.gone + len(m.kept)
	m.kept = append(m.kept, r)
	m.cost += r.cost()
	for m.cost > keptOutcomes && len(m.kept) > 1 {
		old := &m.kept[0]
		delete(m.at, old.id)
		m.cost -= old.cost()
		m.floor = old.index
		m.kept, m.gone = m.kept[1:], m.gone+1
	}
}

func (m *memory) encode(w *wire.Encoder) {
	w.Uint(m.floor)
	w.Array(len(m.kept))
	for i := range m.kept {
		r := &m.kept[i]
		w.Array(5)
		w.Uint(r.id.Proposer)
		w.Uint(uint64(r.id.Epoch))
		w.Uint(r.id.Sequence)
		w.Uint(r.index)
		w.Bytes(r.outcome.Encode())
	}
}

func decodeMemory(r *wire.Decoder) memory {
	m := memory{floor: r.Uint()}
	for n := r.Array(); n > 0 && r.Err() == nil; n-- {
		if r.Array() != 5 {
			r.Refuse("no remembered outcome")
		}
		one := remembered{id: ProposalID{Proposer: r.Uint(), Epoch: shards.Epoch(r.Uint()), Sequence: r.Uint()}, index: r.Uint()}
		var err error
		if one.outcome, err = cluster.DecodeOutcome(r.Bytes()); err != nil {
			r.Refuse(err.Error())
		}
		m.add(one)
	}
	return m
}
