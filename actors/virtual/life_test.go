package virtual

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// lodger is what actors of a kind that is told of their lives keep.
type lodger struct {
	Nights int // times that it was activated
	Lines  int
}

// register is what the kind was told, in order.
type guestBook struct {
	mu    sync.Mutex
	lines []string
	busy  bool // rooms are not ready: activations fail
	gate  gate // if set, those who leave wait for it
}

func (b *guestBook) write(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// read gives what was written since it was read before.
func (b *guestBook) read() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := strings.Join(b.lines, " ")
	b.lines = nil
	return text
}

func (b *guestBook) lodgers(options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[lodger]("lodger", options...)
		OnActivate(k, func(c *Context[lodger]) error {
			if b.busy {
				return errors.New("no room")
			}
			c.State.Nights++
			b.write("+%s/%d", c.Self().Name, c.State.Nights)
			return nil
		})
		OnPassivate(k, func(id ID, state *lodger) {
			if b.gate != nil {
				<-b.gate
			}
			b.write("-%s/%d", id.Name, state.Lines)
			state.Lines = 99 // which nobody will see
		})
		Handle(k, "add", func(c *Context[lodger], n int) (int, error) {
			if n < 0 {
				return 0, errors.New("on purpose")
			}
			c.State.Lines += n
			return c.State.Lines, nil
		})
		Handle(k, "look", func(c *Context[lodger], _ struct{}) (string, error) { return fmt.Sprint(*c.State), nil })
		return k.Kind
	}
}

func TestKindsAreToldOfLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &guestBook{}
		w := newWorld(t, 1, "n1", "n2")
		w.register(b.lodgers(IdleAfter(time.Minute)))
		told := func(when, want string) {
			t.Helper()
			if got := b.read(); got != want {
				t.Errorf("%s: told %q, not %q", when, got, want)
			}
		}
		w.must("n1", "lodger/a", "add", 1)
		if _, err := w.call("n1", "lodger/a", "add", -1); CodeOf(err) != CodeFailed {
			t.Error(err)
		}
		w.must("n1", "lodger/a", "add", 2)
		told("one activation", "+a/1")
		pass(2*time.Minute + time.Second) // between two sweeps
		told("idle", "-a/3")
		if got := w.must("n1", "lodger/a", "look", nil); got != "{2 3}" {
			t.Errorf("after it was idle: %s", got)
		}
		told("again", "+a/2")
		w.lead(0, "n2")
		w.must("n1", "lodger/a", "add", 1)
		told("after a failover", "+a/3")
		pass(20 * time.Second)
		told("the one that was left behind", "-a/3")
		w.lead(0, "n1")
		w.must("n1", "lodger/a", "add", 1)
		w.lead(0, "n2")
		w.must("n2", "lodger/a", "add", 1)
		told("after a term elsewhere", "+a/4 -a/4 +a/5")
		spoilt := false
		w.spoil = func([]Op) error {
			if spoilt = !spoilt; spoilt {
				return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
			}
			return nil
		}
		w.must("n2", "lodger/a", "add", 1)
		w.spoil = nil
		w.must("n2", "lodger/a", "add", 1)
		told("after a commit of unknown outcome", "-a/6 +a/6")
		b.busy = true
		for range 2 {
			if _, err := w.call("n1", "lodger/b", "add", 1); CodeOf(err) != CodeFailed || !strings.Contains(err.Error(), "OnActivate: failed: no room") {
				t.Errorf("an actor that cannot be activated: %v", err)
			}
		}
		w.hosts["n2"].Close()
		told("the node stops", "-a/8")
		if kept := w.keys("s"); fmt.Sprint(kept) != "[s/{lodger/a}]" {
			t.Errorf("kept: %v", kept)
		}
	})
}

// A message that comes while its actor is leaving waits, and wakes it anew.
func TestMessageMeetsPassivation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &guestBook{gate: make(gate)}
		w := newWorld(t, 1, "n1")
		w.register(b.lodgers(IdleAfter(time.Minute)))
		w.must("n1", "lodger/a", "add", 1)
		pass(2 * time.Minute) // it waits at the gate
		done := make(chan string)
		go func() {
			got, err := w.call("n1", "lodger/a", "look", nil)
			done <- fmt.Sprint(got, err)
		}()
		synctest.Wait()
		b.gate <- struct{}{}
		if got := <-done; got != "{2 1}<nil>" || b.read() != "+a/1 -a/1 +a/2" || w.hosts["n1"].Active() != 1 {
			t.Errorf("it said %s, and %d are in memory", got, w.hosts["n1"].Active())
		}
		pass(2 * time.Minute)
		close(b.gate)
		synctest.Wait()
		if b.read() != "-a/1" || w.hosts["n1"].Active() != 0 {
			t.Errorf("%d are in memory", w.hosts["n1"].Active())
		}
	})
}

// A handler that hangs when the node stops keeps no kind from being told of its other actors; of its own it is told once it has returned.
func TestKindsAreToldBesideHandlersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g := &guestBook{}, make(gate)
		w := newWorld(t, 1, "n1")
		w.register(b.lodgers(), func() *Kind {
			k := NewKind[int]("sleeper")
			Handle(k, "hang", func(*Context[int], int) (int, error) { <-g; return 0, nil })
			OnPassivate(k, func(id ID, _ *int) { b.write("-%s", id.Name) })
			return k.Kind
		})
		w.must("n1", "lodger/a", "add", 1)
		w.begin("n1", "sleeper/s", "hang", 0)
		w.hosts["n1"].Close()
		if got := b.read(); got != "+a/1 -a/1" {
			t.Errorf("told %q", got)
		}
		close(g)
		synctest.Wait()
		if got := b.read(); got != "-s" {
			t.Errorf("told %q at last", got)
		}
	})
}

// When memory is short those go that have been idle for longest, and nothing is lost.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &guestBook{}
		w := newWorld(t, 4, "n1")
		h := w.hosts["n1"]
		h.c.Memory = 20 * 2000
		w.register(b.lodgers(), journals(nil))
		text := strings.Repeat("x", 500)
		for i := range 200 {
			w.must("n1", fmt.Sprintf("journal/%03d", i), "add", text)
			w.must("n1", fmt.Sprintf("lodger/%03d", i), "add", 1)
			pass(time.Second)
			if h.memory.Load() > h.c.Memory {
				t.Fatalf("%d bytes after %d actors", h.memory.Load(), 2*i)
			}
		}
		var left []string
		h.each(func(a *activation) { left = append(left, a.id.Name) })
		slices.Sort(left)
		if n := len(left); n < 20 || left[0] < fmt.Sprintf("%03d", 200-n) {
			t.Errorf("in memory are %d, from %s on", n, left[0])
		}
		told := strings.Count(b.read(), "-")
		if kinds := h.Kinds(); told != 200-kinds[1].Active {
			t.Errorf("told of %d that left; %+v", told, kinds)
		}
		for i := range 200 {
			if got := w.must("n1", fmt.Sprintf("lodger/%03d", i), "add", 1); got != "2" {
				t.Errorf("lodger %d has %s", i, got)
			}
		}
	})
}

func TestAgeClassesRise(t *testing.T) {
	last := -1
	for ms := time.Duration(0); ms < 1<<50; ms += 1 + ms/64 {
		class := ageClass(ms * time.Millisecond)
		if ms > 1<<40 { // beyond what a time.Duration holds
			break
		}
		if class < last || class > last+1 || class >= ageClasses {
			t.Fatalf("%d ms are of class %d, after %d", ms, class, last)
		}
		last = class
	}
}
