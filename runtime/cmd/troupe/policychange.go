package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// useFlags are what activate and shadow share.
type useFlags struct {
	version int
	set     []string
}

func (u *useFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&u.version, "version", 0, "version `N` (default: the newest)")
	cmd.Flags().StringArrayVar(&u.set, "set", nil, "change a setting: `NAME=VALUE`, or NAME= for its default; repeatable. Others stay as they are in force")
}

// activation reads them.
func (u *useFlags) activation() (admin.Activation, error) {
	a := admin.Activation{Version: u.version, Settings: map[string]*string{}}
	for _, text := range u.set {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return a, usage("--set %q must be NAME=VALUE", text)
		}
		a.Settings[name] = &value
	}
	return a, nil
}

// gateFlags are the limits that activate asks for, and the reason to pass over those of the cluster.
type gateFlags struct {
	vectors              int
	shadow, flips, moves int
	bytes                string
	balance              float64
	force                string
}

func (g *gateFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&g.vectors, "require-vectors", 0, "its module must carry `N` golden vectors at least")
	f.IntVar(&g.shadow, "require-shadow", 0, "it must have been in the shadow for `N` plans")
	f.IntVar(&g.flips, "max-flips", -1, "verdicts that may be others, `N` in each of them (default any)")
	f.IntVar(&g.moves, "max-moves", -1, "moves that only one of the two plans may have, `N` in each of them (default any)")
	f.StringVar(&g.bytes, "max-bytes", "", "what its plan may move beside what is moved, as `SIZE`, as in 50gb, in each of them (default any)")
	f.Float64Var(&g.balance, "max-balance", 0, "the fullest node over the mean, in copies and primaries, where its plan leaves it fuller: at most `X`, in each of them (default any)")
	f.StringVar(&g.force, "force-gate", "", "pass over the gate that setting cluster.policies.gate requires, for this `reason`, which the policy's note keeps")
	for _, name := range []string{"max-flips", "max-moves"} {
		f.Lookup(name).DefValue = "0" // which is not printed
	}
	for _, name := range []string{"require-vectors", "require-shadow", "max-flips", "max-moves", "max-bytes", "max-balance"} {
		cmd.MarkFlagsMutuallyExclusive("force-gate", name)
	}
}

// gate reads them; nil: none is asked for.
func (g *gateFlags) gate() (*admin.Gate, error) {
	if g.shadow <= 0 {
		if g.flips >= 0 || g.moves >= 0 || g.bytes != "" || g.balance != 0 {
			return nil, usage("--max-flips, --max-moves, --max-bytes and --max-balance are about comparisons in the shadow: say how many with --require-shadow")
		}
		if g.vectors == 0 {
			return nil, nil
		}
	}
	gate := &admin.Gate{Vectors: g.vectors, Comparisons: g.shadow}
	if g.flips >= 0 {
		gate.MaxFlips = &g.flips
	}
	if g.moves >= 0 {
		gate.MaxMoves = &g.moves
	}
	if g.bytes != "" {
		size, err := cluster.ParseSize(g.bytes)
		if err != nil {
			return nil, usage("--max-bytes %q: %v", g.bytes, err)
		}
		gate.MaxBytes = &size
	}
	if g.balance != 0 {
		if !(g.balance >= 1) {
			return nil, usage("--max-balance %v must be 1 or more: the fullest node over the mean", g.balance)
		}
		gate.MaxBalance = &g.balance
	}
	return gate, nil
}

func policyActivateCommand(c *console) *cobra.Command {
	var u useFlags
	var g gateFlags
	cmd := &cobra.Command{
		Use: "activate NAME", Short: "put a version in force, with its settings", Args: cobra.ExactArgs(1),
		Long: `Puts a version in force from one plan to the next, on all nodes alike; what was in force before is kept for rollback. Every node that
may lead must be able to run it. The leader tries it first, with its settings, on the cluster as it is: what it does not take, or fails
at, is refused, and nothing is changed. For five minutes the leader takes it back by itself if plans stall or a shard is moved again and
again; a module that fails three times is quarantined at any time. The verb has the leader make a plan with it at once, waits ten
seconds at most for that, and then looks whether it is still in force.

With --require-shadow it must have been in the shadow, as it is to be, for so many plans, and each within the limits. With
--require-vectors its module must carry so many golden vectors (troupe policy test --embed): each node that is ready for it has
answered them as recorded. Setting cluster.policies.gate requires the one, the other or both of every activation; --force-gate passes
over it, and troupe policy inspect says so.

Exit codes: 0 in force · 4 refused: by the module itself, by a node that cannot run it, by a quarantine, or by the gate; or in force
no more when it looks`,
		Example: `  troupe policy activate spare --set nodes=n3
  troupe policy activate spare --version 2 --require-shadow 10 --max-flips 0 --max-moves 20
  troupe settings set 'cluster.policies.gate=vectors=3, plans=10, moves=20, bytes=50gb'
  troupe policy activate spare --force-gate "zone b burns"`,
	}
	u.add(cmd)
	g.add(cmd)
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := u.activation()
		if err != nil {
			return err
		}
		if a.Gate, err = g.gate(); err != nil {
			return err
		}
		a.Force = g.force
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			done, err := client.ActivatePolicy(ctx, args[0], a)
			if err != nil {
				return refused(err)
			}
			return r.acknowledgeActivation(ctx, client, &done, args[0], a.Version)
		})
	}
	return cmd
}

