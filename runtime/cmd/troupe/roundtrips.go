package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// printRoundTrips shows the members' ways to each other as a square, and below it what is wrong with those that have no time.
func (r *remote) printRoundTrips(ctx context.Context, client *admin.Client) error {
	rows, err := client.RoundTrips(ctx)
	if err != nil {
		return err
	}
	if r.json {
		return printJSON(r.c.out, rows)
	}
	header := []string{"FROM"}
	for _, row := range rows {
		header = append(header, row.Node)
	}
	var cells [][]string
	var problems []string
	for _, from := range rows {
		line := []string{from.Node}
		for _, to := range rows {
			at := slices.IndexFunc(from.To, func(t admin.RoundTrip) bool { return t.Node == to.Node })
			switch {
			case from.Node == to.Node:
				line = append(line, "-")
			case at < 0:
				line = append(line, "?")
			case from.To[at].Micros == 0:
				line = append(line, "!")
				problems = append(problems, fmt.Sprintf("%s to %s: %s", from.Node, to.Node, from.To[at].Problem))
			default:
				line = append(line, (time.Duration(from.To[at].Micros) * time.Microsecond).String())
			}
		}
		if from.Problem != "" {
			problems = append(problems, from.Node+": "+from.Problem)
		}
		cells = append(cells, line)
	}
	if err := writeTable(r.c.out, header, cells); err != nil {
		return err
	}
	for _, p := range problems {
		if _, err := fmt.Fprintln(r.c.out, p); err != nil {
			return err
		}
	}
	return nil
}
