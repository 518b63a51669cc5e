package transport

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// The body of hello, welcome and reject, msgpack:
//
//	9b  format  purpose  window  cluster  node  epoch  name  address  release  reason  features
//	            │        │                                                     │       └ bits: 1 reads carriers. Absent: none
//	            │        │                                                     └ of a reject: one sentence
//	            │        └ bytes that the sender of this frame grants the other side
//	            └ the class, or 0: a visit, which calls and keeps no connection
//
// The format comes first, and a reader that does not know it reads no further. Elements may be appended: whoever does not
// know them leaves them.

// visit is the purpose of a connection that is made for one call or probe.
const visit Class = 0

// introduction is what one side says when a stream opens.
type introduction struct {
	purpose Class
	window  int
	hello   Hello
	reason  string

	features uint64 // what its sender can do beyond its format
}

// featureCarriers says that a node reads frames that begin with a carrier. A peer without it gets none.
const featureCarriers = 1

const (
	introductionFields = 10      // at least; with features one more
	textBytes          = 4 << 10 // of a name, an address, a reason
)

func (i *introduction) encode() []byte {
	e := wire.NewEncoder(make([]byte, 0, 256))
	e.Array(introductionFields + 1)
	e.Uint(uint64(i.hello.Format))
	e.Uint(uint64(i.purpose))
	e.Uint(uint64(i.window))
	for _, text := range []string{i.hello.Cluster, string(i.hello.Node)} {
		e.Str(clip(text))
	}
	e.Uint(uint64(i.hello.Epoch))
	for _, text := range []string{i.hello.Name, i.hello.Address, i.hello.Release, i.reason} {
		e.Str(clip(text))
	}
	e.Uint(i.features)
	return e.Buffer()
}

// decodeIntroduction reads an introduction of a format up to ours. Of a later one it gives the format alone.
func decodeIntroduction(body []byte, ours uint32) (introduction, error) {
	d := wire.NewDecoder(body)
	fields := d.Array()
	format := d.Uint()
	if d.Err() == nil && format > uint64(ours) {
		return introduction{hello: Hello{Format: uint32(min(format, 1<<32-1))}}, nil
	}
	if fields < introductionFields {
		d.Refuse("an introduction has more elements")
	}
	purpose, window := d.Uint(), d.Uint()
	if purpose > uint64(classes) || window < leastWindow || window > mostBody {
		d.Refuse("no such class, or no such window")
	}
	i := introduction{purpose: Class(purpose), window: int(window)}
	h := &i.hello
	h.Format = uint32(format)
	h.Cluster, h.Node = text(&d), shards.NodeID(text(&d))
	h.Epoch = shards.Epoch(d.Uint())
	h.Name, h.Address, h.Release, i.reason = text(&d), text(&d), text(&d), text(&d)
	if fields > introductionFields {
		i.features = d.Uint()
	}
	if h.Node == "" {
		d.Refuse("a node without an id")
	}
	if err := d.Err(); err != nil {
		return introduction{}, fmt.Errorf("%w: introduction: %w", errMalformed, err)
	}
	return i, nil
}

func text(d *wire.Decoder) string {
	b := d.Bytes()
	if len(b) > textBytes {
		d.Refuse("a text longer than any that is sent")
		return ""
	}
	return string(b)
}

func clip(s string) string { return s[:min(len(s), textBytes)] }

// objection is why two nodes that introduced themselves cannot talk, whatever Admit says; empty if they can. newest is the
// highest epoch of the peer that was seen before, oldest the lowest format that this node still speaks.
func objection(self, peer Hello, oldest uint32, newest shards.Epoch) string {
	switch {
	case peer.Format > self.Format:
		return fmt.Sprintf("node %s speaks format %d of the wire, node %s up to %d: upgrade node %[3]s first", naming(peer), peer.Format, naming(self), self.Format)
	case peer.Format < oldest:
		return fmt.Sprintf("node %s speaks format %d of the wire, node %s from %d to %d: upgrade node %[1]s first", naming(peer), peer.Format, naming(self), oldest, self.Format)
	case self.Cluster != "" && peer.Cluster != "" && self.Cluster != peer.Cluster:
		return fmt.Sprintf("node %s belongs to cluster %s, node %s to cluster %s; a data folder belongs to one cluster", naming(peer), peer.Cluster, naming(self), self.Cluster)
	case peer.Node == self.Node && (peer.Epoch != self.Epoch || twin(peer, self.Address) != ""):
		return fmt.Sprintf("node %s runs with epoch %d here and %d there; is a data folder used twice?", naming(peer), self.Epoch, peer.Epoch)
	case peer.Epoch < newest:
		return fmt.Sprintf("epoch %d of node %s is past: epoch %d is known", peer.Epoch, naming(peer), newest)
	}
	return ""
}

// twin is why a node cannot be the one that has introduced itself in the same epoch before, at home; empty if it can. A life keeps its address.
func twin(peer Hello, home string) string {
	if peer.Address == home || peer.Address == "" || home == "" {
		return ""
	}
	return fmt.Sprintf("node %s runs with epoch %d at %s, and says here that it is at %s: its data folder was copied, and is used twice; only one of the two may run", naming(peer), peer.Epoch, home, peer.Address)
}

// naming is how a sentence calls a node.
func naming(h Hello) string {
	switch {
	case h.Name != "" && h.Name != string(h.Node):
		return fmt.Sprintf("%s (%s)", h.Name, h.Node)
	case h.Node != "":
		return string(h.Node)
	}
	return "(unnamed)"
}
