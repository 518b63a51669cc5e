package runtime

import (
	"context"
	"crypto/tls"
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
}

// Visit asks who listens at a node's peer address, as a node with this configuration would, and leaves no trace there. An
// error says why such a node would not be let in; the Visited is empty if nobody introduced himself.
func Visit(ctx context.Context, c Config, address string) (v Visited, err error) {
	secure, err := c.peerTLS()
	if err != nil {
		return v, err
	}
	t, err := visitor(secure, address)
	if err != nil {
		return v, fmt.Errorf("no visit to %s: %w", address, err)
	}
	hello, err := t.Probe(ctx, address)
	v = Visited{Name: hello.Name, Cluster: hello.Cluster, Release: hello.Release, Format: hello.Format}
	if v.Name == "" {
		v.Name = string(hello.Node)
	}
	return v, errors.Join(err, t.Close())
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
