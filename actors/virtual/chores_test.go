package virtual

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/tracing"
	"github.com/troupe-actors/troupe/tracing/tracetest"
)

// A shard that this node leads again without a word, since only its lease had run out, is looked at when something is committed in
// it, not when a pause ends. What a scan finds then is still a part of its sender's trace; what it finds much later is not.
func TestCommitWakesScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		into := tracetest.NewCollector()
		messages, err := tracing.NewMessages("n1", "n1", 0, into.Take)
		if err != nil {
			t.Fatal(err)
		}
		host := w.hosts["n1"]
		host.c.Messages = messages
		g := make(gate)
		w.register(journals(g))
		tell := func(trace byte, order string) {
			t.Helper()
			ctx := tracing.Carrier{Trace: tracing.TraceID{trace}, Span: tracing.SpanID{9}, Flags: 1}.Context(t.Context())
			if _, err := Call[orders, int](ctx, host, ID{"journal", "a"}, "send", orders{order}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		silently := func(leader shards.NodeID) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.leader[0] = leader
		}
		sends := func(trace byte) (n int) {
			for _, s := range into.Spans(tracing.TraceID{trace}) {
				if strings.HasPrefix(s.Name, "send journal/add @") {
					n++
				}
			}
			return n
		}
		silently("n2")
		host.Led(0)
		pass(time.Minute)
		silently("n1")
		begun := time.Now()
		tell(1, "journal/b add 1")
		w.lines("journal/b", "1")
		if took := time.Since(begun); took > 0 || sends(1) != 1 {
			t.Errorf("it came after %v, in\n%s", took, tracetest.Shape(into.Spans(tracing.TraceID{1})))
		}
		tell(2, "journal/b hang 2")
		tell(3, "journal/b add 3") // waits behind it, and is found by the scan of the next reign
		silently("n2")
		close(g)
		pass(time.Minute)
		silently("n1")
		pass(time.Minute)
		w.lines("journal/b", "1 2 3")
		if sends(3) != 0 {
			t.Error("what was found a minute later is in its sender's trace")
		}
	})
}

// One receiver that hangs holds up those who send to it, and nobody else: not even what they send to others.
func TestSlowReceiverHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		w.register(journals(g))
		w.must("n1", "journal/a", "send", orders{"journal/slow hang 1", "journal/b add 2", "journal/slow add 3", "journal/b add 4"})
		synctest.Wait() // the order of two senders is nobody's promise
		w.must("n1", "journal/c", "send", orders{"journal/b add 5"})
		synctest.Wait()
		w.lines("journal/b", "2 4 5")
		pass(time.Minute)
		close(g)
		pass(time.Minute)
		w.lines("journal/slow", "1 3")
		if left := w.keys("o"); len(left) != 0 {
			t.Errorf("still on their way: %v", left)
		}
	})
}

// "a poison message is set aside after N tries and listed"
func TestPoisonIsSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(journals(nil))
		w.must("n1", "journal/a", "send", orders{"journal/b fail 1", "journal/b add 2", "ghost/x add 3", "journal/b no 4", "journal/b add 5"})
		pass(10 * time.Minute)
		w.lines("journal/b", "2 5")
		list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10})
		var said []string
		for _, a := range list {
			said = append(said, fmt.Sprintf("%s>%s %s %s %d", a.From, a.To, a.Method, a.Payload, a.Tries))
		}
		const want = `journal/a>journal/b fail "1" 5, journal/a>ghost/x add "3" 20, journal/a>journal/b no "4" 20`
		if got := strings.Join(said, ", "); err != nil || got != want {
			t.Errorf("set aside: %s (%v), not %s", got, err, want)
		}
		if some, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 1}); err != nil || len(some) != 1 {
			t.Errorf("at most one: %v, %v", some, err)
		}
		pass(8 * 24 * time.Hour)
		if list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10}); err != nil || len(list) != 0 {
			t.Errorf("a week later: %v, %v", list, err)
		}
	})
}

