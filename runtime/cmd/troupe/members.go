package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func shardsCommand(c *console) *cobra.Command {
	var bad bool
	var at string
	cmd := &cobra.Command{
		Use: "shards [KEYSPACE]", Short: "list the copies of all shards", Args: cobra.MaximumNArgs(1),
		Long: `Lists each copy of each shard: p primary or r replica, what it is doing, and where. A dash stands for a copy that no node has.
--at shows where they were at a time, as far as a node that runs remembers: each keeps the last 8 MiB of changes since its start.

Exit codes: 0 they are listed, however they are (troupe health judges) · 3 there is no such keyspace, or nobody remembers the time of --at · 1 no node answers`,
		Example: `  troupe shards
  troupe shards orders --bad
  troupe shards --at 14:05:03
  troupe shards --json`,
	}
	cmd.Flags().BoolVar(&bad, "bad", false, "only shards that lack a copy")
	cmd.Flags().StringVar(&at, "at", "", "as they were at `TIME`: 2026-03-01T12:00:00Z, 14:05, or 10m for ten minutes ago")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, keyspaceNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if at != "" {
				return r.shardsAt(ctx, client, at, strings.Join(args, ""), bad)
			}
			columns := []string{"keyspace", "shard", "prirep", "state", "docs", "store", "seq", "node", "term", "copy", "unassigned.reason"}
			rows, err := client.CatRows(ctx, "shards", url.Values{"h": {strings.Join(columns, ",")}})
			if err != nil {
				return err
			}
			lacking, names := map[string]bool{}, map[string]bool{}
			for _, row := range rows {
				names[row["keyspace"]] = true
				if row["state"] != "STARTED" && row["state"] != "RELOCATING" {
					lacking[row["keyspace"]+"/"+row["shard"]] = true
				}
			}
			if len(args) > 0 && !names[args[0]] {
				return noKeyspace(args[0], names)
			}
			kept, cells := []map[string]string{}, [][]string{}
			for _, row := range rows {
				if len(args) > 0 && row["keyspace"] != args[0] || bad && !lacking[row["keyspace"]+"/"+row["shard"]] {
					continue
				}
				kept = append(kept, row)
				cells = append(cells, []string{
					row["keyspace"] + "/" + row["shard"], row["prirep"], strings.ToLower(row["state"]), row["node"], row["docs"], row["store"], row["seq"],
					row["term"], row["copy"], strings.TrimPrefix(row["unassigned.reason"], "-"),
				})
			}
			if r.json {
				return printJSON(c.out, kept)
			}
			return writeTable(c.out, []string{"SHARD", "P/R", "STATE", "NODE", "KEYS", "MEMORY", "SEQ", "TERM", "COPY", "REASON"}, cells)
		})
	}
	return cmd
}

// draining is what a drain is asked for.
type draining struct {
	cancel, noWait bool
	limited        bool // timeout is given
	timeout        time.Duration
}

func drainCommand(c *console) *cobra.Command {
	var o draining
	cmd := &cobra.Command{
		Use: "drain NODE", Short: "move all copies away from a node", Args: cobra.ExactArgs(1),
		Long: `Gives the node no new copies, moves those it has to others, and returns when it is empty: it can then be stopped without a
request failing. If no copy moves, lines say of one what each other node has against it. Ctrl-C and --timeout end the waiting, not the
draining; --cancel ends that.

Exit codes: 0 it is empty, or with --no-wait it has begun · 3 no such node · 4 not empty within --timeout · 1 no node answers, or none leads`,
		Example: `  troupe drain n3
  troupe drain n3 --timeout 10m
  troupe drain n3 --cancel`,
	}
	cmd.Flags().BoolVar(&o.cancel, "cancel", false, "let the node have copies again")
	cmd.Flags().BoolVar(&o.noWait, "no-wait", false, "do not wait until it is empty")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "how long to wait at most; 0s looks once (default: as long as it takes)")
	cmd.MarkFlagsMutuallyExclusive("cancel", "no-wait", "timeout")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, nodeNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.timeout < 0 {
			return usage("--timeout %v: must not be negative", o.timeout)
		}
		o.limited = cmd.Flags().Changed("timeout")
		drain := func(ctx context.Context, client *admin.Client, end time.Time) error {
			return r.drain(ctx, client, args[0], &o, end)
		}
		if o.limited {
			return r.within(cmd.Context(), o.timeout, drain)
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error { return drain(ctx, client, time.Time{}) })
	}
	return cmd
}

