// Command troupe is the binary of Troupe: it runs a node, and speaks to running ones.
//
//	troupe dev                                    run three nodes on this machine
//	troupe node --data ./data                     run a node
//	troupe load --dir ./site                      fill it from a folder
//	troupe get index.html                         read a key
//
// Verbs that speak to nodes find them by --addr or TROUPE_ADDR: one address is enough to learn the others. Output is text for
// people, or JSON with --json. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 a condition did not hold or a
// comparison found differences, 130 stopped by a second signal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Exit codes, documented in the overview's help.
const (
	exitFailed    = 1
	exitUsage     = 2
	exitNotFound  = 3
	exitDifferent = 4
	exitKilled    = 130
)

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage marks an error as the caller's mistake in the command line.
func usage(format string, args ...any) error {
	return &failure{exitUsage, fmt.Errorf(format, args...)}
}

// console is where a command reads and writes, and what it may find out about its surroundings.
type console struct {
	in       io.Reader
	out, err io.Writer
	env      func(name string) (string, bool)
	set      func() []string // names of the variables that env knows; nil: nobody can tell
	started  bool            // a verb runs: what fails from now on is no mistake in the command line
}

// interactive says whether one of the console's streams is a terminal.
func interactive(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// variables names those of the environment.
func variables() (names []string) {
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	return names
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, stopSignals(signal.Ignored)...)
	go obey(signals, cancel, func() { os.Exit(exitKilled) })
	code := run(ctx, &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.LookupEnv, set: variables}, os.Args[1:])
	cancel()
	os.Exit(code)
}

// stopSignals are those that stop a verb in order. The end of a terminal is one, lest what was begun in it leave files behind, unless
// whoever began it has it ignored, as nohup does.
func stopSignals(ignored func(os.Signal) bool) []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// echo is how long a second signal may be the first one again: those who stop a process and then its group, as timeout(1) does, send
// it twice.
const echo = 500 * time.Millisecond

// obey stops what runs at the first signal, and ends it at the next that is not its echo. It runs as long as the process.
func obey(signals <-chan os.Signal, stop, end func()) {
	<-signals
	first := time.Now()
	stop()
	for {
		<-signals
		if time.Since(first) >= echo {
			end()
			return
		}
	}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, c *console, args []string) int {
	root := rootCommand(c)
	root.SetArgs(append([]string{}, belowZero(args)...)) // nil would mean the process' own
	verb, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interrupted(err)
	}
	code := exitFailed
	var f *failure
	switch {
	case errors.As(err, &f):
		code = f.code
	case !c.started:
		code = exitUsage
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(c.err, "troupe: %s\n", text)
	}
	if code == exitUsage {
		fmt.Fprintln(c.err, "troupe: see", verb.CommandPath(), "--help")
	}
	return code
}

// interrupted is what a verb says that failed only since it was told to stop. What a call changes may have been changed when it was given up.
func interrupted(err error) error {
	var call *admin.StoppedError
	if errors.As(err, &call) && call.Method != http.MethodGet {
		return fmt.Errorf("interrupted: nobody knows whether %s %s was carried out", call.Method, call.Path)
	}
	return errors.New("interrupted")
}

const overview = `Troupe keeps keys and values in shards: a radix tree each, durable, served to Redis clients and over HTTP.

  troupe dev                                run three nodes on this machine, for trying things out
  troupe node --data ./data                 run a node (Redis on 127.0.0.1:7400, HTTP on 127.0.0.1:7500)
  troupe health                             say how the cluster stands, and why
  troupe load --dir ./site                  fill it from a folder: path = key, content = value
  troupe verify --dir ./site                compare folder and node, every byte
  troupe get index.html                     read a key
  redis-cli -p 7400 SCAN 0 MATCH 'img/*'    ordinary Redis clients work

Exit codes: 0 done · 1 failed · 2 wrong usage · 3 not found · 4 condition failed, or differences found`

// rootCommand sets none of cobra's templates: with one of them text/template is in the program, which may call any exported method
// by its name, and the linker then leaves none out: 5 MB of 41.
func rootCommand(c *console) *cobra.Command {
	root := &cobra.Command{
		Use: "troupe", Short: "keys and values in durable shards", Long: overview,
		SilenceErrors: true, SilenceUsage: true, Version: thisBuild().Version,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "cluster", Title: "Cluster:"}, &cobra.Group{ID: "keys", Title: "Keys:"},
		&cobra.Group{ID: "bulk", Title: "Many keys:"}, &cobra.Group{ID: "tools", Title: "Tools:"},
	)
	for _, g := range []struct {
		id    string
		verbs []*cobra.Command
	}{
		{"run", []*cobra.Command{devCommand(c), nodeCommand(c), preflightCommand(c)}},
		{"cluster", []*cobra.Command{
			healthCommand(c), nodesCommand(c), shardsCommand(c), keyspaceCommand(c), settingsCommand(c), drainCommand(c), maintenanceCommand(c), voteCommand(c),
			forgetCommand(c), leaderCommand(c), rerouteCommand(c), policyCommand(c), explainCommand(c), traceCommand(c), checkCommand(c), actorCommand(c),
			topicCommand(c), groupCommand(c), sessionCommand(c),
		}},
		{"keys", []*cobra.Command{getCommand(c), putCommand(c), delCommand(c), scanCommand(c), watchCommand(c)}},
		{"bulk", []*cobra.Command{loadCommand(c), verifyCommand(c)}},
		{"tools", []*cobra.Command{simulateCommand(c), replayCommand(c), rehearseCommand(c), benchCommand(c), walCommand(c), versionCommand(c)}},
	} {
		for _, verb := range g.verbs {
			verb.GroupID = g.id
			verb.Flags().SortFlags = false
			c.noteStart(verb)
			root.AddCommand(verb)
		}
	}
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	refuseOtherShells(root)
	explainMistakes(root)
	root.SetFlagErrorFunc(explainFlag)
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	return root
}

// noteStart makes a verb and those below it say when they run: cobra checks the command line up to then.
func (c *console) noteStart(verb *cobra.Command) {
	for _, below := range verb.Commands() {
		c.noteStart(below)
	}
	do := verb.RunE
	verb.RunE = func(cmd *cobra.Command, args []string) error {
		c.started = true
		return do(cmd, args)
	}
}

// showHelp is what a verb does that only has others below it.
func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }
