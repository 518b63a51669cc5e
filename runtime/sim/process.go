package sim

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// process is one life of a node: the same cores as in the product, in shells of a few lines each.
//
//	           ┌─ meta      metadata.Core        who leads, what is agreed
//	packets ──►├─ member    liveness             who is here, who may serve reads
//	ticks   ──►├─ placement allocator            who holds what; on the leader only
//	fsyncs  ──►├─ copies    replica, recovery    one for each shard that the table puts here
//	           └─ actors    activation           those whose shards are led here; calls of those elsewhere
type process struct {
	n      *Node
	epoch  shards.Epoch
	meta   *meta
	member *member
	place  *placement
	copies *copies
	actors *actors
	joined time.Duration // when the join was last asked for
	clean  bool          // the life before this one ended in order
}

// Classes of traffic, as the transport has streams.
const (
	classControl = iota
	classReplicate
	classCall
	classBulk
)

// tickLength is the length of every core's tick.
const tickLength = 50 * time.Millisecond

func newProcess(n *Node) *process { return &process{n: n, epoch: n.epoch, clean: n.clean} }

// boot opens what the disk holds, and begins.
func (p *process) boot() {
	p.meta = newMeta(p)
	if p.meta == nil {
		return
	}
	p.member = newMember(p)
	p.place = newPlacement(p)
	p.copies = newCopies(p)
	p.actors = newActors(p)
	if s := p.meta.core.State(); s.Version > 0 {
		p.n.w.committed(p.n, s)
		p.changed(true, false)
	}
	p.n.after(time.Duration(p.n.chance.Int64N(int64(tickLength))), p.tick)
}

func (p *process) tick() {
	p.n.after(tickLength, p.tick)
	p.meta.tick()
	p.join()
	p.member.tick()
	p.place.tick()
	p.copies.tick()
	p.actors.tick()
}

// table is the cluster state that this node knows; nil before there is one.
func (p *process) table() *cluster.State {
	if p.meta == nil || p.meta.core.State().Version == 0 {
		return nil
	}
	return p.meta.core.State()
}

// present says whether the cluster knows that this life has begun: until then the table speaks of an earlier one.
func (p *process) present() bool {
	s := p.table()
	if s == nil {
		return false
	}
	m := s.Member(p.n.ID)
	return m != nil && m.Epoch == p.epoch
}

// join asks to be a member, until the table says so.
func (p *process) join() {
	if p.present() || p.n.w.now < p.joined+500*time.Millisecond && p.joined != 0 {
		return
	}
	p.joined = p.n.w.now
	if p.n.number == 0 && p.table() == nil {
		if p.meta.core.Lead().Won {
			p.meta.propose(&cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: clusterID, Member: p.n.asMember(), Keyspaces: p.n.w.o.Spaces}}, nil)
		}
		return
	}
	p.meta.propose(&cluster.Command{Join: &cluster.Join{Member: p.n.asMember(), Clean: p.clean}}, nil)
}

// changed carries a new cluster state, or a new leader, to all parts.
func (p *process) changed(state, lead bool) {
	if p.member == nil {
		return // booting
	}
	if lead {
		p.member.lead()
		p.place.lead()
	}
	if state && p.member.state(p.meta.core.State()) {
		p.place.wake()
		if p.present() {
			p.copies.reconcile(p.meta.core.State())
		}
	}
}

// send gives a node something over the connection that this one has opened to it.
func (p *process) send(to *Node, class int, kind string, body any) {
	p.post(to, class, false, kind, body)
}

// answer gives a node what it has asked for, over the connection that the question came by.
func (p *process) answer(to *Node, class int, kind string, body any) {
	p.post(to, class, true, kind, body)
}

func (p *process) post(to *Node, class int, answers bool, kind string, body any) {
	if to == p.n {
		p.n.w.push(0, p.n, p.n.life, func() { p.dispatch(p.n, p.epoch, kind, body) })
		return
	}
	p.n.w.send(p.n, to, class, answers, kind, body)
}

// receive takes a packet. One of an earlier life of its sender is refused, once a later one has been heard of.
func (p *process) receive(k *packet) {
	if p.meta == nil {
		return
	}
	p.dispatch(k.from, k.epoch, k.kind, k.body)
}

func (p *process) dispatch(from *Node, epoch shards.Epoch, kind string, body any) {
	switch kind {
	case "raft":
		p.meta.input(func() {
			if err := p.meta.core.Step(body.(*raftpb.Message)); err != nil {
				p.n.w.Note("%s: %v", p.n.ID, err)
			}
		})
	case "propose":
		p.meta.input(func() { p.meta.pass(body.(*forward)) })
	case "beat", "grant", "probe", "probed":
		p.member.receive(from, epoch, body)
	case "refused":
		p.refused(body.(shards.Epoch))
	case "act", "acted":
		p.actors.receive(from, body)
	default:
		p.copies.receive(kind, body.([]byte))
	}
}

// connection tells that the connection to a life of a peer was made or broke.
func (p *process) connection(peer *Node, epoch shards.Epoch, up bool) {
	if p.member != nil {
		p.member.connection(peer, epoch, up)
	}
}

// holding is the copy of a shard that is here, or nil.
func (p *process) holding(shard shards.ShardID) *holding {
	if p == nil || p.copies == nil {
		return nil
	}
	return p.copies.held[shard]
}

// request takes what a client asks.
func (p *process) request(q *request, answer func(response)) {
	h := p.holding(q.shard)
	if h == nil {
		answer(response{err: errUnavailable})
		return
	}
	h.request(work{q: q, answer: answer})
}
