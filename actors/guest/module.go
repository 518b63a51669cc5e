package guest

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// Module is a kind's code at one version: checked, compiled, and shown to start. It is safe for use by many goroutines.
type Module struct {
	Manifest *act.Manifest
	code     *wasm.Module
	host     wasm.Host
	pool     *wasm.Pool
	migrates bool

	handled, refused, stopped, fuel atomic.Uint64

	once  sync.Once
	clean *wasm.Snapshot // what every message begins with; nil if the manifest says reuse
	fixed error          // why there can be none
}

// signatures are the types of the exports that a host of this version calls.
var signatures = map[string]string{
	act.ExportMarker:     "act_abi_1()",
	act.ExportInbox:      "act_inbox(i32) -> i32",
	act.ExportHandle:     "act_handle(i32, i32) -> i32",
	act.ExportMigrate:    "act_migrate(i32, i32) -> i32",
	act.ExportInitialize: "_initialize()",
}

// firstInbox is the size of the envelope that an instance has room for from its beginning.
const firstInbox = 4096

// Load checks and compiles a module that anybody may have written, makes one instance of it to see that it starts, and refuses with a
// sentence what cannot be a kind. Lines that its guests log go to host. The context bounds the compilation.
func Load(ctx context.Context, e *wasm.Engine, binary []byte, host wasm.Host) (*Module, error) {
	manifest, err := act.FindManifest(binary)
	if err != nil {
		return nil, err
	}
	code, err := e.Compile(ctx, binary, wasm.Limits{Pages: manifest.Limits.Pages, Fuel: manifest.Limits.Fuel}, offer)
	if err != nil {
		return nil, fmt.Errorf("guest: kind %s: %w", manifest.Kind, err)
	}
	m := &Module{Manifest: manifest, code: code, host: host}
	m.pool = wasm.NewPool(code, host, instances(), m.ready)
	if err = m.inspect(); err == nil {
		err = m.pool.Do(ctx, func(*wasm.Instance) error { return nil })
	}
	if err != nil {
		_ = m.pool.Close() // of a module that is of no use: what is wrong with it is told
		return nil, fmt.Errorf("guest: kind %s: %w", manifest.Kind, err)
	}
	return m, nil
}

// instances is how many messages of one kind are handled at once: a guest computes and waits for little else.
func instances() int { return 2*goruntime.GOMAXPROCS(0) + 2 }

// inspect looks at the exports.
func (m *Module) inspect() error {
	exports := map[string]bool{act.ExportMemory: true} // Instance.Memory tells of it
	for _, f := range m.code.Exports() {
		exports[f.Name] = true
		if want := signatures[f.Name]; want != "" && f.String() != want {
			return fmt.Errorf("it exports %v; a host of version %d calls %s", f, act.Version, want)
		}
	}
	for _, name := range act.Required() {
		if !exports[name] {
			return fmt.Errorf("it does not export %s, which ABI version %d requires", signatures[name], act.Version)
		}
	}
	m.migrates = exports[act.ExportMigrate]
	return nil
}

// cell is what the house knows of one instance.
type cell struct {
	module  *Module
	box     *wasm.Func
	handle  *wasm.Func
	migrate *wasm.Func
	inbox   uint32   // memory for an envelope of firstInbox bytes
	at      *message // what is being handled; nil: nothing, and no import of act may be called
	stack   [2]uint64
}

// ready sets an instance up, and remembers what it is like then.
func (m *Module) ready(i *wasm.Instance) error {
	c := &cell{module: m, box: i.Func(act.ExportInbox), handle: i.Func(act.ExportHandle), migrate: i.Func(act.ExportMigrate)}
	i.Bind(c)
	if i.Memory() == nil {
		return fmt.Errorf("it does not export its %s", act.ExportMemory)
	}
	var err error
	if c.inbox, err = c.room(i, firstInbox, m.code.Limits().StartFuel); err != nil {
		return err
	}
	if m.Manifest.Reuse {
		return nil
	}
	m.once.Do(func() { m.clean, m.fixed = i.Snapshot() })
	if m.fixed != nil {
		return fmt.Errorf("%w; or say \"reuse\": true in its manifest, if nothing that it remembers matters", m.fixed)
	}
	return nil
}

// room asks the guest for memory for an envelope; it may use so much fuel for that.
func (c *cell) room(i *wasm.Instance, size int, fuel uint64) (uint32, error) {
	c.stack[0] = uint64(size)
	if err := c.box.Call(fuel, c.stack[:]); err != nil {
		return 0, err
	}
	at := uint32(c.stack[0])
	if at == 0 {
		return 0, fmt.Errorf("it has no room for an envelope of %d bytes: act_inbox gives 0", size)
	}
	if _, err := i.View(at, uint32(size)); err != nil {
		return 0, fmt.Errorf("act_inbox gives %d for an envelope of %d bytes: %w", at, size, err)
	}
	return at, nil
}

// restore puts the instance back to what every message begins with. One whose memory has grown is dropped instead.
func (m *Module) restore(i *wasm.Instance) {
	if m.clean != nil && i.Restore(m.clean) != nil {
		_ = i.Close() // the pool drops what is closed
	}
}

// Digest is the module's SHA-256 in hexadecimal, as it was given.
func (m *Module) Digest() string { return m.code.Digest().String() }

// Size is the module's length in bytes.
func (m *Module) Size() int { return m.code.Size() }

// Exports lists what the module exports, as text.
func (m *Module) Exports() (list []string) {
	for _, f := range m.code.Exports() {
		list = append(list, f.String())
	}
	return list
}

// Figures are what a module has done since it was loaded.
type Figures struct {
	Kind, Version string // as its manifest says
	Handled       uint64 // messages, those of which the commit failed included
	Refused       uint64 // by the guest, or before it saw them
	Stopped       uint64 // that trapped or passed a limit
	Fuel          uint64 // of all of them
	Made          uint64 // instances
	Idle          int    // instances that wait
}

// Figures says what the module has done so far.
func (m *Module) Figures() Figures {
	c := m.pool.Counts()
	return Figures{m.Manifest.Kind, m.Manifest.Version, m.handled.Load(), m.refused.Load(), m.stopped.Load(), m.fuel.Load(), c.Made, c.Idle}
}

func (f *Figures) add(o *Figures) {
	f.Handled += o.Handled
	f.Refused += o.Refused
	f.Stopped += o.Stopped
	f.Fuel += o.Fuel
	f.Made += o.Made
	f.Idle += o.Idle
}

// count notes what came of a message.
func (m *Module) count(fuel uint64, err error) {
	m.fuel.Add(fuel)
	switch virtual.CodeOf(err) {
	case 0:
		if err == nil {
			m.handled.Add(1)
		}
	case virtual.CodePanicked, virtual.CodeTooLarge:
		m.stopped.Add(1)
	default:
		m.refused.Add(1)
	}
}

// Counts says what has become of its instances.
func (m *Module) Counts() wasm.Counts { return m.pool.Counts() }

// Trim frees instances that were not needed since it was called last.
func (m *Module) Trim() { m.pool.Trim() }

// Close lets no message in any more. Those that are being handled end as they would.
func (m *Module) Close() error { return m.pool.Close() }

// name is how errors speak of the module.
func (m *Module) name() string {
	return strings.TrimSpace("kind " + m.Manifest.Kind + " " + m.Manifest.Version)
}
