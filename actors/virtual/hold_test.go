package virtual

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// cook asks an oven, and holds others off until that has answered. Between counts messages that came nevertheless.
type cook struct {
	Asked   uint64 // 0: nothing is open
	Log     []string
	Adds    int
	Between int
}

// cooks are such; their method "swapTogether" waits for the gate.
func cooks(g gate, options ...Option) func() *Kind {
	return func() *Kind {
		k := NewKind[cook]("cook", append([]Option{HoldWhileAsking()}, options...)...)
		note := func(c *Context[cook], text string) {
			if c.State.Log = append(c.State.Log, text); c.State.Asked != 0 {
				c.State.Between++
			}
		}
		ask := func(to, method, answer string) func(*Context[cook], string) (int, error) {
			return func(c *Context[cook], name string) (n int, err error) {
				note(c, "ask")
				c.State.Asked, err = c.Ask(ID{to, name}, method, "x", answer)
				return 0, err
			}
		}
		Handle(k, "bake", ask("oven", "bake", "baked"))
		Handle(k, "want", func(c *Context[cook], _ int) (int, error) { return ask("oven", "bake", "baked")(c, "x") })
		Handle(k, "swap", ask("cook", "add", "baked"))
		Handle(k, "swapTogether", func(c *Context[cook], name string) (int, error) {
			<-g
			return ask("cook", "add", "baked")(c, name)
		})
		Handle(k, "spoil", ask("oven", "bake", "spoilt"))
		Handle(k, "wish", ask("ghost", "bake", "baked"))
		Handle(k, "impatient", func(c *Context[cook], name string) (int, error) {
			if _, err := ask("oven", "bake", "baked")(c, name); err != nil {
				return 0, err
			}
			return 0, c.Remind("bell", 3*time.Second, 0, "bell", 0)
		})
		Handle(k, "bell", func(c *Context[cook], _ int) (int, error) {
			c.Abandon(c.State.Asked)
			c.State.Asked = 0
			note(c, "bell")
			return 0, nil
		})
		HandleAnswer(k, "baked", func(c *Context[cook], a Answer[int]) error {
			if c.State.Asked != a.Token {
				return fmt.Errorf("an answer to %d, and %d is open", a.Token, c.State.Asked)
			}
			c.State.Asked = 0
			text := "answer"
			if a.Refused != nil {
				text = a.Refused.Code.String()
			}
			note(c, text)
			return nil
		})
		HandleAnswer(k, "spoilt", func(c *Context[cook], _ Answer[int]) error { return errors.New("on purpose") })
		Handle(k, "add", func(c *Context[cook], text string) (int, error) {
			if c.Sender() != c.Self() {
				note(c, text)
			}
			c.State.Adds++
			return c.State.Adds, nil
		})
		HandleRead(k, "peek", func(c *Reading[cook], _ struct{}) (cook, error) { return *c.State, nil })
		return k.Kind
	}
}

// ovens answer when the gate is opened, or their message has no time left.
func ovens(g gate) func() *Kind {
	return func() *Kind {
		k := NewKind[int]("oven")
		Handle(k, "bake", func(c *Context[int], _ string) (int, error) {
			select {
			case <-g:
			case <-c.Context().Done():
				return 0, c.Later("no time is left: %w", c.Context().Err())
			}
			*c.State++
			return *c.State, nil
		})
		return k.Kind
	}
}

func (w *world) peek(node shards.NodeID, name string) (c cook) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.must(node, "cook/"+name, "peek", struct{}{})), &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) logged(name, want string) {
	w.t.Helper()
	if c := w.peek("n1", name); strings.Join(c.Log, " ") != want || c.Between != 0 {
		w.t.Errorf("cook/%s has logged %q, not %q; %d messages came between", name, c.Log, want, c.Between)
	}
}

// begun is a call that is under way until done is closed.
type begun struct {
	done  chan struct{}
	reply string
	err   error
	took  time.Duration
}

func (w *world) begin(node shards.NodeID, to, method string, request any) *begun {
	b := &begun{done: make(chan struct{})}
	at := time.Now()
	go func() {
		defer close(b.done)
		b.reply, b.err = w.call(node, to, method, request)
		b.took = time.Since(at)
	}()
	synctest.Wait()
	return b
}

