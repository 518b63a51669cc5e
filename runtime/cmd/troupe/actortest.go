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

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/wasm"
)

func actorTestCommand(c *console) *cobra.Command {
	var rewrite, asJSON bool
	cmd := &cobra.Command{
		Use: "test MODULE [SCRIPT|FOLDER]...", Short: "have a module's actors handle invented messages, and compare", Args: cobra.MinimumNArgs(1),
		Long: `Plays scripts without a cluster. The module is compiled, compiled with an instance of its own for each message, and interpreted: all three
must do the same, with the same fuel unless its memory is kept, so that what it remembers and the machine make no difference. A folder stands for the *.txt in it;
without either it is the module's.

` + guest.ScriptFormat + `
Exit codes: 0 all as expected · 4 not · 2 a script says what nobody understands, with its line`,
		Example: `  troupe actor test counter.wasm counter.txt
  troupe actor test build/counter.wasm scripts/ --rewrite`,
	}
	cmd.Flags().BoolVar(&rewrite, "rewrite", false, "write what comes into the scripts")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one line for each script")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		files, err := scriptsIn(args)
		if err != nil {
			return err
		}
		stage, err := openStage(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		failed := 0
		for _, path := range files {
			var p *playedScript
			if p, err = stage.play(cmd.Context(), path, rewrite); err != nil {
				break
			}
			if p.Differs != "" {
				failed++
			}
			if asJSON {
				err = printJSON(c.out, p)
			} else {
				err = c.printPlayed(p)
			}
			if err != nil {
				break
			}
		}
		if err = errors.Join(err, stage.close()); err != nil {
			return err
		}
		if failed > 0 {
			return &failure{exitDifferent, fmt.Errorf("%d of %s %s not as expected; --rewrite accepts what comes", failed, plural(len(files), "script"), verb(failed, "is", "are"))}
		}
		return nil
	}
	return cmd
}

// scriptsIn lists the scripts that the command line means.
func scriptsIn(args []string) ([]string, error) {
	places := args[1:]
	if len(places) == 0 {
		places = []string{filepath.Dir(args[0])}
	}
	files, err := filesIn(places, "no scripts (*.txt) in %s; troupe actor test --help shows what is in one", "*.txt")
	slices.Sort(files)
	return slices.Compact(files), err
}

// stage is a module on both engines.
type stage struct{ compiled, interpreted *localGuest }

func openStage(ctx context.Context, path string) (s *stage, err error) {
	s = &stage{}
	code, compiled, err := readGuest(ctx, path)
	if err != nil {
		return nil, err
	}
	s.compiled = compiled
	engine, err := wasm.NewEngine(wasm.Config{Interpreter: true})
	if err != nil {
		return nil, errors.Join(err, s.compiled.close())
	}
	module, err := guest.Load(ctx, engine, code, wasm.Host{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: interpreted: %w", path, err), engine.Close(), s.compiled.close())
	}
	s.interpreted = &localGuest{module, engine}
	return s, nil
}

func (s *stage) close() error { return errors.Join(s.compiled.close(), s.interpreted.close()) }

// playedScript is what came of one script.
type playedScript struct {
	File     string `json:"file"`
	Kind     string `json:"kind"`
	Version  string `json:"version"`
	Messages int    `json:"messages"`
	Fuel     uint64 `json:"fuel"` // of a message, on average
	Differs  string `json:"differs,omitempty"`
}

// play plays a script three times.
func (s *stage) play(ctx context.Context, path string, rewrite bool) (*playedScript, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	script := strings.ReplaceAll(string(text), "\r\n", "\n")
	m := s.compiled.Manifest
	out := &playedScript{File: path, Kind: m.Kind, Version: m.Version}
	var first *guest.Played
	for _, way := range []struct {
		name string
		r    *guest.Rehearsal
	}{
		{"", guest.NewRehearsal(s.compiled.Module, false)},
		{"on an instance of its own, which has handled nothing else", guest.NewRehearsal(s.compiled.Module, true)},
		{"interpreted", guest.NewRehearsal(s.interpreted.Module, false)},
	} {
		p, err := way.r.Play(ctx, script)
		if err != nil {
			var wrong *guest.ScriptError
			if errors.As(err, &wrong) {
				return nil, usage("%s: %w", path, err)
			}
			return nil, err
		}
		if first == nil {
			first = p
			out.Messages, out.Fuel = p.Messages, p.Fuel/uint64(max(1, p.Messages))
			continue
		}
		if out.Differs == "" {
			out.Differs = outcomesDiffer(first, p, m.Reuse, way.name)
		}
	}
	if out.Differs == "" && first.Text != script {
		if !rewrite {
			out.Differs = firstDifference(script, first.Text)
		} else if err := os.WriteFile(path, []byte(first.Text), 0o644); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// outcomesDiffer says whether a module does something else when it is run in another way. Of one whose memory is kept the fuel depends on
// what it has handled before.
func outcomesDiffer(first, p *guest.Played, reuse bool, way string) string {
	if reuse {
		if p.Text != first.Text {
			return way + " it does something else: " + firstDifference(first.Text, p.Text)
		}
		return ""
	}
	for i := range first.Hashes {
		if p.Hashes[i] != first.Hashes[i] {
			return fmt.Sprintf("message %d has another outcome, or uses other fuel, %s", i+1, way)
		}
	}
	return ""
}

// firstDifference says where two texts part.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := 0; ; i++ {
		switch {
		case i == len(w) || i == len(g):
			return fmt.Sprintf("line %d: one of both ends: what comes has %d lines, the script %d", i+1, len(g), len(w))
		case w[i] != g[i]:
			return fmt.Sprintf("line %d\n  expected  %s\n  came      %s", i+1, keyText([]byte(w[i])), keyText([]byte(g[i])))
		}
	}
}

func (c *console) printPlayed(p *playedScript) error {
	verdict := "ok"
	if p.Differs != "" {
		verdict = "DIFFERS: " + p.Differs
	}
	_, err := fmt.Fprintf(c.out, "%s  %s %s, %s, %d of fuel each: %s\n", p.File, p.Kind, p.Version, plural(p.Messages, "message"), p.Fuel, verdict)
	return err
}
