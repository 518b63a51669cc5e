package virtual_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
	"github.com/troupe-actors/troupe/shards"
)

// letters are what a mailer has sent or was told, in order.
type letters struct{ Got []string }

// mailers tell, ask and remind each other; while closed is set they refuse what comes.
func mailers(closed *atomic.Bool) func() []*virtual.Kind {
	return func() []*virtual.Kind {
		k := virtual.NewKind[letters]("mailer")
		take := func(c *virtual.Context[letters], text string) (string, error) {
			if closed.Load() {
				return "", errors.New("closed")
			}
			c.State.Got = append(c.State.Got, text)
			return "thanks", nil
		}
		virtual.Handle(k, "take", take)
		virtual.Handle(k, "bell", take)
		virtual.Handle(k, "open", func(*virtual.Context[letters], string) (string, error) { return "come in", nil })
		virtual.Handle(k, "later", func(c *virtual.Context[letters], text string) (string, error) {
			if closed.Load() {
				return "", c.Postpone("not yet")
			}
			return take(c, text)
		})
		virtual.HandleAny(k, func(c *virtual.Context[letters], m virtual.Message) (json.RawMessage, error) {
			if closed.Load() {
				return nil, &virtual.Error{Code: map[string]virtual.Code{"unknown": virtual.CodeUnknown, "unable": virtual.CodeUnable, "no kind": virtual.CodeNoKind}[m.Method], Text: "not yet"}
			}
			_, err := take(c, m.Method)
			return json.RawMessage(`"thanks"`), err
		})
		virtual.HandleAnswer(k, "answered", func(c *virtual.Context[letters], a virtual.Answer[string]) error {
			text := a.Reply
			if a.Refused != nil {
				text = "refused: " + a.Refused.Text
			}
			_, err := take(c, text)
			return err
		})
		virtual.Handle(k, "tell", func(c *virtual.Context[letters], text string) (string, error) {
			return "", c.Tell(virtual.ID{Kind: "mailer", Name: "b"}, "take", text)
		})
		virtual.Handle(k, "ask", func(c *virtual.Context[letters], method string) (string, error) {
			_, err := c.Ask(virtual.ID{Kind: "mailer", Name: "b"}, method, "a question", "answered")
			return "", err
		})
		virtual.Handle(k, "remind", func(c *virtual.Context[letters], text string) (string, error) {
			return "", c.Remind("bell/1", time.Second, 0, "bell", text)
		})
		virtual.Handle(k, "tidy", func(c *virtual.Context[letters], keep string) (string, error) {
			return "", c.DropAsides(2, func(a *virtual.Aside) bool {
				c.State.Got = append(c.State.Got, string(a.Payload))
				return string(a.Payload) != keep
			})
		})
		virtual.HandleRead(k, "look", func(c *virtual.Reading[letters], _ string) (string, error) {
			return strings.Join(c.State.Got, ", "), nil
		})
		return []*virtual.Kind{k.Kind}
	}
}

// post is a world of mailers of which node 0 leads.
type post struct {
	*virtualtest.World
	t      *testing.T
	closed atomic.Bool
}

func newPost(t *testing.T) *post {
	p := &post{t: t}
	p.World = virtualtest.New(t, 2, mailers(&p.closed))
	return p
}

func (p *post) call(name, method, request string) string {
	p.t.Helper()
	reply, err := virtual.Call[string, string](p.t.Context(), p.Host(1), virtual.ID{Kind: "mailer", Name: name}, method, request)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply
}

