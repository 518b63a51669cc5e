package virtual

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// journal remembers what it was told, in order.
type journal struct{ Lines []string }

// tell has an actor send messages: "kind/name method line".
type orders []string

// gate holds a handler up until it is opened.
type gate chan struct{}

// journals is the kind of most tests. Its method "hang" waits for the gate; "fail" fails.
func journals(g gate, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[journal]("journal", options...)
		Handle(k, "add", func(c *Context[journal], line string) (int, error) {
			c.State.Lines = append(c.State.Lines, line)
			return len(c.State.Lines), nil
		})
		Handle(k, "look", func(c *Context[journal], _ struct{}) (string, error) { return strings.Join(c.State.Lines, " "), nil })
		Handle(k, "fail", func(c *Context[journal], line string) (int, error) {
			c.State.Lines = append(c.State.Lines, line)
			return 0, errors.New("on purpose")
		})
		Handle(k, "hang", func(c *Context[journal], line string) (int, error) {
			<-g
			c.State.Lines = append(c.State.Lines, line)
			return 0, nil
		})
		Handle(k, "send", func(c *Context[journal], list orders) (int, error) {
			for _, order := range list {
				words := strings.Fields(order)
				to, err := ParseID(words[0])
				if err != nil {
					return 0, err
				}
				if err := c.Tell(to, words[1], words[2]); err != nil {
					return 0, err
				}
			}
			return len(list), nil
		})
		return k.Kind
	}
}

func (w *world) call(node shards.NodeID, to, method string, request any) (string, error) {
	id, err := ParseID(to)
	if err != nil {
		w.t.Fatal(err)
	}
	reply, err := Call[any, json.RawMessage](w.t.Context(), w.hosts[node], id, method, request)
	return strings.Trim(string(reply), `"`), err
}

func (w *world) must(node shards.NodeID, to, method string, request any) string {
	w.t.Helper()
	reply, err := w.call(node, to, method, request)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply
}

func (w *world) lines(to, want string) {
	w.t.Helper()
	if got := w.must("n1", to, "look", struct{}{}); got != want {
		w.t.Errorf("%s has %q, not %q", to, got, want)
	}
}

// A read that a handler answers from memory is true although its shard was elsewhere in between.
func TestOldActivationDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(journals(nil))
		w.must("n1", "journal/a", "add", "one")
		w.lead(0, "n2")
		w.must("n2", "journal/a", "add", "two")
		w.lead(0, "n1")
		w.lines("journal/a", "one two")
		w.lead(0, "n2")
		w.must("n2", "journal/a", "add", "three")
		w.lead(0, "n1")
		if got := w.must("n1", "journal/a", "add", "four"); got != "4" {
			t.Errorf("the fourth line is number %s", got)
		}
	})
}

// Who only asks leaves nothing behind.
func TestReadingKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		w.register(journals(nil))
		for i := range 20 {
			to := fmt.Sprint("journal/", i)
			w.lines(to, "")
			if _, err := w.call("n2", to, "fail", "x"); CodeOf(err) != CodeFailed {
				t.Errorf("%s: %v", to, err)
			}
		}
		if kept := append(w.keys("s"), w.keys("r")...); len(kept) != 0 {
			t.Errorf("kept: %v", kept)
		}
		w.must("n2", "journal/7", "add", "x")
		if kept := w.keys("s"); len(kept) != 1 {
			t.Errorf("kept: %v", kept)
		}
	})
}

// A commit whose outcome nobody knows is found out about, and not done again.
func TestUnknownOutcomeIsHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(journals(nil))
		spoiled := 0
		w.spoil = func([]Op) error {
			if spoiled++; spoiled%2 == 1 {
				return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
			}
			return nil
		}
		for i, node := range []shards.NodeID{"n1", "n2", "n1"} {
			if got := w.must(node, "journal/a", "add", fmt.Sprint(i)); got != fmt.Sprint(i+1) {
				t.Errorf("line %d has number %s", i, got)
			}
		}
		w.lines("journal/a", "0 1 2")
	})
}

// A network may deliver twice what was sent once, and late.
func TestMessageThatComesTwiceIsHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(journals(nil))
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			if _, err := serve(ctx, to, body); err != nil {
				return nil, err
			}
			return serve(ctx, to, body)
		}
		for i := range 3 {
			if got := w.must("n2", "journal/a", "add", fmt.Sprint(i)); got != fmt.Sprint(i+1) {
				t.Errorf("line %d has number %s", i, got)
			}
		}
	})
}

