package runtime

import (
	"context"
	"path/filepath"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// Values of Config.Guests.
const (
	GuestsCompiled    = "compiled"
	GuestsInterpreted = "interpreted"
	GuestsOff         = "off"
)

// guestFolder is where native code of compiled modules is kept, below the data folder. It is run without another look.
const guestFolder = "modules"

// newEngine opens what policies are compiled with. nil: this node runs none; a node without the role meta never plans.
func (n *Node) newEngine() (*hosted.Engine, error) {
	roles, err := n.config.roles()
	if err != nil || n.config.Guests == GuestsOff || roles&cluster.RoleMeta == 0 {
		return nil, err
	}
	c := hosted.EngineConfig{Interpreter: n.config.Guests == GuestsInterpreted}
	if n.config.Data != "" {
		c.CacheDir = filepath.Join(n.config.Data, guestFolder)
	}
	engine, err := hosted.NewEngine(c)
	if err != nil { // the node is of use without: it says why it cannot run a policy when one is pushed
		n.config.Logger.Error("this node cannot run policies that are WebAssembly", "err", err)
		return nil, nil
	}
	if running := engine.Running(); running != "compiler" && n.config.Guests != GuestsInterpreted {
		n.config.Logger.Warn("policies are interpreted on this machine, some 50 times slower than compiled", "engine", running)
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
