package guest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm"
)

// Group is what a Shell needs of the metadata group. Its methods may be called concurrently.
type Group interface {
	// State is the newest cluster state that this node has applied.
	State() *cluster.State
	// Propose has a command ordered, from any node. When it returns without an error, State shows what became of it.
	Propose(ctx context.Context, c *cluster.Command) (cluster.Outcome, error)
}

// Config says what a Shell leans on. Self, Group and Host are required.
type Config struct {
	Self  shards.NodeID
	Group Group
	Host  *virtual.Host

	// Engine compiles the modules. It is closed after the Shell. nil: this node can run none, and says so.
	Engine *wasm.Engine

	// Registered is told of the keyspace of a kind that is known on this node from now on: what its actors had to do may have waited
	// for that. nil: nobody wants to know.
	Registered func(keyspace string)

	Log *slog.Logger // default: none

	load loader // default: Load
}

// loader makes a module ready. Tests have one that takes its time.
type loader func(ctx context.Context, e *wasm.Engine, binary []byte, host wasm.Host) (*Module, error)

// Shell keeps the kinds of actors that were pushed to the cluster on one node: it compiles their modules in the background, tells the
// cluster which it can run, and has them handle the messages of the actors that live here. Its methods may be called concurrently.
//
//	state changed ──► kinds ────► registered with the Host, or unregistered
//	                  modules ──► compiled, one at a time ──► StageReport: this node can run it, or why not
//	                         └──► shelf: what messages find, and wait for
//
// Modules that messages are handled by come first. Until such a one is compiled, or cannot be, the messages of its kind that come to
// this node wait: DESIGN.md says why.
//
// A node that may hold no copies only registers the kinds: calls begin there, and no actor lives there.
type Shell struct {
	c      Config
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	wake   chan struct{}
	shelf  atomic.Pointer[shelf]
	busy   atomic.Pointer[work]

	// The loop's own.
	kinds map[string]*cluster.ActorKind // that are registered
	look  look
}

// shelf is what messages are handled by. It does not change: another takes its place.
type shelf struct {
	modules map[cluster.Digest]*volume
	late    map[cluster.Digest]bool // those that were not compiled in time, and are tried again
	changed chan struct{}           // closed when another has taken its place
}

// work is a module that is being compiled.
type work struct {
	digest cluster.Digest
	begun  time.Time
}

// volume is a module as this node has it.
type volume struct {
	module  *Module // nil: it cannot be run here
	problem string  // why
	faults  *allowance
}

// look is what the loop saw last.
type look struct {
	kindsAt uint64
	first   *cluster.Module // of the list: states share what has not changed
	count   int
	epoch   shards.Epoch
	other   map[cluster.Digest]bool // modules that are no actors
}

// How the Shell works.
const (
	compileLimit = 3 * time.Minute // for one module: a Go guest takes a second on a machine that has nothing else to do
	reportLimit  = 5 * time.Second // for a report to be committed
	reportAgain  = time.Second     // after one that was not
	trimPeriod   = time.Minute     // instances that nobody needed for so long are freed
)

// Start begins to look after the kinds. The owner calls Close, after the Host's.
func Start(c Config) (*Shell, error) {
	if c.Self == "" || c.Group == nil || c.Host == nil {
		return nil, errors.New("guest: Self, Group and Host are required")
	}
	if c.Registered == nil {
		c.Registered = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.load == nil {
		c.load = Load
	}
	s := newShell(c)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.done.Go(s.run)
	s.Wake()
	return s, nil
}

func newShell(c Config) *Shell {
	s := &Shell{c: c, wake: make(chan struct{}, 1), kinds: map[string]*cluster.ActorKind{}, look: look{other: map[cluster.Digest]bool{}}}
	s.shelf.Store(&shelf{changed: make(chan struct{})})
	return s
}

// Close ends the looking and frees the modules. Messages that are being handled end as they would; others are refused.
func (s *Shell) Close() {
	s.cancel()
	s.done.Wait()
	modules := s.shelf.Load().modules
	s.display(nil, nil)
	for _, v := range modules {
		v.close(s.c.Log)
	}
}

func (v *volume) close(log *slog.Logger) {
	if v.module == nil {
		return
	}
	if err := v.module.Close(); err != nil {
		log.Warn("a module of actors was not closed cleanly", "kind", v.module.Manifest.Kind, "error", err)
	}
}

// Figures says what the modules on this node have done, by kind and version.
func (s *Shell) Figures() (list []Figures) {
	for _, v := range s.shelf.Load().modules {
		if v.module != nil {
			list = append(list, v.module.Figures())
		}
	}
	slices.SortFunc(list, func(a, b Figures) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Version, b.Version)) })
	sums := list[:0]
	for _, f := range list {
		if n := len(sums); n > 0 && sums[n-1].Kind == f.Kind && sums[n-1].Version == f.Version { // nothing keeps two modules from saying the same
			sums[n-1].add(&f)
			continue
		}
		sums = append(sums, f)
	}
	return sums
}

