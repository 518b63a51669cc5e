package recipes

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
	"github.com/troupe-actors/troupe/shards"
)

// Who cannot be told is no watcher, whoever asks for it: it would break the registry for everybody.
func TestWatchersCanBeTold(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		r := NewRegistry(w.Host(1), "services")
		for _, bad := range []watcher{
			{To: virtual.ID{}, Method: "note"},
			{To: virtual.ID{Kind: "a/b", Name: "x"}, Method: "note"},
			{To: virtual.ID{Kind: "diary", Name: strings.Repeat("x", virtual.MaxName)}, Method: "note"},
			{To: virtual.ID{Kind: "diary", Name: "d"}},
			{To: virtual.ID{Kind: "diary", Name: "d"}, Method: strings.Repeat("m", virtual.MaxName+1)},
		} {
			var own *shards.Error
			if err := r.Watch(ctx, "", bad.To, bad.Method); !errors.As(err, &own) || own.Kind != shards.KindInvalid {
				t.Errorf("%.40v watches: %v", bad, err)
			}
			_, err := virtual.Call[watching, struct{}](ctx, w.Host(1), r.id, "watch", watching{Watcher: bad})
			if virtual.CodeOf(err) != virtual.CodeFailed {
				t.Errorf("%.40v is put in behind the door: %v", bad, err)
			}
			if err := r.Unwatch(ctx, "", bad.To, bad.Method); err != nil {
				t.Errorf("%.40v watches no more: %v", bad, err)
			}
		}
		if err := r.Watch(ctx, strings.Repeat("p", maxKey+1), virtual.ID{Kind: "diary", Name: "d"}, "note"); virtual.CodeOf(err) != virtual.CodeFailed {
			t.Errorf("a prefix longer than any key: %v", err)
		}
		if _, err := virtual.Call[virtual.ID, struct{}](ctx, w.Host(1), sessionID("s"), "attach", virtual.ID{Kind: "a/b"}); virtual.CodeOf(err) != virtual.CodeFailed {
			t.Errorf("attached to a session: %v", err)
		}
	})
}

// A watcher that cannot be told, and was taken by an earlier release, holds nobody up any more: keys come, and go with their sessions.
func TestOldWatchersHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		earlier := true
		w := virtualtest.New(t, 2, func() []*virtual.Kind {
			list := kinds()
			if earlier { // the first node
				old := virtual.NewKind[registry](KindRegistry)
				virtual.Handle(old, "watch", func(c *virtual.Context[registry], to watcher) (int, error) {
					c.State.Watchers = append(c.State.Watchers, to)
					return 0, nil
				})
				for i := range list {
					if list[i].Name() == KindRegistry {
						list[i] = old.Kind
					}
				}
			}
			earlier = false
			return list
		})
		ctx := t.Context()
		r, to := NewRegistry(w.Host(1), "services"), virtual.ID{Kind: "diary", Name: "d"}
		for _, each := range []watcher{{To: virtual.ID{Kind: "a/b"}, Method: "note"}, {To: to, Method: "note"}} {
			must[int](t)(virtual.Call[watcher, int](ctx, w.Host(0), r.id, "watch", each))
		}
		w.Lead(1)
		s := open(t, w)
		must[uint64](t)(r.Put(ctx, "a", []byte("1"), s))
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Minute)
		if i := must[Item](t)(r.Get(ctx, "a")); i.Revision != 0 {
			t.Errorf("it is there without its session: %v", i)
		}
		if got := must[diary](t)(virtual.Call[struct{}, diary](ctx, w.Host(1), to, "look", struct{}{})); strings.Join(got.Lines, ", ") != "1 a=1 false, 2 a= true" {
			t.Errorf("told %q", got.Lines)
		}
	})
}

// What is no UTF-8 is refused, and not kept under another name.
func TestNamesAndKeysAreText(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		const bad = "a\xffb"
		ctx, h, s := t.Context(), w.Host(1), open(t, w)
		r := NewRegistry(h, "services")
		_, put := r.Put(ctx, bad, nil, nil)
		_, named := NewRegistry(h, bad).Put(ctx, "a", nil, s)
		_, got := r.Get(ctx, bad)
		_, _, listed := r.List(ctx, bad)
		_, held := NewLock(h, bad).Acquire(ctx, s)
		_, tried := NewLock(h, bad).TryAcquire(ctx, s)
		_, led := NewElection(h, "e").Campaign(ctx, s, bad)
		_, met := NewBarrier(h, bad).Wait(ctx, s, 1)
		for what, err := range map[string]error{
			"put": put, "named": named, "get": got, "list": listed, "delete": r.Delete(ctx, bad), "watch": r.Watch(ctx, bad, virtual.ID{Kind: "diary", Name: "d"}, "note"),
			"lock": held, "try": tried, "campaign": led, "barrier": met,
		} {
			var own *shards.Error
			if !errors.As(err, &own) || own.Kind != shards.KindInvalid {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}
