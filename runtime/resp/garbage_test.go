package resp

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// Clients that begin long commands and go leave buffers, and those that go on leave theirs as they grow: all that counts, and is
// collected before it is much more than the pool.
func TestWhatClientsLeaveIsCollected(t *testing.T) {
	s, err := New(newLocalBackend(1, "default"), Config{Limits: Limits{MaxMemory: 64 << 20, MaxRequest: 32 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	piece, most := strings.Repeat("x", 1<<20), int64(0)
	for range 4 {
		near, far := net.Pipe()
		s.accept(far)
		for _, text := range []string{"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$32505856\r\n", strings.Repeat(piece, 17)} {
			if _, err := io.WriteString(near, text); err != nil {
				t.Fatal(err)
			}
		}
		near.Close()
		most = max(most, s.pool.garbage.bytes.Load())
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if most = max(most, s.pool.garbage.bytes.Load()); most < 16<<20 || most > minGarbage+112<<20 {
		t.Errorf("%d bytes were left at most", most)
	}
	if s.pool.garbage.collected == 0 {
		t.Error("nothing was collected")
	}
	if s.pool.tidy(); s.pool.garbage.collected > 4 {
		t.Errorf("garbage was collected %d times", s.pool.garbage.collected)
	}
}

// The keys of a slot are gathered until they are more than one reply may have, or than all clients may hold.
func TestLongKeysOfASlotAreBounded(t *testing.T) {
	b := &countingBackend{localBackend: newLocalBackend(1, "default")}
	s, addr := startServer(t, b, Config{Limits: Limits{MaxMemory: 4 << 20, MaxRequest: 1 << 20, MaxReply: 1 << 20}})
	c := dial(t, addr)
	const keys, size = 64, 60000
	for i := range keys {
		c.expect("+OK", "SET", fmt.Sprintf("{a}%0*d", size-3, i), "")
	}
	slot := fmt.Sprint(shards.SlotOf([]byte("a")))
	c.expect("-"+string(errLongReply), "CLUSTER", "GETKEYSINSLOT", slot, "1000")
	if most := 1<<20/size + 1; b.visited != most {
		t.Errorf("%d keys were looked at, want %d", b.visited, most)
	}
	b.visited = 0
	s.pool.held.Add(4 << 20)
	c.expect("-"+string(errHeld), "CLUSTER", "GETKEYSINSLOT", slot, "10")
	s.pool.held.Add(-4 << 20)
	if b.visited != 1 {
		t.Errorf("%d keys were looked at while there is no room", b.visited)
	}
	if reply := c.do("CLUSTER", "GETKEYSINSLOT", slot, "10"); !strings.HasPrefix(reply, "*10\r\n") {
		t.Errorf("the reply begins with %.20q", reply)
	}
}

// countingBackend counts the keys of slots that are visited.
type countingBackend struct {
	*localBackend
	visited int
}

func (b *countingBackend) KeysInSlot(ctx context.Context, keyspace int, slot shards.Slot, limit int, visit func([]byte) bool) error {
	return b.localBackend.KeysInSlot(ctx, keyspace, slot, limit, func(key []byte) bool {
		b.visited++
		return visit(key)
	})
}

// Little is left to the collector, whatever the pool.
func TestLittleGarbageIsLeft(t *testing.T) {
	p := &pool{limit: 1 << 10}
	p.leave(freeBytes)
	p.leave(minGarbage)
	if p.tidy(); p.garbage.bytes.Load() != minGarbage || p.garbage.collected != 0 {
		t.Errorf("%d bytes are left, %d collections", p.garbage.bytes.Load(), p.garbage.collected)
	}
	p.leave(freeBytes + 1)
	if p.tidy(); p.garbage.bytes.Load() != 0 || p.garbage.collected != 1 {
		t.Errorf("%d bytes are left, %d collections", p.garbage.bytes.Load(), p.garbage.collected)
	}
}
