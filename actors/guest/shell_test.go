package guest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// A kind is pushed, used, replaced by a version that migrates, taken back and used again; what its actors keep is theirs all along.
func TestVersions(t *testing.T) {
	first, second := fixture(t, "counter.wasm"), fixture(t, "counter2.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.expect(0, "counter/a", "add", "1", "! kind counter is not registered")
		w.push(first) // and held: what the shards were told of the forgotten one makes none active
		w.expect(1, "counter/a", "add", "1", "! no version of kind counter is in use: troupe actor use counter")
		w.expect(1, "counter/a", "add", "1", "! no version of kind counter is in use")
		w.use("counter", 0)
		w.expect(0, "counter/a", "add", "3", "3")
		w.expect(1, "counter/a", "add", "4", "7")
		w.expect(1, "counter/a", "sub", "4", "! has no such method")
		w.expect(0, "counter/b", "read", "", "0")

		w.push(second)
		w.expect(0, "counter/a", "add", "1", "8")
		w.use("counter", 0)
		w.expect(0, "counter/a", "read", "", "8")
		w.expect(0, "counter/a", "add", "2", "10")
		if n, sums := w.Keys("d/{counter/a}/n"), w.Keys("d/{counter/a}/sum"); n != 0 || sums != 1 {
			t.Errorf("after the migration there are %d keys of the first layout, and %d of the second", n, sums)
		}
		w.Lead(1) // the marker is in the shard: the new primary goes on with the second version
		w.expect(0, "counter/a", "read", "", "10")

		w.use("counter", 1)
		w.expect(1, "counter/a", "read", "", "! its data was written in layout 2, and kind counter 1.0.0 reads layout 1")
		w.expect(1, "counter/b", "add", "5", "5")
		w.use("counter", 2)
		w.expect(1, "counter/a", "add", "1", "11")
		w.expect(1, "counter/b", "read", "", "5")
	})
}

// While a version is in use that is older than an actor's data, calls of it are refused, and what actors send it, what it has asked and what it is
// reminded of waits: none of it is set aside, and all of it comes once a version that reads the data is in use.
func TestOlderVersionKeepsMessages(t *testing.T) {
	first, second, kit := fixture(t, "counter.wasm"), fixture(t, "counter2.wasm"), fixture(t, "kit.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.push(first)
		w.use("counter", 0)
		w.push(second)
		w.use("counter", 0)
		w.push(kit)
		w.use("kit", 0)
		w.expect(0, "counter/a", "add", "1", "1")
		w.use("counter", 1)
		if got := w.call(0, "kit/x", "run", `"t counter/a add 5;a counter/a add 7"`); strings.HasPrefix(got, "!") {
			t.Fatal(got)
		}
		w.Pass(time.Hour)
		if sent, aside := w.Keys("o/"), w.Keys("a/"); sent != 2 || aside != 0 {
			t.Errorf("an hour later %d messages wait, and %d are set aside", sent, aside)
		}
		w.expect(0, "counter/a", "read", "", "! its data was written in layout 2")
		w.Lead(1)
		w.Pass(time.Hour)
		w.use("counter", 2)
		w.Pass(time.Minute)
		w.expect(0, "counter/a", "read", "", "13")
		if sent, aside := w.Keys("o/"), w.Keys("a/"); sent != 0 || aside != 0 {
			t.Errorf("in the end %d messages wait, and %d are set aside", sent, aside)
		}
	})
}

