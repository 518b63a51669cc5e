package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// difference is one thing that two modules say of themselves otherwise.
type difference struct {
	What string `json:"what"`
	From string `json:"from"`
	To   string `json:"to"`
}

func policyDiffCommand(c *console) *cobra.Command {
	cmd := &cobra.Command{
		Use: "diff NAME A B", Short: "say how two versions differ in what they say of themselves", Args: cobra.ExactArgs(3),
		Long: `Compares two versions of a policy, or a version with a module on this machine: size, golden vectors, what they are asked, what they read,
limits, reasons, settings. What they decide otherwise shows in the shadow, and in troupe replay. Exit code 4 says that they differ.`,
		Example: "  troupe policy diff spare 1 2\n  troupe policy diff spare 2 ./spare.wasm",
	}
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			var sides [2]*inspected
			for i, text := range args[1:] {
				var err error
				if sides[i], err = side(ctx, client, args[0], text); err != nil {
					return err
				}
			}
			found := differences(sides[0], sides[1])
			if err := r.printDifferences(found, args); err != nil {
				return err
			}
			if len(found) > 0 {
				return &failure{exitDifferent, fmt.Errorf("%s between %s and %s", plural(len(found), "difference"), args[1], args[2])}
			}
			return nil
		})
	}
	return cmd
}

// side is one of the two: a version by number, or a file.
func side(ctx context.Context, client *admin.Client, name, text string) (*inspected, error) {
	number, err := strconv.Atoi(text)
	if err != nil {
		_, i, err := readModule(ctx, text)
		return i, err
	}
	if number < 1 {
		return nil, usage("version %d; versions begin at 1", number)
	}
	code, err := client.PolicyModule(ctx, name, number)
	if err != nil {
		return nil, err
	}
	return inspect(ctx, code, false)
}

func (r *remote) printDifferences(found []difference, args []string) error {
	if r.json {
		return printJSON(r.c.out, append([]difference{}, found...))
	}
	rows := [][]string{}
	for _, d := range found {
		rows = append(rows, []string{d.What, orNone(d.From), orNone(d.To)})
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(r.c.out, "they are the same module")
		return err
	}
	return writeTable(r.c.out, []string{"WHAT", args[1], args[2]}, rows)
}

// differences lists them, in the order in which they matter.
func differences(a, b *inspected) (list []difference) {
	add := func(what, from, to string) {
		if from != to {
			list = append(list, difference{what, from, to})
		}
	}
	m, n := a.Manifest, b.Manifest
	add("module", a.Digest[:12], b.Digest[:12])
	add("version", m.Version, n.Version)
	add("size", byteText(int64(a.Size)), byteText(int64(b.Size)))
	add("name", m.Name, n.Name)
	add("golden vectors", fmt.Sprint(a.Vectors), fmt.Sprint(b.Vectors))
	add("answers", strings.Join(a.Answers, ", "), strings.Join(b.Answers, ", "))
	add("if it fails", m.Kind, n.Kind)
	add("per", m.Per, n.Per)
	add("scale", fmt.Sprint(m.Scale), fmt.Sprint(n.Scale))
	add("limits", fmt.Sprintf("%+v", m.Limits), fmt.Sprintf("%+v", n.Limits))
	add("about", m.Doc, n.Doc)
	add("reads, and the other does not", strings.Join(only(m.Needs, n.Needs), ", "), strings.Join(only(n.Needs, m.Needs), ", "))
	for code := 1; code < max(len(m.Reasons), len(n.Reasons)); code++ {
		add(fmt.Sprintf("reason %d", code), at(m.Reasons, code), at(n.Reasons, code))
	}
	settings := map[string][2]string{}
	for side, manifest := range []*abi.Manifest{m, n} {
		for i := range manifest.Settings {
			text, _ := json.Marshal(manifest.Settings[i]) // it was read from JSON
			both := settings[manifest.Settings[i].Name]
			both[side] = string(text)
			settings[manifest.Settings[i].Name] = both
		}
	}
	var names []string
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add("setting "+name, settings[name][0], settings[name][1])
	}
	return list
}

// only lists what is in a and not in b.
func only(a, b []string) (list []string) {
	for _, x := range a {
		if !slices.Contains(b, x) {
			list = append(list, x)
		}
	}
	return list
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}
