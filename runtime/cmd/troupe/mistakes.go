package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// likeness is how many letters a word may be away from the one that was meant.
const likeness = 2

// otherNames are what verbs are called elsewhere: who tries one is told ours.
var otherNames = map[string][]string{
	"health": {"status"}, "nodes": {"members"}, "forget": {"remove"}, "scan": {"backup", "export"}, "load": {"restore", "import"},
}

// explainMistakes has a verb, and those below it, say what a command line should have been, and not only that it is wrong.
func explainMistakes(verb *cobra.Command) {
	for _, below := range verb.Commands() {
		explainMistakes(below)
	}
	verb.SuggestFor = append(verb.SuggestFor, otherNames[verb.Name()]...)
	verb.SuggestionsMinimumDistance = likeness
	if verb.Args == nil { // cobra does it
		return
	}
	check := verb.Args
	verb.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		switch {
		case err == nil:
			return nil
		case cmd.HasAvailableSubCommands() && len(args) > 0:
			return fmt.Errorf("%w; %s", err, offer(cmd.SuggestionsFor(args[0]), namesBelow(cmd)))
		case strings.HasPrefix(err.Error(), "unknown command"): // to whom has none below it each argument is one
			return fmt.Errorf("%s takes no argument, and was given %q", cmd.CommandPath(), args[0])
		case strings.Contains(err.Error(), "arg(s)"):
			return fmt.Errorf("%s: %s", strings.NewReplacer(" 1 arg(s)", " 1 argument", "arg(s)", "arguments").Replace(err.Error()), cmd.UseLine())
		}
		return err
	}
}

// offer tells which of all words may have been meant.
func offer(likely, all []string) string {
	if len(likely) > 0 {
		return "did you mean " + strings.Join(likely, " or ") + "?"
	}
	return "there are " + strings.Join(all, ", ")
}

func namesBelow(cmd *cobra.Command) (names []string) {
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return names
}

// explainFlag adds to the error about a flag which one may have been meant.
func explainFlag(cmd *cobra.Command, err error) error {
	wrong, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	flags := &cobra.Command{SuggestionsMinimumDistance: likeness} // of whose commands cobra knows which is like a word
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags.AddCommand(&cobra.Command{Use: "--" + f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	if likely := flags.SuggestionsFor("--" + wrong); len(likely) > 0 {
		return fmt.Errorf("%w; %s", err, offer(likely, nil))
	}
	return err
}
