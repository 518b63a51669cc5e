package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// healthFlags say what is asked of the health.
type healthFlags struct {
	watch   bool
	wait    string
	timeout time.Duration
	losses  bool
}

func healthCommand(c *console) *cobra.Command {
	var o healthFlags
	cmd := &cobra.Command{
		Use: "health", Short: "say how the cluster stands, and why", Args: cobra.NoArgs,
		Long: `Green: every copy of every shard is in sync. Yellow: every shard is served, some lack copies, or a node is too full for writes. Red: a shard
has no primary, no node has room for writes, or no placement leader is known for longer than an election takes. Lines say why.

With --losses a line for each node says what its death would come to, as the placement leader finds while it has nothing to do:
copies that no other node may have, and why; a node that would need more than it has. Nothing is lost for it. troupe rehearse
plays such a loss to its end, and that of a rack or a zone.

Exit codes: 0 green or yellow, or as good as --wait asks · 4 red, or not as good as --wait asks in time · 1 no node answers`,
		Example: `  troupe health
  troupe health --wait green --timeout 1m
  troupe health --losses
  troupe health --watch`,
	}
	f := cmd.Flags()
	f.BoolVar(&o.watch, "watch", false, "go on, and print each change until Ctrl-C")
	f.StringVar(&o.wait, "wait", "", "wait until it is at least this `colour`: green or yellow")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long --wait waits")
	f.BoolVar(&o.losses, "losses", false, "say what the death of each node would come to")
	_ = cmd.RegisterFlagCompletionFunc("wait", cobra.FixedCompletions([]string{admin.Green, admin.Yellow}, cobra.ShellCompDirectiveNoFileComp))
	cmd.MarkFlagsMutuallyExclusive("watch", "wait")
	cmd.MarkFlagsMutuallyExclusive("watch", "losses")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.wait != "" && o.wait != admin.Green && o.wait != admin.Yellow {
			return usage("--wait %s: write green or yellow", o.wait)
		}
		if o.wait != "" {
			return r.within(cmd.Context(), o.timeout, func(ctx context.Context, client *admin.Client, end time.Time) error {
				return r.health(ctx, client, &o, end)
			})
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if o.watch {
				return r.followHealth(ctx, client)
			}
			return r.health(ctx, client, &o, time.Time{})
		})
	}
	return cmd
}

// health prints the health. end: with o.wait, until when it waits.
func (r *remote) health(ctx context.Context, client *admin.Client, o *healthFlags, end time.Time) error {
	h, err := r.waitHealth(ctx, client, o.wait, end)
	if err != nil {
		return err
	}
	var l *admin.LossAnswer
	if o.losses {
		answer, err := client.Losses(ctx)
		if err != nil { // as without a leader, of which the health tells
			answer = admin.LossAnswer{Losses: []admin.NodeLoss{}, Reason: err.Error()}
		}
		l = &answer
	}
	if err := r.printHealth(&h, l); err != nil {
		return err
	}
	switch {
	case o.wait != "" && h.TimedOut:
		return &failure{exitDifferent, fmt.Errorf("the cluster is %s and did not become %s in %v", h.Status, o.wait, o.timeout)}
	case h.Status == admin.Red:
		return &failure{exitDifferent, fmt.Errorf("the cluster is red")}
	}
	return nil
}

// wakePause is how often a node that does not listen yet is tried again.
const wakePause = 200 * time.Millisecond

// waitHealth asks for the health. Who waits for it waits as well for a node that does not listen yet.
func (r *remote) waitHealth(ctx context.Context, client *admin.Client, wait string, end time.Time) (admin.Health, error) {
	for {
		h, err := client.Health(ctx, wait, max(0, time.Until(end)))
		if err == nil || wait == "" || !temporary(err) || time.Until(end) < wakePause {
			return h, err
		}
		select {
		case <-time.After(wakePause):
		case <-ctx.Done():
			return h, err
		}
	}
}

// printHealth prints the health, and with it what is known of losses if l is not nil.
func (r *remote) printHealth(h *admin.Health, l *admin.LossAnswer) error {
	if r.json {
		return printJSON(r.c.out, struct {
			*admin.Health
			Losses *admin.LossAnswer `json:"node_losses,omitempty"`
		}{h, l})
	}
	if err := writeHealth(r.c.out, h); err != nil || l == nil {
		return err
	}
	return writeLosses(r.c.out, l)
}

