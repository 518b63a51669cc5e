package sim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// Action is what a client does to a key.
type Action uint8

// The actions. Append is there because a second application of it shows.
const (
	Get Action = iota
	Put
	Delete
	Swap // compare and swap
	Append
)

var actionNames = [...]string{"get", "put", "delete", "swap", "append", "lend", "claim", "extend", "persist"}

// String is the action's name.
func (a Action) String() string { return actionNames[a] }

// call is one operation of a client, from its first attempt to its answer.
type call struct {
	client  int
	action  Action
	key     string
	value   string // put, append, swap; unique in the world
	compare string // swap
	begun   int64  // by the one clock of all clients: see history.tick
	ended   int64  // math.MaxInt64: nobody knows whether it happened
	got     reply
	until   int64 // lend, claim, extend: the deadline, in Unix milliseconds
	least   int64 // of a lender: the earliest time that the primary can have taken it to be...
	latest  int64 // ...and the latest
}

// reply is what a client was told.
type reply struct {
	found   bool   // get, delete: the key was there
	value   string // get
	done    bool   // swap: the comparison held; claim: there was none; extend, persist: there was one
	length  int64  // append
	until   int64  // get: the deadline; extend, persist: the one before
	unknown bool   // it may happen at any time from its beginning on, or never
}

// history is what all clients did and saw.
type history struct {
	clock int64
	calls []call
}

// tick gives each event of a client a time of its own.
func (h *history) tick() int64 {
	h.clock++
	return h.clock
}

// note adds an operation that has ended. An unknown read says nothing, and is left out.
func (h *history) note(c call) {
	if c.got.unknown {
		if c.action == Get {
			return
		}
		c.ended = math.MaxInt64
	}
	h.calls = append(h.calls, c)
}

// absent is the state of a key that is not there; present ones are "+" and their value.
const absent = ""

// register is the sequential model of one key.
var register = porcupine.Model{
	Partition: byKey,
	Init:      func() any { return absent },
	Step: func(state, input, output any) (bool, any) {
		return act(state.(string), input.(*call), output.(*reply))
	},
	Equal: func(a, b any) bool { return a.(string) == b.(string) },
	DescribeOperation: func(input, output any) string {
		c := input.(*call)
		return c.String()
	},
}

// String is the call as a reader of a failure sees it.
func (c *call) String() string {
	s := c.action.String() + " " + c.key
	switch c.action {
	case Put, Append:
		s += " " + c.value
	case Lend, Claim, Extend:
		s += fmt.Sprintf(" %s until %d", c.value, c.until)
	case Swap:
		s += " " + c.compare + " -> " + c.value
	}
	switch {
	case c.got.unknown:
		s += ": unknown"
	case c.action == Get && !c.got.found:
		s += ": none"
	case c.action == Get && c.got.until != 0:
		s += fmt.Sprintf(": %s until %d", c.got.value, c.got.until)
	case c.action == Get:
		s += ": " + c.got.value
	case c.action == Extend || c.action == Persist:
		s += fmt.Sprintf(": %v, before until %d", c.got.done, c.got.until)
	case c.action == Claim:
		s += fmt.Sprintf(": %v", c.got.done)
	case c.action == Swap && !c.got.done:
		s += ": no"
	}
	if c.latest != 0 {
		s += fmt.Sprintf(" (between %d and %d)", c.least, c.latest)
	}
	return s
}

// act says whether the key may answer so in this state, and which state follows.
func act(state string, c *call, r *reply) (bool, any) {
	found, value := state != absent, ""
	if found {
		value = state[1:]
	}
	switch c.action {
	case Get:
		return found == r.found && (!found || value == r.value), state
	case Put:
		return true, "+" + c.value
	case Delete:
		return r.unknown || found == r.found, absent
	case Append:
		next := value + c.value
		return r.unknown || int64(len(next)) == r.length, "+" + next
	}
	holds := found && value == c.compare
	if holds {
		return r.unknown || r.done, "+" + c.value
	}
	return r.unknown || !r.done, state
}

// byKey cuts a history into one for each key.
func byKey(all []porcupine.Operation) [][]porcupine.Operation {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b porcupine.Operation) int {
		return cmp.Compare(a.Input.(*call).key, b.Input.(*call).key)
	})
	var parts [][]porcupine.Operation
	for i := range all {
		if i == 0 || all[i].Input.(*call).key != all[i-1].Input.(*call).key {
			parts = append(parts, nil)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], all[i])
	}
	return parts
}

// check looks for an order of the calls that explains every answer, for each key that counts. It gives a key for which
// there is none, or "" with whether every key could be decided within the time, which is the machine's: only a world that
// has ended is checked.
func (h *history) check(model porcupine.Model, counts func(key string) bool, most time.Duration) (broken string, calls []call, decided bool) {
	var all []porcupine.Operation
	for i := range h.calls {
		c := &h.calls[i]
		if counts(c.key) {
			all = append(all, porcupine.Operation{ClientId: c.client, Input: c, Output: &c.got, Call: c.begun, Return: c.ended})
		}
	}
	decided = true
	for _, part := range byKey(all) {
		switch porcupine.CheckOperationsTimeout(model, part, most) {
		case porcupine.Unknown:
			decided = false
		case porcupine.Illegal:
			for _, o := range part {
				calls = append(calls, *o.Input.(*call))
			}
			return calls[0].key, calls, true
		}
	}
	return "", nil, decided
}
