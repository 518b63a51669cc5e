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
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
)

func settingsCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{Use: "settings", Args: cobra.NoArgs, RunE: showHelp, Short: "read and change the settings of the cluster", Long: "Reads and changes what is agreed in the cluster, and kept by it. The settings of one node are flags of troupe node."}
	var all bool
	get := &cobra.Command{
		Use: "get [NAME]", Short: "print settings", Args: cobra.MaximumNArgs(1), Example: "  troupe settings get --all\n  troupe settings get cluster.coverage\n  troupe settings get node_left",
		Long: "Prints what is set, with --all also what stands at its default, and what each is for. A whole NAME prints its value alone,\na part of names all that have it; exit code 3 says that there is no such setting.",
	}
	get.Flags().BoolVar(&all, "all", false, "defaults as well")
	r := withCluster(c, get)
	get.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			s, err := client.Settings(ctx, true)
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return r.printSetting(&s, args[0])
			}
			return r.printSettings(&s, all)
		})
	}
	set := &cobra.Command{
		Use: "set NAME=VALUE...", Short: "change settings", Args: cobra.MinimumNArgs(1),
		Long: "Changes settings, all or none. NAME= goes back to the default. The leader tries them first on policies in force that read them: what\none of these does not take, or would fail with, is refused in its own words.",
		Example: `  troupe settings set cluster.routing.allocation.enable=none
  troupe settings set cluster.routing.allocation.enable=`,
	}
	w := withCluster(c, set)
	set.RunE = func(cmd *cobra.Command, args []string) error {
		values := map[string]*string{}
		for _, arg := range args {
			name, value, found := strings.Cut(arg, "=")
			if !found || name == "" {
				return usage("%q must be NAME=VALUE", arg)
			}
			values[name] = nil
			if value != "" {
				values[name] = &value
			}
		}
		return w.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := client.SetSettings(ctx, values)
			if err != nil {
				return mistaken(err)
			}
			return w.acknowledge(&a, plural(len(values), "setting")+" changed")
		})
	}
	get.ValidArgsFunction, set.ValidArgsFunction = settingNames(""), settingNames("=")
	cmd.AddCommand(get, set, settingsHistory(c))
	return cmd
}

func settingsHistory(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "history [NAME]", Short: "who changed which setting, and when", Args: cobra.MaximumNArgs(1),
		Example: "  troupe settings history\n  troupe settings history node_left",
		Long: `Lists the changes of settings that the cluster remembers, the newest first: the last 256, also those of before a node was there.
NAME is a part of the names that are wanted. Whoever changed it says who that was; it proves nothing.`,
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			h, err := client.SettingHistory(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, h)
			}
			if len(h.Changes) == 0 {
				_, err := fmt.Fprintln(c.out, "no change of a setting is remembered")
				return err
			}
			rows := [][]string{}
			for _, x := range h.Changes {
				rows = append(rows, []string{time.UnixMilli(x.At).Format(time.DateTime), fmt.Sprint(x.Version), x.Name, orDefault(x.From) + " → " + orDefault(x.To), x.By})
			}
			return writeTable(c.out, []string{"WHEN", "STATE", "SETTING", "CHANGE", "BY"}, rows)
		})
	}
	return cmd
}

// orDefault is a setting's value, where null stands for its default.
func orDefault(value *string) string {
	if value == nil {
		return "default"
	}
	return *value
}

func (r *remote) printSetting(s *admin.Settings, name string) error {
	value, found := s.Persistent[name]
	if !found {
		value, found = s.Defaults[name]
	}
	if !found {
		return r.printMatching(s, name)
	}
	if r.json {
		return printJSON(r.c.out, map[string]string{name: value})
	}
	_, err := fmt.Fprintln(r.c.out, value)
	return err
}

// printMatching prints the settings that have a part in their names.
func (r *remote) printMatching(s *admin.Settings, part string) error {
	part = strings.ToLower(part)
	other := func(name, _ string) bool { return !strings.Contains(name, part) }
	maps.DeleteFunc(s.Persistent, other)
	maps.DeleteFunc(s.Defaults, other)
	maps.DeleteFunc(s.About, other)
	if len(s.Persistent)+len(s.Defaults) == 0 {
		return &failure{exitNotFound, fmt.Errorf("there is no setting with %q in its name; see troupe settings get --all", part)}
	}
	return r.printSettings(s, true)
}

func (r *remote) printSettings(s *admin.Settings, all bool) error {
	if !all {
		s.Defaults, s.About = nil, nil
	}
	if r.json {
		return printJSON(r.c.out, s)
	}
	merged, rows := maps.Clone(s.Defaults), [][]string{}
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, s.Persistent)
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		from := "default"
		if _, set := s.Persistent[name]; set {
			from = "set"
		}
		rows = append(rows, []string{name, merged[name], from, s.About[name]})
	}
	return writeTable(r.c.out, []string{"SETTING", "VALUE", "FROM", "ABOUT"}, rows)
}

func keyspaceCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{Use: "keyspace", Args: cobra.NoArgs, RunE: showHelp, Short: "make, change and list keyspaces", Long: "A keyspace is a named set of shards with settings of its own."}
	list := &cobra.Command{Use: "list", Short: "list keyspaces", Args: cobra.NoArgs, Example: "  troupe keyspace list", Long: "Lists the keyspaces with their settings and what they hold."}
	l := withCluster(c, list)
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		return l.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			all, err := client.Keyspaces(ctx)
			if err != nil {
				return err
			}
			if l.json {
				return printJSON(c.out, all)
			}
			rows := [][]string{}
			for _, k := range all {
				limit := "none"
				if k.MaxMemory > 0 {
					limit = settings.FormatSize(k.MaxMemory)
				}
				rows = append(rows, []string{
					k.Name, fmt.Sprint(k.Shards), fmt.Sprint(k.Replicas), fmt.Sprint(k.MinInSync), k.Durability, limit, k.Eviction, fmt.Sprint(k.Keys), byteText(k.Bytes),
				})
			}
			return writeTable(c.out, []string{"KEYSPACE", "SHARDS", "REPLICAS", "MIN IN SYNC", "DURABILITY", "MAX MEMORY", "EVICTION", "KEYS", "MEMORY"}, rows)
		})
	}
	cmd.AddCommand(
		list,
		keyspaceChange(c, "create SPEC", "make a keyspace", "troupe keyspace create orders:shards=64,replicas=2,min-in-sync=2",
			"Makes a keyspace: NAME[:shards=16,replicas=1,min-in-sync=1,durability=fsync,max-memory=1gb,eviction=allkeys-lru]. Exit code 4\nsays that it is there already.",
			(*admin.Client).CreateKeyspace, "made"),
		keyspaceChange(c, "update SPEC", "change a keyspace", "troupe keyspace update orders:replicas=2,min-in-sync=2",
			"Changes what SPEC names, and nothing else; the number of shards is fixed. Exit code 3 says that there is no such keyspace.",
			(*admin.Client).UpdateKeyspace, "changed"),
	)
	return cmd
}

func keyspaceChange(c *console, use, short, example, long string, do func(*admin.Client, context.Context, string, admin.KeyspaceSettings) (admin.Acknowledged, error), done string) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1), Long: long, Example: "  " + example}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, err := settings.ParseKeyspace(args[0])
		if err != nil {
			return usage("%w", err)
		}
		given := settings.OptionsOf(args[0])
		change := admin.KeyspaceSettings{}
		for _, f := range []struct {
			name  string
			field **int
			value int
		}{{"shards", &change.Shards, k.Shards}, {"replicas", &change.Replicas, max(0, k.Replicas)}, {"min-in-sync", &change.MinInSync, k.MinInSync}} {
			if slices.Contains(given, f.name) {
				*f.field = &f.value
			}
		}
		if slices.Contains(given, "max-memory") {
			change.MaxMemory = &k.MaxMemory
		}
		durability, eviction := k.Durability.String(), k.Eviction.String()
		if slices.Contains(given, "durability") {
			change.Durability = &durability
		}
		if slices.Contains(given, "eviction") {
			change.Eviction = &eviction
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			a, err := do(client, ctx, k.Name, change)
			if err != nil {
				return mistaken(err)
			}
			return r.acknowledge(&a, "keyspace "+k.Name+" is "+done)
		})
	}
	return cmd
}

func checkCommand(c *console) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "check", Short: "try every node and every shard", Args: cobra.NoArgs, Example: "  troupe check\n  troupe check --json",
		Long: `Asks each node whether it agrees with the others about leader, cluster state and time (to a second), and writes, reads and deletes a key in each
shard. Exit code 4 says that something is wrong, and what.`,
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long it may take")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.within(cmd.Context(), timeout, func(ctx context.Context, client *admin.Client, end time.Time) error {
			a, err := client.Check(ctx, min(timeout, time.Until(end).Round(time.Second/10)))
			if err != nil {
				return err
			}
			if r.json {
				err = printJSON(c.out, a)
			} else {
				err = r.printCheck(&a)
			}
			if err == nil && !a.OK {
				err = &failure{exitDifferent, fmt.Errorf("not all is well")}
			}
			return err
		})
	}
	return cmd
}

func (r *remote) printCheck(a *admin.CheckAnswer) error {
	rows := [][]string{}
	for _, n := range a.Nodes {
		word := "ok"
		if !n.OK {
			word = n.Problem
		}
		rows = append(rows, []string{n.Node, orNone(n.Leader), fmt.Sprint(n.Version), (time.Duration(n.Micros) * time.Microsecond).String(), word})
	}
	if err := writeTable(r.c.out, []string{"NODE", "LEADER", "STATE", "ANSWERED IN", "RESULT"}, rows); err != nil {
		return err
	}
	if a.Leader == "" && !a.OK {
		fmt.Fprintln(r.c.out, "no placement leader is known: a majority of the voters must run and reach each other")
	}
	for _, line := range problemLines(a.Problems) {
		fmt.Fprintln(r.c.out, line)
	}
	last := fmt.Sprintf("%d of %s written, read and deleted", a.Shards-len(a.Problems), plural(a.Shards, "shard"))
	if a.ReadOnly {
		last = "the shards were not tried: the cluster is in maintenance"
	}
	_, err := fmt.Fprintln(r.c.out, last)
	return err
}
