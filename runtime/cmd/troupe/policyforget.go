package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func policyForgetCommand(c *console) *cobra.Command {
	var version int
	cmd := &cobra.Command{
		Use: "forget NAME", Short: "drop versions that are not in use, with their modules", Args: cobra.ExactArgs(1),
		Long: `Drops one version, or all that are neither active, previous nor in the shadow; the policy goes with its last. All modules together
may have 32 MiB. Plans that were made with a dropped module are made again only by who gives its file, troupe replay --module: how
many there are is told.`,
		Example: "  troupe policy forget spare\n  troupe policy forget spare --version 1",
	}
	cmd.Flags().IntVar(&version, "version", 0, "version `N` (default: all that are not in use)")
	r := withCluster(c, cmd)
	cmd.ValidArgsFunction = r.completing(0, policyNames)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			before, err := client.Policies(ctx)
			if err != nil {
				return err
			}
			done, err := client.ForgetPolicy(ctx, args[0], version)
			if err != nil {
				return refused(err)
			}
			after, err := client.Policies(ctx)
			if err != nil {
				return err
			}
			gone, said := forgotten(args[0], before, after)
			if warning := r.bereft(ctx, client, gone); warning != "" {
				done.Warnings = append(done.Warnings, warning)
			}
			return r.acknowledge(&done, said)
		})
	}
	return cmd
}

// forgotten are the digests of modules that the cluster has no more, and what has become of a policy.
func forgotten(name string, before, after admin.PolicyList) (gone []string, said string) {
	kept := map[string]bool{}
	for i := range after.Policies {
		for _, v := range after.Policies[i].Versions {
			kept[v.Digest] = true
		}
	}
	var dropped, left []string
	for i := range before.Policies {
		if before.Policies[i].Name != name {
			continue
		}
		now := slices.IndexFunc(after.Policies, func(p admin.PolicyInfo) bool { return p.Name == name })
		for _, v := range before.Policies[i].Versions {
			if now >= 0 && after.Policies[now].Find(v.Version) != nil {
				left = append(left, fmt.Sprint(v.Version))
				continue
			}
			if dropped = append(dropped, fmt.Sprint(v.Version)); !kept[v.Digest] {
				gone = append(gone, v.Digest)
			}
		}
	}
	said = fmt.Sprintf("policy %s: forgotten, with version %s", name, strings.Join(dropped, ", "))
	if len(left) > 0 {
		said = fmt.Sprintf("policy %s: version %s forgotten; it has %s", name, strings.Join(dropped, ", "), strings.Join(left, ", "))
	}
	return gone, said
}

// bereft says how many recorded plans cannot be made again without modules that the cluster has no more; empty: none, as far as nodes answer.
func (r *remote) bereft(ctx context.Context, client *admin.Client, gone []string) string {
	all, _, err := r.archives(ctx, client)
	if err != nil || len(gone) == 0 {
		return "" // it is done, and replay will say it
	}
	n := 0
	for _, a := range all {
		list, err := a.client.Plans(ctx, 0)
		if err != nil {
			continue
		}
		for _, p := range list.Plans {
			if slices.ContainsFunc(p.Modules, func(d string) bool { return slices.Contains(gone, d) }) {
				n++
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s made with what is forgotten: troupe replay leaves them out from now on, unless --module gives its file", plural(n, "recorded plan"), verb(n, "was", "were"))
}
