package main

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// helpCommand is cobra's, but for a verb that is not there, which is a mistake and no success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [VERB]...", Short: "print the help of a verb",
		RunE: func(cmd *cobra.Command, args []string) error {
			verb, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no verb %q", strings.Join(args, " "))
			}
			return verb.Help()
		},
	}
}

// refuseOtherShells has troupe completion refuse a shell that it does not know.
func refuseOtherShells(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		var shells []string
		for _, shell := range cmd.Commands() {
			shells = append(shells, shell.Name())
		}
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("there is no completion for %q; there is for %s", args[0], strings.Join(shells, ", "))
			}
			return cmd.Help()
		}
	}
}

// completeLimit is how long a shell waits for names that only a node knows.
const completeLimit = 2 * time.Second

// completing makes a list of names for the argument at a place, which a node is asked for; who cannot be asked gives none.
func (r *remote) completing(place int, names func(context.Context, *admin.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) != place {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return r.asked(names)
	}
}

// completingFlag does it for the value of a flag.
func (r *remote) completingFlag(names func(context.Context, *admin.Client) ([]string, error)) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) { return r.asked(names) }
}

func (r *remote) asked(names func(context.Context, *admin.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completeLimit)
	defer cancel()
	var list []string
	if err := r.with(ctx, func(ctx context.Context, client *admin.Client) (err error) {
		list, err = names(ctx, client)
		return err
	}); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	slices.Sort(list)
	return list, cobra.ShellCompDirectiveNoFileComp
}

// nodeNames are the members.
func nodeNames(ctx context.Context, client *admin.Client) (list []string, err error) {
	nodes, err := client.Nodes(ctx)
	for _, n := range nodes {
		list = append(list, n.Name)
	}
	return list, err
}

// shardNames are all shards, as in orders/17.
func shardNames(ctx context.Context, client *admin.Client) ([]string, error) {
	rows, err := client.CatRows(ctx, "shards", url.Values{"h": {"keyspace,shard"}})
	names := map[string]bool{}
	for _, row := range rows {
		names[row["keyspace"]+"/"+row["shard"]] = true
	}
	return slices.Collect(maps.Keys(names)), err
}

// keyspaceNames are all keyspaces.
func keyspaceNames(ctx context.Context, client *admin.Client) (list []string, err error) {
	all, err := client.Keyspaces(ctx)
	for _, k := range all {
		list = append(list, k.Name)
	}
	return list, err
}

// policyNames are all policies of the cluster.
func policyNames(ctx context.Context, client *admin.Client) (names []string, err error) {
	all, err := client.Policies(ctx)
	for _, p := range all.Policies {
		names = append(names, p.Name)
	}
	return names, err
}

// settingNames are those that the binary knows, up to the part that who sets one chooses; end follows each that is whole.
func settingNames(end string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
		for _, rule := range cluster.SettingRules() {
			name, _, chosen := strings.Cut(rule.Name, "{")
			if !chosen {
				name += end
			}
			list = append(list, name)
		}
		return list, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	}
}
