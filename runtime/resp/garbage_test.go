package resp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
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
