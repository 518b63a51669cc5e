package runtime

import (
	"context"
	"path/filepath"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Values of Config.Guests.
const (
	GuestsCompiled    = "compiled"
	GuestsInterpreted = "interpreted"
	GuestsOff         = "off"
)

// guestFolder is where native code of compiled modules is kept, below the data folder, each in a folder of its own. It is run without another look.
const guestFolder = "modules"

// newEngine opens what policies and actors are compiled with. nil: this node runs none; one without the roles meta and data neither
// plans nor holds actors.
func (n *Node) newEngine() (*hosted.Engine, error) {
	roles, err := n.config.roles()
	if err != nil || n.config.Guests == GuestsOff || roles&(cluster.RoleMeta|cluster.RoleData) == 0 {
		return nil, err
	}
	c := hosted.EngineConfig{Interpreter: n.config.Guests == GuestsInterpreted}
	if n.config.Data != "" {
		c.CacheDir = filepath.Join(n.config.Data, guestFolder)
	}
	engine, err := hosted.NewEngine(c)
	if err != nil { // the node is of use without: it says why it cannot run a module when one is pushed
		n.config.Logger.Error("this node cannot run policies and actors that are WebAssembly", "err", err)
		return nil, nil
	}
	if running := engine.Running(); running != "compiler" && n.config.Guests != GuestsInterpreted {
		n.config.Logger.Warn("policies and actors are interpreted on this machine, some 50 times slower than compiled", "engine", running)
	}
	return engine, nil
}

// closeEngine frees an engine, if there is one.
func closeEngine(e *hosted.Engine) error {
	if e == nil {
		return nil
	}
	return e.Close()
}

// Propose has a command ordered by whichever node leads.
func (p placing) Propose(ctx context.Context, c *cluster.Command) (cluster.Outcome, error) {
	return p.node.propose(ctx, c)
}

// PolicyNews has the placement leader say what is new about policies.
func (c clusterAPI) PolicyNews(ctx context.Context, q admin.PolicyQuestion) (admin.PolicyNews, error) {
	n, err := c.node.placement.News(ctx, placement.Question{Lines: q.Lines, Wait: q.Wait, Of: q.After.Node, Reign: q.After.Term, After: q.After.Number})
	if err != nil {
		return admin.PolicyNews{}, err
	}
	out := admin.PolicyNews{Next: admin.PolicyPlace{Node: n.Of, Term: n.Reign, Number: n.Last}}
	for _, l := range n.Lines {
		out.Lines = append(out.Lines, admin.PolicyLine{At: l.At, Level: l.Level, Text: l.Text, Shadow: l.Shadow})
	}
	for i := range n.Comparisons {
		out.Comparisons = append(out.Comparisons, comparisonOf(&n.Comparisons[i]))
	}
	return out, nil
}

// Audition has the placement leader try a module with settings.
func (c clusterAPI) Audition(ctx context.Context, digest cluster.Digest, settings string) (admin.Audition, error) {
	found, err := c.node.placement.Audition(ctx, placement.Candidate{Digest: digest, Settings: settings})
	if err != nil {
		return admin.Audition{}, err
	}
	return admin.Audition(*found), nil
}

// AuditionSettings has it try settings of the cluster. Where no leader can be asked, as one that has just died, the error has KindUnavailable.
func (c clusterAPI) AuditionSettings(ctx context.Context, set []cluster.Setting) (admin.Audition, error) {
	if err := c.headless(); err != nil {
		return admin.Audition{}, err
	}
	found, err := c.node.placement.AuditionChange(ctx, placement.Change{Set: set})
	switch {
	case err != nil && ctx.Err() == nil:
		return admin.Audition{}, &shards.Error{Kind: shards.KindUnavailable, Err: err}
	case err != nil:
		return admin.Audition{}, err
	}
	return admin.Audition(*found), nil
}

func comparisonOf(k *placement.Comparison) admin.Comparison {
	out := admin.Comparison{
		Number: k.Number, At: k.At, Term: k.Term, Version: k.Version, Asked: k.Asked, Shards: k.Shards, Unlisted: k.More, Faults: k.Faults,
		Active: admin.PlanSketch(k.Active), Shadow: admin.PlanSketch(k.Shadow), Policies: []admin.ShadowedPolicy{}, Flips: []admin.PolicyFlip{},
		Added: append([]string{}, k.Added...), Gone: append([]string{}, k.Gone...),
	}
	for _, p := range k.Policies {
		out.Policies = append(out.Policies, admin.ShadowedPolicy{Name: p.Name, Version: p.Version, Digest: string(p.Digest), Settings: placement.Settings(p.Settings), Absent: p.Absent})
	}
	for _, f := range k.Flips {
		out.Flips = append(out.Flips, admin.PolicyFlip(f))
	}
	return out
}
