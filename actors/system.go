package actors

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// Actor handles one message at a time. It may block for short times only: it holds a goroutine of the node meanwhile.
// A panic is a broken invariant: the actor is stopped and its System's owner is told.
type Actor interface {
	Receive(message any)
}

// System holds the actors of one node. Its methods may be called concurrently.
type System struct {
	inner *actor.ActorSystem
	props actor.PropsOption
}

// Ref names a running actor. The zero Ref names none: messages to it vanish.
type Ref struct {
	system *System
	pid    *actor.PID
}

// NewSystem starts an empty system. failed is called, from any goroutine, when an actor has panicked: with its name and
// what it panicked with. That actor has then been stopped.
func NewSystem(log *slog.Logger, failed func(name string, reason any)) *System {
	inner := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet(log) }),
		actor.WithDeadLetterRequestLogging(false),
	)
	shrink(inner.ProcessRegistry)
	return &System{inner: inner, props: actor.WithGuardian(&supervisor{failed: failed})}
}

// registryMaps is how many maps, each of 32 with a lock, the library finds the actors of a node in. It makes 1024, which are 5 MB that each
// garbage collection walks over, for nothing: a PID that has found its actor keeps it.
const registryMaps = 32

// shrink leaves a registry that nobody uses yet with that many maps, and what the library has put into it where they would look for it.
func shrink(registry *actor.ProcessRegistryValue) {
	all := registry.LocalPIDs.LocalPIDs
	few := &actor.SliceMap{LocalPIDs: slices.Clone(all[:registryMaps])}
	for _, m := range all {
		if m.IsEmpty() { // to list one takes a goroutine for each of its 32
			continue
		}
		for name, process := range m.Items() {
			m.Remove(name)
			few.GetBucket(name).Set(name, process)
		}
	}
	registry.LocalPIDs = few
}

// quiet passes on what operators need to know: the library tells of its own life at level Info.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(atLeastWarn{log.Handler()})
}

type atLeastWarn struct{ slog.Handler }

func (h atLeastWarn) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}

// supervisor stops whoever breaks: state that broke an invariant is not worth restarting from.
type supervisor struct {
	failed func(name string, reason any)
}

func (s *supervisor) HandleFailure(_ *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason any, _ any) {
	parent.StopChildren(child)
	s.failed(child.Id, reason)
}

// Spawn starts an actor under a name that is unique within the system; the error says that it is taken.
func (s *System) Spawn(name string, a Actor) (Ref, error) {
	receive := func(ctx actor.Context) {
		switch message := ctx.Message().(type) {
		case *actor.Started, *actor.Stopping, *actor.Stopped, *actor.Restarting:
			// Whoever spawns and stops an actor knows it already.
		default:
			a.Receive(message)
		}
	}
	pid, err := s.inner.Root.SpawnNamed(actor.PropsFromFunc(receive, s.props), name)
	if err != nil {
		return Ref{}, fmt.Errorf("actors: spawn %q: %w", name, err)
	}
	return Ref{system: s, pid: pid}, nil
}

// Stop ends an actor after the message in hand; queued messages are dropped. It returns when the actor is gone, or with
// an error after ten seconds.
func (s *System) Stop(ref Ref) error {
	if ref.pid == nil {
		return nil
	}
	if err := s.inner.Root.StopFuture(ref.pid).Wait(); err != nil {
		return fmt.Errorf("actors: stop %s: %w", ref.pid.Id, err)
	}
	return nil
}

// Close ends the system. Its actors have been stopped before.
func (s *System) Close() { s.inner.Shutdown() }

// Tell puts a message into the actor's mailbox and returns at once. A message to a stopped actor vanishes.
func (r Ref) Tell(message any) {
	if r.pid != nil {
		r.system.inner.Root.Send(r.pid, message)
	}
}
