package sim

import (
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// A node dies, or is cut off and goes on, and an operator has the cluster forget it. Its machine comes back: with a new folder, as another node; or with
// the old one, which the leader refuses, and then with a new one.
//
//	dead or cut off ──► declared dead ──► Forget, until the table says so ──► out ──► another node
//	       └───────────── back before that: all is as if nobody had asked ◄──┘
const (
	forgetEvery = 500 * time.Millisecond // between two tries of the operator
	forgetTime  = 20 * time.Second       // that he goes on trying, and the node stays away
)

// forget has an operator take a node for gone.
func (w *World) forget(f Fault, a *Node) {
	if !a.alive || !a.member || w.living() <= 2 {
		return
	}
	away := forgetTime/4 + time.Duration(f.Amount*float64(forgetTime))/2
	cut := f.Other%4 == 0
	if cut {
		w.isolate(Fault{Kind: FaultCut, For: away}, a, nil)
	} else {
		a.crash(f.Other%2 == 0)
	}
	until := w.now + forgetTime
	var again func()
	again = func() {
		if w.healed || w.now > until || w.isForgotten(a) || a.out {
			return
		}
		if l := w.leader(); l != nil && l.running() {
			w.push(0, l, l.life, func() {
				l.proc.meta.propose(&cluster.Command{Member: &cluster.MemberChange{Node: a.ID, Forget: true}}, nil)
			})
		}
		w.After(forgetEvery, again)
	}
	w.After(forgetEvery, again)
	w.undo(away, func() {
		if w.isForgotten(a) && (cut || f.Other%3 > 0) {
			w.leave(a)
			return
		}
		a.start()
	})
}

// isForgotten says that a node was a member and is none.
func (w *World) isForgotten(n *Node) bool {
	return n.member && w.watch.newest.Member(n.ID) == nil
}

// leave has the machine of a node that was forgotten begin with a new folder.
func (w *World) leave(n *Node) {
	if !n.out && w.isForgotten(n) {
		w.replace(n)
	}
}

// living are the nodes that were not given up.
func (w *World) living() (n int) {
	for _, each := range w.nodes {
		if !each.out {
			n++
		}
	}
	return n
}

func (w *World) replace(n *Node) {
	w.Note("%s is forgotten, and its machine begins with a new folder", n.ID)
	n.crash(false)
	w.forgotten++
	if w.o.Bugs&BugSameIdentity != 0 {
		n.epoch, n.disk, n.raft = 0, newForgetful(w.o.Bugs), newRaftLog(w.o.Bugs)
		n.start()
		return
	}
	n.out = true
	w.AddNode().start()
}

// needed holds the configuration of the metadata group to the state that goes with it: invariant 21.
func (m *meta) needed() {
	conf, s := m.core.Voters(), m.core.State()
	for _, voters := range [][]uint64{conf.GetVoters(), conf.GetVotersOutgoing()} {
		for _, n := range voters {
			if s.Cluster != "" && s.MemberByRaft(n) == nil {
				m.p.n.w.Fail(invariantNeeded, "%s: %d votes in the metadata group, and is no member", m.p.n.ID, n)
			}
		}
	}
}

// stranger answers, as leader, a command of a node that is no member; false: it is one, or wants to be one for the first time.
func (m *meta) stranger(f *forward) bool {
	n := m.p.n.w.nodeByRaft(f.proposal.ID.Proposer)
	if n == nil || !m.p.n.w.isForgotten(n) {
		return false
	}
	m.p.send(n, classCall, "refused", f.proposal.ID.Epoch)
	return true
}

// refused ends a life that begins on the folder of a node which the cluster has forgotten. One that goes on does not hear of it.
func (p *process) refused(epoch shards.Epoch) {
	if epoch == p.epoch && !p.present() {
		p.n.w.Note("%s is refused: the cluster has forgotten it", p.n.ID)
		p.n.crash(false)
		p.n.w.After(time.Second, func() { p.n.w.leave(p.n) })
	}
}
