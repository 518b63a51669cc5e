package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/fixture"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// testFlags say what is tested, and how.
type testFlags struct {
	policy  string
	rewrite bool
	verbose bool
	conform int      // questions; 0: fixtures are run
	set     []string // settings under which it is asked these
	embed   string   // the file that the module with its fixtures as golden vectors is written to; empty: none
	json    bool
}

func policyTestCommand(c *console) *cobra.Command {
	var o testFlags
	cmd := &cobra.Command{
		Use: "test [FILE|FOLDER]...", Short: "ask a policy about invented clusters, and compare",
		Long: `Runs fixtures: YAML files with a cluster, questions and the verdicts, reasons and scores that a policy should give. A module answers
compiled and interpreted, and both must say the same; FUEL is the most that one of many calls of it took, NS what a row of all nodes takes. Of a
built-in rule the shipped module answers as well as its twin in Go. Where NAME.golden lies beside NAME.yaml every answer with every
reason is compared with it. A folder stands for the fixtures in it; without either it is this one.

With --embed and --policy the fixtures that have passed are recorded, and the module is written with them as golden vectors: every node
that may lead plays them before the module can be activated there (setting cluster.policies.gate can ask for some). A vector is a case
with the answers about all nodes; the module's other sections stay as they are.

With --conform and --policy a module is asked random questions about random clusters instead: whether it answers by the question and the
state alone, per class if it says so, with a sentence for each NO, within its limits, and the same in both engines. They are the same at each run. It has its default settings, but for those of --set: a
rule that they keep silent has proved nothing, which is told.

` + fixture.Format + `
Exit codes: 0 all as expected · 4 not · 2 a fixture says what nobody understands, with its line`,
		Example: `  troupe policy test
  troupe policy test fixture.yaml --policy build/policy.wasm
  troupe policy test fixtures/ --rewrite
  troupe policy test fixture.yaml --policy draining
  troupe policy test fixtures/ --policy build/policy.wasm --embed build/policy.wasm
  troupe policy test --policy build/policy.wasm --conform 2000 --set avoid=a,b`,
	}
	f := cmd.Flags()
	f.StringVar(&o.policy, "policy", "", "test this module's `file`, or built-in rule, instead of what fixtures name")
	f.BoolVar(&o.rewrite, "rewrite", false, "write the golden files anew")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print every answer with its reasons, and what the policy logs")
	f.BoolVar(&o.json, "json", false, "print JSON, one line for each fixture")
	f.StringVar(&o.embed, "embed", "", "if all pass write the module of --policy with them as golden vectors to this `file`, which may be the module's own")
	f.IntVar(&o.conform, "conform", 0, "ask the module of --policy so many random `questions`, and run no fixtures")
	f.StringArrayVar(&o.set, "set", nil, "a setting of the module for --conform: `NAME=VALUE`, or NAME@KEYSPACE=VALUE; repeatable. Keyspaces are called orders, carts and a.b, and a number from 0 on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("set") && !cmd.Flags().Changed("conform") {
			return usage("--set is for --conform; a fixture has settings of its own")
		}
		if cmd.Flags().Changed("conform") {
			return conformCommand(cmd.Context(), c, &o, args)
		}
		if cmd.Flags().Changed("embed") && (o.embed == "" || !isModule(o.policy)) {
			return usage("--embed takes a file to write, and the file of a module with --policy: troupe policy test fixtures/ --policy policy.wasm --embed policy.wasm")
		}
		files, err := fixturesIn(args)
		if err != nil {
			return err
		}
		t := newTester(&o)
		defer t.close()
		if err := t.all(cmd.Context(), c, files); err != nil || o.embed == "" {
			return err
		}
		e, err := t.embed(cmd.Context(), files)
		if err != nil {
			return err
		}
		return c.printEmbedded(e, o.json)
	}
	return cmd
}

// isModule says whether what is tested is a module's file, and no built-in rule.
func isModule(policy string) bool {
	return strings.HasSuffix(policy, ".wasm") || strings.ContainsRune(policy, filepath.Separator)
}

