package virtual

import (
	"context"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// vigil tells messages that wait here, for their kind or for an answer, when this node leads their shard no more. However many they are, one
// goroutine looks, while there are any:
//
//	message ─► watch ─► post of its shard ─► lost is closed ─► tried where the shard is led now
//	                         ▲
//	keeper: Leads, of each shard once ─► Await, lookAgain at most ─┐
//	  ▲────────────────────────────────────────────────────────────┘
type vigil struct {
	mu    sync.Mutex
	posts map[shards.ShardID]*post
	kept  bool // the keeper runs
}

// post is where those wait whose actors are in one shard.
type post struct {
	shard   shards.ShardID
	lost    chan struct{} // closed when this node does not lead the shard
	waiting int
}

// lookAgain is the longest pause between looks: what follows from a change of the cluster state may come a moment after it, without another.
const lookAgain = 100 * time.Millisecond

// watch takes a place at the post of a shard, which the caller leaves; nil if the host is closed.
func (h *Host) watch(shard shards.ShardID) *post {
	v := &h.vigil
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept = v.kept || h.start(h.keepVigil); !v.kept {
		return nil
	}
	p := v.posts[shard]
	if p == nil {
		p = &post{shard: shard, lost: make(chan struct{})}
		v.posts[shard] = p
	}
	p.waiting++
	return p
}

// leave gives the place back.
func (v *vigil) leave(p *post) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.waiting--; p.waiting == 0 && v.posts[p.shard] == p {
		delete(v.posts, p.shard)
	}
}

// keepVigil looks until nobody waits.
func (h *Host) keepVigil() {
	for h.look() {
		wait, cancel := context.WithTimeout(h.ctx, lookAgain)
		h.c.Storage.Await(wait)
		cancel()
	}
}

// look tells those whose shard is led elsewhere, and says whether anybody waits.
func (h *Host) look() bool {
	v := &h.vigil
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept = len(v.posts) > 0 && h.ctx.Err() == nil; !v.kept {
		return false
	}
	for shard, p := range v.posts {
		if !h.c.Storage.Leads(shard) {
			delete(v.posts, shard)
			close(p.lost)
		}
	}
	return true
}
