package admin

import (
	"context"
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Gate keeps a version from being activated that does not carry so many golden vectors, or whose shadow has not been as good as this.
type Gate struct {
	Vectors     int      `json:"vectors,omitempty"`     // that its module must carry; up to cluster.MaxGateVectors. Nodes that are ready for it have played them
	Comparisons int      `json:"comparisons"`           // so many, the newest in a row, must have been made of this version with these settings; up to cluster.MaxGatePlans. 0 with vectors alone
	MaxFlips    *int     `json:"max_flips,omitempty"`   // verdicts that are others, in each; absent: any number
	MaxMoves    *int     `json:"max_moves,omitempty"`   // moves that only one of the two plans has, in each
	MaxBytes    *float64 `json:"max_bytes,omitempty"`   // that its plan moves more than the real one, in each
	MaxBalance  *float64 `json:"max_balance,omitempty"` // the fullest node over the mean after its plan, in copies or primaries, where it is more than after the real one
}

// required is the gate that the cluster wants of every activation; nil: none.
func required(state *cluster.State) *Gate {
	limits, required := state.PolicyGate()
	if !required {
		return nil
	}
	g := &Gate{Vectors: limits.Vectors, Comparisons: limits.Plans}
	if limits.Flips >= 0 {
		g.MaxFlips = &limits.Flips
	}
	if limits.Moves >= 0 {
		g.MaxMoves = &limits.Moves
	}
	if limits.Bytes >= 0 {
		g.MaxBytes = &limits.Bytes
	}
	if limits.Balance > 0 {
		g.MaxBalance = &limits.Balance
	}
	return g
}

// pass refuses what a gate does not let through: that of the activation, and that which the cluster requires unless a reason to pass over
// it is given. note is what is kept of that.
func (a *Activation) pass(ctx context.Context, c Cluster, state *cluster.State, command *cluster.ActivatePolicy) (note string, err error) {
	wanted := required(state)
	switch {
	case a.Force != "" && a.Gate != nil:
		return "", invalid("force passes over the gate that the cluster requires; an activation that asks for one of its own does not")
	case a.Gate == nil && wanted == nil:
		return "", nil
	}
	if err := a.Gate.valid(); err != nil {
		return "", err
	}
	for _, g := range []*Gate{a.Gate, wanted} {
		if g == nil {
			continue
		}
		closed, err := g.closed(ctx, c, state, command)
		if err != nil {
			return "", err
		}
		switch {
		case closed == "":
		case g == wanted && a.Force != "":
			note = cluster.ForcedNote(a.Force, closed)
		case g == wanted:
			return "", conflict("the gate is closed that %s requires: %s; or give a reason to pass over it: troupe policy activate %s --force-gate REASON", cluster.SettingPolicyGate, closed, command.Name)
		default:
			return "", conflict("the gate is closed: %s", closed)
		}
	}
	return note, nil
}

// valid refuses a gate that would let everything through, or nothing ever. None at all is valid.
func (g *Gate) valid() error {
	switch {
	case g == nil:
		return nil
	case g.Vectors < 0 || g.Vectors > cluster.MaxGateVectors:
		return invalid("a gate asks for %d golden vectors; say how many, from 1 to %d", g.Vectors, cluster.MaxGateVectors)
	case g.Vectors > 0 && *g == Gate{Vectors: g.Vectors}: // nothing is asked of the shadow
		return nil
	case g.Comparisons < 1 || g.Comparisons > cluster.MaxGatePlans:
		return invalid("a gate looks at %d comparisons; say how many, from 1 to %d", g.Comparisons, cluster.MaxGatePlans)
	}
	return nil
}

// closed is what stands against an activation; empty: nothing does.
func (g *Gate) closed(ctx context.Context, c Cluster, state *cluster.State, a *cluster.ActivatePolicy) (string, error) {
	if text := g.without(state, a); text != "" || g.Comparisons == 0 {
		return text, nil
	}
	news, err := c.PolicyNews(ctx, PolicyQuestion{})
	if err != nil {
		return "", err
	}
	return g.shadowed(news.Comparisons, a), nil
}

// without says that the module carries fewer golden vectors than it must; empty: it does not. Whether they are answered as recorded is what
// nodes say that are ready for it, and is looked at by the state.
func (g *Gate) without(state *cluster.State, a *cluster.ActivatePolicy) string {
	if g.Vectors == 0 {
		return ""
	}
	if err := state.VectorsPlayed(); err != nil {
		return err.Error()
	}
	vectors, err := abi.FindVectors(state.Module(state.Policy(a.Name).At(a.Version).Digest).Bytes())
	switch {
	case err != nil:
		return fmt.Sprintf("version %d: %v", a.Version, err)
	case vectors.Count() < g.Vectors:
		return fmt.Sprintf("version %d carries %d golden vectors, and must carry %d: record fixtures with troupe policy test FIXTURES --policy MODULE --embed MODULE, and push that", a.Version, vectors.Count(), g.Vectors)
	}
	return ""
}

// shadowed is what stands against it in the shadow.
func (g *Gate) shadowed(comparisons []Comparison, a *cluster.ActivatePolicy) string {
	passed := 0
	for i := len(comparisons) - 1; i >= 0 && passed < g.Comparisons; i-- {
		k := &comparisons[i]
		if !k.of(a) {
			break
		}
		if text := g.against(k); text != "" {
			return fmt.Sprintf("comparison %d has %s: see troupe policy shadow %s --watch", k.Number, text, a.Name)
		}
		if len(k.Faults) > 0 {
			return fmt.Sprintf("in comparison %d it failed: %s", k.Number, k.Faults[0])
		}
		passed++
	}
	if passed < g.Comparisons {
		return fmt.Sprintf("%d of %d comparisons of version %d with these settings have been made by this leader: put it in the shadow, and wait for plans or ask for some with troupe reroute", passed, g.Comparisons, a.Version)
	}
	return ""
}

// against is the limit that a comparison does not keep.
func (g *Gate) against(k *Comparison) string {
	flips, moves, bytes := k.TotalFlips(), k.TotalMoves(), k.Shadow.Bytes-k.Active.Bytes
	switch {
	case g.MaxFlips != nil && flips > *g.MaxFlips:
		return fmt.Sprintf("%d verdicts that would be others; at most %d", flips, *g.MaxFlips)
	case g.MaxMoves != nil && moves > *g.MaxMoves:
		return fmt.Sprintf("%d moves that only one of the two plans has; at most %d", moves, *g.MaxMoves)
	case g.MaxBytes != nil && bytes > *g.MaxBytes:
		return fmt.Sprintf("%.0f bytes that would be moved beside those that are; at most %.0f", bytes, *g.MaxBytes)
	case g.MaxBalance != nil && k.Shadow.Copies > max(*g.MaxBalance, k.Active.Copies):
		return fmt.Sprintf("the fullest node at %.2f times the mean of copies, and %.2f without it; at most %.2f", k.Shadow.Copies, k.Active.Copies, *g.MaxBalance)
	case g.MaxBalance != nil && k.Shadow.Primaries > max(*g.MaxBalance, k.Active.Primaries):
		return fmt.Sprintf("the fullest node at %.2f times the mean of primaries, and %.2f without it; at most %.2f", k.Shadow.Primaries, k.Active.Primaries, *g.MaxBalance)
	}
	return ""
}

// of says whether a comparison was made with what is to be activated.
func (k *Comparison) of(a *cluster.ActivatePolicy) bool {
	for _, p := range k.Policies {
		if p.Name == a.Name {
			return p.Version == a.Version && settingsText(p.Settings) == a.Settings && p.Absent == ""
		}
	}
	return false
}