// all runs fixtures, and prints what came of each. The error says that one is not understood, or not all are as expected.
func (t *tester) all(ctx context.Context, c *console, files []string) error {
	failed, cases, bad := 0, 0, 0
	for _, path := range files {
		r, err := t.test(ctx, path)
		var f *failure
		if errors.As(err, &f) && f.code == exitUsage && len(files) > 1 { // the others are run all the same
			bad++
			fmt.Fprintf(c.err, "troupe: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		failed, cases = failed+r.failures(), cases+len(r.Cases)
		if t.o.json {
			err = printJSON(c.out, r)
		} else {
			err = c.printTested(r, t.o.verbose)
		}
		if err != nil {
			return err
		}
	}
	if bad > 0 {
		return usage("%d of %s %s not understood; %d of %s in the others %s not as expected", bad, plural(len(files), "fixture"), verb(bad, "is", "are"), failed, plural(cases, "case"), verb(failed, "is", "are"))
	}
	if failed > 0 {
		return &failure{exitDifferent, fmt.Errorf("%d of %s %s not as expected", failed, plural(cases, "case"), verb(failed, "is", "are"))}
	}
	return nil
}

// tester runs fixtures in both engines.
type tester struct {
	o                     *testFlags
	compiled, interpreted *workshop
}

func newTester(o *testFlags) *tester {
	return &tester{o, &workshop{}, &workshop{interpreter: true}}
}

func (t *tester) close() {
	t.compiled.close()
	t.interpreted.close()
}

// tested is what came of one fixture.
type tested struct {
	File   string       `json:"file"`
	Policy string       `json:"policy"` // by name, with version and digest of a module
	Cases  []testedCase `json:"cases"`
	Faults []string     `json:"faults"` // of the policy itself
	Golden string       `json:"golden"` // what is wrong with the golden file; empty: nothing, or there is none
	Logs   []string     `json:"logs,omitempty"`
	text   string
}

// testedCase is a case with what it costs.
type testedCase struct {
	fixture.CaseResult
	Fuel        uint64  `json:"fuel,omitempty"`
	Nanos       float64 `json:"ns_per_row"`
	Interpreted float64 `json:"ns_per_row_interpreted,omitempty"`
}

func (r *tested) failures() (n int) {
	for _, c := range r.Cases {
		if len(c.Failed) > 0 {
			n++
		}
	}
	if n == 0 && (len(r.Faults) > 0 || r.Golden != "") {
		n = 1
	}
	return n
}

// mind is one way in which the policy is asked.
type mind struct {
	name string // of the engine
	set  *policies.Set
	of   *hosted.Set // nil: in Go

	manifest *abi.Manifest // of a module's file; nil: it is of the house
}

// test runs a fixture.
func (t *tester) test(ctx context.Context, path string) (*tested, error) {
	f, w, err := readFixture(path)
	if err != nil {
		return nil, err
	}
	r := &tested{File: path, Cases: []testedCase{}, Faults: []string{}}
	minds, err := t.minds(ctx, r, f, w)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m := minds[0].manifest; m != nil {
		if err := f.CheckOwn(w, m.CheckSetting); err != nil {
			return nil, &failure{exitUsage, err}
		}
	}
	for i, m := range minds {
		result, err := f.Run(m.set)
		if err != nil {
			return nil, &failure{exitUsage, err}
		}
		failed := r.gather(&m)
		r.join(i, &m, result, failed)
		if !failed { // what one that fails takes says nothing
			t.measure(f, i, &m, r)
			r.gather(&m)
		}
	}
	if len(r.Faults) > 0 {
		return r, nil // what a golden file would differ in comes of that
	}
	return r, t.golden(r)
}

// join takes over what a mind answered: the first is compared with the fixture, the others with the first. Of one that failed it is no
// news that it then says otherwise.
func (r *tested) join(i int, m *mind, result *fixture.Result, failed bool) {
	if i == 0 {
		r.text = result.Text
		for _, c := range result.Cases {
			if failed {
				c.Failed = r.once(c.Failed)
			} else {
				c.Failed = append(c.Failed, c.Odd...)
			}
			r.Cases = append(r.Cases, testedCase{CaseResult: c})
		}
		return
	}
	if failed || len(r.Faults) > 0 || result.Text == r.text {
		return
	}
	was, is := strings.Split(r.text, "\n"), strings.Split(result.Text, "\n")
	for n := range min(len(was), len(is)) {
		if was[n] != is[n] {
			r.Faults = append(r.Faults, fmt.Sprintf("%s it says otherwise: %q, and before %q", m.name, strings.TrimSpace(is[n]), strings.TrimSpace(was[n])))
			return
		}
	}
}

// once says of the nodes that were answered for a module which failed how many they are: the fault itself is told behind all cases, and told of
// each node it hides what else is wrong.
func (r *tested) once(failed []string) []string {
	own := slices.DeleteFunc(slices.Clone(failed), func(why string) bool {
		return slices.ContainsFunc(r.Faults, func(fault string) bool {
			quoted := strconv.Quote(fault)
			return strings.Contains(why, quoted[1:len(quoted)-1])
		})
	})
	if n := len(failed) - len(own); n > 0 {
		own = append(own, fmt.Sprintf("%s not answered as expected, since the policy failed: see below", verb(n, "1 node is", fmt.Sprintf("%d nodes are", n))))
	}
	return own
}

// gather takes over what went wrong in a module, each thing once for both engines, and what it logged.
func (r *tested) gather(m *mind) (failed bool) {
	if m.of == nil {
		return false
	}
	faults, _ := m.of.Faults()
	for _, f := range faults {
		if !slices.Contains(r.Faults, f.Text) {
			r.Faults = append(r.Faults, f.Text)
		}
	}
	lines, _ := m.of.Lines()
	for _, l := range lines {
		r.Logs = append(r.Logs, fmt.Sprintf("%s: %s", m.name, l.Text))
	}
	return len(faults) > 0
}

// minds are the ways in which what the fixture names is asked.
func (t *tester) minds(ctx context.Context, r *tested, f *fixture.File, w *fixture.World) ([]mind, error) {
	name := f.Policy
	if t.o.policy != "" {
		name = t.o.policy
	}
	switch {
	case name == "":
		return nil, usage("which policy? the fixture names none; say --policy FILE.wasm, or the name of a built-in rule")
	case isModule(name):
		path := name
		if t.o.policy == "" && !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(r.File), path)
		}
		return t.module(ctx, r, path, w.Own)
	}
	if len(w.Own) > 0 {
		return nil, usage("the built-in rule %s has no settings of its own; write the cluster's, such as cluster.routing.allocation.enable", name)
	}
	return t.house(ctx, r, name)
}

