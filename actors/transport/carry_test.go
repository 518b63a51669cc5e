package transport

import (
	"bytes"
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc/mem"

	"github.com/troupe-actors/troupe/tracing"
)

// traced are messages whose spans nobody looks at.
func traced(t *testing.T) *tracing.Messages {
	t.Helper()
	m, err := tracing.NewMessages("id", "n", 0, func(*tracing.Span) {})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var carried = tracing.Carrier{Trace: tracing.TraceID{1, 2}, Span: tracing.SpanID{3}, Flags: 1}

// A trace travels with calls and messages of any length, and only with those that belong to one.
func TestCarriersTravel(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		var mu sync.Mutex
		got := map[string]tracing.Carrier{}
		a, b := pair(t, l, func(c *Config) {
			c.Messages = traced(t)
			c.Serve = func(ctx context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				got["call "+string(body[:1])] = tracing.FromContext(ctx)
				return body, nil
			}
			c.ReceiveTraced = func(_ Hello, _ Class, _ Kind, body []byte, from tracing.Carrier) {
				mu.Lock()
				got["message "+string(body[:1])] = from
				mu.Unlock()
			}
		})
		inside, left := a.config.Messages.Within(soon(t), carried)
		defer left()
		for name, body := range map[string][]byte{"s": []byte("short"), "l": bytes.Repeat([]byte("l"), 3*chunkBytes)} {
			answer, err := a.Call(inside, "b", KindForward, body)
			if err != nil || !bytes.Equal(answer, body) {
				t.Fatalf("%s: %d bytes came back of %d, %v", name, len(answer), len(body), err)
			}
			if err := a.SendTraced("b", Replicate, KindReplicate, body, carried); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Call(soon(t), "b", KindForward, []byte("untraced")); err != nil {
			t.Fatal(err)
		}
		(*a.links.Load())["b"].reads = 0 // as if b were of a release that knows of no carriers
		if _, err := a.Call(inside, "b", KindForward, []byte("old")); err != nil {
			t.Fatal(err)
		}
		if err := a.SendTraced("b", Replicate, KindReplicate, []byte("old"), carried); err != nil {
			t.Fatal(err)
		}
		if plain := b.received(t, 1); plain[0] != "old" {
			t.Errorf("an old peer received %q", plain)
		}
		mu.Lock()
		defer mu.Unlock()
		for name, want := range map[string]tracing.Carrier{"call s": carried, "call l": carried, "message s": carried, "message l": carried, "call u": {}, "call o": {}} {
			if c, came := got[name]; !came || c != want {
				t.Errorf("%s: %v, %+v", name, came, c)
			}
		}
		if _, came := got["message o"]; came || b.Counts() != (Counts{}) {
			t.Errorf("an old peer got a carrier, or counted %+v", b.Counts())
		}
	})
}

// A frame that claims a carrier and has none is dropped and counted.
func TestCarrierThatIsMissing(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		f := frame{form: formMessage, kind: KindRaft, traced: true, body: []byte("no carrier")}
		lane := (*a.links.Load())["b"].lanes[Control]
		if err := lane.stream.send(mem.BufferSlice{mem.SliceBuffer(append(f.appendHead(nil, len(f.body)), f.body...))}); err != nil {
			t.Fatal(err)
		}
		if err := a.Send("b", Control, KindRaft, []byte("good")); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t, 1); got[0] != "good" || b.Counts().Malformed != 1 {
			t.Errorf("%q, %+v", got, b.Counts())
		}
	})
}

// An introduction of a release before features is read, and claims none.
func TestIntroductionWithoutFeatures(t *testing.T) {
	i := introduction{purpose: Call, window: leastWindow, hello: Hello{Format: 1, Node: "n"}, features: featureCarriers}
	body := i.encode()
	body = body[:len(body)-1] // the last element is one byte
	body[0]--                 // of so many
	old, err := decodeIntroduction(body, 1)
	if err != nil || old.features != 0 || old.hello != i.hello {
		t.Errorf("%+v, %v", old, err)
	}
	if again, err := decodeIntroduction(i.encode(), 1); err != nil || again != i {
		t.Errorf("%+v, %v", again, err)
	}
}
