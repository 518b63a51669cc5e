package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// shardName reads "orders/17".
func shardName(text string) (keyspace string, index int, err error) {
	keyspace, digits, found := strings.Cut(text, "/")
	index, err = strconv.Atoi(digits)
	if !found || err != nil || keyspace == "" || index < 0 {
		return "", 0, usage("%q is no shard; write KEYSPACE/INDEX, such as orders/17", text)
	}
	return keyspace, index, nil
}

// rerouteFlags are those of reroute and of each command below it.
type rerouteFlags struct {
	dryRun, accept bool
}

// wishes are the commands of reroute. from and to are the places of the nodes among the arguments; 0: none.
var wishes = []struct {
	use, short string
	kind       admin.CommandKind
	loses      bool
}{
	{"move SHARD FROM TO", "move a copy to another node", admin.CommandMove, false},
	{"cancel SHARD NODE", "drop a copy that recovers or moves", admin.CommandCancel, false},
	{"promote SHARD NODE", "make an in-sync copy the primary", admin.CommandPromote, false},
	{"allocate-replica SHARD NODE", "put a missing copy on a node", admin.CommandAllocateReplica, false},
	{"allocate-stale SHARD NODE", "go on with a copy that lacks writes: they are lost", admin.CommandAllocateStale, true},
	{"allocate-empty SHARD NODE", "begin a shard anew, empty: all that it held is lost", admin.CommandAllocateEmpty, true},
}

func rerouteCommand(c *console) *cobra.Command {
	var o rerouteFlags
	var retry bool
	cmd := &cobra.Command{
		Use: "reroute", Short: "plan where copies go, or say where", Args: cobra.NoArgs,
		Long: `Has the placement leader look at the whole cluster now and carry out what it wants; with --dry-run it only says so. The
commands below ask for one thing in particular; the deciders must allow it.

Exit codes: 0 done, or planned · 4 the command was refused`,
		Example: `  troupe reroute --dry-run
  troupe reroute --retry-failed
  troupe reroute move orders/3 n1 n2 --dry-run
  troupe reroute allocate-stale orders/3 n2 --accept-data-loss`,
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "plan, and change nothing")
	cmd.Flags().BoolVar(&retry, "retry-failed", false, "try copies again that have failed too often")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			return r.reroute(ctx, client, admin.RerouteOptions{DryRun: o.dryRun, RetryFailed: retry})
		})
	}
	for _, w := range wishes {
		cmd.AddCommand(wishCommand(c, w.use, w.short, w.kind, w.loses))
	}
	return cmd
}

func wishCommand(c *console, use, short string, kind admin.CommandKind, loses bool) *cobra.Command {
	var o rerouteFlags
	verb, _, _ := strings.Cut(use, " ")
	nodes := strings.Count(use, " ") - 1
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1 + nodes)}
	cmd.Long = strings.ToUpper(short[:1]) + short[1:] + ".\nExit code 4 says that it was refused, with what each decider said."
	cmd.Example = "  troupe reroute " + verb + " orders/3 " + strings.Join([]string{"n1", "n2"}[:nodes], " ")
	if loses {
		cmd.Long += "\n--dry-run says what would be given up, in terms and operations."
		cmd.Example += " --dry-run\n" + cmd.Example + " --accept-data-loss"
		cmd.Flags().BoolVar(&o.accept, "accept-data-loss", false, "say that acknowledged writes of this shard may be lost for ever")
	}
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "plan, and change nothing")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keyspace, index, err := shardName(args[0])
		if err != nil {
			return err
		}
		target := admin.CommandTarget{Keyspace: keyspace, Shard: index, AcceptDataLoss: o.accept}
		if kind == admin.CommandMove {
			target.FromNode, target.ToNode = args[1], args[2]
		} else {
			target.Node = args[1]
		}
		if loses && !o.accept && !o.dryRun {
			return usage("%s gives up acknowledged writes of shard %s for ever%s; if that is what you want, add --accept-data-loss", verb, args[0], r.lost(cmd.Context(), admin.WishedCommand{kind: target}))
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			return r.reroute(ctx, client, admin.RerouteOptions{DryRun: o.dryRun, Explain: true, Commands: []admin.WishedCommand{{kind: target}}})
		})
	}
	return cmd
}