func (b *begun) over() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// What comes while an actor waits for an answer is handled after it, in the order in which it came; methods that only read wait for
// nobody. So it is where the actor moves meanwhile.
func TestHoldsOffWhileAsking(t *testing.T) {
	for _, moved := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 4, "n1", "n2")
			oven := make(gate)
			w.register(cooks(nil), ovens(oven))
			home := w.home(ID{"cook", "a"})
			away := "x"
			for w.home(ID{"oven", away}) == home {
				away += "x"
			}
			w.must("n2", "cook/a", "bake", away)
			var list []*begun
			for _, text := range []string{"1", "2", "3"} {
				list = append(list, w.begin("n2", "cook/a", "add", text))
			}
			if moved {
				w.lead(home, "n2")
				pass(100 * time.Millisecond)
				list = append(list, w.begin("n1", "cook/a", "add", "4"))
			}
			pass(2 * time.Second)
			for i, b := range list {
				if b.over() {
					t.Errorf("message %d was handled between question and answer: %s, %v", i+1, b.reply, b.err)
				}
			}
			if c := w.peek("n1", "a"); c.Asked == 0 || len(c.Log) != 1 {
				t.Errorf("while the cook waits: %+v", c)
			}
			close(oven)
			pass(30 * time.Second)
			for i, b := range list {
				if !b.over() || b.err != nil {
					t.Errorf("message %d: %s, %v", i+1, b.reply, b.err)
				}
			}
			if c := w.peek("n1", "a"); c.Between != 0 || c.Adds != len(list) || !strings.HasPrefix(strings.Join(c.Log, " "), "ask answer ") {
				t.Errorf("in the end: %+v", c)
			}
			if !moved {
				w.logged("a", "ask answer 1 2 3")
			}
		})
	}
}

// Who waits for too long hears of it, and why: a caller by an error, an asker by its answer. A message comes again. What an actor asks itself it
// does not wait for.
func TestHeldOffForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven := make(gate)
		w.register(cooks(nil), ovens(oven), clerks, journals(nil))
		w.must("n1", "cook/a", "bake", "x")
		w.must("n1", "clerk/c", "ask", question{"cook/a", "add", 1})
		w.must("n1", "journal/j", "send", orders{"cook/a add told"})
		b := w.begin("n2", "cook/a", "add", "late")
		pass(7 * time.Second)
		if !b.over() || CodeOf(b.err) != CodeAsking || !strings.Contains(b.err.Error(), "it waits for the answer of oven/x") || b.took != 5*time.Second {
			t.Errorf("after %v: %v", b.took, b.err)
		}
		if got := fmt.Sprint(w.clerk("c").Answers); !strings.HasPrefix(got, "[cook/a: asking: it waits for the answer of oven/x") {
			t.Errorf("the clerk has the answer %s", got)
		}
		pass(10 * time.Minute)
		close(oven)
		pass(time.Minute)
		w.logged("a", "ask answer told")
		w.must("n1", "cook/b", "swap", "b")
		pass(time.Second)
		w.logged("b", "ask answer")
	})
}

// Actors that wait for each other do not for ever: of two one gives way at once, of more those who have waited for too long.
func TestHoldInACircle(t *testing.T) {
	for size := 2; size <= 4; size++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 4, "n1", "n2")
			together := make(gate)
			w.register(cooks(together))
			for i := range size {
				w.begin("n1", fmt.Sprint("cook/", i), "swapTogether", fmt.Sprint((i+1)%size))
			}
			close(together) // each is at it, so that what it is asked meanwhile waits
			limit := time.Second
			if size > 2 {
				limit = 30 * time.Second
			}
			pass(limit)
			refused := 0
			for i := range size {
				c := w.peek("n1", fmt.Sprint(i))
				if c.Asked != 0 || c.Between != 0 {
					t.Errorf("of %d cook %d: %+v", size, i, c)
				}
				refused += strings.Count(strings.Join(c.Log, " "), "asking")
			}
			if size == 2 && refused != 1 || refused < 1 {
				t.Errorf("of %d that ask each other in a circle %d are refused", size, refused)
			}
		})
	}
}

// An actor need not wait for ever: its reminders come, and it may abandon a question. The answer comes to nobody then.
func TestAbandonedQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven := make(gate)
		w.register(cooks(nil), ovens(oven))
		w.must("n1", "cook/a", "impatient", "x")
		b := w.begin("n2", "cook/a", "add", "1")
		pass(4 * time.Second)
		if !b.over() || b.err != nil || b.took < 3*time.Second {
			t.Errorf("after %v: %s, %v", b.took, b.reply, b.err)
		}
		close(oven)
		pass(time.Minute)
		w.logged("a", "ask bell 1")
		if left := w.keys("o"); len(left) != 0 {
			t.Errorf("on the way: %v", left)
		}
	})
}

// An answer finds room where those who wait for it have taken all; one that is set aside ends the wait.
func TestHoldEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven := make(gate)
		w.register(cooks(nil, Mailbox(2)), ovens(oven))
		w.must("n1", "cook/a", "bake", "x")
		list := []*begun{w.begin("n1", "cook/a", "add", "1"), w.begin("n2", "cook/a", "add", "2")}
		if _, err := w.call("n1", "cook/a", "add", "3"); CodeOf(err) != CodeBusy {
			t.Errorf("one more than the mailbox has room for: %v", err)
		}
		close(oven)
		pass(time.Second)
		w.logged("a", "ask answer 1 2")
		for _, b := range list {
			if !b.over() {
				t.Error("a call is still under way")
			}
		}
		w.must("n1", "cook/b", "spoil", "x")
		b := w.begin("n1", "cook/b", "add", "1")
		pass(time.Minute) // in which the answer is refused five times
		c := w.begin("n1", "cook/b", "add", "2")
		if CodeOf(b.err) != 0 || !c.over() || c.err != nil {
			t.Errorf("the answer was set aside: %v, then %v", b.err, c.err)
		}
	})
}

