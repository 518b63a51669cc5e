package wasm

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// A Snapshot is all the state of an instance: memory, mutable globals, the fake clock and dice. An instance that is put
// back to it answers the same calls in the same way, whatever it did or suffered in between.
type Snapshot struct {
	memory  []byte
	globals []uint64
	clock   fakeClock
	dice    uint64
}

// Snapshot copies the state. A module whose tables, segments or vector globals may change has state that cannot be put
// back, and is refused.
func (i *Instance) Snapshot() (*Snapshot, error) {
	if i.module.fixed != "" {
		return nil, fmt.Errorf("wasm: module %s cannot be put back to a snapshot: %s; build it without, or use fresh instances", i.module.digest.Short(), i.module.fixed)
	}
	if i.dead != nil {
		return nil, i.dead
	}
	s := &Snapshot{memory: append([]byte(nil), i.Memory()...), clock: i.clock, dice: i.dice}
	for _, g := range i.mutable() {
		s.globals = append(s.globals, g.Get())
	}
	return s, nil
}

// Restore puts the instance back, also one that trapped. It fails if the guest's memory has grown since, because memory does not
// shrink: the instance is then to be replaced.
func (i *Instance) Restore(s *Snapshot) error {
	now := i.Memory()
	globals := i.mutable()
	if len(now) != len(s.memory) || len(globals) != len(s.globals) {
		return fmt.Errorf("wasm: module %s: memory has grown from %d to %d bytes since the snapshot; make a new instance", i.module.digest.Short(), len(s.memory), len(now))
	}
	if i.guest.IsClosed() {
		return fmt.Errorf("wasm: module %s: the instance is closed; make a new one", i.module.digest.Short())
	}
	copy(now, s.memory)
	for n, g := range globals {
		g.Set(s.globals[n])
	}
	i.depth.Set(0)
	i.clock, i.dice, i.dead, i.said = s.clock, s.dice, nil, ""
	return nil
}

// mutable finds the guest's mutable globals, in the module's order.
func (i *Instance) mutable() []api.MutableGlobal {
	if i.globals == nil {
		i.globals = make([]api.MutableGlobal, 0, len(i.module.mutable))
		for _, n := range i.module.mutable {
			i.globals = append(i.globals, i.guest.ExportedGlobal(globalName+fmt.Sprint(n)).(api.MutableGlobal))
		}
	}
	return i.globals
}
