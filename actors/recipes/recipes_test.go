package recipes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// diary is an actor that watches a registry.
type diary struct{ Lines []string }

func diaryKind() *virtual.Kind {
	k := virtual.NewKind[diary]("diary")
	virtual.Handle(k, "note", func(c *virtual.Context[diary], told Changes) (struct{}, error) {
		for _, i := range told.Items {
			c.State.Lines = append(c.State.Lines, fmt.Sprintf("%d %s=%s %v", i.Revision, i.Key, i.Value, i.Deleted))
		}
		if told.Dropped {
			c.State.Lines = append(c.State.Lines, "dropped")
		}
		return struct{}{}, nil
	})
	virtual.Handle(k, "look", func(c *virtual.Context[diary], _ struct{}) (diary, error) { return *c.State, nil })
	return k.Kind
}

func kinds() []*virtual.Kind { return append(Kinds(), diaryKind()) }

// bubble runs a test with two nodes in a time of its own.
func bubble(t *testing.T, f func(t *testing.T, w *virtualtest.World)) {
	synctest.Test(t, func(t *testing.T) { f(t, virtualtest.New(t, 2, kinds)) })
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func open(t *testing.T, w *virtualtest.World) *Session {
	t.Helper()
	s := must[*Session](t)(Open(t.Context(), w.Host(1), 10*time.Second))
	t.Cleanup(func() { s.crash() })
	return s
}

// crash ends a session's process: nobody renews it any more, and nobody says so.
func (s *Session) crash() {
	s.cancel()
	s.work.Wait()
}

func TestSessionsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		if _, err := Open(ctx, w.Host(0), time.Millisecond); err == nil || !strings.Contains(err.Error(), "at least 1s") {
			t.Errorf("too short: %v", err)
		}
		s, r := open(t, w), NewRegistry(w.Host(0), "r")
		must[uint64](t)(r.Put(ctx, "k", []byte("v"), s))
		w.Pass(5 * time.Minute)
		if s.Over() || must[Item](t)(r.Get(ctx, "k")).Revision == 0 {
			t.Fatal("a session that is renewed has ended")
		}
		w.Lead(-1) // nobody can renew, which is nobody's fault
		w.Pass(time.Minute)
		w.Lead(1)
		if !s.Over() {
			t.Error("who cannot renew does not know it")
		}
		w.Pass(time.Second)
		if must[Item](t)(r.Get(ctx, "k")).Revision == 0 {
			t.Error("the session has ended before it got its TTL anew")
		}
		w.Pass(30 * time.Second)
		if must[Item](t)(r.Get(ctx, "k")).Revision != 0 {
			t.Error("the key outlives its session")
		}
		if _, err := r.Put(ctx, "k", nil, s); !errors.Is(err, ErrSessionOver) {
			t.Errorf("put after the end: %v", err)
		}
		if n := w.Keys("m/") + w.Keys("o/"); n != 0 {
			t.Errorf("%d reminders and messages are left", n)
		}
		closed := open(t, w)
		late := []string{closed.name, "never there"} // what is attached to them hears that they are over
		if err := closed.Close(ctx); err != nil {
			t.Error(err)
		}
		for _, name := range late {
			must[struct{}](t)(virtual.Call[virtual.ID, struct{}](ctx, w.Host(0), sessionID(name), "attach", virtual.ID{Kind: KindRegistry, Name: "r"}))
		}
		w.Pass(15 * time.Minute) // for so long calls may be tried again
		if n := w.Keys("s/{session/"); n != 0 {
			t.Errorf("%d sessions that are over keep a state", n)
		}
	})
}

// What is attached to a session that has ended hears so at once, even if the process does not know yet.
func TestAttachedTooLate(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		s, l := open(t, w), NewLock(w.Host(0), "l")
		s.crash()
		w.Pass(time.Minute)
		late := &Session{host: w.Host(0), name: s.name, done: make(chan struct{})}
		if token := must[uint64](t)(l.TryAcquire(t.Context(), late)); token != 1 {
			t.Errorf("token %d", token)
		}
		w.Pass(time.Second)
		if h := must[Holder](t)(l.Holder(t.Context())); h.Session != "" || h.Token != 1 {
			t.Errorf("held by %+v", h)
		}
	})
}

func lastError(_ uint64, err error) error { return err }

