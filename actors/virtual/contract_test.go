package virtual

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// watchers is a kind whose method "watch" is at it until it is told to stop, and then fails with what says why; after the first time it
// replies at once.
func watchers(handled *atomic.Int64, why func(ctx context.Context) error) func() *Kind {
	return func() *Kind {
		k := NewKind[clerk]("clerk")
		Handle(k, "watch", func(c *Context[clerk], n int) (int, error) {
			if handled.Add(1) > 1 {
				return n, nil
			}
			<-c.Context().Done()
			return 0, why(c.Context())
		})
		Handle(k, "ask", func(c *Context[clerk], to string) (uint64, error) {
			return c.Ask(ID{"clerk", to}, "watch", 7, "answered")
		})
		HandleAnswer(k, "answered", func(c *Context[clerk], a Answer[int]) error {
			text := fmt.Sprint(a.Reply)
			if a.Refused != nil {
				text = a.Refused.Error()
			}
			c.State.Answers = append(c.State.Answers, text)
			return nil
		})
		HandleRead(k, "heard", func(c *Reading[clerk], _ struct{}) (string, error) { return fmt.Sprint(c.State.Answers), nil })
		return k.Kind
	}
}

func ofContext(ctx context.Context) error { return fmt.Errorf("it was ended: %w", ctx.Err()) }

// typed checks what Call says of its errors.
func typed(t *testing.T, err error) shards.ErrorKind {
	t.Helper()
	own, kinded := (*Error)(nil), (*shards.Error)(nil)
	if errors.As(err, &own) == errors.As(err, &kinded) {
		t.Errorf("%v is neither or both of *Error and *shards.Error", err)
	}
	return kindOf(err)
}

// The end of a caller's context is what its error says, whoever noticed it first: not that the handler has failed.
func TestHandlerEndsWithItsCaller(t *testing.T) {
	for _, from := range []shards.NodeID{"n1", "n2"} {
		for range 8 { // handler and caller notice it at the same time
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "n1", "n2")
				w.register(watchers(new(atomic.Int64), ofContext))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := Call[int, int](ctx, w.hosts[from], ID{"clerk", "a"}, "watch", 1)
				if kind := typed(t, err); !errors.Is(err, context.DeadlineExceeded) || kind != shards.KindOutcomeUnknown && kind != shards.KindUnavailable {
					t.Errorf("from %s: %v, of kind %s", from, err, kind)
				}
			})
		}
	}
}

// A handler that stops since its node does has refused nothing: calls and questions are handled where the actor lives next.
func TestHandlerEndsWithItsNode(t *testing.T) {
	for name, why := range map[string]func(context.Context) error{
		"with the context's error": ofContext,
		"with an error of its own": func(context.Context) error { return errors.New("I was told to stop") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "n1", "n2", "n3")
				w.register(watchers(new(atomic.Int64), why))
				called := make(chan error)
				go func() { _, err := w.call("n2", "clerk/a", "watch", 1); called <- err }()
				synctest.Wait()
				w.hosts["n1"].Close()
				w.lead(0, "n3")
				if err := <-called; err != nil {
					t.Errorf("a call: %v", err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 8, "n1", "n2", "n3")
				w.register(watchers(new(atomic.Int64), why))
				asked := "b"
				for w.home(ID{"clerk", asked}) == w.home(ID{"clerk", "a"}) {
					asked += "b"
				}
				w.lead(w.home(ID{"clerk", "a"}), "n2")
				w.must("n2", "clerk/a", "ask", asked)
				synctest.Wait()
				w.hosts["n1"].Close()
				w.lead(w.home(ID{"clerk", asked}), "n3")
				pass(time.Minute)
				if got := w.must("n2", "clerk/a", "heard", struct{}{}); got != "[7]" {
					t.Errorf("a question was answered with %s", got)
				}
			})
		})
	}
}

// A handler that takes too long for an actor that has asked has failed: the question would come for ever.
func TestHandlerIsTooLateForAnActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(watchers(new(atomic.Int64), ofContext))
		w.must("n1", "clerk/a", "ask", "b")
		pass(time.Minute)
		if got := w.must("n1", "clerk/a", "heard", struct{}{}); got != "[actor clerk/b, method watch: failed: it was ended: context deadline exceeded]" {
			t.Errorf("the question was answered with %s", got)
		}
	})
}

