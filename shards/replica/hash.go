package replica

import "github.com/troupe-actors/troupe/shards"

// hashes remembers the store's rolling hash at the last few places where it was applied to, and what the primary last said
// about its own, so that the two can be compared whichever comes first.
type hashes struct {
	own   [8]hash
	next  int
	claim hash
}

type hash struct {
	seq     shards.SeqNo
	rolling uint64
}

// note adds an own hash and compares it with the primary's.
func (h *hashes) note(seq shards.SeqNo, rolling uint64) *Divergence {
	h.own[h.next] = hash{seq, rolling}
	h.next = (h.next + 1) % len(h.own)
	if h.claim.seq == seq && seq != 0 && h.claim.rolling != rolling {
		return &Divergence{Seq: seq, Here: rolling, Primary: h.claim.rolling}
	}
	return nil
}

// last is the newest own hash.
func (h *hashes) last() hash { return h.own[(h.next+len(h.own)-1)%len(h.own)] }

// claimed takes the primary's hash and compares it with an own one.
func (h *hashes) claimed(seq shards.SeqNo, rolling uint64) *Divergence {
	h.claim = hash{seq, rolling}
	for _, own := range h.own {
		if own.seq == seq && seq != 0 && own.rolling != rolling {
			return &Divergence{Seq: seq, Here: own.rolling, Primary: rolling}
		}
	}
	return nil
}
