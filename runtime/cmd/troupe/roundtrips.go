package main

import (
	"context"
	"fmt"
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
		told := map[string]*admin.RoundTrip{}
		for i := range from.To {
			told[from.To[i].Node] = &from.To[i]
		}
		for _, to := range rows {
			switch trip := told[to.Node]; {
			case from.Node == to.Node:
				line = append(line, "-")
			case trip == nil:
				line = append(line, "?")
			case trip.Micros == 0:
				line = append(line, "!")
				problems = append(problems, fmt.Sprintf("%s to %s: %s", from.Node, to.Node, trip.Problem))
			default:
				line = append(line, (time.Duration(trip.Micros) * time.Microsecond).String())
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
