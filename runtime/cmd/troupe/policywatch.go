package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// watchFlags say what is built, and where it goes.
type watchFlags struct {
	build    string
	module   string
	into     string
	once     bool
	debounce time.Duration
}

// Where a module goes.
const (
	intoActive = "active"
	intoShadow = "shadow"
	intoNone   = "none"
)

func policyWatchCommand(c *console) *cobra.Command {
	var o watchFlags
	var u useFlags
	cmd := &cobra.Command{
		Use: "watch [FOLDER]", Short: "rebuild, test and swap a policy whenever its source changes", Args: cobra.MaximumNArgs(1),
		Long: `Builds the policy in a folder whenever a file in it changes, asks it what its fixtures ask, and if all is as expected swaps it into the
cluster: pushed, made ready on all nodes, in force from one plan to the next. What a build writes is no change, and several changes
at once are one. Nothing is swapped in that fails its fixtures, or has none.

The build is "make policy.wasm" where there is a Makefile, and else ./build.sh. Into a cluster on this machine it is put in force; into
another only if --into says so. Ctrl-C ends the watching and leaves what is in force.

Exit codes, with --once: 0 swapped in · 4 a fixture is not as expected, a node cannot run it, or the first plan took it back · 1 the build fails`,
		Example: `  troupe policy watch
  troupe policy watch ./spot-keeper --set avoid=spot*
  troupe policy watch --into none --once
  troupe policy watch --build "cargo build --release" --module target/policy.wasm`,
	}
	f := cmd.Flags()
	f.StringVar(&o.build, "build", "", "the `command` that builds it, run by sh in the folder")
	f.StringVar(&o.module, "module", "policy.wasm", "the `file` that the build writes, in the folder")
	f.StringVar(&o.into, "into", "", "where it goes: active, shadow or none (default active on this machine, else none)")
	f.BoolVar(&o.once, "once", false, "build, test and swap once, and end")
	f.DurationVar(&o.debounce, "debounce", 300*time.Millisecond, "how long files must have been left alone")
	f.StringArrayVar(&u.set, "set", nil, "change a setting: `NAME=VALUE`, or NAME= for its default; repeatable. Others stay as they are in force")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := "."
		if len(args) > 0 {
			dir = args[0]
		}
		w, err := newWatcher(r, &o, &u, dir)
		if err != nil {
			return err
		}
		return w.run(cmd.Context())
	}
	return cmd
}

// watcher rebuilds one folder.
type watcher struct {
	r      *remote
	o      *watchFlags
	u      *useFlags
	dir    string
	build  []string
	into   string
	own    []fs.FileInfo // what this command itself prints to: it changes with each line
	seen   folderLook
	output map[string]bool // files that builds write: while one runs their changes are none
	once   map[string]bool // files that changed while the last build ran: it wrote them, or somebody was quicker than it
	again  bool            // so that another build has to show
	missed bool            // the last module that was built, by the cluster: no node could take it
	pushed []int           // versions, of this watching, the one in force last
}

func newWatcher(r *remote, o *watchFlags, u *useFlags, dir string) (*watcher, error) {
	w := &watcher{r: r, o: o, u: u, dir: dir, into: o.into, own: printedTo(r.c.out, r.c.err), output: map[string]bool{}, once: map[string]bool{}}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	switch {
	case !exists("."):
		return nil, fmt.Errorf("there is no folder %s", dir)
	case o.build != "":
		w.build = []string{"sh", "-c", o.build}
	case exists("Makefile"):
		w.build = []string{"make", filepath.ToSlash(o.module)}
	case exists("build.sh"):
		w.build = []string{"sh", "./build.sh"}
	default:
		return nil, usage("%s has neither a Makefile nor a build.sh; say how it is built with --build", dir)
	}
	switch w.into {
	case intoActive, intoShadow, intoNone:
	case "":
		if w.into = intoNone; r.local() {
			w.into = intoActive
		}
	default:
		return nil, usage("--into is %q; write active, shadow or none", o.into)
	}
	if o.debounce <= 0 {
		return nil, usage("--debounce is %v; more than nothing", o.debounce)
	}
	return w, nil
}

