package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// shardsAt prints the copies as they were at a time: those of a keyspace, or all if it is empty.
func (r *remote) shardsAt(ctx context.Context, client *admin.Client, at, keyspace string, bad bool) error {
	when, err := parseMoment(at, time.Now())
	if err != nil {
		return usage("--at %q is no time: write 2026-03-01T12:00:00Z, 14:05, or 10m for ten minutes ago", at)
	}
	h, err := client.History(ctx, when, when.Add(time.Millisecond))
	if err != nil {
		return err
	}
	if len(h.Moments) == 0 || h.Moments[0].At > when.UnixMilli() {
		oldest := ""
		if h.Began > 0 {
			oldest = "; the oldest that one remembers are those of " + time.UnixMilli(h.Began).Format(time.RFC3339)
		}
		return &failure{exitNotFound, fmt.Errorf("no node that runs remembers the shards of %s%s", when.Format(time.RFC3339), oldest)}
	}
	then := h.Moments[0]
	dead := map[string]bool{}
	for _, n := range then.Nodes {
		dead[n.Name] = n.State == admin.Dead
	}
	kept, cells, names := []admin.Row{}, [][]string{}, map[string]bool{}
	for _, row := range then.Shards {
		lines, well := rowCells(&row, dead)
		of := row.Shard[:strings.LastIndexByte(row.Shard, '/')]
		if names[of] = true; keyspace != "" && of != keyspace || bad && well {
			continue
		}
		kept, cells = append(kept, row), append(cells, lines...)
	}
	if keyspace != "" && !names[keyspace] {
		return noKeyspace(keyspace, names)
	}
	if r.json {
		then.Shards = kept
		return printJSON(r.c.out, then)
	}
	fmt.Fprintf(r.c.out, "version %d, in force from %s on; told by %s; leader %s\n", then.Version, time.UnixMilli(then.At).Format("2006-01-02 15:04:05.000"), h.Node, orNone(then.Leader))
	return writeTable(r.c.out, []string{"SHARD", "P/R", "STATE", "NODE", "TERM", "COPY"}, cells)
}

// noKeyspace says which there are instead.
func noKeyspace(name string, there map[string]bool) error {
	return &failure{exitNotFound, fmt.Errorf("no keyspace %q; there are %s", name, shorten(slices.Sorted(maps.Keys(there))))}
}

// mostNames bounds how many of what there is an error names.
const mostNames = 20

func shorten(names []string) string {
	if len(names) > mostNames {
		names = append(names[:mostNames:mostNames], "…")
	}
	return strings.Join(names, ", ")
}

// rowCells are the lines of one shard, and whether it lacks nothing that a row can tell.
func rowCells(row *admin.Row, dead map[string]bool) (lines [][]string, well bool) {
	well = row.Primary != ""
	if !well {
		lines = append(lines, []string{row.Shard, "p", "unassigned", "-", fmt.Sprint(row.Term), "-"})
	}
	for _, c := range row.Copies {
		role, state := "r", "started"
		if c.Copy == row.Primary {
			role = "p"
		}
		switch {
		case dead[c.Node]:
			state, well = "its node is down", false
		case c.Failed:
			state, well = "failed", false
		case !c.InSync && c.Source != "":
			state = "comes for " + c.Source
		case !c.InSync:
			state, well = "recovering", false
		}
		lines = append(lines, []string{row.Shard, role, state, c.Node, fmt.Sprint(row.Term), c.Copy})
	}
	return lines, well
}
