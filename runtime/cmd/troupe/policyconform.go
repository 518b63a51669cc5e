package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/tck"
)

// conformed is what the conformance kit found.
type conformed struct {
	Policy    string          `json:"policy"`
	Questions int             `json:"questions"`
	Rows      []conformedCost `json:"rows"`
	Said      int             `json:"said"` // answers about a node that are not YES
	Problems  []string        `json:"problems"`
}

// conformedCost is what the answers of one kind took.
type conformedCost struct {
	Question string `json:"question"`
	Count    int    `json:"count"`
	Fuel     uint64 `json:"fuel"` // the most that one took
}

// conformCommand runs the conformance kit.
func conformCommand(ctx context.Context, c *console, o *testFlags, args []string) error {
	if o.conform < 1 || o.policy == "" || len(args) > 0 || o.rewrite || o.embed != "" {
		return usage("--conform takes a number of questions from 1 on and the module of --policy, and no fixtures: troupe policy test --policy policy.wasm --conform 2000")
	}
	t := newTester(o)
	defer t.close()
	a, err := (&useFlags{set: o.set}).activation()
	if err != nil {
		return err
	}
	r, err := t.conform(ctx, o.policy, o.conform, a.Settings)
	if err != nil {
		return err
	}
	return c.printConformed(r, o.json)
}

// conform asks a module random questions about random clusters and what becomes of them, in both engines, with guests that live on and with
// new ones, and holds it to what every host relies on: tck.Try. The questions are the same at each run.
func (t *tester) conform(ctx context.Context, path string, questions int, set map[string]*string) (*conformed, error) {
	how := tck.Trial{Questions: questions, Dice: rand.New(rand.NewPCG(1, 1)), Clock: func() int64 { return time.Now().UnixNano() }}
	var err error
	if how.Compiled, err = t.compiled.read(ctx, path); err == nil {
		how.Interpreted, err = t.interpreted.read(ctx, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &failure{exitNotFound, fmt.Errorf("there is no module %s; build it first", path)}
	}
	if err != nil {
		return nil, err
	}
	how.Settings = map[string]string{}
	for name, value := range set {
		if err := how.Compiled.Manifest.CheckSetting(name, *value); err != nil {
			return nil, &failure{exitUsage, err}
		}
		how.Settings[name] = *value
	}
	r := tck.Try(how)
	out := &conformed{Policy: fmt.Sprintf("%s %s (module %s)", r.Name, r.Version, cluster.Digest(r.Digest).Short()), Questions: r.Questions, Said: r.Explained, Rows: []conformedCost{}, Problems: append([]string{}, r.Problems...)}
	for kind, cost := range append(r.Rows[:], r.Scores) {
		name := "score"
		if kind < len(r.Rows) {
			name = policies.Capability(kind).String()
		}
		if cost.Count > 0 {
			out.Rows = append(out.Rows, conformedCost{name, cost.Count, cost.MaxFuel})
		}
	}
	return out, nil
}

// printConformed prints it; the error says that the module does not conform.
func (c *console) printConformed(r *conformed, asJSON bool) error {
	if asJSON {
		if err := printJSON(c.out, r); err != nil {
			return err
		}
	} else {
		if _, err := fmt.Fprintf(c.out, "%s: %s about random clusters, compiled and interpreted\n", r.Policy, plural(r.Questions, "question")); err != nil {
			return err
		}
		rows := [][]string{}
		for _, x := range r.Rows {
			rows = append(rows, []string{x.Question, fmt.Sprint(x.Count), fmt.Sprint(x.Fuel)})
		}
		if err := writeTable(c.out, []string{"QUESTION", "ANSWERS", "FUEL"}, rows); err != nil {
			return err
		}
		if len(r.Problems) == 0 && r.Said == 0 && slices.ContainsFunc(r.Rows, func(x conformedCost) bool { return x.Question != "score" }) {
			fmt.Fprintln(c.err, "troupe: warning: it says YES to everything with these settings: nothing is known of the others; see --set")
		}
		for _, p := range r.Problems {
			if _, err := fmt.Fprintln(c.out, p); err != nil {
				return err
			}
		}
	}
	if len(r.Problems) > 0 {
		return &failure{exitDifferent, fmt.Errorf("it does not conform: %s", plural(len(r.Problems), "problem"))}
	}
	return nil
}
