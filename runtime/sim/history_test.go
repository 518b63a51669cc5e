package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func everyKey(string) bool { return true }

// Clients of one true register, whose calls overlap, are explained; and one changed answer is not.
func TestHistoryOfATrueRegister(t *testing.T) {
	for seed := range uint64(40) {
		chance := rand.New(rand.NewPCG(seed, 1))
		h := overlapping(chance, 4, 300)
		if key, calls, decided := h.check(register, everyKey, time.Minute); key != "" || !decided {
			t.Fatalf("seed %d: key %q is refused, decided %v: %v", seed, key, decided, calls)
		}
		for i := len(h.calls) / 2; i < len(h.calls); i++ {
			if c := &h.calls[i]; c.action == Get && !c.got.unknown {
				c.got.found, c.got.value = true, "never written"
				break
			}
		}
		if key, _, _ := h.check(register, everyKey, time.Minute); key == "" {
			t.Fatalf("seed %d: a value that nobody wrote was read, and accepted", seed)
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	done := func(a Action, value, compare string, begun, ended int64, got reply) call {
		return call{action: a, key: "k", value: value, compare: compare, begun: begun, ended: ended, got: got}
	}
	for name, calls := range map[string][]call{
		"a lost write": {done(Put, "a", "", 1, 2, reply{}), done(Get, "", "", 3, 4, reply{})},
		"a stale read": {
			done(Put, "a", "", 1, 2, reply{}), done(Put, "b", "", 3, 4, reply{}), done(Get, "", "", 5, 6, reply{found: true, value: "a"}),
		},
		"an append applied twice": {
			done(Append, "a", "", 1, 2, reply{length: 1}), done(Get, "", "", 3, 4, reply{found: true, value: "aa"}),
		},
		"a swap that held wrongly": {
			done(Put, "a", "", 1, 2, reply{}), done(Swap, "c", "b", 3, 4, reply{done: true}),
		},
		"a delete of nothing that found something": {done(Delete, "", "", 1, 2, reply{found: true})},
	} {
		h := history{}
		for _, c := range calls {
			h.note(c)
		}
		if key, _, _ := h.check(register, everyKey, time.Minute); key != "k" {
			t.Errorf("%s was accepted", name)
		}
		if key, _, _ := h.check(register, func(string) bool { return false }, time.Minute); key != "" {
			t.Errorf("%s: a key that does not count was checked", name)
		}
	}
}

// A write of which nobody knows whether it happened may explain a later read, and need not.
func TestHistoryOfAnUnknownWrite(t *testing.T) {
	for _, seen := range []string{"a", "b"} {
		h := history{}
		h.note(call{action: Put, key: "k", value: "a", begun: 1, ended: 2})
		h.note(call{action: Put, key: "k", value: "b", begun: 3, got: reply{unknown: true}})
		h.note(call{action: Get, key: "k", begun: 5, ended: 6, got: reply{found: true, value: seen}})
		h.note(call{action: Get, key: "k", begun: 7, got: reply{unknown: true}})
		if key, _, _ := h.check(register, everyKey, time.Minute); key != "" {
			t.Errorf("reading %q was refused", seen)
		}
		if len(h.calls) != 3 {
			t.Errorf("an unknown read is in the history: %v", h.calls)
		}
	}
}

// overlapping lets clients act on true registers: each call takes effect at a time between its beginning and its end.
func overlapping(chance *rand.Rand, clients, calls int) *history {
	h := &history{}
	state := map[string]string{}
	open := make([]*call, clients)
	for i := 0; i < calls; {
		n := chance.IntN(clients)
		c := open[n]
		if c == nil {
			i++
			open[n] = &call{
				client: n, action: Action(chance.IntN(5)), key: fmt.Sprint("k", chance.IntN(3)), value: fmt.Sprint("v", i),
				compare: fmt.Sprint("v", chance.IntN(i+1)), begun: h.tick(),
			}
			continue
		}
		unknown := chance.IntN(20) == 0
		if !unknown || chance.IntN(2) == 0 {
			happen(state, c)
		}
		c.got.unknown = unknown
		c.ended = h.tick()
		h.note(*c)
		open[n] = nil
	}
	return h
}

func happen(state map[string]string, c *call) {
	now, found := state[c.key], state[c.key] != absent
	value := ""
	if found {
		value = now[1:]
	}
	switch c.action {
	case Get:
		c.got.found, c.got.value = found, value
	case Put:
		state[c.key] = "+" + c.value
	case Delete:
		c.got.found = found
		delete(state, c.key)
	case Append:
		state[c.key] = "+" + value + c.value
		c.got.length = int64(len(value + c.value))
	case Swap:
		if found && value == c.compare {
			c.got.done = true
			state[c.key] = "+" + c.value
		}
	}
}
