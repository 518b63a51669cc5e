package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func policyShadowCommand(c *console) *cobra.Command {
	var u useFlags
	var off, watch, show bool
	cmd := &cobra.Command{
		Use: "shadow NAME", Short: "compute a version beside what is in force, and see what it would change", Args: cobra.ExactArgs(1),
		Long: `From now on every plan is also made with this version in place of what is in force, on the same input, and the difference kept: verdicts
that would be others, moves, balance, bytes. Nothing moves. All that is in the shadow is compared together, in one plan. --watch prints each comparison as it is made, until Ctrl-C; alone, without
--version or --set, it only looks at what is in the shadow already.`,
		Example: `  troupe policy shadow spare --set nodes=n3 --watch
  troupe policy shadow spare --show
  troupe policy shadow spare --off`,
	}
	u.add(cmd)
	cmd.Flags().BoolVar(&off, "off", false, "end it")
	cmd.Flags().BoolVar(&watch, "watch", false, "print comparisons as they are made")
	cmd.Flags().BoolVar(&show, "show", false, "print the comparisons that there are, and change nothing")
	cmd.MarkFlagsMutuallyExclusive("off", "watch", "show")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a, err := u.activation()
		if err != nil {
			return err
		}
		chosen := u.version != 0 || len(u.set) > 0
		if chosen && (off || show) {
			return usage("--off and --show take neither --version nor --set")
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if !show {
				if err := r.beginShadow(ctx, client, args[0], a, off, watch && !chosen); err != nil {
					return err
				}
			}
			if !watch && !show {
				return nil
			}
			return r.again(ctx, func() error { return r.comparisons(ctx, client, args[0], watch) })
		})
	}
	return cmd
}

// beginShadow begins or ends a shadow. keep: one that is there stays as it is.
func (r *remote) beginShadow(ctx context.Context, client *admin.Client, name string, a admin.Activation, off, keep bool) error {
	if keep {
		p, err := client.Policy(ctx, name)
		if err != nil || p.Shadow != nil {
			return err
		}
	}
	if off {
		a = admin.Activation{Off: true}
	}
	done, err := client.ShadowPolicy(ctx, name, a)
	if err != nil {
		return refused(err)
	}
	if off {
		return r.acknowledge(&done, "policy "+name+" is in the shadow no more")
	}
	p, err := client.Policy(ctx, name)
	if err != nil {
		return err
	}
	return r.acknowledge(&done, "policy "+name+": in the shadow is version "+useText(p.Shadow))
}

// comparisons prints them, to the end or for ever.
func (r *remote) comparisons(ctx context.Context, client *admin.Client, name string, on bool) error {
	var last *admin.Comparison
	for k, err := range client.PolicyComparisons(ctx, name, on) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if r.json {
			err = printJSON(r.c.out, k)
		} else {
			err = r.printComparison(&k)
		}
		if err != nil {
			return &fatal{err}
		}
		last = &k
	}
	if r.json || on {
		return nil
	}
	p, err := client.Policy(ctx, name)
	if err != nil {
		return err
	}
	if text := stale(&p, last); text != "" {
		fmt.Fprintln(r.c.err, text)
	}
	return nil
}

// stale says of the last comparison that it is not about what is in the shadow now; empty if it is.
func stale(p *admin.PolicyInfo, last *admin.Comparison) string {
	switch {
	case last == nil && p.Shadow == nil:
		return fmt.Sprintf("policy %s is not in the shadow, and has not been since this leader began", p.Name)
	case last == nil:
		return "nothing has been compared yet: the next plan will be"
	}
	old := "these comparisons are old, the last of " + time.UnixMilli(last.At).Format(time.DateTime)
	switch {
	case p.Shadow == nil:
		return fmt.Sprintf("%s: policy %s is in the shadow no more; in force is %s", old, p.Name, useText(p.Active))
	case p.Since > last.At/1000:
		return fmt.Sprintf("%s: in force is %s since %s", old, useText(p.Active), time.Unix(p.Since, 0).Format(time.DateTime))
	}
	for _, x := range last.Policies {
		if x.Name == p.Name && (x.Version != p.Shadow.Version || !maps.Equal(x.Settings, p.Shadow.Settings)) {
			return fmt.Sprintf("%s: in the shadow is %s now", old, useText(p.Shadow))
		}
	}
	return ""
}