// drain carries out what a drain is asked for. end: if it is limited, until when it waits.
func (r *remote) drain(ctx context.Context, client *admin.Client, name string, o *draining, end time.Time) error {
	action, done := "drain", name+" is drained"
	if o.cancel {
		action, done = "undrain", name+" may have copies again"
	}
	a, err := client.ChangeNode(ctx, name, action)
	if err != nil {
		return err
	}
	switch {
	case o.cancel:
	case o.noWait:
		left, err := copiesOn(ctx, client, name)
		if err != nil {
			return err
		}
		if left > 0 {
			done = fmt.Sprintf("drain of %s has begun: %s to go; troupe nodes shows how many are left, and troupe drain %s waits until none is", name, plural(left, "copy"), name)
		}
	default:
		if err := r.awaitEmpty(ctx, client, name, o, end); err != nil {
			return err
		}
	}
	return r.acknowledge(&a, done)
}

// copiesOn is how many copies a node has.
func copiesOn(ctx context.Context, client *admin.Client, name string) (int, error) {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return 0, err
	}
	for _, n := range nodes {
		if n.Name == name || string(n.ID) == name {
			return n.Copies, nil
		}
	}
	return 0, nil
}

// How often a drain is looked at, and how often the same is said again of one that goes on.
const (
	drainPause  = 250 * time.Millisecond
	drainRepeat = time.Minute
)

// awaitEmpty returns when a node holds no copy, and tells on the way how many are left. end: if it is limited, until when it waits.
func (r *remote) awaitEmpty(ctx context.Context, client *admin.Client, name string, o *draining, end time.Time) error {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if o.limited {
		limited, cancel = context.WithDeadlineCause(ctx, end, errLate)
	}
	defer cancel()
	again := time.NewTicker(drainPause)
	defer again.Stop()
	left, moved, said, saidAt := -1, time.Now(), "", time.Now()
	for looking := ctx; ; looking = limited { // how many there are at first is said in any case
		now, err := copiesOn(looking, client, name)
		late := left > 0 && errors.Is(err, errLate)
		if !late && (err != nil || now == 0) {
			return err
		}
		switch {
		case late:
		case now != left:
			left, moved = now, time.Now()
			fmt.Fprintf(r.c.err, "drain: %s left on %s%s\n", plural(now, "copy"), name, r.onTheWay(ctx, client))
		case time.Since(moved) > plainPeriod:
			moved = time.Now()
			line := fmt.Sprintf("drain: still %s on %s%s\n", plural(now, "copy"), name, r.howItGoes(ctx, client, name))
			if line != said || time.Since(saidAt) > drainRepeat {
				said, saidAt = line, time.Now()
				fmt.Fprint(r.c.err, line)
			}
		}
		select {
		case <-again.C:
		case <-limited.Done():
			if ctx.Err() != nil && !errors.Is(context.Cause(ctx), errLate) {
				return fmt.Errorf("no longer waiting: %s left on %s; the draining goes on (end it with --cancel)", plural(left, "copy"), name)
			}
			return &failure{exitDifferent, fmt.Errorf("%s left on %s after %v%s\nthe draining goes on (end it with --cancel)", plural(left, "copy"), name, o.timeout, r.howItGoes(ctx, client, name))}
		}
	}
}

// howItGoes is what is on the way, or else why nothing is.
func (r *remote) howItGoes(ctx context.Context, client *admin.Client, name string) string {
	if on := r.onTheWay(ctx, client); on != "" {
		return on
	}
	return r.whyStuck(ctx, client, name)
}

