package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

func TestMessagesAndCalls(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		for i, class := range []Class{Control, Replicate, Bulk} {
			if err := a.Send("b", class, KindRaft, []byte(class.String())); err != nil {
				t.Fatal(err)
			}
			if got := b.received(t, i+1)[i]; got != class.String() {
				t.Fatalf("got %q", got)
			}
		}
		answer, err := b.Call(soon(t), "a", KindQuery, []byte("hello"))
		if err != nil || string(answer) != "echo hello" {
			t.Fatalf("%q, %v", answer, err)
		}
		if _, err := a.Call(soon(t), "nobody", KindQuery, nil); !errors.Is(err, ErrNoPeer) {
			t.Fatalf("call to a stranger: %v", err)
		}
		if err := a.Send("nobody", Control, KindRaft, nil); !errors.Is(err, ErrNoPeer) {
			t.Fatalf("message to a stranger: %v", err)
		}
	})
}

func TestErrorsArriveTyped(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		problems := []error{
			&shards.NotPrimaryError{Shard: shards.NewShardID(2, 17), Primary: "c", Term: 9},
			fmt.Errorf("route: %w", &shards.NotPrimaryError{Shard: 5, Term: 1}),
			&shards.Error{Kind: shards.KindConflict, Shard: "orders/17", Err: errors.New("version 4, not 3")},
			errors.New("something else"),
		}
		a, _ := pair(t, l, func(c *Config) {
			c.Serve = func(_ context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) {
				if body[0] == 'p' {
					panic("a broken invariant")
				}
				return nil, problems[body[0]]
			}
		})
		for i, want := range problems {
			_, err := a.Call(soon(t), "b", KindForward, []byte{byte(i)})
			var elsewhere, wanted *shards.NotPrimaryError
			if errors.As(want, &wanted) {
				if !errors.As(err, &elsewhere) || *elsewhere != *wanted {
					t.Errorf("%v arrived as %#v", want, err)
				}
				continue
			}
			var e *shards.Error
			if !errors.As(err, &e) || err.Error() != want.Error() {
				t.Errorf("%v arrived as %v", want, err)
			}
			if i == 2 && (e.Kind != shards.KindConflict || e.Shard != "orders/17") {
				t.Errorf("%+v", e)
			}
		}
		if _, err := a.Call(soon(t), "b", KindForward, []byte("p")); err == nil || !strings.Contains(err.Error(), "a broken invariant") {
			t.Errorf("a panic arrived as %v", err)
		}
		if _, err := a.Call(soon(t), "b", KindForward, []byte{3}); err == nil || !strings.Contains(err.Error(), "something else") {
			t.Errorf("after the panic: %v", err)
		}
	})
}

// A burst of 20,000 messages of 8 KiB is what the actor library's own remote loses whole.
func TestBurstArrivesWholeAndInOrder(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		const count, size = 20_000, 8 << 10
		var mu sync.Mutex
		next, done := uint32(0), make(chan error, 1)
		a, _ := pair(t, l, func(c *Config) {
			c.Receive = func(_ Hello, _ Class, _ Kind, body []byte) {
				mu.Lock()
				defer mu.Unlock()
				n := binary.LittleEndian.Uint32(body)
				if len(body) != size || n != next || body[size-1] != byte(n) {
					done <- fmt.Errorf("message %d of %d bytes arrived when %d was due", n, len(body), next)
				}
				if next++; next == count {
					done <- nil
				}
			}
		})
		full := 0
		for i := range uint32(count) {
			body := make([]byte, size)
			binary.LittleEndian.PutUint32(body, i)
			body[size-1] = byte(i)
			err := a.Send("b", Replicate, KindReplicate, body)
			if errors.Is(err, ErrFull) {
				full++
				err = a.SendWait(soon(t), "b", Replicate, KindReplicate, body)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(2 * time.Minute):
			t.Fatalf("%d of %d arrived", next, count)
		}
		t.Logf("credit was used up %d times", full)
	})
}

func TestLargeBodiesAreSplit(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l, func(c *Config) { c.Window, c.MaxBody = leastWindow, 5<<20 })
		for i, size := range []int{copyBytes, copyBytes + 1, flatBytes + 1, chunkBytes, chunkBytes + 1, 3*chunkBytes + 7, 5 << 20} {
			body := bytes.Repeat([]byte{byte(i), 7, byte(size)}, size/3+1)[:size]
			if err := a.SendWait(soon(t), "b", Bulk, KindRecover, bytes.Clone(body)); err != nil {
				t.Fatal(err)
			}
			if got := b.received(t, i+1)[i]; got != string(body) {
				t.Fatalf("%d bytes arrived as %d others", size, len(got))
			}
			if i < 6 {
				answer, err := a.Call(soon(t), "b", KindForward, bytes.Clone(body))
				if err != nil || string(answer) != "echo "+string(body) {
					t.Fatalf("a call of %d bytes: %d bytes, %v", size, len(answer), err)
				}
			}
		}
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 5<<20+1)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("one byte more: %v", err)
		}
		if _, err := a.Call(soon(t), "b", KindForward, make([]byte, 5<<20)); err == nil || !strings.Contains(err.Error(), "more than the") {
			t.Errorf("an answer that is too long: %v", err)
		}
	})
}

// A peer that takes less than this node sends throws the rest away, and goes on.
func TestReceiverBoundsBodies(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1)
		b := l.start(t, "b", 1, func(c *Config) { c.MaxBody = 2 << 20 })
		a.up(t, b)
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 3<<20)); err != nil {
			t.Fatal(err)
		}
		if err := a.SendWait(soon(t), "b", Bulk, KindRecover, []byte("after")); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t, 1); got[0] != "after" || b.Counts().TooLong != 1 {
			t.Fatalf("%d bytes arrived; %+v", len(got[0]), b.Counts())
		}
		var e *shards.Error
		if _, err := a.Call(soon(t), "b", KindForward, make([]byte, 3<<20)); !errors.As(err, &e) || e.Kind != shards.KindInvalid {
			t.Fatalf("a request that is too long: %v", err)
		}
	})
}

func TestStuckReceiverStopsItsClassOnly(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		release := make(chan struct{})
		a, b := pair(t, l, func(c *Config) {
			c.Window = leastWindow
			c.Receive = func(_ Hello, class Class, _ Kind, _ []byte) {
				if class == Replicate {
					<-release
				}
			}
		})
		defer close(release)
		c := l.start(t, "c", 1)
		a.up(t, b, c)
		sent := 0
		for ; ; sent++ {
			err := a.Send("b", Replicate, KindReplicate, make([]byte, 1000))
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil || sent > 2*leastWindow/1000 {
				t.Fatalf("after %d messages: %v", sent, err)
			}
		}
		if err := a.SendWait(past(), "b", Replicate, KindReplicate, make([]byte, 1000)); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting for credit: %v", err)
		}
		for range 3 * leastWindow / 1000 {
			if err := a.SendWait(soon(t), "b", Bulk, KindRecover, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := a.SendWait(soon(t), "c", Replicate, KindReplicate, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
			t.Errorf("a call beside it: %v", err)
		}
	})
}

func past() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
