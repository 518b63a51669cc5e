package virtual_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
)

func once(p *post, node int, name, id, method, request string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	return virtual.CallOnce[string, string](ctx, p.Host(node), virtual.ID{Kind: "mailer", Name: name}, id, method, request)
}

// A request with an id is handled once for ten minutes, refused or not, by way of whatever node; another id, or another actor, is another request.
func TestCallOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		for i, c := range []struct{ name, id, request, has string }{
			{"a", "1", "one", "one"}, {"a", "1", "one", "one"}, {"a", "1", "other", "one"}, {"b", "1", "one", "one"}, {"a", "2", "two", "one, two"}, {"a", "1", "one", "one, two"},
		} {
			reply, err := once(p, i%2, c.name, c.id, "take", c.request)
			if got := p.call(c.name, "look", ""); err != nil || reply != "thanks" || got != c.has {
				t.Errorf("%+v: %q, %v; it has %s", c, reply, err, got)
			}
			p.Lead(i % 2)
		}
		p.closed.Store(true)
		if _, err := once(p, 0, "a", "3", "take", "three"); virtual.CodeOf(err) != virtual.CodeFailed {
			t.Errorf("refused: %v", err)
		}
		p.closed.Store(false)
		if _, err := once(p, 1, "a", "3", "take", "three"); virtual.CodeOf(err) != virtual.CodeFailed || !strings.Contains(err.Error(), "closed") {
			t.Errorf("a refusal is remembered: %v", err)
		}
		p.Pass(11 * time.Minute)
		if _, err := once(p, 1, "a", "3", "take", "three"); err != nil || p.call("a", "look", "") != "one, two, three" {
			t.Errorf("later: %v; it has %s", err, p.call("a", "look", ""))
		}
		for _, id := range []string{"", strings.Repeat("x", virtual.MaxRequestID+1)} {
			if _, err := once(p, 0, "a", id, "take", "four"); err == nil {
				t.Errorf("an id of %d bytes is taken", len(id))
			}
		}
	})
}

// Many call with the same ids at the same time by way of all nodes, while commits fail or happen without a word and the shard changes hands: whoever
// gets an answer gets the same, and each request is handled once.
func TestCallOnceUnderFailovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.Faults(func(commit int) virtualtest.Fault {
			switch commit % 7 {
			case 1:
				return virtualtest.Unknown
			case 4:
				return virtualtest.Refused
			}
			return virtualtest.Fine
		})
		const requests = 15
		var work sync.WaitGroup
		for i := range 6 {
			work.Go(func() {
				for n := range requests {
					for try := 0; ; try++ {
						reply, err := once(p, (i+try)%2, "a", fmt.Sprint(n), "take", fmt.Sprintf("%02d", n))
						if err == nil && reply == "thanks" {
							break
						}
						if err == nil || virtual.CodeOf(err) != 0 || errors.Is(err, context.Canceled) {
							t.Errorf("request %d: %q, %v", n, reply, err)
							return
						}
					}
				}
			})
		}
		for i := range 10 {
			<-time.After(2 * time.Millisecond) // by the clock of the bubble
			p.Lead(i % 2)
		}
		work.Wait()
		p.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
		if got := p.call("a", "look", ""); len(strings.Split(got, ", ")) != requests {
			t.Errorf("a has %s", got)
		}
	})
}

// A refusal by what cannot handle the request yet is not its answer: with the same id it is handled later, and once.
func TestCallOnceAfterWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		methods := map[string]virtual.Code{"later": virtual.CodeFailed, "unknown": virtual.CodeUnknown, "unable": virtual.CodeUnable, "no kind": 0}
		p.closed.Store(true)
		for method, code := range methods {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // where a node knows a kind that another does not, it tries for as long
			if _, err := virtual.CallOnce[string, string](ctx, p.Host(0), virtual.ID{Kind: "mailer", Name: method}, "1", method, "one"); err == nil || virtual.CodeOf(err) != code {
				t.Errorf("%s: %v", method, err)
			}
			cancel()
		}
		p.closed.Store(false)
		for method := range methods {
			for range 2 {
				reply, err := once(p, 1, method, "1", method, "one")
				if got := p.call(method, "look", ""); err != nil || reply != "thanks" || strings.Contains(got, ",") || got == "" {
					t.Errorf("%s: %q, %v; it has %q", method, reply, err, got)
				}
			}
		}
	})
}
