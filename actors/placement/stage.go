package placement

import (
	"cmp"
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/wasm/abi"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// How the stager works.
const (
	compileLimit = 3 * time.Minute     // for one module, its golden vectors included: a Go guest takes a second on a machine that has nothing else to do
	stageAgain   = time.Second         // after a report that was not committed
	uploadLimit  = 15 * time.Minute    // an upload that has not gone on for so long, or has become no policy, is collected
	versionLimit = 30 * 24 * time.Hour // a version that has not been of use for so long is collected
	sweepPeriod  = time.Minute
	houseDelay   = 2 * time.Second // after the start, which has enough to do; until then the twins decide
)

// stager compiles the modules of the state in the background, one at a time, plays the golden vectors that they carry, and tells the cluster
// which it can run. A module is activated only once every member that may lead has said so: then none of them compiles when it begins to lead.
type stager struct {
	p       *Placement
	modules *cluster.Module // the first of the list that was looked at: states share what has not changed
	count   int
	epoch   uint64
	swept   time.Time
	actors  map[cluster.Digest]bool // whether a module is a kind of actors: then others make it ready
}

func (p *Placement) stage() {
	g := &stager{p: p, swept: time.Now(), actors: map[cluster.Digest]bool{}}
	house := time.NewTimer(houseDelay)
	defer house.Stop()
	timer := time.NewTimer(sweepPeriod)
	defer timer.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-house.C:
			if p.c.House != nil && p.c.Engine != nil {
				g.furnish()
			}
		case <-p.restage:
		case <-timer.C:
		}
		again := sweepPeriod
		if !g.look() {
			again = stageAgain
		}
		timer.Reset(again)
	}
}

// furnish compiles the policies of the house. Until then, and if it fails, their twins in Go decide.
func (g *stager) furnish() {
	ctx, cancel := context.WithTimeout(g.p.ctx, compileLimit)
	defer cancel()
	house, err := g.p.c.House(ctx, g.p.c.Engine)
	if err != nil {
		if g.p.ctx.Err() == nil {
			g.p.c.Log.Error("the policies of the house do not run on this node; their twins in Go decide", "error", err)
		}
		return
	}
	g.p.shelf.furnish(house)
	debug.FreeOSMemory() // compiling took many times what is kept, and an idle node may not allocate for hours
	g.p.wakeLoop()
}

// look brings the shelf to what the state has, and says what is new about it; done is false if that must be tried again.
func (g *stager) look() (done bool) {
	s := g.p.c.Group.State()
	self := s.Member(g.p.c.Self)
	if self == nil || self.Down || !self.Has(cluster.RoleMeta) {
		return true
	}
	if time.Since(g.swept) >= sweepPeriod {
		g.swept = time.Now()
		g.sweep(s)
	}
	if len(s.Modules) == g.count && (g.count == 0 || &s.Modules[0] == g.modules) && uint64(self.Epoch) == g.epoch {
		return true
	}
	report := &cluster.StageReport{Node: self.ID, Epoch: self.Epoch}
	for i := range s.Modules {
		m := &s.Modules[i]
		if !m.Whole() || g.isActor(m) {
			continue
		}
		problem, known := g.p.shelf.tried(m.Digest)
		if !known {
			if problem, known = g.compile(m); !known {
				return false
			}
			g.p.wakeLoop()
		}
		if said, known := m.ReadyOn(self.ID, self.Epoch); !known || said != problem {
			report.Modules = append(report.Modules, cluster.StagedModule{Digest: m.Digest, Problem: problem})
		}
	}
	g.p.shelf.keep(s)
	maps.DeleteFunc(g.actors, func(digest cluster.Digest, _ bool) bool { return s.Module(digest) == nil })
	if len(report.Modules) > 0 && !g.say(report) {
		return false
	}
	g.count, g.epoch, g.modules = len(s.Modules), uint64(self.Epoch), nil
	if g.count > 0 {
		g.modules = &s.Modules[0]
	}
	return true
}

// isActor says whether a module is the code of actors, by its manifest.
func (g *stager) isActor(m *cluster.Module) bool {
	is, known := g.actors[m.Digest]
	if !known {
		is = act.IsKind(m.Bytes())
		g.actors[m.Digest] = is
	}
	return is
}