func (p *post) aside(page virtual.AsidePage) []virtual.Aside {
	p.t.Helper()
	list, _, err := p.Host(0).Aside(p.t.Context(), virtualtest.Shard, page)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

// What was set aside can be sent again: what was told behind what has been told since, an answer with what it said, a reminder at once.
func TestRedrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		p.call("a", "tell", "one")
		p.call("a", "ask", "take")
		p.call("a", "ask", "open")
		p.call("a", "remind", "ring")
		p.Pass(time.Hour)
		list := p.aside(virtual.AsidePage{Limit: 10})
		if len(list) != 4 || p.Keys("o/")+p.Keys("m/") != 0 {
			t.Fatalf("set aside: %+v; on the way %d", list, p.Keys("o/")+p.Keys("m/"))
		}
		if to := p.aside(virtual.AsidePage{Limit: 10, To: "mailer/b"}); len(to) != 1 || to[0].ID != list[0].ID {
			t.Errorf("to b: %+v", to)
		}
		if rest := p.aside(virtual.AsidePage{Limit: 2, After: list[1].ID, From: "mailer"}); len(rest) != 2 || rest[1].ID != list[3].ID {
			t.Errorf("the second page: %+v", rest)
		}
		if err := p.Host(0).Redrive(t.Context(), list[1].ID); virtual.CodeOf(err) != virtual.CodeFailed || len(p.aside(virtual.AsidePage{Limit: 10})) != 4 {
			t.Errorf("an answer that is refused again: %v", err)
		}
		p.closed.Store(false)
		p.call("a", "tell", "two")
		if err := p.Host(1).Redrive(t.Context(), list[0].ID); !errors.As(err, new(*shards.NotPrimaryError)) {
			t.Errorf("where its keeper does not live: %v", err)
		}
		for _, a := range list {
			if err := p.Host(0).Redrive(t.Context(), a.ID); err != nil {
				t.Errorf("%s: %v", a.ID, err)
			}
			p.Pass(time.Minute)
			if err := p.Host(0).Redrive(t.Context(), a.ID); !errors.Is(err, virtual.ErrNotAside) {
				t.Errorf("%s once more: %v", a.ID, err)
			}
		}
		if got := p.call("b", "look", ""); got != "two, one" {
			t.Errorf("b has %s", got)
		}
		if got := p.call("a", "look", ""); got != "refused: closed, come in, ring" {
			t.Errorf("a has %s", got)
		}
		if n := p.Keys("a/"); n != 0 {
			t.Errorf("%d are set aside in the end", n)
		}
	})
}

// Dropped, it never comes; a reminder that its actor has set anew is not replaced.
func TestDropAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		p.call("a", "tell", "one")
		p.call("a", "remind", "ring")
		p.Pass(time.Hour)
		p.closed.Store(false)
		p.call("a", "remind", "ring again")
		list := p.aside(virtual.AsidePage{Limit: 10})
		if err := p.Host(0).Redrive(t.Context(), list[1].ID); virtual.CodeOf(err) != virtual.CodeFailed || !strings.Contains(err.Error(), "anew") {
			t.Errorf("a reminder that is set anew: %v", err)
		}
		for _, a := range list {
			if err := p.Host(0).Drop(t.Context(), a.ID); err != nil {
				t.Error(err)
			}
			if err := p.Host(0).Drop(t.Context(), a.ID); !errors.Is(err, virtual.ErrNotAside) {
				t.Errorf("dropped twice: %v", err)
			}
		}
		p.Pass(time.Hour)
		if a, b := p.call("a", "look", ""), p.call("b", "look", ""); a != "ring again" || b != "" {
			t.Errorf("a has %q, b %q", a, b)
		}
		for _, id := range []string{"", "x", "{mailer}/0000000000000001", "{mailer/a}", "{mailer/a", "{mail{er/a}/1"} {
			if err := p.Host(0).Drop(t.Context(), id); err == nil {
				t.Errorf("%q is dropped", id)
			}
		}
	})
}

// Many send the same messages again at the same time, while commits are refused, or happen without a word, and the shard changes hands: each message
// is handled once.
func TestRedriveOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		const many = 20
		for i := range many {
			p.call("a", "tell", fmt.Sprintf("%02d", i))
		}
		p.Pass(24 * time.Hour)
		list := p.aside(virtual.AsidePage{Limit: many + 1})
		if len(list) != many {
			t.Fatalf("%d are set aside", len(list))
		}
		p.closed.Store(false)
		p.Faults(func(commit int) virtualtest.Fault {
			switch commit % 5 {
			case 0:
				return virtualtest.Unknown
			case 2:
				return virtualtest.Refused
			}
			return virtualtest.Fine
		})
		var work sync.WaitGroup
		for i := range 6 {
			work.Go(func() {
				for _, a := range list {
					for try := range 1000 {
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						err := p.Host((i+try)%2).Redrive(ctx, a.ID)
						cancel()
						if errors.Is(err, virtual.ErrNotAside) {
							break
						}
						<-time.After(time.Millisecond) // by the clock of the bubble
					}
				}
			})
		}
		for i := range 10 {
			<-time.After(3 * time.Millisecond)
			p.Lead(i % 2)
		}
		p.Lead(0)
		work.Wait()
		p.Faults(func(int) virtualtest.Fault { return virtualtest.Fine })
		p.Pass(time.Hour)
		got := strings.Split(p.call("b", "look", ""), ", ")
		if slices.Sort(got); len(got) != many || len(slices.Compact(got)) != many || p.Keys("a/") != 0 || p.Keys("o/") != 0 {
			t.Errorf("b has %v; set aside %d, on the way %d", got, p.Keys("a/"), p.Keys("o/"))
		}
	})
}