// More than memory holds waits in the shard, and comes in order.
func TestFloodOfMessagesArrivesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, "n1")
		k := func() *Kind {
			k := NewKind[struct{ Last, Count int }]("sink")
			Handle(k, "take", func(c *Context[struct{ Last, Count int }], n int) (int, error) {
				if n <= c.State.Last {
					return 0, fmt.Errorf("%d after %d", n, c.State.Last)
				}
				c.State.Last, c.State.Count = n, c.State.Count+1
				return c.State.Count, nil
			})
			Handle(k, "look", func(c *Context[struct{ Last, Count int }], _ int) (int, error) { return c.State.Count, nil })
			Handle(k, "flood", func(c *Context[struct{ Last, Count int }], from int) (int, error) {
				for i := range MaxSends {
					if err := c.Tell(ID{"sink", fmt.Sprint("to-", i%3)}, "take", from+i); err != nil {
						return 0, err
					}
				}
				return 0, nil
			})
			return k.Kind
		}
		w.register(k)
		w.hosts["n1"].Led(0)
		w.hosts["n1"].Led(1)
		w.lead(w.home(ID{"sink", "to-1"}), "") // nobody: its messages pile up
		const turns = 2*maxHeld/MaxSends + 3
		sender := "sink/from"
		if w.home(ID{"sink", "from"}) == w.home(ID{"sink", "to-1"}) {
			sender = "sink/other"
		}
		for i := range turns {
			w.must("n1", sender, "flood", 1+i*MaxSends)
		}
		w.lead(w.home(ID{"sink", "to-1"}), "n1")
		pass(5 * time.Minute)
		sum := 0
		for i := range 3 {
			var n int
			fmt.Sscan(w.must("n1", fmt.Sprint("sink/to-", i), "look", 0), &n)
			sum += n
		}
		if sum != turns*MaxSends || len(w.keys("o")) != 0 || len(w.keys("a")) != 0 {
			t.Errorf("%d of %d arrived; %d are on their way, %d set aside", sum, turns*MaxSends, len(w.keys("o")), len(w.keys("a")))
		}
	})
}

// What was sent is delivered by the next primary, once, whatever the old one has done of it.
func TestNewPrimaryDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2", "n3")
		w.register(journals(nil))
		forgets := 0
		w.spoil = func(ops []Op) error { // what was delivered is not forgotten
			if ops[0].Delete && forgets < 3 {
				forgets++
				return &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("not now")}
			}
			return nil
		}
		for i := range 9 {
			w.must("n1", "journal/a", "send", orders{fmt.Sprint("journal/b add ", i)})
			w.lead(0, []shards.NodeID{"n2", "n3", "n1"}[i%3])
		}
		pass(time.Minute)
		w.lines("journal/b", "0 1 2 3 4 5 6 7 8")
		if left := w.keys("o"); len(left) != 0 {
			t.Errorf("still on their way: %v", left)
		}
	})
}

// An actor whose state was lost with its shard begins anew; that it has sent before must not make its messages look old.
func TestNumbersRisePastLostStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 64, "n1")
		w.register(journals(nil))
		a, b := ID{"journal", "a"}, ID{"journal", "b"}
		if w.home(a) == w.home(b) {
			t.Fatal("the names must be of two shards")
		}
		w.must("n1", a.String(), "send", orders{"journal/b add 1", "journal/b add 2"})
		synctest.Wait()
		w.mu.Lock()
		clear(w.values[w.home(a)])
		w.mu.Unlock()
		w.lead(w.home(a), "n1")
		pass(time.Second)
		w.must("n1", a.String(), "send", orders{"journal/b add 3"})
		synctest.Wait()
		w.lines(b.String(), "1 2 3")
	})
}

// sleeper has reminders.
type sleeper struct{ Rang []int64 }

func sleepers() *Kind {
	k := NewKind[sleeper]("sleeper")
	Handle(k, "bell", func(c *Context[sleeper], again int) (int, error) {
		c.State.Rang = append(c.State.Rang, c.Now().UnixMilli())
		if again > 0 {
			return 0, c.Remind("bell", 0, 0, "bell", again-1)
		}
		return 0, nil
	})
	Handle(k, "set", func(c *Context[sleeper], r [3]int) (int, error) {
		return 0, c.Remind("bell", time.Duration(r[0])*time.Millisecond, time.Duration(r[1])*time.Millisecond, "bell", r[2])
	})
	Handle(k, "no", func(*Context[sleeper], int) (int, error) { return 0, errors.New("it refuses") })
	Handle(k, "bad", func(c *Context[sleeper], every int) (int, error) {
		return 0, c.Remind("bad", time.Second, time.Duration(every)*time.Millisecond, "no", 0)
	})
	Handle(k, "stop", func(c *Context[sleeper], _ int) (int, error) { c.Forget("bell"); return 0, nil })
	Handle(k, "look", func(c *Context[sleeper], _ int) (int, error) { return len(c.State.Rang), nil })
	return k.Kind
}

func TestReminders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1", "n2")
		if err := w.hosts["n1"].Register(sleepers()); err != nil {
			t.Fatal(err)
		}
		rang := func(node shards.NodeID, name, want string) {
			t.Helper()
			if got := w.must(node, "sleeper/"+name, "look", 0); got != want {
				t.Errorf("%s rang %s times, not %s", name, got, want)
			}
		}
		w.must("n1", "sleeper/chain", "set", [3]int{0, 0, 5}) // each sets the next for the same millisecond
		w.must("n1", "sleeper/often", "set", [3]int{1000, 1000, 0})
		w.must("n1", "sleeper/once", "set", [3]int{60_000, 0, 0})
		w.must("n1", "sleeper/moved", "set", [3]int{1000, 0, 0})
		w.must("n1", "sleeper/moved", "set", [3]int{3_600_000, 0, 0})
		w.must("n1", "sleeper/gone", "set", [3]int{1000, 1000, 0})
		w.must("n1", "sleeper/gone", "stop", 0)
		pass(10*time.Second + time.Millisecond)
		for name, want := range map[string]string{"chain": "6", "often": "10", "once": "0", "moved": "0", "gone": "0"} {
			rang("n1", name, want)
		}
		w.lead(0, "n2") // where nobody knows the kind
		pass(time.Hour)
		if err := w.hosts["n2"].Register(sleepers()); err != nil {
			t.Fatal(err)
		}
		w.hosts["n2"].Led(0)
		pass(100 * time.Millisecond)
		for name, want := range map[string]string{"often": "11", "once": "1", "moved": "1"} { // those that were late come as one
			rang("n2", name, want)
		}
		w.must("n2", "sleeper/often", "stop", 0)
		pass(time.Minute)
		rang("n2", "often", "11")
		if left := w.keys("m"); len(left) != 0 {
			t.Errorf("reminders are left: %v", left)
		}
	})
}