// compile makes a module ready, or finds out why it cannot be: also since it answers a golden vector otherwise than recorded. known is false if this node is about to stop.
func (g *stager) compile(m *cluster.Module) (problem string, known bool) {
	if g.p.c.Engine == nil {
		problem = "it was built or started without an engine for WebAssembly"
		g.p.shelf.put(m.Digest, nil, problem)
		return problem, true
	}
	ctx, cancel := context.WithTimeout(g.p.ctx, compileLimit)
	defer cancel()
	begun := time.Now()
	version, played, err := prepare(ctx, g.p.c.Engine, m.Bytes())
	if g.p.ctx.Err() != nil {
		if version != nil {
			_ = version.Close() // of a node that stops
		}
		return "", false
	}
	if err != nil {
		problem = cluster.ShortReason(err.Error())
		g.p.c.Log.Warn("a module of a policy cannot run on this node", "module", m.Digest.Short(), "reason", problem)
	} else {
		g.p.c.Log.Info("a module of a policy is ready", "module", m.Digest.Short(), "policy", version.Name(), "version", version.Manifest.Version, "vectors", played, "took", time.Since(begun).Round(time.Millisecond))
	}
	g.p.shelf.put(m.Digest, version, problem)
	return problem, true
}

// prepare compiles a module and plays the golden vectors that it carries: what does not answer them here as recorded is not to run here.
func prepare(ctx context.Context, e *hosted.Engine, code []byte) (version *hosted.Version, played int, err error) {
	vectors, err := abi.FindVectors(code)
	if err != nil {
		return nil, 0, err
	}
	if version, err = hosted.Load(ctx, e, code); err != nil || vectors == nil {
		return version, 0, err
	}
	if err = version.Prove(ctx, vectors); err != nil {
		_ = version.Close() // nobody has asked it
		return nil, 0, err
	}
	return version, vectors.Count(), nil
}

// say proposes a report.
func (g *stager) say(r *cluster.StageReport) bool {
	slices.SortFunc(r.Modules, func(a, b cluster.StagedModule) int { return cmp.Compare(a.Digest, b.Digest) })
	ctx, cancel := context.WithTimeout(g.p.ctx, g.p.c.Timeout)
	defer cancel()
	outcome, err := g.p.c.Group.Propose(ctx, &cluster.Command{Stage: r})
	if err = cmp.Or(err, outcome.Error()); err != nil {
		g.p.c.Log.Debug("what this node says of modules was not committed; it says so again", "error", err)
		return false
	}
	return true
}

// sweep has the cluster forget uploads that have come to nothing and versions that nobody needs, where this node leads. Each command is
// refused where somebody has put a version in use meanwhile, and an activation that comes after it says that the version is gone.
func (g *stager) sweep(s *cluster.State) {
	e := g.p.c.Members.Evidence()
	if !e.Leading {
		return
	}
	c := &cluster.ForgetPolicies{}
	for i := range s.Modules {
		m := &s.Modules[i]
		if !s.Used(m.Digest) && time.Since(time.Unix(m.Pushed, 0)) > uploadLimit {
			c.Modules = append(c.Modules, m.Digest)
		}
	}
	if len(c.Modules) > 0 && g.p.order(e.Term, &cluster.Command{Forget: c}) {
		g.p.c.Log.Info("modules that became no policy and no kind of actors are forgotten", "modules", len(c.Modules))
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		old := oldVersions(p, time.Now().Add(-versionLimit), g.p.c.Recorded)
		if len(old) > 0 && g.p.order(e.Term, &cluster.Command{Forget: &cluster.ForgetPolicies{Name: p.Name, Versions: old}}) {
			g.p.c.Log.Info("versions of a policy that were not in use for long are forgotten", "policy", p.Name, "versions", old)
		}
	}
}

// oldVersions lists the versions of a policy that were pushed before a time, are not in use and cannot have been in force since then, because nothing
// was put in force since; nor is one of them the newest, which may be about to be put in force, or needed to make a recorded plan again. One that was
// in the shadow until a moment ago is among them: the state does not say since when it is not.
func oldVersions(p *cluster.Policy, before time.Time, recorded func(cluster.Digest) bool) (old []uint32) {
	if p.Since >= before.Unix() {
		return nil
	}
	for _, v := range p.Versions[:len(p.Versions)-1] {
		if v.Pushed < before.Unix() && !p.Uses(v.Number) && !recorded(v.Digest) {
			old = append(old, v.Number)
		}
	}
	return old
}