// refused gives what the cluster refuses the exit code that belongs to it.
func refused(err error) error {
	if e, ok := err.(*admin.Error); ok && e.Kind == "invalid" {
		return &failure{exitDifferent, err}
	}
	return err
}

// policyUsed is what is printed as JSON after a change of what is in force.
type policyUsed struct {
	admin.Acknowledged
	Policy        string            `json:"policy"`
	PolicyVersion uint32            `json:"policy_version"` // that is in force; 0: none
	Settings      map[string]string `json:"settings"`
	Previous      *admin.PolicyUse  `json:"previous"`       // what a rollback brings back
	Note          string            `json:"note,omitempty"` // how the last change came about
}

// changed is a policy as it is after a change: another node than the one that made it may answer, and hear of it a little later.
func changed(ctx context.Context, client *admin.Client, a *admin.Acknowledged, name string) (*admin.PolicyInfo, error) {
	for begun := time.Now(); ; {
		l, err := client.Policies(ctx)
		if err != nil {
			return nil, err
		}
		if l.Version >= a.Version || time.Since(begun) > changeLimit {
			for i := range l.Policies {
				if l.Policies[i].Name == name {
					return &l.Policies[i], nil
				}
			}
			return nil, fmt.Errorf("policy %s was forgotten by somebody else", name)
		}
		if err := pause(ctx, readyPause); err != nil {
			return nil, err
		}
	}
}

// changeLimit is how long a node may take to hear of a change of the cluster state before what it knows is printed.
const changeLimit = 5 * time.Second

// acknowledgeUse prints what is in force after a change.
func (r *remote) acknowledgeUse(ctx context.Context, client *admin.Client, a *admin.Acknowledged, name string) error {
	p, err := changed(ctx, client, a, name)
	if err != nil {
		return err
	}
	return r.printUse(a, p, "")
}

// tryLimit bounds the wait for the first plan that is made with what was put in force.
const tryLimit = 10 * time.Second

// tried has the leader plan with what was put in force at a version of the cluster state, which finds out a module that fails at once, and gives
// the version of the state after that; 0: no leader has made a plan in time.
func tried(ctx context.Context, client *admin.Client, version uint64) uint64 {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	for {
		switch plan, err := client.Reroute(ctx, admin.RerouteOptions{}); {
		case err == nil && plan.Version >= version: // else the leader had not heard of it yet
			return plan.Version
		case err != nil && !temporary(err):
			return 0
		}
		if pause(ctx, readyPause) != nil {
			return 0
		}
	}
}

// lasts is a policy after an activation, and the error that says that it is not what it was to be: the first plans have taken it back, or somebody
// has changed it. version 0 is the newest. unplanned says that there has been no plan with it.
func lasts(ctx context.Context, client *admin.Client, a *admin.Acknowledged, name string, version int) (p *admin.PolicyInfo, unplanned bool, err error) {
	after := *a
	if a.Changed {
		plan := tried(ctx, client, a.Version)
		after.Version, unplanned = max(a.Version, plan), plan == 0
	}
	if p, err = changed(ctx, client, &after, name); err != nil {
		return nil, unplanned, err
	}
	back := a.Changed && (&cluster.Policy{Note: p.Note}).TakenBack() // an activation leaves no such note: the same version has its settings of before again
	if wanted := p.Find(uint32(version)); wanted == nil || p.Active == nil || p.Active.Version != wanted.Version || back {
		return p, unplanned, &failure{exitDifferent, fmt.Errorf("policy %s: it is in force no more: %s", name, cmp.Or(p.Note, "it was changed by somebody else"))}
	}
	return p, unplanned, nil
}