// That is so on another node, too, which learns from the sender's that the time is up before its own clock says so.
func TestHandlerElsewhereIsTooLateForAnActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, "n1", "n2")
		w.register(watchers(new(atomic.Int64), ofContext))
		asked := "b"
		for w.home(ID{"clerk", asked}) == w.home(ID{"clerk", "a"}) {
			asked += "b"
		}
		w.lead(w.home(ID{"clerk", asked}), "n2")
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			deadline, _ := ctx.Deadline()
			there, end := context.WithDeadline(context.WithoutCancel(ctx), deadline.Add(time.Millisecond))
			defer end()
			type answered struct {
				body []byte
				err  error
			}
			answer := make(chan answered, 1)
			go func() {
				body, err := serve(there, to, body)
				answer <- answered{body, err}
			}()
			select {
			case a := <-answer:
				return a.body, a.err
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		w.must("n1", "clerk/a", "ask", asked)
		pass(time.Minute)
		if got := w.must("n1", "clerk/a", "heard", struct{}{}); got != "[actor clerk/"+asked+", method watch: failed: it was ended: context canceled]" {
			t.Errorf("the question was answered with %s", got)
		}
	})
}

// A call whose context ends before the second try was perhaps handled by the first.
func TestEndOfContextAfterAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(journals(nil))
		ctx, cancel := context.WithCancel(t.Context())
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			_, _ = serve(ctx, to, body)
			cancel()
			return nil, errors.New("the link broke")
		}
		_, err := Call[string, int](ctx, w.hosts["n2"], ID{"journal", "a"}, "add", "x")
		if typed(t, err) != shards.KindOutcomeUnknown || !errors.Is(err, context.Canceled) {
			t.Errorf("it may have been handled, and was: %v", err)
		}
	})
}

// Each error of Call is of one of two types, and says what the caller may do.
func TestErrorsOfCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		w.register(journals(nil))
		h, id := w.hosts["n2"], ID{"journal", "a"}
		if _, err := Call[string, []string](t.Context(), h, id, "add", "x"); CodeOf(err) != CodeBadReply || typed(t, err) != 0 {
			t.Errorf("a number for a list: %v", err)
		}
		w.lines("journal/a", "x")
		if _, err := Call[any, int](t.Context(), h, id, "add", func() {}); typed(t, err) != shards.KindInvalid {
			t.Errorf("a request that is no JSON: %v", err)
		}
		w.spoil = func([]Op) error { return &shards.Error{Kind: shards.KindFull, Err: errors.New("the node is full")} }
		if _, err := Call[string, int](t.Context(), w.hosts["n1"], id, "add", "y"); typed(t, err) != shards.KindFull {
			t.Errorf("a node that is full: %v", err)
		}
		tries := 0
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			if tries++; tries == 1 {
				return nil, errors.New("the link broke")
			}
			return serve(ctx, to, body)
		}
		if _, err := Call[string, int](t.Context(), h, id, "add", "y"); typed(t, err) != shards.KindOutcomeUnknown {
			t.Errorf("a node that is full, when an earlier try may have been handled: %v", err)
		}
		w.lead(0, "")
		if _, err := Call[string, int](t.Context(), h, id, "add", "y"); typed(t, err) != shards.KindUnavailable {
			t.Errorf("nobody leads: %v", err)
		}
	})
}

// What a storage has given up after the node's patience is not tried for as long again, and what is left of it when a node leads at last is all
// that its storage has: on whatever node the actor lives.
func TestPatienceIsSpentOnce(t *testing.T) {
	for _, from := range []shards.NodeID{"n1", "n2"} {
		for _, kind := range []shards.ErrorKind{shards.KindUnavailable, shards.KindOutcomeUnknown} {
			for _, alone := range []time.Duration{0, 3 * time.Second} { // without a primary
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1, "n1", "n2")
					w.register(journals(nil))
					patience := w.hosts["n1"].c.Patience
					w.stall = func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, patience)
						defer cancel()
						<-ctx.Done()
						return &shards.Error{Kind: kind, Err: fmt.Errorf("nobody writes: %w", ErrGivenUp)}
					}
					w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
						body, err := serve(ctx, to, body)
						if err != nil { // kind and text are all that crosses the wire
							err = &shards.Error{Kind: kindOf(err), Err: errors.New(err.Error())}
						}
						return body, err
					}
					if alone > 0 {
						w.lead(0, "")
					}
					b := w.begin(from, "journal/a", "add", "x")
					if alone > 0 {
						pass(alone)
						w.lead(0, "n1")
					}
					pass(10 * patience)
					if !b.over() || typed(t, b.err) != kind || b.took > patience {
						t.Errorf("from %s, %v, without a primary for %v: after %v: %v", from, kind, alone, b.took, b.err)
					}
				})
			}
		}
	}
}

