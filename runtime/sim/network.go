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
	answers  bool // it goes over the connection that the receiver opened, as an answer to a call does; else over one of the sender's own
	life     int  // of the sender
	toLife   int  // of the receiver, when it was sent: a connection does not survive either end
	class    int
	epoch    shards.Epoch // of the sender
	kind     string
	body     any
}

// network carries packets between nodes. A cut is one direction between two nodes: packets sent that way vanish, as do
// those under way. Connections are kept beside it: each of two nodes opens one to the other, as transports do, for all that it sends by itself,
// what it asks, and what is answered to that. They break at once when an end dies and its host can say so, and only after
// brokenAfter when a path is cut: both of them, since neither does without what comes back. A firewall drops the one connection only.
type network struct {
	chance  *rand.Rand
	weather Weather
	cuts    map[[2]int]int // from, to: how many faults cut this direction
	arrival map[[3]int]time.Duration
	walls   map[[2]int]int  // from, to: how many faults drop the connections that one opens to the other
	linked  map[[2]int]link // from, to: the connection that one has opened to the other
	sent    int
	lost    int
}

// link is a connection between two lives: of who opened it, and of the other.
type link struct{ from, to int }

func newNetwork(o Options) network {
	n := network{
		chance: stream(o.Seed, streamNetwork, 0), weather: invent(stream(o.Seed, streamNetwork, 1)), cuts: map[[2]int]int{},
		walls: map[[2]int]int{}, arrival: map[[3]int]time.Duration{}, linked: map[[2]int]link{},
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
	w.block(w.net.cuts, from, to, change, w.unlink)
}

// wall has a firewall drop the connections that one node opens to another, and what is under way on them; or not any more.
func (w *World) wall(from, to *Node, change int) {
	w.block(w.net.walls, from, to, change, w.breaks)
}

// block counts what is wrong with a way between two nodes. What has then been wrong for as long as keepalives take breaks connections.
func (w *World) block(of map[[2]int]int, from, to *Node, change int, breaks func(from, to *Node, cause string)) {
	key := [2]int{from.number, to.number}
	of[key] += change
	if of[key] <= 0 { // below: what is undone had been cleared
		delete(of, key)
		w.relink()
		return
	}
	w.After(brokenAfter, func() {
		if of[key] > 0 {
			breaks(from, to, "no answer to keepalive")
		}
	})
}

// passes says whether a packet may go from one node to another at this moment.
func (w *World) passes(from, to *Node) bool { return w.net.cuts[[2]int{from.number, to.number}] == 0 }

// admits says whether no firewall drops the connections that one node opens to another at this moment.
func (w *World) admits(from, to *Node) bool { return w.net.walls[[2]int{from.number, to.number}] == 0 }

// opened says whose connection a packet goes over, and to whom that was opened.
func (p *packet) opened() (by, to *Node) {
	if p.answers {
		return p.to, p.from
	}
	return p.from, p.to
}

// goes says whether a packet finds its way at this moment.
func (w *World) goes(p *packet) bool { return w.passes(p.from, p.to) && w.admits(p.opened()) }

// send gives a packet to the network. It may be lost, delayed, reordered or doubled; body must not be written to afterwards.
func (w *World) send(from, to *Node, class int, answers bool, kind string, body any) {
	w.net.sent++
	p := packet{from: from, to: to, answers: answers, life: from.life, toLife: to.life, class: class, epoch: from.epoch, kind: kind, body: body}
	if !w.goes(&p) || !from.alive || !w.connected(p.opened()) {
		w.net.lost++
		return
	}
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
	if !w.goes(p) || !p.to.alive || p.to.life != p.toLife {
		w.net.lost++
		return
	}
	w.push(0, p.to, p.to.life, func() { p.to.proc.receive(p) })
}

// connected says whether the present life of one node has a connection that it opened to that of another.
func (w *World) connected(from, to *Node) bool {
	l, ok := w.net.linked[[2]int{from.number, to.number}]
	return ok && l == link{from.life, to.life}
}

// redialEvery is how often a broken connection is tried again.
const redialEvery = 100 * time.Millisecond

// relink makes the connections that are possible now: both ends live, run, and reach each other.
func (w *World) relink() {
	w.After(redialEvery/2, func() {
		for i, a := range w.nodes {
			for _, b := range w.nodes[i+1:] {
				if a.running() && b.running() && w.passes(a, b) && w.passes(b, a) {
					w.open(a, b)
					w.open(b, a)
				}
			}
		}
	})
}

// open has a node open its connection to another, and be told, unless it has one or a firewall drops it.
func (w *World) open(from, to *Node) {
	if w.admits(from, to) && !w.connected(from, to) {
		w.net.linked[[2]int{from.number, to.number}] = link{from.life, to.life}
		w.changed(from, to, true)
	}
}

// unlink breaks the connections of two nodes, and tells those who live.
func (w *World) unlink(a, b *Node, cause string) {
	w.breaks(a, b, cause)
	w.breaks(b, a, cause)
}

// breaks ends the connection that one node has opened to another, and tells it.
func (w *World) breaks(from, to *Node, cause string) {
	key := [2]int{from.number, to.number}
	if _, ok := w.net.linked[key]; !ok {
		return
	}
	delete(w.net.linked, key)
	w.Note("the connection of %s to %s broke: %s", from.ID, to.ID, cause)
	w.changed(from, to, false)
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
		for _, key := range [][2]int{{n.number, peer.number}, {peer.number, n.number}} {
			was, ok := w.net.linked[key]
			w.After(brokenAfter, func() {
				if ok && w.net.linked[key] == was && (n.life != life || !n.alive) {
					w.breaks(w.nodes[key[0]], w.nodes[key[1]], "no answer to keepalive")
				}
			})
		}
	}
}

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
	if !w.passes(from, to) || !w.admits(from, to) {
		return
	}
	w.After(trip(), func() {
		a := answer{Node: to.ID, Epoch: to.epoch, Refused: !to.alive}
		if !w.passes(to, from) || to.alive && to.paused || !to.alive && to.hostGone {
			return
		}
		w.push(trip(), from, life, func() {
			if w.passes(to, from) && w.admits(from, to) {
				reply(&a)
			}
		})
	})
}