// onTheWay says how far copies are that are to take the place of others; empty if there are none, or nobody knows.
func (r *remote) onTheWay(ctx context.Context, client *admin.Client) string {
	rows, err := client.CatRows(ctx, "recovery", url.Values{"bytes": {"b"}})
	if err != nil {
		return "" // it is only told by the way
	}
	moving, sent, total, operations := 0, int64(0), int64(0), int64(0)
	for _, row := range rows {
		if row["type"] == "relocation" {
			some, _ := strconv.ParseInt(row["bytes_recovered"], 10, 64) // what is no number is not known
			all, _ := strconv.ParseInt(row["bytes_total"], 10, 64)
			singly, _ := strconv.ParseInt(row["ops_recovered"], 10, 64)
			moving, sent, total, operations = moving+1, sent+some, total+max(some, all), operations+singly
		}
	}
	if moving == 0 {
		return ""
	}
	text := fmt.Sprintf("; %s on the way, %s", plural(moving, "copy"), plural(int(operations), "operation"))
	if total > 0 {
		text += fmt.Sprintf(", %s of %s", byteText(sent), byteText(total))
	}
	return text
}

// whyStuck says for one copy on a node why no other node takes it: what the first decider that objects has to say about each.
func (r *remote) whyStuck(ctx context.Context, client *admin.Client, name string) string {
	state, err := client.State(ctx)
	if err != nil {
		return "" // it is only advice
	}
	for _, row := range state.Shards {
		at := slices.IndexFunc(row.Copies, func(c admin.RowCopy) bool { return c.Node == name })
		if at < 0 || slices.ContainsFunc(row.Copies, func(c admin.RowCopy) bool { return c.Source == row.Copies[at].Copy }) {
			continue // it is on its way, or has just gone
		}
		keyspace, index, err := shardName(row.Shard)
		if err != nil {
			return ""
		}
		e, err := client.Explain(ctx, keyspace, index, "")
		if err != nil {
			return ""
		}
		if slices.ContainsFunc(e.Shard.Copies, func(c admin.RowCopy) bool { return c.Node == name && c.Down }) {
			return "; it is down, and its copies are waited for before they are replaced (cluster.routing.allocation.node_left.delayed_timeout): if it does not come back, troupe forget " + name + " has them built elsewhere at once"
		}
		text := "; of shard " + row.Shard + " no other copy is begun (troupe explain " + row.Shard + " says more):"
		for _, n := range e.Nodes {
			if reason := objection(&n); n.Node != name && reason != "" {
				text += "\n  " + n.Node + ": " + reason
			}
		}
		return text
	}
	return ""
}

// objection is why a node takes no copy of a shard; empty if it would.
func objection(n *admin.ExplainedNode) string {
	for _, v := range n.Verdicts {
		if (v.Question == "allocate" || v.Question == "start") && (v.Decision == "no" || v.Decision == "throttle") {
			return v.Reason
		}
	}
	return ""
}

func forgetCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "forget NODE", Short: "remove a member for good", Args: cobra.ExactArgs(1),
		Long: `Removes a member that is down, with what it held. A living one is drained first, then stopped. It may join again only with an
empty data folder. One that was stopped a moment ago may look alive still: the verb asks again for 3 s. One that votes loses its
vote first; once it is forgotten nobody needs its old folder.

Exit codes: 0 it is forgotten · 3 no such node, or none any more · 1 it runs, no node answers, or none leads`,
		Example: "  troupe drain n3\n  troupe forget n3",
	}
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, nodeNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := forget(ctx, client, args[0])
			if err != nil {
				return err
			}
			return r.acknowledge(&a, args[0]+" is forgotten")
		})
	}
	return cmd
}

// stopTakes is for how long a node that was stopped may look alive to the others.
const stopTakes = 3 * time.Second

// forget removes a member. One that is empty is asked about again for a while if that is refused: it may have been stopped a moment ago.
func forget(ctx context.Context, client *admin.Client, name string) (admin.Acknowledged, error) {
	limit := time.After(stopTakes)
	again := time.NewTicker(drainPause)
	defer again.Stop()
	for {
		a, err := client.ChangeNode(ctx, name, "forget")
		if refused := (*admin.Error)(nil); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
			return a, err
		}
		if left, looked := copiesOn(ctx, client, name); looked != nil || left > 0 {
			return a, err
		}
		select {
		case <-again.C:
		case <-limit:
			return a, err
		case <-ctx.Done():
			return a, err
		}
	}
}

