package harness

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What a connection lost is known when it has ended: nodes give up those that answer nothing, and open others when they like.
func TestFirewallRemembersWhatWasLost(t *testing.T) {
	c, err := NewCluster(ClusterConfig{Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	from, to := c.Members[0], c.Members[1]
	w, err := NewFirewall(c)
	if err != nil {
		t.Skipf("this machine has no second address: %v", err)
	}
	defer w.Close()
	w.ids = map[string]string{"the id of n1": from.Name}
	l, err := net.Listen("tcp", to.Config.Peer)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w.Drop(from, to)
	for n := range 2 {
		conn, err := net.Dial("tcp", strings.Replace(to.Config.Peer, inside, outside, 1))
		if err != nil {
			t.Fatal(err)
		}
		behind, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "the id of n1 says hello"); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if heard, err := io.ReadAll(behind); len(heard) > 0 || err != nil {
			t.Errorf("%q came through: %v", heard, err)
		}
		behind.Close()
		for flows := 1; flows > 0; <-time.After(time.Millisecond) {
			w.mu.Lock()
			flows = len(w.flows)
			w.mu.Unlock()
		}
		if w.Lost() != n+1 {
			t.Errorf("%d connections have lost something, want %d", w.Lost(), n+1)
		}
	}
	if w.Heal(); w.Lost() != 0 {
		t.Error("what was lost is not forgotten")
	}
}