// After a try that may have been handled a refusal is no answer: it says nothing of that try.
func TestRefusalAfterAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		g := make(gate)
		w.register(journals(g, Mailbox(1)))
		t.Cleanup(func() { close(g) })
		tries := 0
		w.way = func(context.Context, *Host, []byte) ([]byte, error) {
			if tries++; tries == 1 {
				return nil, errors.New("the link broke")
			}
			return (&answer{Code: CodeBusy, Text: "full", Actor: ID{"journal", "a"}, Method: "add"}).encode(), nil
		}
		_, err := w.call("n2", "journal/a", "add", "x")
		if kindOf(err) != shards.KindOutcomeUnknown || CodeOf(err) != 0 || tries < 3 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		lanes := &w.hosts["n2"].lanes
		if len(lanes.free) != 0 {
			t.Errorf("lane %v of a call that may yet be handled is free again", lanes.free)
		}
	})
}

// The end of a context says whether the message has begun, and what has not makes room.
func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		w.register(journals(g, Mailbox(1)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		id := ID{"journal", "a"}
		begun, waiting := make(chan error), make(chan error)
		go func() { _, err := Call[string, int](ctx, w.hosts["n1"], id, "hang", "x"); begun <- err }()
		synctest.Wait()
		go func() { _, err := Call[string, int](ctx, w.hosts["n1"], id, "add", "y"); waiting <- err }()
		synctest.Wait()
		if _, err := w.call("n1", "journal/a", "add", "z"); CodeOf(err) != CodeBusy {
			t.Errorf("a full mailbox: %v", err)
		}
		if err := <-begun; kindOf(err) != shards.KindOutcomeUnknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that has begun: %v", err)
		}
		if err := <-waiting; kindOf(err) != shards.KindUnavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that has not: %v", err)
		}
		close(g)
		w.must("n1", "journal/a", "add", "z")
		w.lines("journal/a", "x z")
	})
}

// Two actors that wait for each other would wait for ever.
func TestHandlersDoNotCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		ask := func(polite bool) func() *Kind {
			return func() *Kind {
				k := NewKind[struct{}](fmt.Sprint("asker-", polite))
				Handle(k, "ask", func(c *Context[struct{}], _ string) (int, error) {
					ctx := context.Background()
					if polite {
						ctx = c.Context()
					}
					return Call[string, int](ctx, w.hosts["n1"], c.Self(), "ask", "me")
				})
				return k.Kind
			}
		}
		w.register(ask(true), ask(false))
		if _, err := w.call("n1", "asker-true/a", "ask", ""); err == nil || !strings.Contains(err.Error(), "asker-true/a calls while it handles a message") {
			t.Errorf("an actor that calls itself: %v", err)
		}
		begin := time.Now()
		_, err := w.call("n1", "asker-false/a", "ask", "")
		if took := time.Since(begin); err == nil || !strings.Contains(err.Error(), "it waited") || took > 2*sweepPause {
			t.Errorf("one that does it behind our back, after %v: %v", took, err)
		}
		synctest.Wait()
		if told := w.log.String(); strings.Count(told, "does its handler call the actor itself") != 1 || !strings.Contains(told, "actor=asker-false/a method=ask took=10s waiting=1") {
			t.Errorf("meanwhile the log said: %s", told)
		}
	})
}

func TestIdleActorsSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		w.register(journals(nil, IdleAfter(time.Minute)))
		for i := range 20 {
			w.must("n2", fmt.Sprint("journal/", i), "add", "x")
		}
		h := w.hosts["n1"]
		if list := h.Kinds(); len(list) != 1 || list[0].Kind != "journal" || list[0].Keyspace != "actors" || list[0].Active != 20 || h.Active() != 20 || list[0].Bytes != h.memory.Load() || list[0].Bytes < 20*activationBytes {
			t.Errorf("in memory: %+v, %d actors, %d bytes", list, h.Active(), h.memory.Load())
		}
		pass(2 * time.Minute)
		if h.Active() != 0 || h.memory.Load() != 0 {
			t.Errorf("%d actors and %d bytes are in memory after two idle minutes", h.Active(), h.memory.Load())
		}
		w.lines("journal/7", "x")
	})
}

// What waits for an actor is counted, what is being handled is not.
func TestMailboxesAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, g := newWorld(t, 1, "n1"), make(gate)
		w.register(journals(g))
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() { w.must("n1", "journal/a", "hang", "x") })
		}
		synctest.Wait()
		if list := w.hosts["n1"].Kinds(); len(list) != 1 || list[0].Waiting != 3 {
			t.Errorf("with one of four messages under way: %+v", list)
		}
		close(g)
		calls.Wait()
		if list := w.hosts["n1"].Kinds(); list[0].Waiting != 0 {
			t.Errorf("when all are handled: %+v", list)
		}
	})
}

