package virtual

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// tally counts. What only reads is asked of it in turn, and beside.
func tallies() *Kind {
	k := NewKind[int]("tally", IdleAfter(time.Second))
	Handle(k, "add", func(c *Context[int], n int) (int, error) {
		*c.State += n
		return *c.State, nil
	})
	Handle(k, "look", func(c *Context[int], _ struct{}) (int, error) { return *c.State, nil })
	HandleRead(k, "read", func(c *Reading[int], _ struct{}) (int, error) { return *c.State, nil })
	return k.Kind
}

// A commit of which nobody knows the outcome may come to be when the actor has been looked at since: from then on it is what it has become, whether it has
// stayed in memory or not.
func TestWhatComesLateIsSeen(t *testing.T) {
	for name, meanwhile := range map[string]func(w *world){
		"it stays in memory": func(*world) {},
		"it leaves memory": func(w *world) {
			pass(time.Minute)
			if n := w.hosts["n1"].Active(); n != 0 {
				t.Errorf("%d actors are in memory", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, "n1")
				w.register(tallies)
				asks := func(when, want string) {
					t.Helper()
					for range 2 {
						for _, method := range []string{"look", "read"} {
							if got := w.must("n1", "tally/a", method, struct{}{}); got != want {
								t.Errorf("%s, %s gives %s, not %s", when, method, got, want)
							}
						}
					}
				}
				late := func(method string, request any) {
					t.Helper()
					w.few, w.underWay = true, nil
					if _, err := w.call("n1", "tally/a", method, request); kindOf(err) != shards.KindOutcomeUnknown {
						t.Errorf("a commit that waits for copies: %v", err)
					}
				}
				late("add", 1)
				asks("before the first has come", "0")
				meanwhile(w)
				asks("a while later", "0")
				w.enough()
				asks("when it has", "1")
				late("add", 2)
				meanwhile(w)
				asks("before the second has come", "1")
				w.enough()
				if got := w.must("n1", "tally/a", "add", 4); got != "7" {
					t.Errorf("behind it: %s", got)
				}
				asks("and behind that", "7")
				if n := len(w.hosts["n1"].unsure.writes); n != 0 {
					t.Errorf("%d writes are unsure", n)
				}
				late("add", 8)
				w.enough()
				w.lead(0, "")
				pass(time.Minute)
				if n := len(w.hosts["n1"].unsure.writes); n != 0 {
					t.Errorf("%d writes of a reign that is over are unsure", n)
				}
			})
		})
	}
}

// A marker that was set late is seen by the other actors of its shard.
func TestAMarkerThatComesLateIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(func() *Kind {
			k := NewKind[int]("marks")
			Handle(k, "set", func(c *Context[int], value string) (int, error) { return 0, c.SetMarker("m", []byte(value)) })
			HandleRead(k, "read", func(c *Reading[int], _ struct{}) (string, error) {
				value, err := c.Marker("m")
				return string(value), err
			})
			return k.Kind
		})
		for i, set := range []string{"1", "2"} {
			w.few, w.underWay = true, nil
			if _, err := w.call("n1", "marks/a", "set", set); kindOf(err) != shards.KindOutcomeUnknown {
				t.Errorf("a commit that waits for copies: %v", err)
			}
			if got := w.must("n1", "marks/b", "read", struct{}{}); got != []string{"", "1"}[i] {
				t.Errorf("before it has come the marker is %s", got)
			}
			w.enough()
			if got := w.must("n1", "marks/b", "read", struct{}{}); got != set {
				t.Errorf("when it has, the marker is %s, not %s", got, set)
			}
		}
	})
}