// local says whether all nodes that are named are on this machine.
func (r *remote) local() bool {
	for _, addr := range strings.Split(r.addresses(), ",") {
		host, _, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(addr), "http://"), "https://"))
		if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// say prints a line with the time.
func (w *watcher) say(format string, args ...any) {
	fmt.Fprintf(w.r.c.out, "%s  %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// tell says what has gone wrong, unless it is that the watching ends.
func (w *watcher) tell(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		w.say("%v", err)
	}
}

// run goes round until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	for {
		err := w.turn(ctx)
		if w.o.once {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		w.tell(ctx, err)
		if w.again {
			continue
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// turn builds, tests and swaps.
func (w *watcher) turn(ctx context.Context) error {
	before, err := look(w.dir, w.own...)
	if err != nil {
		return err
	}
	began := time.Now()
	w.missed = false
	command := exec.CommandContext(ctx, w.build[0], w.build[1:]...)
	command.Dir = w.dir
	endTogether(command)
	text, err := command.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	after, failed := look(w.dir, w.own...)
	if failed != nil {
		return failed
	}
	w.learn(before, after)
	if err != nil {
		return fmt.Errorf("%s fails: %w\n%s", strings.Join(w.build, " "), err, strings.TrimSpace(string(text)))
	}
	w.say("built in %v", time.Since(began).Round(time.Millisecond))
	if err := w.test(ctx); err != nil {
		return err
	}
	if w.into == intoNone {
		return nil
	}
	return w.swap(ctx)
}

// learn finds out what builds write: files that are new after one, and those that two in a row have changed. What one has changed may
// have been edited meanwhile, and is built again.
func (w *watcher) learn(before, after folderLook) {
	once := map[string]bool{}
	for _, name := range before.changed(after) {
		if _, there := before[name]; !there || w.once[name] {
			w.output[name] = true
		}
		if !w.output[name] {
			once[name] = true
		}
	}
	w.seen, w.once, w.again = after, once, len(once) > 0
}

// test asks what the fixtures of the folder ask.
func (w *watcher) test(ctx context.Context) error {
	files, err := fixturesIn([]string{w.dir})
	if err != nil {
		return err
	}
	t := newTester(&testFlags{policy: filepath.Join(w.dir, w.o.module)})
	defer t.close()
	cases, failed := 0, 0
	for _, path := range files {
		r, err := t.test(ctx, path)
		if err != nil {
			return err
		}
		cases, failed = cases+len(r.Cases), failed+r.failures()
		if r.failures() > 0 {
			if err := w.r.c.printTested(r, false); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return &failure{exitDifferent, fmt.Errorf("%d of %s %s not as expected: it is not swapped in", failed, plural(cases, "case"), verb(failed, "is", "are"))}
	}
	w.say("%s as expected, compiled and interpreted", plural(cases, "case"))
	return nil
}

// swap brings the module into the cluster and puts it in force, or into the shadow.
func (w *watcher) swap(ctx context.Context) error {
	w.missed = false
	code, module, err := readModule(ctx, filepath.Join(w.dir, w.o.module))
	if err != nil {
		return err
	}
	a, err := w.u.activation()
	if err != nil {
		return err
	}
	name := module.Manifest.Name
	return w.r.with(ctx, func(ctx context.Context, client *admin.Client) (err error) {
		defer func() { w.missed = temporary(err) }()
		number, err := w.r.push(ctx, client, code, name, nil)
		if err != nil {
			return err
		}
		a.Version = int(number) // not the newest: what was built may be what it was before
		if w.into == intoShadow {
			_, err = client.ShadowPolicy(ctx, name, a)
		} else {
			err = w.activate(ctx, client, name, a)
		}
		if err != nil {
			return refused(err)
		}
		w.say("policy %s is %s", name, map[string]string{intoActive: "in force", intoShadow: "in the shadow"}[w.into])
		return w.tidy(ctx, client, name, a.Version)
	})
}

// activate puts the module in force, and sees to it that there is a plan with it.
func (w *watcher) activate(ctx context.Context, client *admin.Client, name string, a admin.Activation) error {
	done, err := client.ActivatePolicy(ctx, name, a)
	if err != nil {
		return err
	}
	_, unplanned, err := lasts(ctx, client, &done, name, a.Version)
	if err == nil && unplanned {
		w.say("no plan has been made with it yet: whether it works is not known")
	}
	return err
}

// keptVersions are as many as a watching leaves of those that it pushed: what is in force, and what a rollback brings back.
const keptVersions = 2

// tidy forgets the versions before: a policy has 32 at most, and an afternoon has more.
func (w *watcher) tidy(ctx context.Context, client *admin.Client, name string, version int) error {
	w.pushed = append(slices.DeleteFunc(w.pushed, func(v int) bool { return v == version }), version)
	for len(w.pushed) > keptVersions {
		if _, err := client.ForgetPolicy(ctx, name, w.pushed[0]); err != nil {
			return err
		}
		w.pushed = w.pushed[1:]
	}
	return nil
}

// lookPause is between two looks at the files, missedPause between two tries to reach a cluster that was away.
const (
	lookPause   = 100 * time.Millisecond
	missedPause = time.Second
)

// wait returns when a file has changed, and then all have been left alone for a while. What the cluster has missed is swapped in meanwhile.
func (w *watcher) wait(ctx context.Context) error {
	ticker := time.NewTicker(lookPause)
	defer ticker.Stop()
	var again <-chan time.Time
	if w.missed {
		w.say("it is swapped in as soon as a node answers")
		again = time.Tick(missedPause)
	}
	var since time.Time // of the last change; zero: none yet
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			if err := w.swap(ctx); !w.missed {
				again = nil
				w.tell(ctx, err)
			}
			continue
		case <-ticker.C:
		}
		now, err := look(w.dir, w.own...)
		if err != nil {
			return err
		}
		changed := w.seen.changed(now)
		w.seen = now
		for _, name := range changed {
			delete(w.output, name) // no build runs: somebody was quicker than two of them
		}
		switch {
		case len(changed) > 0:
			since = time.Now()
			w.say("%s changed", strings.Join(changed[:min(3, len(changed))], ", "))
		case !since.IsZero() && time.Since(since) >= w.o.debounce:
			return nil
		}
	}
}

// folderLook is what a folder looks like: by name, when each file was written and how long it is.
type folderLook map[string]mark

type mark struct {
	at   time.Time
	size int64
}

// maxWatched bounds the files of a folder: more is no policy's.
const maxWatched = 20000

// unwatched are folders that hold no source: what compilers and package managers write.
var unwatched = []string{"target", "node_modules", "build", "dist"}

// printedTo are the files behind streams, where these are any.
func printedTo(streams ...io.Writer) (files []fs.FileInfo) {
	for _, stream := range streams {
		if file, is := stream.(*os.File); is {
			if info, err := file.Stat(); err == nil {
				files = append(files, info)
			}
		}
	}
	return files
}

// look walks a folder. Names with a dot in front, modules, golden files and the files that are own are passed over.
func look(dir string, own ...fs.FileInfo) (folderLook, error) {
	t := folderLook{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		name := e.Name()
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != dir:
			return nil // it went while we looked
		case err != nil:
			return err
		case e.IsDir() && path != dir && (strings.HasPrefix(name, ".") || slices.Contains(unwatched, name)):
			return fs.SkipDir
		case e.IsDir() || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".wasm") || strings.HasSuffix(name, ".golden") || strings.HasSuffix(name, "~"):
			return nil
		case len(t) >= maxWatched:
			return fmt.Errorf("%s has more than %d files; watch the folder of the policy alone", dir, maxWatched)
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !slices.ContainsFunc(own, func(o fs.FileInfo) bool { return os.SameFile(o, info) }) {
			t[path] = mark{info.ModTime(), info.Size()}
		}
		return err
	})
	return t, err
}

// changed lists what is new, gone or otherwise in another look, sorted.
func (t folderLook) changed(now folderLook) (names []string) {
	for name, m := range now {
		if was, there := t[name]; !there || !was.at.Equal(m.at) || was.size != m.size {
			names = append(names, name)
		}
	}
	for name := range t {
		if _, there := now[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
