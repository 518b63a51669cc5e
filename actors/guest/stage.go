package guest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// stage compiles the modules of a state that are actors; done is false if some are to be tried again.
func (s *Shell) stage(state *cluster.State) (done bool) {
	done = true
	for _, m := range s.queue(state) {
		if s.shelf.Load().modules[m.Digest] != nil {
			continue
		}
		s.busy.Store(&work{m.Digest, time.Now()})
		v := s.compile(m)
		s.busy.Store(nil)
		if v == nil && s.ctx.Err() != nil {
			return false
		}
		s.put(m.Digest, v)
		done = done && v != nil
	}
	return done
}

// queue lists the modules of a state that are actors, those first that messages are handled by: callers may wait for them.
func (s *Shell) queue(state *cluster.State) (list []*cluster.Module) {
	inUse := map[cluster.Digest]bool{}
	for i := range state.Kinds {
		if active := state.Kinds[i].At(state.Kinds[i].Active); active != nil {
			inUse[active.Digest] = true
		}
	}
	first := 0
	for i := range state.Modules {
		m := &state.Modules[i]
		switch {
		case m.Whole() && inUse[m.Digest]:
			list = slices.Insert(list, first, m)
			first++
		case m.Whole() && s.isActor(m):
			list = append(list, m)
		}
	}
	return list
}

// findings is what is new in what this node can say about the modules of a state.
func (s *Shell) findings(state *cluster.State, self *cluster.Member) *cluster.StageReport {
	report := &cluster.StageReport{Node: self.ID, Epoch: self.Epoch}
	for digest, v := range s.shelf.Load().modules {
		m := state.Module(digest)
		if said, known := m.ReadyOn(self.ID, self.Epoch); !known || said != v.problem {
			report.Modules = append(report.Modules, cluster.StagedModule{Digest: digest, Problem: v.problem})
		}
	}
	slices.SortFunc(report.Modules, func(a, b cluster.StagedModule) int { return cmp.Compare(a.Digest, b.Digest) })
	return report
}

// isActor says whether a whole module has the manifest of a kind of actors. What has none is a policy, and others see to it.
func (s *Shell) isActor(m *cluster.Module) bool {
	other, known := s.look.other[m.Digest]
	if !known {
		other = !act.IsKind(m.Bytes())
		s.look.other[m.Digest] = other
	}
	return !other
}

// compile makes a module ready, or finds out why it cannot be; nil if there was no time for it.
func (s *Shell) compile(m *cluster.Module) *volume {
	if s.c.Engine == nil {
		return &volume{problem: "it was built or started without an engine for WebAssembly"}
	}
	ctx, cancel := context.WithTimeout(s.ctx, compileLimit)
	defer cancel()
	begun, binary := time.Now(), m.Bytes()
	manifest, err := act.FindManifest(binary)
	if err == nil && s.kinds[manifest.Kind] == nil && s.c.Host.Knows(manifest.Kind) {
		err = fmt.Errorf("the program that runs there has a kind %s of its own; give this one another name", manifest.Kind)
	}
	var module *Module
	if err == nil {
		module, err = s.c.load(ctx, s.c.Engine, binary, s.host(manifest))
	}
	if ctx.Err() != nil { // whatever came of it: time says nothing of the module
		(&volume{module: module}).close(s.c.Log)
		if s.ctx.Err() == nil {
			s.c.Log.Warn("a module of actors was not compiled in time; it is tried again", "module", m.Digest.Short(), "limit", compileLimit, "error", err)
		}
		return nil
	}
	if err != nil {
		problem := cluster.ShortReason(err.Error())
		s.c.Log.Warn("a module of actors cannot run on this node", "module", m.Digest.Short(), "reason", problem)
		return &volume{problem: problem}
	}
	s.c.Log.Info("a module of actors is ready", "module", m.Digest.Short(), "kind", manifest.Kind, "version", manifest.Version, "took", time.Since(begun).Round(time.Millisecond))
	debug.FreeOSMemory() // compiling took many times what is kept, and an idle node may not allocate for hours
	return &volume{module: module, faults: &allowance{most: faultsPerSecond}}
}

// say proposes a report.
func (s *Shell) say(r *cluster.StageReport) bool {
	ctx, cancel := context.WithTimeout(s.ctx, reportLimit)
	defer cancel()
	outcome, err := s.c.Group.Propose(ctx, &cluster.Command{Stage: r})
	if err = cmp.Or(err, outcome.Error()); err != nil {
		s.c.Log.Debug("what this node says of modules was not committed; it says so again", "error", err)
		return false
	}
	return true
}

// host is where the lines of a module's guests go: into the node's log, as many as people read.
func (s *Shell) host(m *act.Manifest) wasm.Host {
	log := s.c.Log.With("kind", m.Kind, "version", m.Version)
	lines := &allowance{most: linesPerSecond}
	return wasm.Host{
		Enabled: func(level wasm.Level) bool { return log.Enabled(s.ctx, slog.Level(level)) },
		Log: func(level wasm.Level, text string) {
			switch lines.take(time.Now()) {
			case within:
				log.Log(s.ctx, slog.Level(level), strings.ToValidUTF8(text, "?"))
			case first:
				log.Warn("actors of this kind log too much; the other lines of this second are dropped", "most", linesPerSecond)
			}
		},
	}
}

// What a node logs of one module in a second.
const (
	linesPerSecond  = 100 // of its guests
	faultsPerSecond = 5   // of messages that trapped or passed a limit
)

// allowance counts lines.
type allowance struct {
	most int // in a second

	mu     sync.Mutex
	second int64
	taken  int
}

// What an allowance says of a line.
const (
	within = iota
	first  // beyond it in this second
	beyond
)

func (a *allowance) take(now time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if second := now.Unix(); second != a.second {
		a.second, a.taken = second, 0
	}
	a.taken++
	switch {
	case a.taken <= a.most:
		return within
	case a.taken == a.most+1:
		return first
	}
	return beyond
}
