//go:build !race

package runtime

import (
	"fmt"
	"io"
	"math"
	"net"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// Promised: "Message tracing off: 0 allocations … on the read and call benchmarks against a build without the hooks". The numbers are those of
// such a build: this test passes in it as well, go test -tags troupe_untraced -run TestUntracedAllocatesNothingMore ./runtime. Who changes
// what a read or a call allocates finds the new number there, and then looks whether it is the same here.
func TestUntracedAllocatesNothingMore(t *testing.T) {
	n := start(t, Config{RESP: "127.0.0.1:0", Keyspaces: []shards.Keyspace{
		{Name: "default", Shards: 1, Durability: shards.DurabilityMemory}, {Name: "actors", Shards: 1, Durability: shards.DurabilityMemory}}})
	look := virtual.NewKind[int]("counter")
	virtual.Handle(look, "look", func(c *virtual.Context[int], _ int) (int, error) { return *c.State, nil })
	if err := n.Register(t.Context(), look.Kind); err != nil {
		t.Fatal(err)
	}
	store, err := n.Store("default")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "key", []byte("some value of a key")); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", n.RESPAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask, reply := []byte("*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"), make([]byte, len("$19\r\nsome value of a key\r\n"))
	ctx, who := t.Context(), virtual.ID{Kind: "counter", Name: "ann"}
	for _, work := range []struct {
		name string
		want float64
		once func() error
	}{
		{"Store.Get", 1, func() error { _, err := store.Get(ctx, "key"); return err }},
		{"Call", 7, func() error { _, err := virtual.Call[int, int](ctx, n.Actors(), who, "look", 1); return err }},
		{"GET of a Redis client", 0, func() error {
			if _, err := conn.Write(ask); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, reply); err != nil || reply[0] != '$' {
				return fmt.Errorf("%q: %w", reply, err)
			}
			return nil
		}},
	} {
		least := math.Inf(1) // what the node does beside counts as well: where there was little of it, it falls away
		for range 5 {
			least = min(least, testing.AllocsPerRun(500, func() {
				if err := work.once(); err != nil {
					t.Fatal(err)
				}
			}))
		}
		if least != work.want {
			t.Errorf("%s makes %v allocations, and %v in a build without the hooks", work.name, least, work.want)
		}
	}
}