func maintenanceCommand(c *console) *cobra.Command {
	var whole bool
	cmd := &cobra.Command{
		Use: "maintenance {NODE|--cluster} {on|off}", Short: "let a node restart, or make the cluster read-only", Args: cobra.RangeArgs(1, 2),
		Long: `With a node: it may restart, and nothing is allocated in place of its copies while it is down; another copy leads meanwhile.
With --cluster: keys can be read and not be written, until it is off.

Exit codes: 0 it is so · 3 no such node · 1 no node answers, or none leads`,
		Example: `  troupe maintenance n2 on
  troupe maintenance --cluster on`,
	}
	cmd.Flags().BoolVar(&whole, "cluster", false, "the whole cluster")
	r := withCluster(c, cmd)
	names := r.completing(0, nodeNames)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if whole != (len(args) == 1) {
			return []string{"off", "on"}, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd, args, word)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		node, subject := "", "the cluster"
		if whole == (len(args) == 2) {
			return usage("say whose maintenance it is: NODE on, or --cluster on")
		}
		if !whole {
			node, subject = args[0], args[0]
		}
		word := args[len(args)-1]
		if word != "on" && word != "off" {
			return usage("%q is neither on nor off", word)
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := client.Maintain(ctx, node, word == "on")
			if err != nil {
				return err
			}
			return r.acknowledge(&a, "maintenance of "+subject+" is "+word)
		})
	}
	return cmd
}

func voteCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "vote NODE {on|off}", Short: "let a member vote for the leader, or keep it from that", Args: cobra.ExactArgs(2),
		Long: `The voters agree on who is a member, where shards are, and who leads; up to seven members with the role meta are chosen by themselves.
With off the node is none of them, whatever its roles, and another votes in its place if there is one; copies that it holds stay.
It is refused for the last that can vote; troupe health is yellow while fewer than three vote of three that could.
It is for machines that are slow, far away, or to be taken down soon. troupe nodes --wide says who votes.

Exit codes: 0 it is agreed · 3 no such node · 1 no node answers, or none leads`,
		Example: `  troupe vote n2 off
  troupe vote n2 on`,
	}
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, nodeNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		action, done := "include", args[0]+" may vote"
		switch args[1] {
		case "on":
		case "off":
			action, done = "exclude", args[0]+" shall not vote"
		default:
			return usage("%q is neither on nor off", args[1])
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := client.ChangeNode(ctx, args[0], action)
			if err != nil {
				return err
			}
			return r.acknowledge(&a, done)
		})
	}
	return cmd
}

func leaderCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "leader", Short: "say which node leads, or have another lead", Args: cobra.NoArgs, Example: "  troupe leader\n  troupe leader transfer n2",
		Long: "Prints the placement leader's name. Exit code 1 says that there is none.",
	}
	transfer := &cobra.Command{
		Use: "transfer NODE", Short: "make a member the placement leader", Args: cobra.ExactArgs(1), Example: "  troupe leader transfer n2",
		Long: "Hands the leadership over, and returns when the node leads. Reads and writes go on meanwhile.",
	}
	cmd.AddCommand(transfer)
	r, t := withCluster(c, cmd), withCluster(c, transfer)
	transfer.ValidArgsFunction = t.completing(0, nodeNames)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			h, err := client.Health(ctx, "", 0)
			switch {
			case err != nil:
				return err
			case h.Leader == "":
				return fmt.Errorf("no node leads now")
			case r.json:
				return printJSON(c.out, map[string]string{"leader": h.Leader})
			}
			_, err = fmt.Fprintln(c.out, h.Leader)
			return err
		})
	}
	transfer.RunE = func(cmd *cobra.Command, args []string) error {
		return t.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := client.TransferLeader(ctx, args[0])
			if err != nil {
				return err
			}
			return t.acknowledge(&a, args[0]+" leads")
		})
	}
	return cmd
}