// A node stops although a handler does not.
func TestCloseLeavesWhoDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g, ended := make(gate), make(chan error)
		w.register(journals(g))
		go func() {
			_, err := w.call("n1", "journal/a", "hang", "x")
			ended <- err
		}()
		synctest.Wait()
		w.hosts["n1"].Close()
		if !strings.Contains(w.log.String(), "journal/a") {
			t.Errorf("the log does not name who is left behind: %s", w.log.String())
		}
		if _, err := w.call("n1", "journal/b", "add", "x"); kindOf(err) != shards.KindUnavailable {
			t.Errorf("a call after Close: %v", err)
		}
		close(g)
		<-ended
	})
}

// Other nodes need not wait for a handler that does not return when its node stops, and what it comes to afterwards is not kept.
func TestStopDoesNotWaitForWhoDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		g, ended := make(gate), make(chan error)
		w.register(journals(g))
		go func() {
			_, err := w.call("n1", "journal/a", "hang", "x")
			ended <- err
		}()
		synctest.Wait()
		began := time.Now()
		w.hosts["n1"].Stop()
		if took := time.Since(began); took != stopLimit {
			t.Errorf("it took %v", took)
		}
		w.lead(0, "n2")
		for _, name := range []string{"journal/a", "journal/b"} {
			if got := w.must("n2", name, "add", "y"); got != "1" {
				t.Errorf("%s has %s lines", name, got)
			}
		}
		close(g)
		if err := <-ended; typed(t, err) != shards.KindUnavailable {
			t.Errorf("the call that hung: %v", err)
		}
		w.hosts["n1"].Close()
		if took := time.Since(began); took >= closeLimit {
			t.Errorf("Close took %v, and nothing ran any more", took)
		}
		if got := w.must("n2", "journal/a", "look", struct{}{}); got != "y" {
			t.Errorf("it has %q", got)
		}
	})
}

// A kind that is unregistered is unknown; one that takes its place finds what its actors keep, and its own code handles their messages.
func TestKindsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "a")
		g := make(gate)
		w.register(journals(g))
		h, rain := w.hosts["a"], ID{"journal", "rain"}
		call := func(method, line string) (string, error) {
			return Call[string, string](t.Context(), h, rain, method, line)
		}
		if _, err := Call[string, int](t.Context(), h, rain, "add", "one"); err != nil {
			t.Fatal(err)
		}
		hung := make(chan error, 1)
		go func() {
			_, err := Call[string, int](t.Context(), h, rain, "hang", "two")
			hung <- err
		}()
		synctest.Wait()
		h.Unregister("journal")
		if _, err := call("look", ""); CodeOf(err) != CodeNoKind || h.Knows("journal") {
			t.Fatalf("of no kind: %v", err)
		}
		other := NewKind[journal]("journal")
		Handle(other, "other", func(c *Context[journal], _ string) (string, error) { return strings.Join(c.State.Lines, "+"), nil })
		if err := h.Register(other.Kind); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { close(g) }) // the call waits for it: the activation of the kind before has not left
		if said, err := call("other", ""); err != nil || said != "one+two" {
			t.Fatalf("the other kind: %q, %v", said, err)
		}
		if err := <-hung; err != nil {
			t.Fatal(err)
		}
	})
}

// Calls that wait for a primary are answered soon after it serves, however long that took and whenever they were made.
func TestCallsFollowTheNewPrimary(t *testing.T) {
	for _, named := range []time.Duration{5 * time.Millisecond, 300 * time.Millisecond, 2 * time.Second} { // after the old one died
		for _, ready := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 700 * time.Millisecond} { // after it was named
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "n1", "n2")
				w.register(journals(nil))
				w.must("n1", "journal/a", "add", "one")
				var serves atomic.Int64
				w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
					if serves.Load() == 0 {
						return nil, &shards.NotPrimaryError{}
					}
					return serve(ctx, to, body)
				}
				w.lead(0, "")
				var calls sync.WaitGroup
				for i := range 20 {
					calls.Go(func() {
						pass(named * time.Duration(i) / 20)
						_, err := w.call("n1", "journal/a", "add", "x")
						if late := time.Since(time.Unix(0, serves.Load())); err != nil || late > 50*time.Millisecond {
							t.Errorf("named after %v and ready %v later: a call was answered %v after that, with %v", named, ready, late, err)
						}
					})
				}
				pass(named)
				w.lead(0, "n2")
				pass(ready)
				serves.Store(time.Now().UnixNano())
				calls.Wait()
			})
		}
	}
}