func TestLockAndElection(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		l, e := NewLock(w.Host(1), "l"), NewElection(w.Host(0), "e")
		for _, err := range []error{
			lastError(l.Acquire(t.Context(), nil)), lastError(l.TryAcquire(t.Context(), nil)), l.Release(t.Context(), nil),
			lastError(e.Campaign(t.Context(), nil, "")), lastError(NewBarrier(w.Host(0), "b").Wait(t.Context(), nil, 2)),
		} {
			if !errors.Is(err, errNoSession) {
				t.Errorf("without a session: %v", err)
			}
		}
		a, b, c := open(t, w), open(t, w), open(t, w)
		if first := must[uint64](t)(l.Acquire(ctx, a)); first != 1 || must[uint64](t)(l.Acquire(ctx, a)) != 1 {
			t.Errorf("first token %d", first)
		}
		if token := must[uint64](t)(l.TryAcquire(ctx, b)); token != 0 {
			t.Errorf("a lock that is held was given with token %d", token)
		}
		var got []string
		var waiting sync.WaitGroup
		for _, s := range []*Session{b, c} {
			waiting.Go(func() {
				token, err := l.Acquire(ctx, s)
				got = append(got, fmt.Sprint(token, err)) // one after the other
				_ = l.Release(ctx, s)
			})
			w.Pass(time.Second)
		}
		impatient, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := l.Acquire(impatient, open(t, w)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gives up: %v", err)
		}
		if h := must[Holder](t)(l.Holder(ctx)); h.Session != a.Name() || h.Waiting != 2 {
			t.Errorf("holder %+v", h)
		}
		a.crash()
		w.Lead(1)
		waiting.Wait()
		if !slices.Equal(got, []string{"2 <nil>", "3 <nil>"}) {
			t.Errorf("then %v", got)
		}
		term := must[uint64](t)(e.Campaign(ctx, b, "host b"))
		next := make(chan Holder, 1)
		go func() { h, _ := e.Next(ctx, term); next <- h }()
		waiting.Go(func() { _, _ = e.Campaign(ctx, c, "host c") })
		w.Pass(time.Second)
		if h := must[Holder](t)(e.Leader(ctx)); h.Value != "host b" || h.Token != term {
			t.Errorf("leader %+v", h)
		}
		if err := e.Resign(ctx, b); err != nil {
			t.Error(err)
		}
		waiting.Wait()
		if h := <-next; h.Value != "host c" || h.Token <= term {
			t.Errorf("then %+v", h)
		}
	})
}

func TestRegistryTellsWatchers(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		r, to := NewRegistry(w.Host(1), "services"), virtual.ID{Kind: "diary", Name: "d"}
		if err := errors.Join(r.Watch(ctx, "a", to, "note"), r.Watch(ctx, "a", to, "note")); err != nil {
			t.Fatal(err)
		}
		s, other := open(t, w), open(t, w)
		for i, key := range []string{"a/1", "b/1", "a/2"} {
			must[uint64](t)(r.Put(ctx, key, fmt.Append(nil, i), s))
		}
		if must[bool](t)(r.Create(ctx, "a/1", nil, other)) || !must[bool](t)(r.Create(ctx, "a/1", []byte("x"), s)) {
			t.Error("Create for a key of another, or not for one's own")
		}
		must[uint64](t)(r.Put(ctx, "a/2", []byte("taken over"), other))
		for i := range 2 * maxPage {
			must[uint64](t)(r.Put(ctx, fmt.Sprintf("c/%04d", i), nil, nil))
		}
		items, revision, err := r.List(ctx, "c/")
		if err != nil || len(items) != 2*maxPage || items[1].Key != "c/0001" || revision != 5+2*maxPage {
			t.Errorf("%d items at revision %d, %v", len(items), revision, err)
		}
		time.AfterFunc(20*time.Second, s.crash)
		if now := must[uint64](t)(r.Await(ctx, revision)); now != revision+1 {
			t.Errorf("revision %d after %d", now, revision)
		}
		if err := r.Unwatch(ctx, "a", to, "note"); err != nil {
			t.Error(err)
		}
		if err := r.Delete(ctx, "a/2"); err != nil {
			t.Error(err)
		}
		w.Pass(time.Second)
		want := []string{"1 a/1=0 false", "3 a/2=2 false", "4 a/1=x false", "5 a/2=taken over false", fmt.Sprintf("%d a/1= true", revision+1)}
		if got := must[diary](t)(virtual.Call[struct{}, diary](ctx, w.Host(0), to, "look", struct{}{})); !slices.Equal(got.Lines, want) {
			t.Errorf("told %q", got.Lines)
		}
	})
}

func TestQueueBringsBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		q := NewQueue(w.Host(1), "q")
		if err := q.Configure(ctx, QueueConfig{Visibility: time.Minute, Deliveries: 2}); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if id := must[uint64](t)(q.Push(ctx, fmt.Append(nil, "item ", i))); id != uint64(i) {
				t.Errorf("id %d", id)
			}
		}
		pop := func(wanted string) Delivery {
			t.Helper()
			d, found, err := q.Pop(ctx, 0)
			if err != nil || string(d.Body) != wanted || found != (wanted != "") {
				t.Fatalf("popped %q, %v, %v; want %q", d.Body, found, err, wanted)
			}
			return d
		}
		first, second := pop("item 0"), pop("item 1")
		if err := q.Ack(ctx, second); err != nil {
			t.Error(err)
		}
		if err := q.Ack(ctx, second); !errors.Is(err, ErrReceipt) {
			t.Errorf("acknowledged twice: %v", err)
		}
		third := pop("item 2")
		if err := q.Extend(ctx, third, 12*time.Hour+1); err == nil || !strings.Contains(err.Error(), "at most 12h0m0s") {
			t.Errorf("a delivery that takes more than 12 h: %v", err)
		}
		if err := q.Extend(ctx, third, time.Hour); err != nil {
			t.Error(err)
		}
		pop("")
		w.Lead(1)
		w.Pass(time.Minute + time.Second)
		again := pop("item 0")
		if err := q.Ack(ctx, first); !errors.Is(err, ErrReceipt) || again.Deliveries != 2 {
			t.Errorf("the old delivery: %v; the new one %+v", err, again)
		}
		if err := q.Nack(ctx, again); err != nil {
			t.Error(err)
		}
		pop("")
		if got := must[QueueStats](t)(q.Stats(ctx)); got != (QueueStats{0, 1, 1}) {
			t.Errorf("%+v", got)
		}
		aside := must[[]Delivery](t)(q.Aside(ctx, 0))
		if len(aside) != 1 || string(aside[0].Body) != "item 0" || !must[bool](t)(q.Redrive(ctx, 0)) || must[bool](t)(q.Redrive(ctx, 0)) {
			t.Errorf("set aside: %+v", aside)
		}
		time.AfterFunc(time.Minute, func() { _, _ = q.Push(ctx, []byte("new")) })
		if d := pop("item 0"); d.Deliveries != 1 || q.Ack(ctx, d) != nil || q.Ack(ctx, third) != nil {
			t.Errorf("redriven %+v", d)
		}
		d, found, err := q.Pop(ctx, time.Hour)
		if !found || err != nil || string(d.Body) != "new" {
			t.Errorf("waited for %+v, %v, %v", d, found, err)
		}
		if err := q.Ack(ctx, d); err != nil || w.Keys("d/") != 0 {
			t.Errorf("%v; %d keys are left", err, w.Keys("d/"))
		}
	})
}

func TestBarrierOpens(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		b := NewBarrier(w.Host(0), "b")
		sessions := []*Session{open(t, w), open(t, w), open(t, w), open(t, w)}
		for round := range uint64(3) {
			var waiting sync.WaitGroup
			passed := make(chan uint64, 3)
			gone := sessions[3]
			if round == 1 { // one comes, and dies
				waiting.Go(func() {
					if _, err := b.Wait(ctx, gone, 3); !errors.Is(err, ErrSessionOver) {
						t.Errorf("who died passed: %v", err)
					}
				})
				w.Pass(time.Second)
				gone.crash()
				w.Pass(time.Minute)
			}
			for i, s := range sessions[:3] {
				waiting.Go(func() {
					g, err := b.Wait(ctx, s, 3)
					if err != nil {
						t.Error(err)
					}
					passed <- g
				})
				w.Pass(time.Minute)
				if i < 2 && len(passed) > 0 {
					t.Errorf("round %d: open for %d of 3", round, i+1)
				}
			}
			waiting.Wait()
			for range 3 {
				if g := <-passed; g != round {
					t.Errorf("passed generation %d in round %d", g, round)
				}
			}
		}
	})
}
