package sim

import (
	"math/rand/v2"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Weather is how a network behaves when nobody cuts it.
type Weather struct {
	Least, Most time.Duration // delay of a packet
	Loss        float64       // chance that a packet is lost
	Twice       float64       // chance that it arrives twice, the second time much later
	Late        float64       // chance that it takes up to LateMost instead
	LateMost    time.Duration
	Ordered     bool // packets of one class and direction keep their order, as on one stream
}

// calm is a data center on a good day; rough is one with a broken switch.
var (
	calm  = Weather{Least: 100 * time.Microsecond, Most: 500 * time.Microsecond, Ordered: true}
	rough = Weather{Least: 100 * time.Microsecond, Most: 2 * time.Millisecond, Loss: 0.02, Twice: 0.01, Late: 0.01, LateMost: 300 * time.Millisecond}
)

// packet is a message under way. It names the life of its sender, as the handshake of its connection did.
type packet struct {
	from, to *Node
	life     int // of the sender
	toLife   int // of the receiver, when it was sent: a connection does not survive either end
	class    int
	epoch    shards.Epoch // of the sender
	kind     string
	body     any
}

// network carries packets between nodes. A cut is one direction between two nodes: packets sent that way vanish, as do
// those under way. Connections are kept beside it: they break at once when an end dies and its host can say so, and only after
// brokenAfter when a path is cut.
type network struct {
	chance  *rand.Rand
	weather Weather
	cuts    map[[2]int]int // from, to: how many faults cut this direction
	arrival map[[3]int]time.Duration
	linked  map[[2]int]link // a < b
	sent    int
	lost    int
}

// link is a connection between two lives.
type link struct{ a, b int }

func newNetwork(o Options) network {
	n := network{
		chance: stream(o.Seed, streamNetwork, 0), weather: invent(stream(o.Seed, streamNetwork, 1)), cuts: map[[2]int]int{},
		arrival: map[[3]int]time.Duration{}, linked: map[[2]int]link{},
	}
	if o.Calm {
		n.weather = calm
	}
	return n
}

// invent makes the weather of a world: every second one is rough, some are a good deal worse than that.
func invent(chance *rand.Rand) Weather {
	weather := rough
	if chance.IntN(2) == 0 {
		x := chance.Float64()
		weather.Loss, weather.Twice, weather.Late = 0.05*x*chance.Float64(), 0.1*x*chance.Float64(), 0.1*x*chance.Float64()
		weather.LateMost = time.Duration((1 + 30*chance.Float64()) * float64(100*time.Millisecond))
		weather.Most = time.Duration((1 + 10*x) * float64(time.Millisecond))
	}
	return weather
}

// brokenAfter is how long a connection over a dead path seems to be there: the keepalive of the transport.
const brokenAfter = 2 * time.Second

func (w *World) cut(from, to *Node, change int) {
	key := [2]int{from.number, to.number}
	w.net.cuts[key] += change
	if w.net.cuts[key] == 0 {
		delete(w.net.cuts, key)
		w.relink()
		return
	}
	w.After(brokenAfter, func() {
		if w.net.cuts[key] > 0 {
			w.unlink(from, to, "no answer to keepalive")
		}
	})
}

// passes says whether a packet may go from one node to another at this moment.
func (w *World) passes(from, to *Node) bool { return w.net.cuts[[2]int{from.number, to.number}] == 0 }

// send gives a packet to the network. It may be lost, delayed, reordered or doubled; body must not be written to afterwards.
func (w *World) send(from, to *Node, class int, kind string, body any) {
	w.net.sent++
	if !w.passes(from, to) || !from.alive || !w.connected(from, to) {
		w.net.lost++
		return
	}
	p := packet{from: from, to: to, life: from.life, toLife: to.life, class: class, epoch: from.epoch, kind: kind, body: body}
	n, weather := w.net.chance, &w.net.weather
	roll := n.Float64()
	if roll < weather.Loss {
		w.net.lost++
		return
	}
	delay := weather.Least + time.Duration(n.Int64N(int64(weather.Most-weather.Least)+1))
	switch {
	case roll < weather.Loss+weather.Late:
		delay += time.Duration(n.Int64N(int64(weather.LateMost) + 1))
	case roll < weather.Loss+weather.Late+weather.Twice:
		second := delay + time.Duration(n.Int64N(int64(weather.LateMost)+1))
		w.After(second, func() { w.deliver(&p) })
	}
	if weather.Ordered {
		stream := [3]int{from.number, to.number, class}
		due := max(w.now+delay, w.net.arrival[stream])
		w.net.arrival[stream] = due
		delay = due - w.now
	}
	w.After(delay, func() { w.deliver(&p) })
}

// deliver hands a packet over, if the path is there, and the receiver still lives the life it was sent to.
func (w *World) deliver(p *packet) {
	if !w.passes(p.from, p.to) || !p.to.alive || p.to.life != p.toLife {
		w.net.lost++
		return
	}
	w.push(0, p.to, p.to.life, func() { p.to.proc.receive(p) })
}

// connected says whether the two present lives have a connection.
func (w *World) connected(a, b *Node) bool {
	if a.number > b.number {
		a, b = b, a
	}
	l, ok := w.net.linked[pairOf(a, b)]
	return ok && l == link{a.life, b.life}
}

// redialEvery is how often a broken connection is tried again.
const redialEvery = 100 * time.Millisecond

// relink makes the connections that are possible now: both ends live, run, and reach each other.
func (w *World) relink() {
	w.After(redialEvery/2, func() {
		for i, a := range w.nodes {
			for _, b := range w.nodes[i+1:] {
				if !a.running() || !b.running() || !w.passes(a, b) || !w.passes(b, a) || w.connected(a, b) {
					continue
				}
				w.net.linked[pairOf(a, b)] = link{a.life, b.life}
				w.changed(a, b, true)
				w.changed(b, a, true)
			}
		}
	})
}

// unlink breaks the connection of two nodes, and tells those who live.
func (w *World) unlink(a, b *Node, cause string) {
	key := pairOf(a, b)
	if _, ok := w.net.linked[key]; !ok {
		return
	}
	delete(w.net.linked, key)
	w.Note("connection %s-%s broke: %s", a.ID, b.ID, cause)
	w.changed(a, b, false)
	w.changed(b, a, false)
	w.relink()
}

// changed tells a node that its connection to a peer was made or broke.
func (w *World) changed(at, peer *Node, up bool) {
	if !at.alive {
		return
	}
	life, epoch := at.life, peer.epoch
	delay := 200*time.Microsecond + time.Duration(w.net.chance.Int64N(int64(time.Millisecond)))
	w.push(delay, at, life, func() { at.proc.connection(peer, epoch, up) })
}

// lose takes a dead node off the network. Its host, if it is still there, resets the connections at once; else the peers
// find out by keepalive.
func (w *World) lose(n *Node, silent bool) {
	life := n.life
	for _, peer := range w.nodes {
		if peer == n {
			continue
		}
		if !silent && w.passes(n, peer) {
			w.unlink(n, peer, "reset by peer")
			continue
		}
		was, ok := w.net.linked[pairOf(n, peer)]
		w.After(brokenAfter, func() {
			if ok && w.net.linked[pairOf(n, peer)] == was && (n.life != life || !n.alive) {
				w.unlink(n, peer, "no answer to keepalive")
			}
		})
	}
}

// pairOf names the connection of two nodes.
func pairOf(a, b *Node) [2]int { return [2]int{min(a.number, b.number), max(a.number, b.number)} }

// answer of a probe: who listens at a node's address.
type answer struct {
	Node    shards.NodeID
	Epoch   shards.Epoch
	Refused bool // nobody listens, and the host says so
}

// probe dials a node's address: found is told who answers; after timeout nobody has, and found is told nil.
func (w *World) probe(from, to *Node, timeout time.Duration, found func(*answer)) {
	done := false
	reply := func(a *answer) {
		if !done {
			done = true
			found(a)
		}
	}
	trip := func() time.Duration {
		x := &w.net.weather
		return x.Least + time.Duration(w.net.chance.Int64N(int64(x.Most-x.Least)+1))
	}
	life := from.life
	w.push(timeout, from, life, func() { reply(nil) })
	if !w.passes(from, to) {
		return
	}
	w.After(trip(), func() {
		a := answer{Node: to.ID, Epoch: to.epoch, Refused: !to.alive}
		if !w.passes(to, from) || to.alive && to.paused || !to.alive && to.hostGone {
			return
		}
		w.push(trip(), from, life, func() {
			if w.passes(to, from) {
				reply(&a)
			}
		})
	})
}
