package virtual

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// clerk asks others and writes down what they answer.
type clerk struct {
	Served  int
	Open    []uint64 // tokens
	Answers []string
}

// question tells a clerk whom to ask what. Ring has each clerk that is asked ask the next one, so often.
type question struct {
	To     string
	Method string
	Amount int
}

func clerks() *Kind {
	k := NewKind[clerk]("clerk")
	Handle(k, "ask", func(c *Context[clerk], q question) (uint64, error) {
		to, err := ParseID(q.To)
		if err != nil {
			return 0, err
		}
		token, err := c.Ask(to, q.Method, q.Amount, "answered")
		c.State.Open = append(c.State.Open, token)
		return token, err
	})
	HandleAnswer(k, "answered", func(c *Context[clerk], a Answer[int]) error {
		at := slices.Index(c.State.Open, a.Token)
		if at < 0 || c.Event() != EventReply || c.Number() != a.Token {
			return fmt.Errorf("token %d, event %d, number %d: none of %v", a.Token, c.Event(), c.Number(), c.State.Open)
		}
		c.State.Open = slices.Delete(c.State.Open, at, at+1)
		text := fmt.Sprint(c.Sender(), "=", a.Reply)
		if a.Refused != nil {
			text = fmt.Sprint(c.Sender(), ": ", a.Refused.Code, ": ", a.Refused.Text)
		}
		c.State.Answers = append(c.State.Answers, text)
		return nil
	})
	HandleAnswer(k, "spurn", func(*Context[clerk], Answer[int]) error { return errors.New("never mind") })
	Handle(k, "spurned", func(c *Context[clerk], q question) (uint64, error) {
		return c.Ask(c.Self(), q.Method, q.Amount, "spurn")
	})
	Handle(k, "serve", func(c *Context[clerk], n int) (int, error) {
		if n < 0 {
			return 0, errors.New("not below zero")
		}
		c.State.Served++
		return c.State.Served, nil
	})
	Handle(k, "ring", func(c *Context[clerk], n int) (int, error) {
		if n > 0 {
			token, err := c.Ask(ID{"clerk", fmt.Sprint(n % 3)}, "ring", n-1, "answered")
			if err != nil {
				return 0, err
			}
			c.State.Open = append(c.State.Open, token)
		}
		c.State.Served++
		return n, nil
	})
	Handle(k, "look", func(c *Context[clerk], _ struct{}) (clerk, error) { return *c.State, nil })
	Handle(k, "badly", func(c *Context[clerk], method string) (string, error) {
		_, err := c.Ask(c.Self(), "serve", 1, method)
		return fmt.Sprint(err), nil
	})
	return k.Kind
}

func (w *world) clerk(name string) (c clerk) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.must("n1", "clerk/"+name, "look", struct{}{})), &c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func TestAskIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		w.register(clerks)
		token := w.must("n1", "clerk/a", "ask", question{"clerk/b", "serve", 1})
		if token == "0" {
			t.Error("a question has no token")
		}
		for _, q := range []question{{"clerk/b", "serve", -1}, {"clerk/b", "no", 0}, {"clerk/a", "serve", 1}, {"clerk/b", "serve", 1}} {
			w.must("n1", "clerk/a", "ask", q)
		}
		synctest.Wait()
		a := w.clerk("a")
		slices.Sort(a.Answers) // those of b come in order; that of a itself among them
		want := "[clerk/a=1 clerk/b: failed: not below zero clerk/b: unknown: kind clerk has no such method clerk/b=1 clerk/b=2]"
		if fmt.Sprint(a.Answers) != want || len(a.Open) != 0 {
			t.Errorf("answers %v, not %s; open %v", a.Answers, want, a.Open)
		}
		if left := w.keys("o"); len(left) != 0 {
			t.Errorf("left on the way: %v", left)
		}
		if got := w.must("n1", "clerk/a", "badly", "nowhere") + w.must("n1", "clerk/a", "badly", "serve"); !strings.Contains(got, "no method") || !strings.Contains(got, "HandleAnswer") {
			t.Errorf("answers to nowhere: %s", got)
		}
		if _, err := w.call("n1", "clerk/a", "answered", map[string]int{"Token": 1}); CodeOf(err) != CodeBadRequest {
			t.Errorf("a forged answer: %v", err)
		}
	})
}

