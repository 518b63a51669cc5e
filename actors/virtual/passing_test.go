package virtual

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A handler that gives an error of a shard back, of whatever kind, has refused its message, once and in its own words: it comes from a write to
// another keyspace, say, and not from what the message leans on.
func TestErrorsOfHandlersAreRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for kind := shards.KindUnknown; kind <= shards.KindCorrupt; kind++ {
			runs := 0
			mine := errors.New("mine")
			w := newWorld(t, 1, "n1", "n2")
			w.register(drawers(func(*Context[struct{}]) (string, error) {
				runs++
				return "", fmt.Errorf("my write: %w", &shards.Error{Kind: kind, Err: mine})
			}))
			began := time.Now()
			_, err := w.call("n2", "drawer/a", "run", 0)
			if CodeOf(err) != CodeFailed || !strings.Contains(err.Error(), "my write: ") || errors.As(err, new(*shards.Error)) || runs != 1 || time.Since(began) > 0 {
				t.Errorf("%v: %v, after %d runs in %v", kind, err, runs, time.Since(began))
			}
		}
	})
}

// deaf cannot read while it has an error.
type deaf struct {
	Storage
	err *error
}

// Read fails.
func (d deaf) Read(ctx context.Context, keyspace string, keys []string) ([]Stored, error) {
	if *d.err != nil && strings.HasPrefix(keys[0], "d/") {
		return nil, *d.err
	}
	return d.Storage.Read(ctx, keyspace, keys)
}

// Scan fails.
func (d deaf) Scan(ctx context.Context, keyspace string, s Span) iter.Seq2[Entry, error] {
	if *d.err != nil {
		return func(yield func(Entry, error) bool) { yield(Entry{}, *d.err) }
	}
	return d.Storage.Scan(ctx, keyspace, s)
}

// What the turn itself could not read is no refusal: the handler may wrap it as it likes, and runs again until it can. The same holds for what it
// puts off.
func TestErrorsOfTheTurnPass(t *testing.T) {
	for name, look := range map[string]func(c *Context[struct{}]) error{
		"get": func(c *Context[struct{}]) error {
			_, _, err := c.Get("a")
			return err
		},
		"scan": func(c *Context[struct{}]) error {
			for _, err := range c.Scan("") {
				return err
			}
			return nil
		},
		"clear": func(c *Context[struct{}]) error { return c.Clear() },
		"later": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			var down error = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("away")}
			w := newWorld(t, 1, "n1")
			w.hosts["n1"].c.Storage = deaf{w.hosts["n1"].c.Storage, &down}
			runs := 0
			w.register(drawers(func(c *Context[struct{}]) (string, error) {
				if runs++; runs == 3 {
					down = nil
				}
				if look == nil && down != nil {
					return "", c.Later("not yet")
				}
				if look != nil {
					if err := look(c); err != nil {
						return "", fmt.Errorf("as I say: %w", err)
					}
				}
				return "done", nil
			}))
			if got, err := w.call("n1", "drawer/a", "run", 0); got != "done" || runs != 3 {
				t.Errorf("%s: %q, %v, after %d runs", name, got, err, runs)
			}
		})
	}
}

// A shard that is damaged has refused nothing: who has called hears what it said, and in whose words.
func TestDamageIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down error = &shards.Error{Kind: shards.KindCorrupt, Err: errors.New("a damaged record")}
		w := newWorld(t, 1, "n1")
		w.hosts["n1"].c.Storage = deaf{w.hosts["n1"].c.Storage, &down}
		w.register(drawers(func(c *Context[struct{}]) (string, error) {
			_, _, err := c.Get("a")
			return "", err
		}))
		if _, err := w.call("n1", "drawer/a", "run", 0); CodeOf(err) != 0 || kindOf(err) != shards.KindCorrupt {
			t.Errorf("%v", err)
		}
	})
}
