package virtual

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A commit of which nobody knows the outcome may come to be much later, when there are copies enough: what it sends and reminds of comes then, in
// its order, whoever has called the actor meanwhile.
func TestUnknownCommitComesLate(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"nothing is called": func(*world) {},
		"it is looked at": func(w *world) {
			w.must("n1", "journal/a", "look", struct{}{})
			w.must("n1", "sleeper/a", "look", 0)
		},
		"it is looked at after a while": func(w *world) {
			pass(time.Minute)
			w.must("n1", "journal/a", "look", struct{}{})
			w.must("n1", "sleeper/a", "look", 0)
			pass(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "n1")
				w.register(journals(nil), sleepers)
				unknown := func(to, method string, request any) {
					t.Helper()
					w.few, w.underWay = true, nil
					if _, err := w.call("n1", to, method, request); kindOf(err) != shards.KindOutcomeUnknown {
						t.Errorf("a commit that waits for copies: %v", err)
					}
					meanwhile(w)
					w.enough()
				}
				unknown("journal/a", "send", orders{"journal/b add 1"})
				w.must("n1", "journal/a", "send", orders{"journal/b add 2"})
				pass(time.Minute)
				w.lines("journal/b", "1 2")
				unknown("journal/a", "send", orders{"journal/b add 3"})
				w.must("n1", "journal/a", "add", "x")
				pass(time.Minute)
				w.lines("journal/b", "1 2 3")
				unknown("journal/a", "send", orders{"journal/b add 4"})
				pass(time.Minute)
				w.lines("journal/b", "1 2 3 4")
				unknown("sleeper/a", "set", [3]int{1000, 0, 0})
				pass(time.Minute)
				if got := w.must("n1", "sleeper/a", "look", 0); got != "1" {
					t.Errorf("it rang %s times", got)
				}
				if n := len(w.hosts["n1"].chores.clock); n != 0 {
					t.Errorf("%d chores are left", n)
				}
			})
		})
	}
}
