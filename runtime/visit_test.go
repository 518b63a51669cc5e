package runtime

import (
	"errors"
	"testing"

	"github.com/troupe-actors/troupe/actors/transport"
)

func TestVisit(t *testing.T) {
	node, err := Start(t.Context(), Config{Name: "host", Peer: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := node.PeerAddr()
	v, err := Visit(t.Context(), Config{}, address)
	if err != nil || v.Name != "host" || v.Format != WireFormat || v.Release != Version() || v.Cluster == "" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := Visit(t.Context(), Config{}, address); !errors.Is(err, transport.ErrRefused) || v != (Visited{}) {
		t.Errorf("nobody: %+v, %v", v, err)
	}
	if _, err := Visit(t.Context(), Config{TLSCert: "missing.pem"}, address); !errors.Is(err, ErrConfig) {
		t.Errorf("a certificate alone: %v", err)
	}
}