// An actor that has deleted all its data, and has no reminder, leaves nothing behind; one that has a reminder stays until that has come and it
// deletes something again.
func TestBareActorsGo(t *testing.T) {
	kit := fixture(t, "kit.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		w.push(kit)
		w.use("kit", 0)
		for _, c := range []struct {
			name, commands string
			stays          int
		}{
			{"gone", "d k", 0}, {"half", "d k", 1}, {"again", "d k;p j 1", 1}, {"reminded", "d k;m bell 90000000000 0 run", 1}, {"forgot", "d k;m bell 90000000000 0 run;f bell", 0},
		} {
			for _, commands := range []string{"p k 1", map[bool]string{true: "p j 1", false: "g k"}[c.name == "half"], c.commands} {
				if got := w.call(0, "kit/"+c.name, "run", `"`+commands+`"`); strings.HasPrefix(got, "!") {
					t.Fatalf("%s: %s: %s", c.name, commands, got)
				}
			}
			w.Pass(time.Hour)
			if n := w.Keys("s/{kit/" + c.name + "}"); n != c.stays {
				t.Errorf("%s has %d states", c.name, n)
			}
		}
		if got := w.call(0, "kit/gone", "run", `"p k 2;g k"`); got != "2" {
			t.Errorf("one that has gone is there again: %s", got)
		}
	})
}

// A node that has not heard of a version goes on with it where the shard has changed to it already, and never takes a shard back.
func TestLateNodes(t *testing.T) {
	first, second := fixture(t, "counter.wasm"), fixture(t, "counter2.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.push(first)
		w.use("counter", 0)
		w.push(second)
		w.expect(0, "counter/a", "add", "1", "1")
		w.deaf(1, true)
		w.use("counter", 0)
		w.Lead(1)
		w.expect(0, "counter/a", "add", "1", "2") // by version 1: the shard has not changed yet, and its primary knows no other
		if w.Keys("d/{counter/a}/n") != 1 {
			t.Error("a node that has not heard of version 2 uses it")
		}
		w.Lead(0)
		w.expect(0, "counter/a", "add", "1", "3")
		w.Lead(1)
		w.expect(0, "counter/a", "add", "1", "4")
		w.expect(1, "counter/b", "add", "1", "1")
		if w.Keys("d/{counter/b}/sum") != 1 {
			t.Error("a node that has not heard of version 2 takes the shard back to version 1")
		}
		w.deaf(1, false)
		w.expect(1, "counter/a", "read", "", "4")
	})
}

// Each message is handled by one version: those that run while their shard changes are handled again.
func TestSwitchUnderLoad(t *testing.T) {
	first, second := fixture(t, "counter.wasm"), fixture(t, "counter2.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1)
		w.push(first)
		w.use("counter", 0)
		w.push(second)
		const callers, calls = 8, 50
		var running sync.WaitGroup
		for n := range callers {
			running.Go(func() {
				for i := range calls {
					if got := w.call(0, fmt.Sprintf("counter/%d", n%4), "add", "1"); strings.HasPrefix(got, "!") {
						t.Error(got)
					}
					if n == 0 && i%10 == 5 {
						w.must(&cluster.Command{UseKind: &cluster.UseKind{Name: "counter", Number: 2}})
					}
				}
			})
		}
		running.Wait()
		for n := range 4 {
			w.expect(0, fmt.Sprintf("counter/%d", n), "read", "", fmt.Sprint(2*calls))
		}
	})
}

// Kinds come and go; a module that cannot run is said so by every node, and no kind of that name is taken from the program.
func TestKindsOfNodes(t *testing.T) {
	first, kit := fixture(t, "counter.wasm"), fixture(t, "kit.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		own := virtual.NewKind[int]("kit")
		virtual.Handle(own, "run", func(*virtual.Context[int], string) (string, error) { return "own", nil })
		if err := w.Host(1).Register(own.Kind); err != nil {
			t.Fatal(err)
		}
		digest := w.push(kit)
		m := w.state.Module(digest)
		if problem, known := m.ReadyOn(id(1), 1); !known || !strings.Contains(problem, "the program that runs there has a kind kit of its own") {
			t.Errorf("node 1 says %q (%v)", problem, known)
		}
		if o := w.apply(&cluster.Command{UseKind: &cluster.UseKind{Name: "kit"}}); o.Err == nil || !strings.Contains(o.Err.Error(), "node n1 cannot run it") {
			t.Errorf("a kind that one node cannot run is used: %v", o.Err)
		}
		w.Lead(1)
		w.expect(0, "kit/a", "run", `"h"`, "own")

		w.push(first)
		w.use("counter", 0)
		w.expect(1, "counter/a", "add", "1", "1")
		w.must(&cluster.Command{ForgetKind: &cluster.ForgetKind{Name: "counter"}})
		synctest.Wait()
		w.expect(1, "counter/a", "add", "1", "! kind counter is not registered")
		w.push(first) // and held: what the shards were told of the forgotten one makes none active
		w.expect(1, "counter/a", "add", "1", "! no version of kind counter is in use: troupe actor use counter")
		w.use("counter", 0)
		w.expect(0, "counter/a", "add", "1", "2")
	})
}