// module asks a module's file, compiled and interpreted.
func (t *tester) module(ctx context.Context, r *tested, path string, own map[string]string) (minds []mind, err error) {
	for _, shop := range []*workshop{t.compiled, t.interpreted} {
		v, err := shop.read(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &failure{exitNotFound, fmt.Errorf("there is no module %s; build it first", path)}
		}
		if err != nil {
			return nil, err
		}
		r.Policy = fmt.Sprintf("%s %s (module %s, %s)", v.Name(), v.Manifest.Version, cluster.Digest(v.Digest()).Short(), settingsSize(v.Size()))
		s := shop.set(nil, []hosted.Policy{{Version: v, Settings: own}})
		s.Unbounded() // it is asked again and again, to be measured
		s.Patient()   // a case is not answered for what became of those before it
		s.Fence()
		minds = append(minds, mind{map[bool]string{false: "compiled", true: "interpreted"}[shop.interpreter], &s.Set, s, v.Manifest})
	}
	return minds, nil
}

func settingsSize(n int) string { return fmt.Sprintf("%d bytes", n) }

// house asks a built-in rule, or all: as modules in both engines, and their twins in Go first.
func (t *tester) house(ctx context.Context, r *tested, name string) ([]mind, error) {
	chosen := func(candidate string) bool { return name == "all" || candidate == name }
	native := slices.DeleteFunc(deciders.All(), func(d policies.Decider) bool { return !chosen(d.Name()) })
	if len(native) == 0 {
		return nil, usage("there is no built-in rule %q; there are %s, and all of them", name, strings.Join(ruleNames(), ", "))
	}
	r.Policy = name + " (built in)"
	minds := []mind{{"in Go", &policies.Set{Deciders: native}, nil, nil}}
	for _, shop := range []*workshop{t.compiled, t.interpreted} {
		shipped, err := shop.house(ctx, func(b hosted.BuiltIn) bool { return chosen(b.Twin.Name()) })
		if err != nil {
			return nil, err
		}
		var of []hosted.Policy
		for _, v := range shipped {
			of = append(of, hosted.Policy{Version: v})
		}
		s := shop.set(nil, of)
		s.Unbounded()
		s.Patient()
		minds = append(minds, mind{map[bool]string{false: "compiled", true: "interpreted"}[shop.interpreter], &s.Set, s, nil})
	}
	return minds, nil
}