// comparedText names the policies of a comparison: all that were in the shadow are in the one plan.
func comparedText(all []admin.ShadowedPolicy) string {
	var names []string
	for _, p := range all {
		text := fmt.Sprintf("%s version %d", p.Name, p.Version)
		for _, name := range slices.Sorted(maps.Keys(p.Settings)) {
			text += fmt.Sprintf(" %s=%s", name, p.Settings[name])
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}

func (r *remote) printComparison(k *admin.Comparison) error {
	fmt.Fprintf(r.c.out, "%s  plan on version %d: %s would be others, of %d of %s; moves %d -> %d (%d only now, %d only then); waiting %d -> %d\n",
		time.UnixMilli(k.At).Format("15:04:05.000"), k.Version, plural(k.TotalFlips(), "verdict"), k.Asked, plural(k.Shards, "shard"), k.Active.Moves, k.Shadow.Moves, len(k.Gone), len(k.Added), k.Active.Waiting, k.Shadow.Waiting)
	fmt.Fprintf(r.c.out, "              fullest node over mean: copies %.2f -> %.2f, primaries %.2f -> %.2f; bytes moved %s -> %s; planning %v -> %v\n",
		k.Active.Copies, k.Shadow.Copies, k.Active.Primaries, k.Shadow.Primaries, byteText(int64(k.Active.Bytes)), byteText(int64(k.Shadow.Bytes)),
		time.Duration(k.Active.Micros)*time.Microsecond, time.Duration(k.Shadow.Micros)*time.Microsecond)
	fmt.Fprintf(r.c.out, "              with %s\n", comparedText(k.Policies))
	for _, f := range k.Flips {
		fmt.Fprintf(r.c.out, "  %-9s %s -> %s  %d times, as %s\n", f.Question, f.From, f.To, f.Count, f.Example)
	}
	for _, m := range k.Added {
		fmt.Fprintf(r.c.out, "  + %s\n", m)
	}
	for _, m := range k.Gone {
		fmt.Fprintf(r.c.out, "  - %s\n", m)
	}
	if k.Unlisted > 0 {
		fmt.Fprintf(r.c.out, "  and %s more\n", plural(k.Unlisted, "move"))
	}
	for _, p := range k.Policies {
		if p.Absent != "" {
			fmt.Fprintf(r.c.out, "  %s version %d was not asked: %s\n", p.Name, p.Version, p.Absent)
		}
	}
	var err error
	for _, f := range k.Faults {
		_, err = fmt.Fprintf(r.c.out, "  it failed: %s\n", f)
	}
	return err
}

func policyLogsCommand(c *console) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "logs NAME", Short: "print what a policy logs, and how it fails", Args: cobra.ExactArgs(1),
		Long: `Prints what a policy has logged where it decides, on the node that leads, and how it failed; of the shadow as well. The last 500 lines
are kept. A decider of the house has a log, too, under its name.`,
		Example: "  troupe policy logs spare\n  troupe policy logs spare -f",
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			return r.again(ctx, func() error { return r.logs(ctx, client, args[0], follow) })
		})
	}
	return cmd
}

func (r *remote) logs(ctx context.Context, client *admin.Client, name string, on bool) error {
	silent := true
	for l, err := range client.PolicyLogs(ctx, name, on) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if r.json {
			err = printJSON(r.c.out, l)
		} else {
			where := ""
			if l.Shadow {
				where = " (shadow)"
			}
			_, err = fmt.Fprintf(r.c.out, "%s  %-5s%s %s\n", time.UnixMilli(l.At).Format("15:04:05.000"), l.Level, where, l.Text)
		}
		if err != nil {
			return &fatal{err}
		}
		silent = false
	}
	if silent && !r.json {
		_, err := fmt.Fprintf(r.c.err, "%s has logged nothing on the node that leads, and has not failed there\n", name)
		return err
	}
	return nil
}
