package sim

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// How a shard comes to have lost what it acknowledged, by an operator's word:
//
//	0 s          2 s            4 s + For                      7 s + For    8 s + For
//	others die   primary dies   others are back, out of sync       │        primary is back, with more than those have who lead
//	                                                               operator: one of the others leads (stale), or the shard begins empty
//
// Nothing is promised of the shard's history from then on. That its copies become equal, and that it serves, is.
const (
	acceptPrimary = 2 * time.Second
	acceptOthers  = 4 * time.Second
	acceptLoss    = 7 * time.Second
	acceptBack    = 8 * time.Second
	acceptAgain   = 200 * time.Millisecond
)

// accept has all copies in sync of one shard die, and an operator look after it.
func (w *World) accept(f Fault) {
	if w.watch.newest == nil || len(w.watch.newest.Shards) == 0 {
		return
	}
	row := w.watch.newest.Shards[f.Other%len(w.watch.newest.Shards)]
	leads := row.PrimaryCopy()
	if leads == nil {
		return
	}
	for _, c := range row.Copies {
		if c.InSync && c.ID != leads.ID {
			w.crashFor(w.nodeByID(c.Node), acceptOthers+f.For, false)
		}
	}
	w.undo(acceptPrimary, func() { w.crashFor(w.nodeByID(leads.Node), acceptBack-acceptPrimary+f.For, false) })
	until := w.now + acceptBack + f.For
	var look func()
	look = func() {
		if w.now < until { // what is decided may come to nothing
			w.decide(row.ID, f.Amount < 0.3)
			w.undo(acceptAgain, look)
		}
	}
	w.undo(acceptLoss+f.For, look)
}

// decide has an operator accept the loss, if there is one to accept: no copy in sync is on a living member.
func (w *World) decide(shard shards.ShardID, empty bool) {
	leader := w.leader()
	if leader == nil || !leader.running() || leader.proc.table() == nil {
		return
	}
	s := leader.proc.table()
	row := s.Shard(shard)
	living := func(c cluster.Copy) bool { m := s.Member(c.Node); return m != nil && !m.Down }
	if row == nil || len(row.Copies) == 0 || slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return c.InSync && living(c) }) {
		return
	}
	move := cluster.Move{Kind: cluster.MoveStale, Reason: "an operator accepts the loss"}
	if at := slices.IndexFunc(row.Copies, func(c cluster.Copy) bool { return !c.InSync && living(c) && w.opened(c.Node, shard, c.ID) }); at >= 0 && !empty {
		move.Copy = row.Copies[at].ID
	} else {
		move.Kind = cluster.MoveEmpty
		for i := range s.Members {
			if m := &s.Members[i]; !m.Down && m.Has(cluster.RoleData) {
				move.Node = m.ID
			}
		}
	}
	w.watch.shard(shard).forgiven = true
	w.accepted++
	w.Note("an operator accepts the loss of shard %v: %+v", shard, move)
	reroute := &cluster.Reroute{Rows: []cluster.RowChange{{Shard: shard, Base: row.Version, Moves: []cluster.Move{move}}}}
	w.push(0, leader, leader.life, func() { leader.proc.meta.propose(&cluster.Command{Reroute: reroute}, nil) })
}

// opened says that a node has taken a copy up under its present id. One that leads before, by an operator's word, is one that its node does not know to be
// there, and gives up: the operator looks before he decides.
func (w *World) opened(node shards.NodeID, shard shards.ShardID, copy shards.CopyID) bool {
	n := w.nodeByID(node)
	if !n.running() || n.proc.copies == nil {
		return false
	}
	h := n.proc.copies.held[shard]
	return h != nil && h.copy == copy
}
