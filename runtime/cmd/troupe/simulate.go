package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

func simulateCommand(c *console) *cobra.Command {
	var svg, folder string
	var quiet, house bool
	var modules []string
	cmd := &cobra.Command{
		Use: "simulate FILE...", Short: "play invented clusters, with the real planner", Args: cobra.MinimumNArgs(1),
		Long: `Plays scenarios: text files that say what a cluster is, what happens to it and what must hold. Nothing runs but the planner and
its rules; recoveries take as long as their bytes do. It prints what was moved, how long it took, and how even the cluster is.

Exit codes: 0 every assert holds · 4 one does not, or a policy's module failed that is not expected to (see faults below) · 2 a scenario says what nobody understands, with its line: all lines are read before the first is played, and what was played before one that cannot be, as of a node that is not there, is printed

` + languageHelp(),
		Example: `  troupe simulate lose-rack.txt
  troupe simulate *.txt --quiet
  troupe simulate grow.txt --svg grow.svg
  troupe simulate grow.txt --record plans && troupe replay plans --without awareness`,
	}
	f := cmd.Flags()
	f.StringVar(&svg, "svg", "", "draw the evals into this `file`; of several evals each gets its number before .svg")
	f.StringVar(&folder, "record", "", "write each plan with what it was made from into this `folder`, for replay, rehearse and explain --at")
	f.BoolVarP(&quiet, "quiet", "q", false, "print only asserts that fail")
	f.BoolVar(&house, "modules", false, "ask the shipped rules as WebAssembly modules, as a cluster does, and not their twins in Go: the same answers")
	f.StringArrayVar(&modules, "module", nil, "a `file` with a module that was asked in the cluster that a scenario begins with, if the running one does not give it")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		shop := &workshop{}
		defer shop.close()
		untrue, total := 0, 0
		var failed []string
		notes := &scribe{folder: folder}
		for i, path := range args {
			notes.term = uint64(i + 1)
			then := &replayer{r: r, o: &replayFlags{modules: modules}, shop: shop, met: map[string]bool{}, twins: !house}
			o, broken := shop.play(cmd.Context(), then, path, house, notes)
			faulty := shop.tell(c)
			if o == nil {
				return broken
			}
			o.Failed = slices.DeleteFunc(faulty, func(name string) bool { return slices.Contains(o.Faulty, name) })
			for _, name := range o.Failed {
				failed = append(failed, fmt.Sprintf("%s: policy %s failed", path, name))
			}
			untrue, total = untrue+o.Untrue(), total+len(o.Asserts)
			if err := c.printOutcome(o, len(args) > 1, r.json, quiet); err != nil {
				return err
			}
			if svg != "" {
				if err := drawAll(svg, i, len(args), o); err != nil {
					return err
				}
			}
			if broken != nil {
				return broken // what came before it has been printed
			}
		}
		return verdict(untrue, total, failed)
	}
	return cmd
}

// verdict is the error of scenarios in which asserts do not hold, or modules failed.
func verdict(untrue, total int, failed []string) error {
	var words []string
	if untrue > 0 {
		words = append(words, fmt.Sprintf("%d of %s do not hold", untrue, plural(total, "assert")))
	}
	if len(failed) > 0 {
		words = append(words, strings.Join(failed, "; ")+"; a scenario that expects it says: faults NAME")
	}
	if len(words) == 0 {
		return nil
	}
	return &failure{exitDifferent, errors.New(strings.Join(words, "; "))}
}

// languageHelp is the description of the language as a terminal shows it: headings without marks, rows of tables on two lines.
func languageHelp() string {
	lines := strings.Split(strings.TrimPrefix(simulate.Language, "# Scenarios\n\n"), "\n")
	var out []string
	for i, line := range lines {
		cells := strings.SplitN(strings.Trim(line, "|"), " | ", 2)
		head := i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---")
		switch {
		case strings.HasPrefix(line, "|---") || head:
		case strings.HasPrefix(line, "|"):
			out = append(out, "  "+strings.ReplaceAll(strings.TrimSpace(cells[0]), "` `", "` · `"), "      "+strings.TrimSpace(cells[1]))
		default:
			out = append(out, strings.TrimPrefix(line, "## "))
		}
	}
	return strings.TrimRight(strings.ReplaceAll(strings.Join(out, "\n"), "`", ""), "\n")
}

