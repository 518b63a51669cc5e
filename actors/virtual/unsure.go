package virtual

import (
	"context"
	"errors"
	"sync"

	"github.com/troupe-actors/troupe/shards"
)

// unsure remembers the writes of actors of which nobody knows the outcome, on a node that leads on in the same term. Such a write may come to be long after it,
// as when there are copies enough again, and then the state is not what an activation has read meanwhile:
//
//	commit, outcome unknown ──► state is read, version 7 ──► answers ──── version 7? ───► answers ──── version 8: read it again
//	                                                            the write comes to be ──┘
//
// It is over when the state has another version: the write was guarded by the one before. Then it has come to be, or never will.
type unsure struct {
	mu     sync.Mutex
	writes map[ID]pending
}

// pending is such a write.
type pending struct {
	shard   shards.ShardID
	term    shards.Term
	version uint64 // of the state, until it comes to be
}

func (u *unsure) note(id ID, p pending) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writes[id] = p
}

// awaits says whether a write may come to be on a state as it was read. One that cannot any more is forgotten.
func (u *unsure) awaits(id ID, term shards.Term, version uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, noted := u.writes[id]
	if noted && (p.term != term || p.version != version) {
		delete(u.writes, id)
		return false
	}
	return noted
}

func (u *unsure) settled(id ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.writes, id)
}

// forgetUnsure drops what is of reigns that are over: a primary answers no reads before it knows what became of the writes of those before it.
func (h *Host) forgetUnsure() {
	u := &h.unsure
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, p := range u.writes {
		term, err := h.c.Storage.Reign(p.shard)
		if err == nil && term != p.term || kindOf(err) == shards.KindNotPrimary {
			delete(u.writes, id)
		}
	}
}

// perhaps says whether a commit that has failed may have been carried out, or be yet.
func perhaps(err error) bool {
	kind := kindOf(err)
	return !errors.Is(err, ErrStale) && (kind == shards.KindOutcomeUnknown || kind == shards.KindUnknown)
}

// unchanged is ErrStale if a write that was unsure has come to be since the state was read.
func (a *activation) unchanged(ctx context.Context) error {
	if !a.unsure {
		return nil
	}
	values, err := a.host.c.Storage.Read(ctx, a.kind.keyspace, []string{a.id.key("s", "")})
	switch {
	case err != nil:
		a.unload()
		return err
	case values[0].Version != a.core.Version():
		return ErrStale
	}
	return nil
}
