package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

func nodesCommand(c *console) *cobra.Command {
	var roundTrips, wide bool
	cmd := &cobra.Command{
		Use: "nodes", Short: "list the members", Args: cobra.NoArgs, Example: "  troupe nodes\n  troupe nodes --wide\n  troupe nodes --json\n  troupe nodes --round-trips",
		Long: `Lists the members: roles (d data, g gateway, m meta), whether one leads (*), how it is, how many copies it holds and how many of them
are primaries, how much of processors, memory and disk is used (in percent, as measured some seconds ago), where it listens for
clients, and its release if not all are of one. --wide adds where it listens for other nodes, and whether it votes (* yes, x shall not).
--round-trips has each member call each other one, and shows how long that takes: a row for who calls, a column for who answers.

Exit codes: 0 they are listed, however they are (troupe health judges) · 1 no node answers`,
	}
	cmd.Flags().BoolVar(&wide, "wide", false, "all columns")
	cmd.Flags().BoolVar(&roundTrips, "round-trips", false, "how far the members are from each other, measured now")
	cmd.MarkFlagsMutuallyExclusive("wide", "round-trips")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			if roundTrips {
				return r.printRoundTrips(ctx, client)
			}
			nodes, err := client.Nodes(ctx)
			if err != nil {
				return err
			}
			if r.json {
				return printJSON(c.out, nodes)
			}
			if err := r.printNodes(ctx, client, wide); err != nil {
				return err
			}
			for _, n := range nodes {
				if n.Reason != "" {
					fmt.Fprintf(c.out, "%s is %s: %s\n", n.Name, n.State, n.Reason)
				}
			}
			return nil
		})
	}
	return cmd
}

// nodeColumns are those of the table of members: what it calls them, and the API. Those that are not narrow make it wider than most terminals.
var nodeColumns = []struct {
	title, name string
	wide        bool
}{
	{"NODE", "name", false}, {"ROLES", "node.role", false}, {"LEADS", "master", false}, {"STATE", "state", false}, {"COPIES", "shards", false}, {"PRI", "pri", false},
	{"KEYS", "docs.count", false}, {"MEMORY", "store.size", false}, {"CPU%", "cpu", false}, {"RAM%", "ram.percent", false}, {"DISK%", "disk.used_percent", false},
	{"REDIS", "resp", false}, {"HTTP", "http", false}, {"PEER", "peer", true}, {"VOTES", "voter", true}, {"RELEASE", "version", true},
}

// printNodes prints the members as a table. Releases that differ are shown in any case: an upgrade is under way, or one was forgotten.
func (r *remote) printNodes(ctx context.Context, client *admin.Client, wide bool) error {
	var names []string
	for _, c := range nodeColumns {
		names = append(names, c.name)
	}
	rows, err := client.CatRows(ctx, "nodes", url.Values{"h": {strings.Join(names, ",")}})
	if err != nil {
		return err
	}
	mixed := slices.ContainsFunc(rows, func(row map[string]string) bool { return row["version"] != rows[0]["version"] })
	var header []string
	cells := make([][]string, len(rows))
	for _, c := range nodeColumns {
		if c.wide && !wide && !(mixed && c.name == "version") {
			continue
		}
		header = append(header, c.title)
		for i, row := range rows {
			cells[i] = append(cells[i], row[c.name])
		}
	}
	return writeTable(r.c.out, header, cells)
}