// play plays a file; modules are looked for beside it. What was played before an error comes with it.
func (w *workshop) play(ctx context.Context, then *replayer, path string, house bool, notes *scribe) (*simulate.Outcome, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > simulate.MaxScenario {
		return nil, usage("%s: %d bytes; a scenario has at most %d", path, info.Size(), simulate.MaxScenario)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var begin *records.Record
	o, err := simulate.Play(path, text, simulate.Config{Planned: notes.planned(), Over: ctx.Err, Begin: func(what string) (allocator.Input, error) {
		files := []string{what}
		if what == "now" {
			files = nil
		} else if !filepath.IsAbs(what) {
			files[0] = filepath.Join(filepath.Dir(path), what)
		}
		if begin, err = then.r.beginning(ctx, files, ""); err != nil {
			return allocator.Input{}, err
		}
		return begin.Input, nil
	}, Rules: func(r simulate.Rules) (*policies.Set, error) {
		a := ask{house: house, without: r.Without, modules: slices.Clone(r.Modules)}
		for i := range a.modules {
			if !filepath.IsAbs(a.modules[i].Path) {
				a.modules[i].Path = filepath.Join(filepath.Dir(path), a.modules[i].Path)
			}
		}
		var set *hosted.Set
		var err error
		if r.Begin == "" {
			set, err = w.rules(ctx, a)
		} else {
			set, err = then.rules(ctx, begin, a)
		}
		if err != nil {
			return nil, err
		}
		return &set.Set, nil
	}})
	var mistake *simulate.Mistake
	if errors.As(err, &mistake) {
		err = &failure{exitUsage, err}
	}
	return o, err
}

func (c *console) printOutcome(o *simulate.Outcome, several, asJSON, quiet bool) error {
	if asJSON {
		return printJSON(c.out, o)
	}
	text := o.Text
	if quiet {
		text = ""
		for _, a := range o.Asserts {
			if !a.Holds {
				text += fmt.Sprintf("%s:%d: %s: it is %s\n", o.File, a.Line, a.Text, a.Figure)
			}
		}
	} else if several {
		text = "== " + o.File + "\n" + text
	}
	_, err := fmt.Fprint(c.out, text)
	return err
}

// scribe records the plans of scenarios: each scenario is a term of its own.
type scribe struct {
	folder string // "": nothing is recorded
	term   uint64
	number uint64
}

func (s *scribe) planned() func(allocator.Input, *allocator.Plan) error {
	if s.number = 0; s.folder == "" {
		return nil
	}
	return func(in allocator.Input, p *allocator.Plan) error {
		s.number++
		o := records.Outcome{Proposed: p.Command() != nil, Version: in.State.Version}
		if o.Proposed {
			o.Version++
		}
		r := records.New(records.Key{Term: s.term, Number: s.number}, runtime.Software(), in.Now, in, p, o)
		frame, err := r.Frame()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(s.folder, 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(s.folder, r.Key.String()+".plan"), frame, 0o644)
	}
}

// drawAll writes the pictures of a scenario.
func drawAll(path string, file, files int, o *simulate.Outcome) error {
	stem, ending := strings.TrimSuffix(path, ".svg"), ".svg"
	if files > 1 {
		stem += fmt.Sprintf("-%d", file+1)
	}
	for i, r := range o.Evals {
		name := stem
		if len(o.Evals) > 1 {
			name += fmt.Sprintf("-%d", i+1)
		}
		if err := os.WriteFile(name+ending, []byte(r.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