// How long a question is repeated to be measured.
const (
	measureFor = 10 * time.Millisecond
	measureMax = 2000
	fuelCalls  = 64 // a guest may clean up its memory in one call and not in another
)

// measure asks each question again and again.
func (t *tester) measure(f *fixture.File, i int, m *mind, r *tested) {
	w, err := f.World()
	if err != nil {
		return // it was built before
	}
	questions, err := f.Questions(w)
	if err != nil {
		return // they were asked before
	}
	v := policies.NewView(w.State, w.Facts)
	for n := range questions {
		q := &questions[n]
		other := *q
		other.Primary = !q.Primary // asked in turn with q, or the answer would be the one that is kept
		m.ask(v, q)                // the image is written now, and not in the time that is measured
		began, times := time.Now(), 0
		for ; times < measureMax && (times == 0 || time.Since(began) < measureFor); times++ {
			m.ask(v, &other)
			m.ask(v, q)
		}
		nanos := float64(time.Since(began).Nanoseconds()) / float64(2*times)
		if m.name == "interpreted" {
			r.Cases[n].Interpreted = nanos
		} else if i == 0 || m.name == "compiled" {
			r.Cases[n].Nanos = nanos
		}
		for range fuelCalls {
			if m.name == "compiled" {
				m.ask(v, &other)
				m.ask(v, q)
				r.Cases[n].Fuel = max(r.Cases[n].Fuel, m.fuel(q))
			}
		}
	}
}

// ask puts a question, whatever has been asked before.
func (m *mind) ask(v *policies.View, q *fixture.Asked) {
	m.set.Forget()
	if q.Score {
		m.set.Scores(v, &q.Question)
	} else {
		m.set.Ask(v, &q.Question)
	}
}

// fuel is what the last question took.
func (m *mind) fuel(q *fixture.Asked) (sum uint64) {
	if q.Score {
		for _, s := range m.set.Scorers {
			if h, hosted := s.(interface{ FuelUsed() uint64 }); hosted {
				sum += h.FuelUsed()
			}
		}
		return sum
	}
	for _, d := range m.set.Deciders {
		if h := hosted.Of(d); h != nil {
			sum += h.FuelUsed()
		}
	}
	return sum
}

// golden compares with the golden file, or writes it.
func (t *tester) golden(r *tested) error {
	path := strings.TrimSuffix(strings.TrimSuffix(r.File, ".yaml"), ".yml") + ".golden"
	if t.o.rewrite {
		return os.WriteFile(path, []byte(r.text), 0o644)
	}
	want, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(r.text, "\n")
	for i := range max(len(was), len(is)) {
		a, b := "nothing", "nothing"
		if i < len(was) {
			a = was[i]
		}
		if i < len(is) {
			b = is[i]
		}
		if a != b {
			r.Golden = fmt.Sprintf("%s:%d: it says %q, and now it is %q; --rewrite accepts", path, i+1, strings.TrimSpace(a), strings.TrimSpace(b))
			return nil
		}
	}
	return nil
}

func (c *console) printTested(r *tested, verbose bool) error {
	fmt.Fprintf(c.out, "%s: %s\n", r.File, r.Policy)
	rows := [][]string{}
	for _, x := range r.Cases {
		result := "ok"
		switch {
		case len(x.Failed) > 0:
			result = "FAILS"
		case len(r.Faults) > 0:
			result = "in doubt"
		}
		count := func(v float64) string {
			if v == 0 {
				return "-"
			}
			return fmt.Sprintf("%.0f", v)
		}
		rows = append(rows, []string{fmt.Sprint(x.Line), x.Ask, result, count(float64(x.Fuel)), count(x.Nanos), count(x.Interpreted)})
	}
	if err := writeTable(c.out, []string{"LINE", "CASE", "RESULT", "FUEL", "NS", "NS INTERPRETED"}, rows); err != nil {
		return err
	}
	var notes []string
	for _, x := range r.Cases {
		for _, why := range x.Failed {
			notes = append(notes, fmt.Sprintf("%s:%d: %s: %s", r.File, x.Line, x.Ask, why))
		}
	}
	notes = append(notes, r.Faults...)
	if r.Golden != "" {
		notes = append(notes, r.Golden)
	}
	if verbose {
		notes = append(append(notes, r.Logs...), r.text)
	}
	for _, text := range notes {
		if _, err := fmt.Fprintln(c.out, text); err != nil {
			return err
		}
	}
	return nil
}
