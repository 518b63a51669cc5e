package recipes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// Nothing of a queue that is dropped stays, and what belongs to it means nothing to the next of its name.
func TestDroppedQueueIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		q := NewQueue(w.Host(1), "jobs")
		if err := errors.Join(q.Drop(ctx), q.Configure(ctx, QueueConfig{Visibility: time.Hour, Deliveries: 1})); err != nil {
			t.Fatal(err)
		}
		for i := range 10 * purged {
			must[uint64](t)(q.Push(ctx, fmt.Append(nil, i)))
		}
		old, _, err := q.Pop(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		set, _, err := q.Pop(ctx, 0)
		if err := errors.Join(err, q.Nack(ctx, set)); err != nil {
			t.Fatal(err)
		}
		holdPurge(w)
		if err := q.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		_, pushed := q.Push(ctx, nil)
		_, _, popped := q.Pop(ctx, 0)
		for what, err := range map[string]error{"push": pushed, "pop": popped, "configure": q.Configure(ctx, QueueConfig{})} {
			if !errors.Is(err, ErrDropping) {
				t.Errorf("%s, before all is removed: %v", what, err)
			}
		}
		if list := must[[]Delivery](t)(q.Aside(ctx, 0)); len(list) > 0 || must[QueueStats](t)(q.Stats(ctx)) != (QueueStats{}) {
			t.Errorf("%v is set aside", list)
		}
		w.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
		if err := q.Drop(ctx); err != nil {
			t.Errorf("once more: %v", err)
		}
		w.Pass(time.Hour)
		if n := w.Keys("d/{queue/jobs}") + w.Keys("s/{queue/jobs}") + w.Keys("m/{queue/jobs}"); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		must[uint64](t)(q.Push(ctx, []byte("new")))
		d, found, err := q.Pop(ctx, 0)
		if err != nil || !found || d.ID != old.ID || string(d.Body) != "new" {
			t.Errorf("%+v, %v, %v", d, found, err)
		}
		if err := q.Ack(ctx, old); !errors.Is(err, ErrReceipt) {
			t.Errorf("who had an item of the old queue acknowledges one of the next: %v", err)
		}
		if err := q.Ack(ctx, d); err != nil {
			t.Error(err)
		}
	})
}

// holdPurge lets the next commit happen, which drops, and none after it: else all might be removed before anybody looks.
func holdPurge(w *virtualtest.World) {
	dropped := false
	w.Faults(func(int) virtualtest.Fault {
		if dropped {
			return virtualtest.Refused
		}
		dropped = true
		return virtualtest.Fine
	})
}

// Nothing of a registry that is dropped stays, its watchers are told, and who waits for a change goes on.
func TestDroppedRegistryIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		r, to := NewRegistry(w.Host(1), "services"), virtual.ID{Kind: "diary", Name: "d"}
		if err := errors.Join(r.Drop(ctx), r.Watch(ctx, "a", to, "note")); err != nil {
			t.Fatal(err)
		}
		s := open(t, w)
		for i := range 10 * purged {
			must[uint64](t)(r.Put(ctx, fmt.Sprint("b", i), nil, nil))
		}
		last := must[uint64](t)(r.Put(ctx, "a", []byte("1"), s))
		told := make(chan uint64, 1)
		go func() {
			now, err := r.Await(ctx, last)
			if err != nil {
				t.Error(err)
			}
			told <- now
		}()
		w.Pass(time.Second)
		holdPurge(w)
		if err := r.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Put(ctx, "c", nil, nil); !errors.Is(err, ErrDropping) {
			t.Errorf("put before all is removed: %v", err)
		}
		if err := r.Watch(ctx, "", to, "note"); !errors.Is(err, ErrDropping) {
			t.Errorf("watched before all is removed: %v", err)
		}
		if list, _, err := r.List(ctx, ""); len(list) > 0 || err != nil || must[Item](t)(r.Get(ctx, "a")).Revision != 0 {
			t.Errorf("%d items, %v", len(list), err)
		}
		w.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
		if err := r.Drop(ctx); err != nil {
			t.Errorf("once more: %v", err)
		}
		if now := <-told; now != 0 {
			t.Errorf("who waits for a change after %d is told %d", last, now)
		}
		w.Pass(time.Hour)
		if n := w.Keys("d/{registry/services}") + w.Keys("s/{registry/services}"); n != 0 {
			t.Errorf("%d keys are left", n)
		}
		must[uint64](t)(r.Put(ctx, "a", []byte("2"), nil))
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Minute)
		if i := must[Item](t)(r.Get(ctx, "a")); string(i.Value) != "2" || i.Revision != 1 {
			t.Errorf("after the end of a session that had the key in the old registry: %+v", i)
		}
		got := must[diary](t)(virtual.Call[struct{}, diary](ctx, w.Host(1), to, "look", struct{}{}))
		if strings.Join(got.Lines, ", ") != fmt.Sprintf("%d a=1 false, dropped", last) {
			t.Errorf("told %q", got.Lines)
		}
	})
}

// What is dropped goes on where the node that removed it could not, when it is dropped again; also where actors cannot be sent to by its name.
func TestDroppedAgainGoesOn(t *testing.T) {
	nodes := 0
	stuck := func() []*virtual.Kind {
		if nodes++; nodes > 1 {
			return kinds()
		}
		k := virtual.NewKind[queue](KindQueue)
		virtual.Handle(k, "push", push)
		virtual.Handle(k, "drop", dropQueue)
		virtual.Handle(k, "purge", func(*virtual.Context[queue], struct{}) (struct{}, error) { return struct{}{}, errors.New("not here") })
		return []*virtual.Kind{k.Kind}
	}
	synctest.Test(t, func(t *testing.T) {
		w, ctx := virtualtest.New(t, 2, stuck), t.Context()
		q := NewQueue(w.Host(1), "jobs\xff")
		for i := range 3 * purged {
			must[uint64](t)(q.Push(ctx, fmt.Append(nil, i)))
		}
		if err := q.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Hour)
		w.Lead(1)
		w.Pass(time.Minute)
		if _, err := q.Push(ctx, nil); !errors.Is(err, ErrDropping) {
			t.Fatalf("push, before all is removed: %v", err)
		}
		if err := q.Drop(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Hour)
		if n := w.Keys("d/{queue/") + w.Keys("s/{queue/") + w.Keys("m/{queue/"); n != 0 {
			t.Errorf("%d keys are left", n)
		}
	})
}

// Only of what was dropped anything is removed, whoever asks for it.
func TestWhatIsNotDroppedStays(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		q, r := NewQueue(w.Host(1), "jobs"), NewRegistry(w.Host(1), "services")
		must[uint64](t)(q.Push(ctx, []byte("a")))
		must[uint64](t)(r.Put(ctx, "a", []byte("1"), nil))
		for _, id := range []virtual.ID{q.id, r.id} {
			must[struct{}](t)(virtual.Call[struct{}, struct{}](ctx, w.Host(0), id, "purge", struct{}{}))
		}
		if d, found, err := q.Pop(ctx, 0); err != nil || !found || string(d.Body) != "a" {
			t.Errorf("%+v, %v, %v", d, found, err)
		}
		if i := must[Item](t)(r.Get(ctx, "a")); string(i.Value) != "1" {
			t.Errorf("%+v", i)
		}
	})
}
