package guest

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
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm"
)

// slow is a node that compiles what it is to compile when the test says so.
type slow struct {
	mu    sync.Mutex
	begun []string      // digests, in the order in which they were begun
	turn  chan struct{} // one for each
	fault error         // of what it compiles
}

func (s *slow) load(ctx context.Context, e *wasm.Engine, binary []byte, host wasm.Host) (*Module, error) {
	m, err := Load(ctx, e, binary, host)
	if err != nil { // the node closes
		return nil, err
	}
	s.mu.Lock()
	s.begun = append(s.begun, m.Manifest.Kind+" "+m.Manifest.Version)
	fault := s.fault
	s.mu.Unlock()
	select {
	case <-s.turn:
	case <-ctx.Done():
		fault = ctx.Err()
	}
	if fault != nil {
		return nil, errors.Join(fault, m.Close())
	}
	return m, nil
}

// lateTown is a town whose node 1 joins when version 2 of counter is in use and node 0 has handled messages: what it compiles takes its time.
func lateTown(t *testing.T, fault error) (*town, *slow) {
	first, second := fixture(t, "counter.wasm"), fixture(t, "counter2.wasm")
	late := &slow{turn: make(chan struct{}), fault: fault}
	w := newTownWith(t, 2, func(node int) loader {
		if node == 1 {
			return late.load
		}
		return Load
	})
	w.leave(1)
	w.push(first)
	w.use("counter", 0)
	w.expect(0, "counter/a", "add", "1", "1")
	w.push(second)
	w.use("counter", 0)
	w.join(1)
	return w, late
}

// asked is a call that has begun.
type asked struct {
	reply []byte
	err   error
	took  time.Duration
	done  chan struct{}
}

func (w *town) ask(ctx context.Context, node int, actor, method, request string) *asked {
	w.t.Helper()
	to, err := virtual.ParseID(actor)
	if err != nil {
		w.t.Fatal(err)
	}
	a := &asked{done: make(chan struct{})}
	begun := time.Now()
	go func() {
		defer close(a.done)
		a.reply, a.err = w.Host(node).Call(ctx, to, method, []byte(request))
		a.took = time.Since(begun)
	}()
	return a
}

func (a *asked) is() string {
	select {
	case <-a.done:
	default:
		return "under way"
	}
	if a.err != nil {
		return "! " + a.err.Error()
	}
	return string(a.reply)
}

// A node that joins is not asked for actors before it has compiled what is in use: calls that come to it wait until it has, and go on,
// however long that takes. It begins with what they wait for.
func TestCallsWaitForTheirCode(t *testing.T) {
	engine()
	synctest.Test(t, func(t *testing.T) {
		w, late := lateTown(t, nil)
		w.Lead(1)
		var list []*asked
		for n := range 4 {
			list = append(list, w.ask(t.Context(), n%2, "counter/a", "add", "1"))
		}
		w.Pass(2 * time.Minute) // longer than nodes are patient, and messages wait in a mailbox
		for _, a := range list {
			if a.is() != "under way" {
				t.Errorf("while the node compiles a call gives %s", a.is())
			}
		}
		late.turn <- struct{}{}
		synctest.Wait()
		for _, a := range list {
			if strings.HasPrefix(a.is(), "!") || a.took != 2*time.Minute {
				t.Errorf("a call gives %s, after %v", a.is(), a.took)
			}
		}
		w.expect(0, "counter/a", "read", "", "5")
		late.turn <- struct{}{}
		synctest.Wait()
		if got := strings.Join(late.begun, ", "); got != "counter 2.0.0, counter 1.0.0" {
			t.Errorf("the node compiles in the order %s", got)
		}
	})
}

// Who waits for a node to compile goes on elsewhere when another leads, and ends with a reason when its time has come.
func TestCallsDoNotWaitInVain(t *testing.T) {
	engine()
	synctest.Test(t, func(t *testing.T) {
		w, late := lateTown(t, nil)
		w.Lead(1)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		local, long := w.ask(short, 1, "counter/a", "add", "1"), []*asked{w.ask(t.Context(), 0, "counter/a", "add", "1"), w.ask(t.Context(), 1, "counter/a", "add", "1")}
		w.Pass(2 * time.Minute)
		var e *shards.Error
		if got := local.is(); !strings.Contains(got, "version 2 of kind counter (module ") || !strings.Contains(got, "it has been compiled for 1s") || !errors.As(local.err, &e) || e.Kind != shards.KindUnavailable || local.took != time.Second {
			t.Errorf("a call of one second gives %s, after %v", got, local.took)
		}
		w.Lead(0)
		w.Pass(time.Second)
		for i, a := range long {
			if got := a.is(); got != "2" && got != "3" {
				t.Errorf("when node 0 leads again call %d gives %s, after %v", i, got, a.took)
			}
		}
		close(late.turn)
	})
}

// A node that cannot compile what is in use says so at once, and by a code of its own.
func TestCallsLearnWhatCannotRun(t *testing.T) {
	engine()
	synctest.Test(t, func(t *testing.T) {
		w, late := lateTown(t, errors.New("this machine has no such instruction"))
		w.Lead(1)
		a := w.ask(t.Context(), 0, "counter/a", "add", "1")
		w.Pass(time.Minute)
		if a.is() != "under way" {
			t.Errorf("while the node compiles a call gives %s", a.is())
		}
		close(late.turn)
		synctest.Wait()
		for i, a := range []*asked{a, w.ask(t.Context(), 0, "counter/b", "add", "1"), w.ask(t.Context(), 1, "counter/b", "add", "1")} {
			<-a.done
			if got := a.is(); virtual.CodeOf(a.err) != virtual.CodeUnable || !strings.Contains(got, "this machine has no such instruction") {
				t.Errorf("call %d gives %s", i, got)
			}
			if i > 0 && a.took != 0 {
				t.Errorf("call %d took %v", i, a.took)
			}
		}
		w.Lead(0)
		w.expect(1, "counter/a", "add", "1", "2")
	})
}

// What takes too long to compile does not keep callers for ever: they learn of it, and the node tries again.
func TestCallsDoNotWaitForWhatTakesTooLong(t *testing.T) {
	engine()
	synctest.Test(t, func(t *testing.T) {
		w, late := lateTown(t, nil)
		w.Lead(1)
		a := w.ask(t.Context(), 1, "counter/a", "add", "1")
		w.Pass(compileLimit + 2*time.Minute) // and as long as a node is patient
		if got := a.is(); !strings.Contains(got, fmt.Sprintf("could not be compiled in %v", compileLimit)) {
			t.Errorf("a call gives %s", got)
		}
		close(late.turn)
		w.Pass(2 * compileLimit)
		w.expect(0, "counter/a", "add", "1", "2")
	})
}