// What guests do that they should not ends with its message: others of the kind and of other kinds are handled meanwhile.
func TestHostileBesideHonest(t *testing.T) {
	honest, bad := fixture(t, "counter.wasm"), fixture(t, "kit.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.push(honest)
		w.push(bad)
		w.use("counter", 0)
		w.use("kit", 0)
		var running sync.WaitGroup
		for n := range 4 {
			running.Go(func() {
				for _, c := range hostile {
					if got := w.call(n%2, fmt.Sprint("kit/bad", n), "run", `"p x 1;`+c.commands+`"`); !strings.HasPrefix(got, "! ") || !strings.Contains(got, c.says) {
						t.Errorf("%s: %s", c.name, got)
					}
				}
			})
			running.Go(func() {
				for i := range 50 {
					w.expect(n%2, fmt.Sprint("counter/", n), "add", "1", fmt.Sprint(i+1))
					w.expect(n%2, fmt.Sprint("kit/good", n), "run", `"h;p a 1"`, "1")
				}
			})
		}
		running.Wait()
		if n := w.Keys("d/{kit/bad"); n != 0 {
			t.Errorf("%d keys are kept of what was refused", n)
		}
		if n := w.Keys("o/"); n != 0 {
			t.Errorf("%d messages were sent by what was refused", n)
		}
		if f := w.shells[0].Figures(); len(f) != 2 || f[0].Kind != "counter" || f[0].Handled < 200 || f[0].Stopped != 0 || f[1].Handled < 200 || f[1].Stopped != uint64(4*len(hostile)) || f[1].Fuel < 1_000_000 {
			t.Errorf("the shell has counted %+v", f)
		}
	})
}

// Actors that ask each other in a circle wait for nobody, and get their answers.
func TestAskInACircle(t *testing.T) {
	kit := fixture(t, "kit.wasm")
	engine()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 2)
		w.push(kit)
		w.use("kit", 0)
		for _, actor := range []string{"a", "b", "c"} {
			other := map[string]string{"a": "b", "b": "c", "c": "a"}[actor]
			if got := w.call(1, "kit/"+actor, "run", fmt.Sprintf(`"a kit/%s run 5;a kit/%s run"`, other, actor)); strings.HasPrefix(got, "!") {
				t.Error(got)
			}
		}
		w.Pass(time.Minute)
		if n := w.Keys("o/"); n != 0 {
			t.Errorf("%d messages wait", n)
		}
		for actor, other := range map[string]string{"a": "b", "b": "c", "c": "a"} {
			if note := w.call(0, "kit/"+actor, "run", `"g note"`); !strings.HasPrefix(note, "3 kit/"+actor+"|kit/"+actor+"|run") && !strings.HasPrefix(note, "3 kit/"+actor+"|kit/"+other+"|run") {
				t.Errorf("kit/%s has the answer %q", actor, note)
			}
		}
	})
}

// A module that could not be compiled in time is not one that cannot run: it is tried again.
func TestTimeSaysNothingOfAModule(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	binary := fixture(t, "kit.wasm")
	s := newShell(Config{Engine: engine(), Log: slog.New(slog.DiscardHandler), load: Load})
	s.ctx, s.kinds["kit"] = ctx, &cluster.ActorKind{}
	state := &cluster.State{Modules: []cluster.Module{{Digest: "d", Size: len(binary), Chunks: [][]byte{binary}}}}
	if !state.Modules[0].Whole() || s.stage(state) || len(s.shelf.Load().modules) != 0 {
		t.Errorf("a node that has no time has %v on its shelf", s.shelf.Load().modules)
	}
}
