package shard

import "github.com/troupe-actors/troupe/shards"

// Cost is what a copy takes, as measured now.
type Cost struct {
	Leads   bool
	Memory  int64        // bytes held by the store
	Log     int64        // bytes of log since the newest snapshot file
	Reads   uint64       // operations since the start
	Applied shards.SeqNo // transactions that the store has seen: all copies of a shard see the same
}

// Cost takes a look at what the copy costs. It is for many copies at a time: it makes no garbage.
func (s *Shard) Cost() Cost {
	leads := s.leads.Load()
	s.turn.Lock()
	defer s.turn.Unlock()
	if !s.recovered {
		return Cost{}
	}
	return Cost{Leads: leads, Memory: s.memory, Log: s.unsave, Reads: s.reads, Applied: s.store.Applied()}
}
