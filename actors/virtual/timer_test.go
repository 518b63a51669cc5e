package virtual

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clockwork counts what timers bring.
type clockwork struct{ Ticks int }

// winding says how a clockwork is wound.
type winding struct {
	Timer
	Fail bool // nothing comes of it
	Many int  // so many timers
}

func clockworks(g gate, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[clockwork]("clockwork", options...)
		Handle(k, "wind", func(c *Context[clockwork], w winding) (int, error) {
			if err := c.SetTimer(w.Timer); err != nil {
				return 0, err
			}
			for i := range w.Many {
				w.Name = fmt.Sprint(i)
				if err := c.SetTimer(w.Timer); err != nil {
					return 0, err
				}
			}
			if w.Fail {
				return 0, errors.New("on purpose")
			}
			return 0, nil
		})
		Handle(k, "stop", func(c *Context[clockwork], name string) (int, error) { c.StopTimer(name); return 0, nil })
		Handle(k, "tick", func(c *Context[clockwork], n int) (int, error) {
			if c.Event() != EventTimer || n < 0 {
				return 0, fmt.Errorf("event %d, %d", c.Event(), n)
			}
			c.State.Ticks += n
			return 0, nil
		})
		HandleRead(k, "look", func(c *Reading[clockwork], _ struct{}) (int, error) { return c.State.Ticks, nil })
		Handle(k, "hang", func(*Context[clockwork], struct{}) (int, error) { <-g; return 0, nil })
		return k.Kind
	}
}

func TestTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		g := make(gate)
		w.register(clockworks(g, IdleAfter(time.Hour)))
		ticks := func(when string, want int) {
			t.Helper()
			if got := w.must("n1", "clockwork/a", "look", nil); got != fmt.Sprint(want) {
				t.Errorf("%s: %s ticks, not %d", when, got, want)
			}
		}
		once := Timer{Name: "once", After: 3 * time.Second, Method: "tick", Request: 100}
		w.must("n1", "clockwork/a", "wind", winding{Timer: once})
		w.must("n1", "clockwork/a", "wind", winding{Timer: Timer{Name: "beat", After: time.Second, Every: time.Second, Method: "tick", Request: 1}})
		pass(2500 * time.Millisecond)
		ticks("after two beats", 2)
		pass(time.Second)
		ticks("after three beats and the one that comes once", 103)
		if _, err := w.call("n1", "clockwork/a", "wind", winding{Timer: Timer{Name: "beat", After: time.Hour, Method: "tick"}, Fail: true}); CodeOf(err) != CodeFailed {
			t.Error(err)
		}
		pass(time.Second)
		ticks("a message that fails changes no timer", 104)
		hung := make(chan error)
		go func() { _, err := w.call("n1", "clockwork/a", "hang", nil); hung <- err }()
		pass(5 * time.Second)
		close(g)
		if err := <-hung; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		ticks("beats while it was busy come as one", 105)
		w.must("n1", "clockwork/a", "stop", "beat")
		pass(time.Minute)
		ticks("stopped", 105)
		w.must("n1", "clockwork/a", "wind", winding{Timer: Timer{Name: "bad", Method: "tick", Request: -1}})
		synctest.Wait()
		if !strings.Contains(w.log.String(), "the message of a timer was not handled") || !strings.Contains(w.log.String(), "timer=bad") {
			t.Errorf("the log says nothing of a timer that failed: %s", w.log.String())
		}
		w.must("n1", "clockwork/a", "wind", winding{Timer: once})
		w.lead(0, "n2")
		w.must("n1", "clockwork/a", "stop", "x")
		w.lead(0, "n1")
		w.must("n1", "clockwork/a", "stop", "x")
		pass(time.Minute)
		ticks("what was set before the shard was elsewhere", 105)
	})
}

// A timer whose message was refused, since the actor hung for long, goes on.
func TestTimersGoOnBehindHandlersThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		w.register(clockworks(g))
		w.must("n1", "clockwork/a", "wind", winding{Timer: Timer{Name: "beat", After: time.Second, Every: time.Second, Method: "tick", Request: 1}})
		hung := make(chan error)
		go func() { _, err := w.call("n1", "clockwork/a", "hang", nil); hung <- err }()
		pass(3*sweepPause + time.Millisecond)
		close(g)
		if err := <-hung; err != nil {
			t.Error(err)
		}
		pass(5 * time.Second)
		if got := w.must("n1", "clockwork/a", "look", nil); got != "5" && got != "6" {
			t.Errorf("%s ticks in five seconds", got)
		}
		if told := w.log.String(); !strings.Contains(told, "the message of a timer was not handled") || !strings.Contains(told, "it waited 10s behind others") {
			t.Errorf("the log says: %s", told)
		}
	})
}

func TestTimersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(clockworks(nil))
		good := Timer{Name: "t", After: time.Hour, Method: "tick"}
		w.must("n1", "clockwork/a", "wind", winding{Timer: good, Many: MaxTimers - 1})
		for want, m := range map[string]winding{
			"has no name":       {Timer: Timer{Method: "tick"}},
			"no method \"no\"":  {Timer: Timer{Name: "t", Method: "no"}},
			"every 10ms":        {Timer: Timer{Name: "t", Method: "tick", Every: 1}},
			"it has 66 timers;": {Timer: Timer{Name: "u", Method: "tick"}, Many: MaxTimers},
		} {
			if _, err := w.call("n1", "clockwork/a", "wind", m); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", want, err)
			}
		}
		w.must("n1", "clockwork/a", "wind", winding{Timer: good, Many: MaxTimers - 1})
	})
}

// A timer does not keep its actor from sleeping, unless it is asked to.
func TestTimersAndIdleTime(t *testing.T) {
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1, "n1")
			w.register(clockworks(nil, IdleAfter(time.Minute)))
			w.must("n1", "clockwork/a", "wind", winding{Timer: Timer{Name: "beat", After: time.Second, Every: time.Second, Method: "tick", Request: 1, KeepAlive: keep}})
			pass(5 * time.Minute)
			if got := w.hosts["n1"].Active(); (got == 1) != keep {
				t.Errorf("keep %v: %d in memory", keep, got)
			}
			var ticks int
			if _, err := fmt.Sscan(w.must("n1", "clockwork/a", "look", nil), &ticks); err != nil || keep && ticks < 299 || !keep && (ticks < 59 || ticks > 75) {
				t.Errorf("keep %v: %d ticks, %v", keep, ticks, err)
			}
			w.must("n1", "clockwork/a", "stop", "beat")
			pass(5 * time.Minute)
			if got := w.hosts["n1"].Active() + len(w.hosts["n1"].chores.clock); got != 0 {
				t.Errorf("keep %v: %d in memory at the end", keep, got)
			}
		})
	}
}