// writeLosses prints a line for each node.
func writeLosses(w io.Writer, l *admin.LossAnswer) error {
	lines := []string{"if a node died:"}
	for i := range l.Losses {
		x := &l.Losses[i]
		lines = append(lines, fmt.Sprintf("  %-6s %s: %s", x.Node, plural(x.Copies, "copy"), x.Summary))
	}
	if len(l.Waiting) > 0 {
		lines = append(lines, "  not looked at yet: "+strings.Join(l.Waiting, " ")+"; ask again when the cluster is at rest")
	}
	if l.Reason != "" {
		lines = append(lines, "  not known: "+l.Reason)
	}
	if l.Burden != "" {
		lines = append(lines, "balance: "+l.Burden)
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// writeHealth prints the health on a line, and a line for each reason.
func writeHealth(w io.Writer, h *admin.Health) error {
	lines := []string{healthLine(h)}
	for _, reason := range h.Reasons {
		lines = append(lines, fmt.Sprintf("  %-6s %s: %s", reason.Status, reason.Shard, reason.Reason))
	}
	if h.Unlisted > 0 {
		lines = append(lines, fmt.Sprintf("  and %s more", plural(h.Unlisted, "shard")))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// healthLine is the health in one line.
func healthLine(h *admin.Health) string {
	all := h.ActiveShards + h.InitializingShards + h.UnassignedShards
	line := fmt.Sprintf("%-6s cluster %s, leader %s, %s, %d of %s in sync", h.Status, h.ClusterName, orNone(h.Leader), plural(h.Nodes, "node"), h.ActiveShards, plural(all, "copy"))
	for _, extra := range []struct {
		n    int
		what string
	}{{h.InitializingShards, "recovering"}, {h.RelocatingShards, "moving"}, {h.UnassignedShards, "without a place"}} {
		if extra.n > 0 {
			line += fmt.Sprintf(", %d %s", extra.n, extra.what)
		}
	}
	named := func(what string, names []string) {
		if len(names) > 0 {
			line += ", " + what + ": " + strings.Join(names, " ")
		}
	}
	named("down", h.Down)
	named("draining", h.Draining)
	named("in maintenance", h.Maintained)
	if h.ReadOnly {
		line += ", read-only for maintenance"
	}
	named("not served", h.NotServed)
	return line
}

func orNone(name string) string {
	if name == "" {
		return "none"
	}
	return name
}

// followHealth prints the health whenever it changes, and goes on at another node when one is lost.
func (r *remote) followHealth(ctx context.Context, client *admin.Client) error {
	last := ""
	return r.again(ctx, func() error {
		for h, err := range client.WatchHealth(ctx) {
			if err != nil {
				return err
			}
			if line := healthLine(&h); line == last {
				continue // another node says the same
			} else {
				last = line
			}
			if r.json {
				if err := printJSON(r.c.out, h); err != nil {
					return &fatal{err}
				}
				continue
			}
			fmt.Fprint(r.c.out, time.Now().Format("15:04:05.000  "))
			if err := writeHealth(r.c.out, &h); err != nil {
				return &fatal{err}
			}
		}
		return nil
	})
}

// fatal is an error of this side, after which trying again is no use.
type fatal struct{ error }

// Unwrap gives the cause.
func (f *fatal) Unwrap() error { return f.error }

func watchHealthCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "health", Short: "print the health whenever it changes", Args: cobra.NoArgs, Example: "  troupe watch health --json",
		Long: "Prints the health and each change of it until Ctrl-C; when a node is lost, another goes on.",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return r.with(cmd.Context(), r.followHealth) }
	return cmd
}

func watchRoutingCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "routing", Short: "print where shards live, and each change of it", Args: cobra.NoArgs, Example: "  troupe watch routing\n  troupe watch routing --json",
		Long: "Prints the leader and the shard table, and each change of them until Ctrl-C; when a node is lost, another goes on.",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return r.with(cmd.Context(), r.followRouting) }
	return cmd
}

func (r *remote) followRouting(ctx context.Context, client *admin.Client) error {
	seen, leader := map[string]uint64{}, ""
	return r.again(ctx, func() error {
		for line, err := range client.WatchRouting(ctx) {
			if err != nil {
				return err
			}
			line.Shards = slices.DeleteFunc(line.Shards, func(row admin.Row) bool { return seen[row.Shard] == row.Version })
			for _, row := range line.Shards {
				seen[row.Shard] = row.Version
			}
			if r.json {
				err = printJSON(r.c.out, line)
			} else if err = r.printRouting(&line, line.Leader != leader); err == nil {
				leader = line.Leader
			}
			if err != nil {
				return &fatal{err}
			}
		}
		return nil
	})
}

func (r *remote) printRouting(line *admin.Routing, newLeader bool) error {
	if newLeader {
		if _, err := fmt.Fprintf(r.c.out, "v%d  leader %s\n", line.Version, orNone(line.Leader)); err != nil {
			return err
		}
	}
	for _, row := range line.Shards {
		if _, err := fmt.Fprintf(r.c.out, "v%d  %s\n", row.Version, rowText(&row)); err != nil {
			return err
		}
	}
	return nil
}

// rowText is a row of the shard table on a line.
func rowText(row *admin.Row) string {
	var copies []string
	for _, c := range row.Copies {
		role := "recovering"
		switch {
		case c.Copy == row.Primary:
			role = "primary"
		case c.Failed:
			role = "failed"
		case c.InSync:
			role = "in sync"
		case c.Down:
			role = ""
		}
		if c.Down {
			role = strings.TrimPrefix(role+" down", " ")
		}
		if c.Source != "" {
			role += " for " + c.Source
		}
		copies = append(copies, fmt.Sprintf("%s %s", c.Node, role))
	}
	if len(copies) == 0 {
		copies = []string{"no copy"}
	}
	return fmt.Sprintf("%s term %d: %s", row.Shard, row.Term, strings.Join(copies, ", "))
}
