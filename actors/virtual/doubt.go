package virtual

import (
	"maps"

	"github.com/troupe-actors/troupe/shards"
)

// doubt is a chore: to find out what became of the commits of which nobody knows the outcome. What they send and remind of is in their shard then; or
// it is not, and comes much later, as where too few copies are in sync for now; or never. The shard says so in its order:
//
//	commit, outcome unknown ──► doubted ──► ··· ──► a write behind it is acknowledged: it has come to be, or never will ──► scan
//	                               │         ▲ │
//	                               │         └─┘ else again
//	                               └──► one of its actors is activated anew ──► scan, so that what it sends next comes behind
type doubt struct {
	shard  shards.ShardID
	actors map[ID]int // of how many commits
	timed
}

// doubted notes that a commit of an actor may happen, or have happened, or not: what it sends and reminds of is not known here.
func (h *Host) doubted(shard shards.ShardID, id ID) {
	c := &h.chores
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ledgers[shard] == nil {
		h.begin(shard)
	}
	d := c.doubts[shard]
	if d == nil {
		d = &doubt{shard: shard, actors: map[ID]int{}}
		c.doubts[shard] = d
		h.rest(d, &d.timed, scanTries)
	}
	d.actors[id]++
}

// settle looks for what is in doubt of an actor whose state has just been read.
func (h *Host) settle(shard shards.ShardID, id ID) {
	h.chores.mu.Lock()
	defer h.chores.mu.Unlock()
	if d := h.chores.doubts[shard]; d != nil && d.actors[id] > 0 {
		h.begin(shard)
	}
}

// do asks the shard once. Where another node leads it, that scans it.
func (d *doubt) do(h *Host) {
	c := &h.chores
	c.mu.Lock()
	asked := maps.Clone(d.actors)
	c.mu.Unlock()
	var id ID
	for id = range asked {
		break
	}
	var err error
	elsewhere := h.elsewhere(id)
	if !elsewhere { // number 0 is no message's: the write changes nothing
		err = h.forget(id, []Op{{Key: id.sentKey("o", 0), Delete: true}})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		maps.DeleteFunc(d.actors, func(id ID, n int) bool { return asked[id] == n })
		if !elsewhere {
			h.begin(d.shard)
		}
	}
	if len(d.actors) == 0 {
		delete(c.doubts, d.shard)
		return
	}
	h.rest(d, &d.timed, scanTries)
}

// elsewhere says whether another node leads an actor's shard, as far as this one knows.
func (h *Host) elsewhere(id ID) bool {
	_, node, err := h.c.Storage.Locate(h.keyspaceOf(id.Kind), id.key("s", ""))
	return err == nil && node != "" && node != h.c.Self
}