// What an actor waited for when this node led its shard before holds nobody off now: another node has handled the answer meanwhile.
func TestHoldEndsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven := make(gate)
		w.register(cooks(nil), ovens(oven))
		home := w.home(ID{"cook", "a"})
		w.must("n1", "cook/a", "bake", "x")
		w.lead(home, "n2")
		close(oven)
		pass(time.Second)
		w.lead(home, "n1") // which has the actor in memory still: it sweeps every 10 s
		at := time.Now()
		w.must("n1", "cook/a", "add", "1")
		if took := time.Since(at); took != 0 {
			t.Errorf("it took %v", took)
		}
		w.logged("a", "ask answer 1")
	})
}

// An answer that was set aside holds nobody off, also if it was not known at first that it was.
func TestHoldEndsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		oven := make(gate)
		close(oven)
		w.register(cooks(nil), ovens(oven))
		unknown := 0
		w.spoil = func(ops []Op) error { // the world's lock is held
			if strings.HasPrefix(ops[len(ops)-1].Key, "a/") {
				unknown++
				return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
			}
			return nil
		}
		w.must("n1", "cook/a", "spoil", "x")
		pass(time.Minute)
		w.must("n1", "cook/a", "add", "1")
		if unknown != 1 {
			t.Errorf("%d commits were doubtful", unknown)
		}
	})
}

// A node that stops while an actor holds messages off tells all of those who wait, whatever comes last.
func TestHoldEndsWithTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(cooks(nil))
		h := w.hosts["n1"]
		h.Close()
		a := h.activate(ID{"cook", "a"}, h.kind("cook"), 0)
		a.open = questions{1: ID{"oven", "x"}}
		a.core.Loaded(1, 1, 1)
		var list []*delivery
		for _, method := range []string{"add", "add", "peek"} {
			d := &delivery{ctx: t.Context(), m: &message{To: a.id, Method: method}, done: make(chan struct{})}
			list = append(list, d)
			a.enqueue(a.kind, d)
		}
		for i, d := range list {
			select {
			case <-d.done:
			default:
				t.Errorf("message %d waits for ever", i)
			}
			if d.err != errClosed {
				t.Errorf("message %d: %v", i, d.err)
			}
		}
	})
}

// Whatever the nodes do, nothing comes between question and answer, and what is acknowledged is there once.
func TestNothingComesBetween(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, 4, "n1", "n2", "n3")
			oven := make(gate)
			close(oven)
			w.register(cooks(nil), ovens(oven))
			spoilt := rand.New(rand.NewPCG(seed, 2))
			w.spoil = func([]Op) error { // the world's lock is held
				if spoilt.IntN(5) == 0 {
					return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
				}
				return nil
			}
			nodes := []shards.NodeID{"n1", "n2", "n3"}
			var adds [3][]*begun
			for i := range 60 {
				if dice.IntN(3) == 0 {
					w.lead(dice.IntN(4), nodes[dice.IntN(3)])
				}
				name := dice.IntN(3)
				to, node := fmt.Sprint("cook/", name), nodes[dice.IntN(3)]
				switch dice.IntN(4) {
				case 0:
					w.begin(node, to, "bake", fmt.Sprint(dice.IntN(3)))
				case 1:
					w.begin(node, to, "swap", fmt.Sprint(dice.IntN(3)))
				default:
					adds[name] = append(adds[name], w.begin(node, to, "add", fmt.Sprint("m", i)))
				}
				pass(time.Duration(dice.IntN(300)) * time.Millisecond)
			}
			w.mu.Lock()
			w.spoil = nil
			w.mu.Unlock()
			pass(5 * time.Minute)
			for name := range adds {
				c := w.peek("n1", fmt.Sprint(name))
				if c.Between != 0 || c.Asked != 0 {
					t.Errorf("seed %d: cook %d: %+v", seed, name, c)
				}
				count := map[string]int{}
				for _, text := range c.Log {
					count[text]++
				}
				for text, n := range count {
					if strings.HasPrefix(text, "m") && n != 1 {
						t.Errorf("seed %d: %s was handled %d times", seed, text, n)
					}
				}
				acked := 0
				for _, b := range adds[name] {
					if !b.over() {
						t.Errorf("seed %d: a call is under way after five minutes", seed)
					} else if b.err == nil {
						acked++
					}
				}
				if acked > c.Adds {
					t.Errorf("seed %d: %d were acknowledged, %d are there", seed, acked, c.Adds)
				}
			}
			if left := w.keys("o"); len(left) != 0 {
				t.Errorf("seed %d: on the way: %v", seed, left)
			}
		})
	}
}