// Wake says that the state has changed. It never blocks.
func (s *Shell) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Shell) run() {
	timer := time.NewTimer(trimPeriod)
	defer timer.Stop()
	trimmed := time.Now()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
		again := trimPeriod
		if !s.follow(s.c.Group.State()) {
			again = reportAgain
		}
		if time.Since(trimmed) >= trimPeriod {
			trimmed = time.Now()
			s.trim()
		}
		timer.Reset(again)
	}
}

func (s *Shell) trim() {
	for _, v := range s.shelf.Load().modules {
		if v.module != nil {
			v.module.Trim()
		}
	}
}

// follow brings this node to a state; done is false if that must be tried again.
func (s *Shell) follow(state *cluster.State) (done bool) {
	if state.Cluster == "" { // between two lives it says nothing
		return true
	}
	if state.KindsAt != s.look.kindsAt {
		s.register(state)
		s.look.kindsAt = state.KindsAt
	}
	self := state.Member(s.c.Self)
	if self == nil || !self.Has(cluster.RoleData) {
		return true
	}
	if len(state.Modules) == s.look.count && (s.look.count == 0 || &state.Modules[0] == s.look.first) && self.Epoch == s.look.epoch {
		return true
	}
	done = s.stage(state)
	s.keep(state)
	if self.Down { // the cluster is about to learn that it is not: what this node could say now would not be heard
		return done
	}
	if report := s.findings(state, self); len(report.Modules) > 0 && !s.say(report) || !done {
		return false
	}
	s.look.count, s.look.epoch, s.look.first = len(state.Modules), self.Epoch, nil
	if s.look.count > 0 {
		s.look.first = &state.Modules[0]
	}
	return true
}

// register makes the kinds of a state known to the Host, and no others of the Shell's.
func (s *Shell) register(state *cluster.State) {
	next := map[string]*cluster.ActorKind{}
	for i := range state.Kinds {
		next[state.Kinds[i].Name] = &state.Kinds[i]
	}
	for name, had := range s.kinds {
		if k := next[name]; k == nil || k.Keyspace != had.Keyspace {
			s.c.Host.Unregister(name)
			delete(s.kinds, name)
			s.c.Log.Info("a kind of actors was forgotten", "kind", name)
		}
	}
	for name, k := range next {
		if s.kinds[name] == nil {
			if err := s.c.Host.Register(s.virtualKind(k)); err != nil {
				s.c.Log.Error("a kind of actors that was pushed is not known here: the program has one of that name", "kind", name, "error", err)
				continue
			}
			s.c.Registered(k.Keyspace)
		}
		s.kinds[name] = k
	}
}

// display has messages find other modules from now on. Those that wait look again.
func (s *Shell) display(modules map[cluster.Digest]*volume, late map[cluster.Digest]bool) {
	old := s.shelf.Swap(&shelf{modules, late, make(chan struct{})})
	close(old.changed)
}

// put adds what came of compiling a module to the shelf; nil: there was no time for it.
func (s *Shell) put(digest cluster.Digest, v *volume) {
	old := s.shelf.Load()
	modules, late := maps.Clone(old.modules), maps.Clone(old.late)
	if modules == nil {
		modules, late = map[cluster.Digest]*volume{}, map[cluster.Digest]bool{}
	}
	if v == nil {
		late[digest] = true
	} else {
		modules[digest] = v
		delete(late, digest)
	}
	s.display(modules, late)
}

// keep drops what is not in a state any more.
func (s *Shell) keep(state *cluster.State) {
	maps.DeleteFunc(s.look.other, func(digest cluster.Digest, _ bool) bool { return state.Module(digest) == nil })
	old := s.shelf.Load()
	modules, late := maps.Clone(old.modules), maps.Clone(old.late)
	maps.DeleteFunc(modules, func(digest cluster.Digest, _ *volume) bool { return state.Module(digest) == nil })
	maps.DeleteFunc(late, func(digest cluster.Digest, _ bool) bool { return state.Module(digest) == nil })
	if len(modules) == len(old.modules) && len(late) == len(old.late) {
		return
	}
	s.display(modules, late)
	for digest, v := range old.modules {
		if modules[digest] == nil {
			v.close(s.c.Log)
		}
	}
}