// Promised: "cycles of calls: bounded".
func TestAskInACircle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, "n1", "n2")
		w.register(clerks)
		w.must("n1", "clerk/0", "ring", 30)
		w.must("n1", "clerk/x", "ask", question{"clerk/x", "ring", 30})
		synctest.Wait()
		served := w.clerk("x").Served
		for _, name := range []string{"0", "1", "2"} {
			c := w.clerk(name)
			if served += c.Served; len(c.Open) != 0 {
				t.Errorf("clerk %s waits for %v", name, c.Open)
			}
		}
		if served != 62 {
			t.Errorf("%d questions were handled, not 62", served)
		}
	})
}

// A kind that nobody knows yet may be registered soon; who is asked by it then answers.
func TestAskWaitsForAKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(clerks)
		w.must("n1", "clerk/a", "ask", question{"journal/late", "add", 0})
		w.must("n1", "clerk/a", "ask", question{"journal/never", "add", 0})
		pass(time.Minute)
		if c := w.clerk("a"); len(c.Answers) != 0 || len(c.Open) != 2 {
			t.Fatalf("after a minute: %+v", c)
		}
		pass(10 * time.Minute)
		c := w.clerk("a")
		slices.Sort(c.Answers)
		if fmt.Sprint(c.Answers) != "[journal/late: no kind: kind journal is not registered on node n1, where the actor lives journal/never: no kind: kind journal is not registered on node n1, where the actor lives]" {
			t.Errorf("after eleven minutes: %q", c.Answers)
		}
		w.must("n1", "clerk/a", "ask", question{"shelf/late", "add", 0})
		pass(time.Minute)
		shelves := NewKind[int]("shelf")
		Handle(shelves, "add", func(*Context[int], int) (int, error) { return 17, nil })
		w.register(func() *Kind { return shelves.Kind })
		pass(10 * time.Minute)
		if c := w.clerk("a"); c.Answers[len(c.Answers)-1] != "shelf/late=17" {
			t.Errorf("the last answer of %q is not that of the late kind", c.Answers)
		}
	})
}

// An answer that the asker refuses is set aside, with what it said.
func TestAnswerThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(clerks)
		w.must("n1", "clerk/a", "spurned", question{Method: "serve", Amount: 1})
		w.must("n1", "clerk/a", "spurned", question{Method: "serve", Amount: -1})
		pass(time.Minute)
		list, _, err := w.hosts["n1"].Aside(t.Context(), 0, AsidePage{Limit: 10})
		if err != nil || len(list) != 2 || string(list[0].Payload) != "1" || !strings.Contains(string(list[1].Payload), "not below zero") || list[0].Method != "spurn" || list[0].Tries != triesRefused {
			t.Errorf("aside: %+v, %v", list, err)
		}
		if served := w.clerk("a").Served; served != 1 || len(w.keys("o")) != 0 {
			t.Errorf("served %d times; on the way %v", served, w.keys("o"))
		}
	})
}

// Whatever the nodes do, each question is handled once and answered once.
func TestQuestionsAreAnsweredOnce(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, 4, "n1", "n2", "n3")
			w.register(clerks)
			spoilt := rand.New(rand.NewPCG(seed, 2))
			w.spoil = func([]Op) error { // the world's lock is held
				if spoilt.IntN(5) == 0 {
					return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("the link broke")}
				}
				return nil
			}
			nodes := []shards.NodeID{"n1", "n2", "n3"}
			for range 60 {
				if dice.IntN(3) == 0 {
					w.lead(dice.IntN(4), nodes[dice.IntN(3)])
				}
				q := question{fmt.Sprint("clerk/", dice.IntN(5)), "serve", 1}
				w.must(nodes[dice.IntN(3)], fmt.Sprint("clerk/", dice.IntN(5)), "ask", q)
				pass(time.Duration(dice.IntN(300)) * time.Millisecond)
			}
			w.mu.Lock()
			w.spoil = nil
			w.mu.Unlock()
			pass(5 * time.Minute)
			served, answered := 0, map[string]bool{}
			for i := range 5 {
				c := w.clerk(fmt.Sprint(i))
				served += c.Served
				for _, text := range c.Answers {
					answered[text] = true // each number of each clerk once
				}
				if len(c.Open) != 0 {
					t.Errorf("seed %d: clerk %d waits for %v", seed, i, c.Open)
				}
			}
			if served != 60 || len(answered) != 60 || len(w.keys("o")) != 0 {
				t.Errorf("seed %d: %d served, %d answers, on the way: %v", seed, served, len(answered), w.keys("o"))
			}
		})
	}
}
