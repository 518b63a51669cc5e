package runtime

import (
	"errors"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/shards"
)

func TestVisit(t *testing.T) {
	node, err := Start(t.Context(), Config{Name: "host", Peer: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := node.PeerAddr()
	v, err := Visit(t.Context(), Config{}, "", "", address)
	if err != nil || v.Name != "host" || v.Format != WireFormat || v.Release != Version() || v.Cluster == "" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, x := range []struct {
		name          string
		node          shards.NodeID
		cluster, want string
	}{
		{"guest", "", "", ""}, {"host", "", "", "the name host belongs to node"}, {"host", node.ID(), v.Cluster, ""}, {"renamed", node.ID(), v.Cluster, ""},
		{"guest", "gone", v.Cluster, "has forgotten this node"}, {"guest", "foreign", "another", ""},
	} {
		v, err := Visit(t.Context(), Config{Name: x.name}, x.node, x.cluster, address)
		if err != nil || (x.want == "") != (v.Objection == "") || !strings.Contains(v.Objection, x.want) {
			t.Errorf("%+v: objection %q, %v", x, v.Objection, err)
		}
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := Visit(t.Context(), Config{}, "", "", address); !errors.Is(err, transport.ErrRefused) || v != (Visited{}) {
		t.Errorf("nobody: %+v, %v", v, err)
	}
	if _, err := Visit(t.Context(), Config{TLSCert: "missing.pem"}, "", "", address); !errors.Is(err, ErrConfig) {
		t.Errorf("a certificate alone: %v", err)
	}
}

// A visitor must not be where it goes: "the port of nobody" may be its own.
func TestSamePort(t *testing.T) {
	for _, x := range []struct {
		a, b string
		same bool
	}{{"127.0.0.1:7300", "localhost:7300", true}, {"127.0.0.1:7300", "127.0.0.1:7301", false}, {"127.0.0.1:7300", "nowhere", false}, {"", "", false}} {
		if samePort(x.a, x.b) != x.same {
			t.Errorf("%q and %q: not %v", x.a, x.b, x.same)
		}
	}
}
