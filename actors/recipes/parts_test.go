package recipes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

// A session whose keys are more than one message may tell all watchers of ends in parts: each watcher is told of each key, once and in order.
func TestManyKeysOfASessionEndInParts(t *testing.T) {
	bubble(t, func(t *testing.T, w *virtualtest.World) {
		ctx := t.Context()
		s, r := open(t, w), NewRegistry(w.Host(1), "services")
		must[uint64](t)(r.Put(ctx, "another", nil, nil))
		for i := range MaxSessionKeys {
			must[uint64](t)(r.Put(ctx, fmt.Sprintf("%03d%s", i, strings.Repeat("<", maxKey-3)), nil, s))
		}
		for i := range MaxWatchers {
			if err := r.Watch(ctx, "", virtual.ID{Kind: "diary", Name: fmt.Sprint("d", i)}, "note"); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		w.Pass(time.Minute)
		items, _, err := r.List(ctx, "")
		if err != nil || len(items) != 1 {
			t.Errorf("%d keys are left, %v", len(items), err)
		}
		for i := range MaxWatchers {
			d := must[diary](t)(virtual.Call[struct{}, diary](ctx, w.Host(0), virtual.ID{Kind: "diary", Name: fmt.Sprint("d", i)}, "look", struct{}{}))
			var gone []string
			for _, line := range d.Lines {
				_, key, _ := strings.Cut(line, " ")
				gone = append(gone, key[:3])
			}
			if len(gone) != MaxSessionKeys || !slices.IsSorted(gone) || len(slices.Compact(gone)) != MaxSessionKeys {
				t.Fatalf("watcher %d is told of %d keys that are gone", i, len(gone))
			}
		}
	})
}