// acknowledgeActivation prints what is in force after an activation, and fails if that is not what was to be.
func (r *remote) acknowledgeActivation(ctx context.Context, client *admin.Client, a *admin.Acknowledged, name string, version int) error {
	p, unplanned, err := lasts(ctx, client, a, name, version)
	if err != nil && p == nil {
		return err
	}
	if err != nil {
		return cmp.Or(r.printUse(a, p, ""), err)
	}
	trial := ""
	if unplanned {
		trial = "\nno plan has been made with it yet: whether it works is not known"
	}
	if a.Changed {
		trial += fmt.Sprintf("\nfor five minutes the leader takes it back if plans stall or shards move again and again, and at any time if it fails: see troupe policy logs %s -f, troupe policy inspect %s", name, name)
	}
	return r.printUse(a, p, trial)
}

// printUse prints what is in force, and what else there is to say to people.
func (r *remote) printUse(a *admin.Acknowledged, p *admin.PolicyInfo, more string) error {
	if r.json {
		used := policyUsed{Acknowledged: *a, Policy: p.Name, Settings: map[string]string{}, Previous: p.Previous, Note: p.Note}
		if p.Active != nil {
			used.PolicyVersion, used.Settings = p.Active.Version, p.Active.Settings
		}
		return printJSON(r.c.out, used)
	}
	text := fmt.Sprintf("policy %s: nothing is in force", p.Name)
	if p.Active != nil {
		text = fmt.Sprintf("policy %s: in force is version %s", p.Name, useText(p.Active))
	}
	if p.Previous != nil {
		text += fmt.Sprintf("; before it was version %s", useText(p.Previous))
	}
	return r.acknowledge(a, text+more)
}

// policyRetreat is a verb that takes a policy back.
func policyRetreat(c *console, how, short, long string) *cobra.Command {
	cmd := &cobra.Command{Use: how + " NAME", Short: short, Args: cobra.ExactArgs(1), Long: long, Example: "  troupe policy " + how + " spare"}
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			done, err := client.RetirePolicy(ctx, args[0], how)
			if err != nil {
				return refused(err)
			}
			return r.acknowledgeUse(ctx, client, &done, args[0])
		})
	}
	return cmd
}

func policyDeactivateCommand(c *console) *cobra.Command {
	return policyRetreat(c, "deactivate", "take a policy out of force", "Takes a policy out of force. If it stood in the place of one of the house, that decides again. A rollback brings it back.")
}

func policyRollbackCommand(c *console) *cobra.Command {
	return policyRetreat(c, "rollback", "go back to the version and settings that were in force before",
		"Goes back to the version and settings that were in force before, or to none if none was. Another rollback goes forth again,\nand says so: somebody else may have gone back just now. It waits for no node to be ready. What the cluster took back by itself,\nor somebody quarantined, is a rollback already: another one is refused, and says what to do.")
}

func policyResetCommand(c *console) *cobra.Command {
	return policyRetreat(c, "reset", "as if a policy had never been in force: neither active, previous nor shadow",
		"Takes a policy out of force and out of the shadow, and forgets what a rollback would bring back, so that all of its versions can be\nforgotten. If it stood in the place of one of the house, that decides again.")
}

func policyQuarantineCommand(c *console) *cobra.Command {
	var version int
	var reason string
	var lift bool
	cmd := &cobra.Command{
		Use: "quarantine NAME", Short: "keep a version out of force, wherever it is", Args: cobra.ExactArgs(1),
		Long: `Takes a version out of force and out of the shadow, and keeps it from being activated: what was in force before is again. The leader
does this by itself with a module that fails three times, whoever led when it failed; "troupe policy inspect" says how often it has.
With --lift it may be activated again, which does not put it in force, and its failures are counted from none.`,
		Example: `  troupe policy quarantine spare --reason "it empties zone b"
  troupe policy quarantine spare --version 2 --lift`,
	}
	cmd.Flags().IntVar(&version, "version", 0, "version `N` (default: what is in force; to lift: the newest that is quarantined, or has failed)")
	cmd.Flags().StringVar(&reason, "reason", "", "what people read who wonder why it is not in force")
	cmd.Flags().BoolVar(&lift, "lift", false, "end the quarantine")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if lift == (reason != "") {
			return usage("say why with --reason, or end the quarantine with --lift")
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			done, err := client.QuarantinePolicy(ctx, args[0], version, reason)
			if err != nil {
				return refused(err)
			}
			return r.acknowledgeUse(ctx, client, &done, args[0])
		})
	}
	return cmd
}
