package runtime

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

// Visited is what a node says of itself to whoever introduces itself.
type Visited struct {
	Name, Cluster, Release string
	Format                 uint32 // of the wire, as it speaks it; this release speaks WireFormat

	// Objection is why its cluster would not let the visitor in, as far as that node knows: it asks nobody. Empty: nothing is known
	// against it, also by a release that cannot be asked.
	Objection string
}

// Visit asks who listens at a node's peer address, as a node with this configuration would, and leaves no trace there. node and cluster are
// the visitor's own, as Owner tells them; empty if it has none yet. An error says why nobody was met, or not asked in; the Visited is empty
// if nobody introduced himself.
func Visit(ctx context.Context, c Config, node shards.NodeID, cluster, address string) (v Visited, err error) {
	secure, err := c.peerCertificate()
	if err != nil {
		return v, err
	}
	t, err := visitor(secure.peer(), address)
	if err != nil {
		return v, fmt.Errorf("no visit to %s: %w", address, err)
	}
	hello, err := t.Probe(ctx, address)
	v = Visited{Name: hello.Name, Cluster: hello.Cluster, Release: hello.Release, Format: hello.Format}
	if v.Name == "" {
		v.Name = string(hello.Node)
	}
	if err == nil {
		c.fill()
		v.Objection, err = objection(ctx, t, address, &applicant{Name: c.Name, Node: node, Cluster: cluster})
	}
	return v, errors.Join(err, t.Close())
}

// applicant is a node that may come to a cluster, or come back.
type applicant struct {
	Name    string        `json:"name"`
	Node    shards.NodeID `json:"node,omitempty"`
	Cluster string        `json:"cluster,omitempty"`
}

// objection asks the node at an address what it has against a visitor.
func objection(ctx context.Context, t *transport.Transport, address string, a *applicant) (why string, err error) {
	question, err := json.Marshal(inquiry{Applicant: a})
	if err != nil {
		return "", err
	}
	_, answer, err := t.CallAddress(ctx, address, transport.KindQuery, question)
	if answered := (*shards.Error)(nil); errors.As(err, &answered) && answered.Kind == shards.KindInvalid {
		return "", nil // a release that cannot be asked
	}
	if err == nil {
		err = json.Unmarshal(answer, &why)
	}
	return why, err
}

// objects says what the cluster, as this node knows it, has against a node; empty: nothing.
func (n *Node) objects(a *applicant) string {
	state := n.state()
	if state.Cluster == "" {
		return ""
	}
	if a.Cluster == state.Cluster && state.Member(a.Node) == nil {
		return "the cluster has forgotten this node: what the data folder holds is no part of it any more. To have the node in the cluster again, start it with an empty data folder; keep this one until nothing of it is missed"
	}
	if err := state.NameFree(a.Node, a.Name); err != nil {
		return err.Error()
	}
	return ""
}

// visitor is a transport that asks whoever listens at an address, and does not listen there itself: where nobody did, the system may just
// have given it that port.
func visitor(secure *tls.Config, address string) (*transport.Transport, error) {
	t, err := silent(secure)
	if err != nil || !samePort(t.Address(), address) {
		return t, err
	}
	other, err := silent(secure)
	if failed := t.Close(); failed != nil && err == nil {
		return nil, errors.Join(failed, other.Close())
	}
	return other, err
}

// silent is a transport that serves nobody.
func silent(secure *tls.Config) (*transport.Transport, error) {
	return transport.Listen(transport.Config{
		Self: transport.Hello{Format: WireFormat, Node: "visitor", Release: Version()}, Oldest: oldestWire, Listen: "127.0.0.1:0", TLS: secure,
		Receive: func(transport.Hello, transport.Class, transport.Kind, []byte) {},
		Serve: func(context.Context, transport.Hello, transport.Kind, []byte) ([]byte, error) {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("this is a visitor, and no node")}
		},
	})
}

func samePort(a, b string) bool {
	_, one, err := net.SplitHostPort(a)
	_, other, failed := net.SplitHostPort(b)
	return err == nil && failed == nil && one == other
}