// A name is of any bytes: by its ID a message is found again, and IDs are in the order of pages.
func TestAsideOfAnyName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		names := []string{"\xfe", "a", "a%b", "{z}", "é", "a b", "\xff\x00"}
		for _, name := range names {
			p.call(name, "remind", "ring")
		}
		p.Pass(time.Hour)
		p.closed.Store(false)
		var list []virtual.Aside
		page := virtual.AsidePage{Limit: 2}
		for next := "-"; next != ""; page.After = next {
			var some []virtual.Aside
			var err error
			if some, next, err = p.Host(0).Aside(t.Context(), virtualtest.Shard, page); err != nil || len(list) > len(names) {
				t.Fatalf("after %q: %v, %+v", page.After, err, list)
			}
			list = append(list, some...)
		}
		if len(list) != len(names) || !slices.IsSortedFunc(list, func(a, b virtual.Aside) int { return virtual.CompareAsides(a.ID, b.ID) }) {
			t.Errorf("%d are set aside: %+v", len(list), list)
		}
		for _, a := range list {
			if strings.ContainsFunc(a.ID, func(r rune) bool { return r <= ' ' || r > '~' }) || !slices.Contains(names, a.From.Name) {
				t.Errorf("%q of %q", a.ID, a.From)
			}
			if err := p.Host(0).Redrive(t.Context(), a.ID); err != nil {
				t.Errorf("%s: %v", a.ID, err)
			}
		}
		p.Pass(time.Minute)
		for _, name := range names {
			if got := p.call(name, "look", ""); got != "ring" {
				t.Errorf("%q has %q", name, got)
			}
		}
	})
}

// A page ends where a body would make it too large, and where its time ends; the next goes on from there.
func TestAsidePagesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		for range 3 {
			p.call("a", "tell", strings.Repeat("x", 600<<10))
		}
		p.Pass(time.Hour)
		all := p.aside(virtual.AsidePage{Limit: 10})
		if len(all) != 1 {
			t.Fatalf("the first page has %d", len(all))
		}
		_, next, err := p.Host(0).Aside(t.Context(), virtualtest.Shard, virtual.AsidePage{Limit: 10, To: "nobody"})
		if err != nil || next != all[0].ID {
			t.Errorf("none of those looked at is listed: up to %q, not %q; %v", next, all[0].ID, err)
		}
		if more := p.aside(virtual.AsidePage{Limit: 10, After: next, NoBodies: true}); len(more) != 1 || more[0].Payload != nil {
			t.Errorf("the second page has %d", len(more))
		}
	})
}

// Of many that send the same answer again at the same time one does, and the others learn that it is gone.
func TestRedriveAnswerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		p.call("a", "ask", "open")
		p.Pass(time.Hour)
		p.closed.Store(false)
		list := p.aside(virtual.AsidePage{Limit: 10})
		if len(list) != 1 || list[0].Event != virtual.EventReply {
			t.Fatalf("set aside: %+v", list)
		}
		var sent atomic.Int64
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				switch err := p.Host(0).Redrive(t.Context(), list[0].ID); {
				case err == nil:
					sent.Add(1)
				case !errors.Is(err, virtual.ErrNotAside):
					t.Error(err)
				}
			})
		}
		work.Wait()
		if got := p.call("a", "look", ""); sent.Load() != 1 || got != "come in" {
			t.Errorf("sent again %d times; a has %q", sent.Load(), got)
		}
	})
}

// An actor drops what it has told others itself, the newest first and so many at most; of what is answers and reminders it is not asked.
func TestActorsDropAsides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t)
		p.closed.Store(true)
		for _, text := range []string{"1", "2", "3", "4"} {
			p.call("a", "tell", text)
		}
		p.call("c", "tell", "5")
		p.call("a", "ask", "open")
		p.call("a", "remind", "ring")
		p.Pass(time.Hour)
		left := func() (list []string) {
			for _, a := range p.aside(virtual.AsidePage{Limit: 10}) {
				list = append(list, string(a.Payload))
			}
			slices.Sort(list)
			return list
		}
		p.call("a", "tidy", `"3"`)
		if got, want := left(), []string{`"1"`, `"3"`, `"5"`, `"come in"`, `"ring"`}; !slices.Equal(got, want) {
			t.Errorf("%q are left, not %q", got, want)
		}
		if got := p.call("a", "look", ""); got != `"4", "3", "2"` {
			t.Errorf("it was asked about %s", got)
		}
	})
}