// A shard may be scanned anew while a reminder of it is handled, or when it has just come. It comes again neither early nor never.
func TestRemindersOutliveScans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		g := make(gate)
		w.register(func() *Kind {
			k := NewKind[int]("clock")
			Handle(k, "set", func(c *Context[int], _ int) (int, error) {
				return 0, c.Remind("tick", time.Second, time.Hour, "tick", 0)
			})
			Handle(k, "tick", func(c *Context[int], _ int) (int, error) { <-g; *c.State++; return 0, nil })
			Handle(k, "look", func(c *Context[int], _ int) (int, error) { return *c.State, nil })
			return k.Kind
		})
		h, key := w.hosts["n1"], ID{"clock", "a"}.key("m", "/tick")
		rang := func(want string) {
			t.Helper()
			if got := w.must("n1", "clock/a", "look", 0); got != want {
				t.Errorf("it rang %s times, not %s", got, want)
			}
		}
		w.must("n1", "clock/a", "set", 0)
		first, err := h.c.Storage.Read(t.Context(), "actors", []string{key})
		if err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second) // it is being handled
		h.Led(0)
		pass(time.Second)
		close(g)
		pass(time.Minute)
		rang("1")
		pass(time.Hour)
		rang("2")
		h.chores.mu.Lock()
		h.setAlarm(h.chores.ledgers[0], key, first[0].Bytes) // as a scan that has read it before it came
		h.chores.mu.Unlock()
		pass(time.Minute)
		rang("2")
		pass(time.Hour)
		rang("3")
	})
}

// What is committed between the decision to scan a shard anew and the scan is not lost.
func TestReminderSetBeforeScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(sleepers)
		w.must("n1", "sleeper/a", "look", 0)
		w.hosts["n1"].Led(0)
		synctest.Wait()
		c := &w.hosts["n1"].chores
		c.mu.Lock()
		c.ledgers[0].live = false // as after a flood
		workers := c.workers
		c.workers = maxWorkers // all are busy: the scan waits
		w.hosts["n1"].rescan(c.ledgers[0])
		c.workers = workers
		c.mu.Unlock()
		w.must("n1", "sleeper/a", "set", [3]int{1000, 0, 0})
		pass(time.Minute)
		if got := w.must("n1", "sleeper/a", "look", 0); got != "1" {
			t.Errorf("it rang %s times", got)
		}
	})
}

// A reminder that its actor refuses is set aside, unless it comes again anyway.
func TestRefusedReminders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(sleepers)
		w.must("n1", "sleeper/a", "bad", 0)
		w.must("n1", "sleeper/b", "bad", 1000)
		pass(20 * time.Minute)
		list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10})
		if err != nil || len(list) != 1 || list[0].To.Name != "a" || list[0].Method != "no" {
			t.Errorf("set aside: %+v, %v", list, err)
		}
		if left := w.keys("m"); len(left) != 1 || !strings.Contains(left[0], "sleeper/b") {
			t.Errorf("reminders are left: %v", left)
		}
		if _, err := w.call("n1", "sleeper/c", "bad", 10); err == nil {
			t.Error("a reminder that comes every 10 ms is taken")
		}
	})
}

// A lease that runs out for a moment, without a new term, loses nothing.
func TestLeaseThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(journals(nil), sleepers)
		w.must("n1", "sleeper/a", "set", [3]int{5000, 0, 0})
		synctest.Wait()
		w.mu.Lock()
		w.leader[0] = ""
		w.mu.Unlock()
		pass(10 * time.Second)
		w.mu.Lock()
		w.leader[0] = "n1"
		w.mu.Unlock()
		pass(5 * time.Second)
		if got := w.must("n1", "sleeper/a", "look", 0); got != "1" {
			t.Errorf("it rang %s times", got)
		}
	})
}

func TestRestsAreBounded(t *testing.T) {
	for tries := 1; tries < 100; tries++ {
		if r := restOf(tries); r < firstRest || r > longestRest || r < restOf(max(1, tries-1)) {
			t.Errorf("after %d tries: %v", tries, r)
		}
	}
}
