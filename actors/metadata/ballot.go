package metadata

import (
	"context"
	"math/rand/v2"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/shards"
)

// A voter that begins on an old copy of its data folder has forgotten the votes that it cast and the entries that it acknowledged:
//
//	n1                  … 41 42     committed with n3
//	n3, on its folder   … 41 42     the disk is lost, and an old copy put back
//	n3, on the copy     … 41 ◄───── n2, which was cut off and has … 41, asks for a vote: nothing in this log speaks against it
//
// With that vote n2 leads, and 42 is gone. So a node that has a log takes no part in elections before it has asked the others which life of it they
// know, once: those who answer within Config.Patience can tell. It follows a leader meanwhile, and has its say as before if nobody answers: else
// no cluster could begin again whose nodes have all been stopped, and not all come back.

// heed asks them. An error says that this folder is an old one; without, the node votes from now on.
func (g *Group) heed(ctx context.Context) error {
	for _, f := range g.askAll(ctx, some(g.electorate(ctx), g.seeds())) {
		if f.err != nil || f.cluster != g.config.Log.Cluster() || f.node == g.config.Self.ID {
			continue
		}
		if err := g.outlived(&f); err != nil {
			return err
		}
	}
	return g.ask(ctx, func(*Core) { g.loop.heeds = false })
}

// electorate are the addresses of those who vote, as this node's log has them; where no other does, of all members.
func (g *Group) electorate(ctx context.Context) (list []string) {
	state, voters := g.State(), g.Status().Voters
	for i := range state.Members {
		if m := &state.Members[i]; m.ID != g.config.Self.ID && m.Peer != "" && contains(voters, m.Raft) {
			list = append(list, m.Peer)
		}
	}
	if len(list) == 0 {
		return g.known(ctx)
	}
	return append(list, g.seeds()...)
}

// elects says whether a message asks for a vote, or has its receiver stand.
func elects(m *raftpb.Message) bool {
	t := m.GetType()
	return t == raftpb.MsgVote || t == raftpb.MsgPreVote || t == raftpb.MsgTimeoutNow
}

// leaderGone takes the proof that a leader's life has ended.
func (l *loop) leaderGone(node shards.NodeID, epoch shards.Epoch) {
	lead := l.core.Lead()
	m := l.core.State().Member(node)
	if m == nil || m.Raft != lead.Number || m.Epoch > epoch || node == l.group.config.Self.ID {
		return
	}
	l.dead[node] = grave{epoch, time.Now()}
	l.core.LeaderGone(m.Raft)
	if l.core.Votes() {
		l.tries = 0
		l.stand.Reset(rand.N(standDelay))
	}
}

// campaign stands for election, and comes back as long as nobody leads.
func (l *loop) campaign() {
	if l.core.Lead().Number != 0 || !l.core.Votes() {
		return
	}
	if !l.heeds {
		l.core.Campaign()
	}
	if l.tries++; l.tries < standTries {
		l.stand.Reset(standAgain + rand.N(standAgain))
	}
}
