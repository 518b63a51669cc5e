package virtual

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/troupe-actors/troupe/shards"
)

// What can never be handled is refused where it is told, as it is where it is called: nobody waits for what comes of it.
func TestTellRefusesAtTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, "n1")
		w.register(journals(nil))
		h, to := w.hosts["n1"], ID{"journal", "a"}
		for what, err := range map[string]error{
			"no actor":   Tell(h, ID{}, "add", "x"),
			"a slash":    Tell(h, ID{"a/b", "x"}, "add", "x"),
			"a long one": Tell(h, ID{"journal", strings.Repeat("x", MaxName)}, "add", "x"),
			"no JSON":    h.Tell(to, "add", []byte("{no json")),
			"a function": Tell(h, to, "add", func() {}),
		} {
			var own *shards.Error
			if !errors.As(err, &own) || own.Kind != shards.KindInvalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := Tell(h, to, "add", string(bytes.Repeat([]byte("x"), MaxPayload))); CodeOf(err) != CodeTooLarge {
			t.Errorf("a request that is too large: %v", err)
		}
		if err := errors.Join(Tell(h, to, "add", "x"), h.Tell(to, "add", nil)); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		w.must("n1", "journal/a", "add", "y")
		if got := w.must("n1", "journal/a", "look", struct{}{}); len(strings.Fields(got)) != 2 {
			t.Errorf("what came is %q", got)
		}
		h.Close()
		if err := Tell(h, to, "add", "x"); !errors.Is(err, shards.ErrClosed) {
			t.Errorf("of a host that is closed: %v", err)
		}
	})
}

// What is no UTF-8 is sent to nobody: as JSON it would come out as another name.
func TestSentToText(t *testing.T) {
	const bad = "a\xffb"
	var invalid *shards.Error
	for _, id := range []ID{{"sleeper", bad}, {bad, "a"}} {
		if err := id.Check("m"); !errors.As(err, &invalid) || invalid.Kind != shards.KindInvalid {
			t.Errorf("%q: %v", id, err)
		}
		turn := &Turn{self: ID{"sleeper", "a"}}
		if err := turn.Tell(id, "m", 1); !errors.As(err, &invalid) || invalid.Kind != shards.KindInvalid {
			t.Errorf("%q is told: %v", id, err)
		}
		if err := turn.Tell(turn.self, bad, 1); !errors.As(err, &invalid) || len(turn.outbox) > 0 {
			t.Errorf("a method %q is told: %v", bad, err)
		}
	}
	for _, good := range []ID{{"sleeper", "\ufffd ä/{}%"}, {"sleeper", ""}} {
		if err := good.Check("m"); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