// A node of an earlier release sends the time that its caller has, and learns of spent patience as of any error.
func TestPatienceOfAnEarlierRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(journals(nil))
		w.stall = func(ctx context.Context) error {
			<-ctx.Done()
			return &shards.Error{Kind: shards.KindUnavailable, Err: ErrGivenUp}
		}
		m, began := &message{To: ID{"journal", "a"}, Method: "add", Payload: []byte(`"x"`), Client: 1, Lane: 1, Seq: 1, Event: EventCall, Wait: int64(time.Second)}, time.Now()
		if body, err := serve(t.Context(), w.hosts["n1"], m.encode()); err == nil || time.Since(began) != time.Second {
			t.Errorf("%q, %v after %v", body, err, time.Since(began))
		}
	})
}

// The reason of a handler comes with its refusal: from whatever node, again if the call is repeated, and in the answer to a question.
func TestReasonOfARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, "n1", "n2")
		w.register(func() *Kind {
			k := NewKind[clerk]("clerk")
			Handle(k, "refuse", func(_ *Context[clerk], text string) (int, error) { return 0, Fail("no-funds", "%s", text) })
			Handle(k, "refuseAround", func(_ *Context[clerk], text string) (int, error) {
				return 0, fmt.Errorf("till 3: %w: come again", Fail("no-funds", "%s", text))
			})
			Handle(k, "break", func(_ *Context[clerk], text string) (int, error) { return 0, errors.New(text) })
			Handle(k, "ask", func(c *Context[clerk], to string) (uint64, error) {
				return c.Ask(ID{"clerk", to}, "refuse", "x", "answered")
			})
			HandleAnswer(k, "answered", func(c *Context[clerk], a Answer[int]) error {
				c.State.Answers = append(c.State.Answers, a.Refused.Reason)
				return nil
			})
			Handle(k, "heard", func(c *Context[clerk], _ struct{}) (string, error) { return fmt.Sprint(c.State.Answers), nil })
			return k.Kind
		})
		w.way = func(ctx context.Context, to *Host, body []byte) ([]byte, error) {
			if m, err := decodeMessage(body); err == nil && !m.Unsure { // the answer is lost: the next try finds what was kept
				_, _ = serve(ctx, to, body)
				return nil, errors.New("the link broke")
			}
			return serve(ctx, to, body)
		}
		for _, from := range []shards.NodeID{"n1", "n2"} {
			for _, text := range []string{"only 3 are there", "odd\x00text", ""} {
				_, err := w.call(from, "clerk/a", "refuse", text)
				if own := (*Error)(nil); !errors.As(err, &own) || own.Code != CodeFailed || own.Text != text || ReasonOf(err) != "no-funds" || !strings.Contains(err.Error(), "(no-funds)") {
					t.Errorf("from %s, with a reason: %q", from, err)
				}
				_, err = w.call(from, "clerk/a", "refuseAround", text)
				if own := (*Error)(nil); !errors.As(err, &own) || own.Code != CodeFailed || own.Text != "till 3: "+text+": come again" || ReasonOf(err) != "no-funds" {
					t.Errorf("from %s, with a reason inside: %q", from, err)
				}
				_, err = w.call(from, "clerk/a", "break", text)
				if own := (*Error)(nil); !errors.As(err, &own) || own.Text != text || own.Reason != "" {
					t.Errorf("from %s, without: %q", from, err)
				}
			}
		}
		asked := "b"
		for w.home(ID{"clerk", asked}) == w.home(ID{"clerk", "a"}) {
			asked += "b"
		}
		w.lead(w.home(ID{"clerk", asked}), "n2")
		w.must("n1", "clerk/a", "ask", asked)
		pass(time.Minute)
		if got := w.must("n1", "clerk/a", "heard", struct{}{}); got != "[no-funds]" {
			t.Errorf("a question was refused with %s", got)
		}
	})
}