// lost is what a command would give up, as far as the cluster can be asked in a short time.
func (r *remote) lost(ctx context.Context, wish admin.WishedCommand) (gap string) {
	ctx, cancel := context.WithTimeout(ctx, learnLimit)
	defer cancel()
	_ = r.with(ctx, func(ctx context.Context, client *admin.Client) error {
		a, err := client.Reroute(ctx, admin.RerouteOptions{DryRun: true, Commands: []admin.WishedCommand{wish}})
		if err != nil {
			return err
		}
		for _, m := range a.Moves {
			if m.Lacks != "" {
				gap = " (" + m.Lacks + ")"
			}
		}
		return nil
	}) // it is refused either way
	return gap
}

// reroute makes one, and prints the plan.
func (r *remote) reroute(ctx context.Context, client *admin.Client, o admin.RerouteOptions) error {
	a, err := client.Reroute(ctx, o)
	if err != nil {
		return err
	}
	if r.json {
		err = printJSON(r.c.out, a)
	} else {
		err = r.printPlan(&a)
	}
	if err == nil && len(a.Refused) > 0 {
		err = &failure{exitDifferent, fmt.Errorf("refused: %s", a.Refused[0].Reason)}
	}
	return err
}

func (r *remote) printPlan(a *admin.RerouteAnswer) error {
	rows := [][]string{}
	for _, m := range a.Moves {
		where := m.Node
		if m.Source != "" {
			where = m.Source + " -> " + m.Node
		}
		rows = append(rows, []string{m.Shard, m.Move, where, m.Reason})
	}
	for _, w := range a.Waiting {
		rows = append(rows, []string{w.Shard, "waits", "-", w.Reason})
	}
	against := [][]string{}
	for _, refused := range a.Refused {
		for _, v := range refused.Verdicts {
			if v.Decision != "yes" {
				against = append(against, []string{v.Question, v.Decision, v.Decider, v.Reason})
			}
		}
	}
	if len(against) > 0 {
		if err := writeTable(r.c.out, []string{"MAY", "VERDICT", "DECIDER", "REASON"}, against); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		if err := writeTable(r.c.out, []string{"SHARD", "MOVE", "NODE", "REASON"}, rows); err != nil {
			return err
		}
	}
	for _, m := range a.Moves {
		if m.Lacks == "" {
			continue
		}
		if _, err := fmt.Fprintf(r.c.out, "%s: %s\n", m.Shard, m.Lacks); err != nil {
			return err
		}
	}
	done := plural(len(a.Moves), "move") + " begun"
	switch {
	case len(a.Moves) == 0 && len(a.Refused) > 0:
		done = "nothing was changed"
	case len(a.Moves) == 0:
		done = "nothing to move"
	case a.DryRun:
		done = plural(len(a.Moves), "move") + " planned; nothing was changed"
	}
	_, err := fmt.Fprintf(r.c.out, "%s (cluster state version %d)\n", done, a.Version)
	return err
}

func explainCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain [SHARD [NODE]]", Short: "say why a shard is where it is, decider by decider", Args: cobra.MaximumNArgs(2),
		Long: "Prints how a shard stands and what each decider says about it on each node. Without a shard it is the first that is not\ngreen; exit code 3 says that all are green. Plain yeses are counted, and printed with --all, or where one node is named.\nWith --at it is what a leader saw when it made a recorded plan, and what its rules said then; a plan is a number (7.153), a time until which it is the last, or a file from below plans/ in a data folder.",
		Example: `  troupe explain
  troupe explain orders/3
  troupe explain orders/3 --all
  troupe explain orders/3 n2 --json
  troupe explain orders/3 --at 14:05
  troupe explain orders/3 n2 --at 7.153`,
	}
	var at string
	var all bool
	var modules []string
	cmd.Flags().StringArrayVar(&modules, "module", nil, "with --at: a `file` with a module that was in force, if the cluster does not give it")
	cmd.Flags().BoolVar(&all, "all", false, "print every answer, those that are a plain yes too")
	cmd.Flags().StringVar(&at, "at", "", "explain by a recorded `plan`: 7.153, 2026-03-01T12:00:00Z, 14:05, 10m (ago), or a file")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, shardNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var keyspace, node string
		var index int
		if len(args) > 0 {
			var err error
			if keyspace, index, err = shardName(args[0]); err != nil {
				return err
			}
		}
		if len(args) > 1 {
			node = args[1]
		}
		if len(modules) > 0 && at == "" {
			return usage("--module is for --at: what is in force now the cluster has")
		}
		if at != "" {
			return r.explainAt(cmd.Context(), modules, at, strings.Join(args[:min(1, len(args))], ""), node, all)
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := client.Explain(ctx, keyspace, index, node)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, a)
			}
			return r.printExplanation(&a, all || node != "")
		})
	}
	return cmd
}
