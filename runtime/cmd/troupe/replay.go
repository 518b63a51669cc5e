package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

// replayFlags say what is replayed, and by which rules.
type replayFlags struct {
	last        int
	policies    []string // files, with settings
	without     []string
	modules     []string // files in which modules that were in force are looked for
	interpreter bool
	verbose     bool
}

func replayCommand(c *console) *cobra.Command {
	var o replayFlags
	cmd := &cobra.Command{
		Use: "replay [FILE|FOLDER]...", Short: "make recorded plans again, and under other rules",
		Long: `Makes plans again from what they were made from, and holds them to be the same, bit for bit. Plans come from files (which a
leader keeps below plans/ in its data folder), or from the running cluster. With --policy or --without it is other rules that
plan, and what they would have done differently is printed: moves, bytes, balance, and verdicts that flip: of each node, whether
a copy more may go there and begin, and of each copy whether it may stay, leave and lead (of at most 512 shards of a plan).

A plan whose module nobody has any more is left out and counted; the others are made again.

Exit codes: 0 all the same, or compared · 4 a plan came out differently by the same rules, or was left out, or a module of --policy failed`,
		Example: `  troupe replay --last 100
  troupe replay ./data/plans
  troupe replay --last 50 --policy spot.wasm --policy tenants.wasm:licences=4
  troupe replay ./data/plans --without awareness --verbose`,
	}
	f := cmd.Flags()
	f.IntVar(&o.last, "last", 50, "how many of the cluster's plans, the newest; 0 for all")
	f.StringArrayVar(&o.policies, "policy", nil, "plan with this module as well, or in place of the one of its name: `FILE[:SETTING=VALUE,...]`; what has no = is one more value of the list before it")
	f.StringArrayVar(&o.without, "without", nil, "plan without the rule of this `name`")
	f.StringArrayVar(&o.modules, "module", nil, "a `file` with a module that was in force, if the cluster is not there to give it")
	f.BoolVar(&o.interpreter, "interpreter", false, "run modules in the interpreter, not compiled: the same answers, slowly")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "a line for each plan and each shard that is decided differently")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.last < 0 {
			return usage("--last is %d; 0 or more", o.last)
		}
		shop := &workshop{interpreter: o.interpreter}
		defer shop.close()
		p := &replayer{r: r, o: &o, shop: shop, sets: map[string]*hosted.Set{}, met: map[string]bool{}}
		return p.run(cmd.Context(), args)
	}
	return cmd
}

// replayer replays records one by one, and adds up.
type replayer struct {
	r     *remote
	o     *replayFlags
	shop  *workshop
	sets  map[string]*hosted.Set // by what was in force
	met   map[string]bool        // rules that are left out, and were in force
	given []string               // names of the modules of --policy
	lacks map[string]*lacking    // what plans were made with and is not here, by digest or name
	twins bool                   // rules of the house are asked in Go, though modules were: the same answers
	sum   replaySum
}

// replaySum is what is printed at the end.
type replaySum struct {
	Plans     int                   `json:"plans"`
	Same      int                   `json:"same"`
	Others    []string              `json:"different,omitempty"` // sentences
	Skipped   int                   `json:"skipped"`             // plans that could not be made again
	Lacking   []*lacking            `json:"lacking,omitempty"`   // why: what they were made with, in the order in which it was met
	Builds    []replayBuild         `json:"builds"`              // that planned, in the order in which they were met
	Took      time.Duration         `json:"-"`
	Micros    int64                 `json:"mean_microseconds"`
	Compared  bool                  `json:"compared"`
	Differ    int                   `json:"plans_that_differ"`
	Shards    int                   `json:"shards_decided_differently"`
	Stricter  int                   `json:"verdicts_stricter"`
	Milder    int                   `json:"verdicts_milder"`
	Asked     int                   `json:"verdicts_asked"`
	FirstFlip string                `json:"first_flip,omitempty"`
	Was       simulate.Moves        `json:"moves_recorded"`
	Is        simulate.Moves        `json:"moves_instead"`
	WasBytes  float64               `json:"bytes_recorded"`
	IsBytes   float64               `json:"bytes_instead"`
	Balance   map[string][2]float64 `json:"balance"` // after the last plan: recorded, instead
}

// replayBuild is a build with the plans that it made.
type replayBuild struct {
	Release string `json:"release"`
	Build   string `json:"build,omitempty"`
	Own     bool   `json:"own"` // it is the one that replays
	Plans   int    `json:"plans"`
}

func (p *replayer) run(ctx context.Context, args []string) error {
	p.sum.Compared = len(p.o.policies)+len(p.o.without) > 0
	each := func(r *records.Record) error { return p.one(ctx, r) }
	var err error
	if len(args) > 0 {
		err = eachRecord(args, each)
	} else {
		err = p.r.eachPlan(ctx, p.o.last, each)
	}
	if err != nil {
		return err
	}
	failed := p.shop.tell(p.r.c)
	if p.sum.Plans+p.sum.Skipped == 0 {
		return &failure{exitNotFound, errors.New("no plans are recorded there")}
	}
	if err := p.missed(); err != nil {
		return err
	}
	p.sum.Micros = (p.sum.Took / time.Duration(max(1, p.sum.Plans))).Microseconds()
	if p.r.json {
		err = printJSON(p.r.c.out, &p.sum)
	} else {
		err = p.print()
	}
	if err == nil {
		err = p.verdict(failed)
	}
	return err
}

// missed refuses a rule that is to be left out, and was nowhere in force.
func (p *replayer) missed() error {
	for _, name := range p.o.without {
		if !p.met[name] {
			return usage("--without %s: none of these plans was made with a rule of that name", name)
		}
	}
	return nil
}

// faulty says of modules that the command line gives that they failed. Others failed when the plans were recorded, too.
func (p *replayer) faulty(failed []string) error {
	return faults(slices.DeleteFunc(failed, func(name string) bool { return !slices.Contains(p.given, name) }))
}

// faults says that policies failed: what they would have done is not known.
func faults(policies []string) error {
	if len(policies) == 0 {
		return nil
	}
	return &failure{exitDifferent, fmt.Errorf("policy %s failed: the plans are not what it would have", strings.Join(policies, ", "))}
}

// one replays a records.
func (p *replayer) one(ctx context.Context, r *records.Record) error {
	set, err := p.inForce(ctx, r)
	if err != nil {
		return p.skip(ctx, r, err)
	}
	began := time.Now()
	plan := r.Replay(&set.Set)
	p.sum.Took += time.Since(began)
	p.sum.Plans++
	p.note(r.Software)
	same, why := r.Same(plan)
	if same {
		p.sum.Same++
	} else {
		why += elsewhere(r)
		p.sum.Others = append(p.sum.Others, fmt.Sprintf("plan %v: %s", r.Key, why))
	}
	if p.o.verbose && !p.r.json {
		fmt.Fprintf(p.r.c.out, "plan %v  %s  state %d  %s  %s\n", r.Key, r.Taken.Format(time.RFC3339), r.Input.State.Version, plural(r.Plan.Moves(), "move"), map[bool]string{true: "same", false: "DIFFERENT"}[same])
	}
	if !p.sum.Compared {
		return nil
	}
	return p.compare(ctx, r, set)
}

// elsewhere says of a plan of another build that it is one: its own rules may be others than those of this.
func elsewhere(r *records.Record) string {
	if own := runtime.Software(); r.Software != own {
		return fmt.Sprintf(" (it was planned by %v, and this is %v)", r.Software, own)
	}
	return ""
}

// note counts a plan of a build.
func (p *replayer) note(by records.Software) {
	at := slices.IndexFunc(p.sum.Builds, func(b replayBuild) bool { return b.Release == by.Release && b.Build == by.Build })
	if at < 0 {
		at = len(p.sum.Builds)
		p.sum.Builds = append(p.sum.Builds, replayBuild{Release: by.Release, Build: by.Build, Own: by == runtime.Software()})
	}
	p.sum.Builds[at].Plans++
}

// compare plans by other rules.
func (p *replayer) compare(ctx context.Context, r *records.Record, was *hosted.Set) error {
	other, err := p.otherwise(ctx, r)
	if err != nil {
		return err
	}
	plan := r.Replay(&other.Set)
	d := records.Differ(r.Plan, plan)
	if len(d.Shards) > 0 {
		p.sum.Differ++
	}
	p.sum.Shards += len(d.Shards)
	facts := policies.Facts{Evidence: r.Input.Evidence, Loads: r.Input.Loads, Setbacks: r.Input.Setbacks, Ticks: r.Input.Ticks, TickLength: r.Input.TickLength, Now: r.Input.Now}
	said := hosted.Contrast(policies.NewView(r.Input.State, facts), was, other)
	p.sum.Asked, p.sum.Stricter, p.sum.Milder = p.sum.Asked+said.Answers, p.sum.Stricter+said.Stricter, p.sum.Milder+said.Milder
	if p.sum.FirstFlip == "" && said.First != "" {
		p.sum.FirstFlip = fmt.Sprintf("plan %v: %s", r.Key, said.First)
	}
	a, b := simulate.EffectOf(r.Input, r.Plan), simulate.EffectOf(r.Input, plan)
	p.sum.Was, p.sum.Is = p.sum.Was.Plus(a.Moves), p.sum.Is.Plus(b.Moves)
	p.sum.WasBytes, p.sum.IsBytes = p.sum.WasBytes+a.Bytes, p.sum.IsBytes+b.Bytes
	p.sum.Balance = map[string][2]float64{}
	for name := range a.Balance {
		p.sum.Balance[name] = [2]float64{a.Balance[name], b.Balance[name]}
	}
	if p.o.verbose && !p.r.json {
		for _, s := range d.Shards {
			fmt.Fprintf(p.r.c.out, "  %s: %s, instead of %s\n", s.Name, decisionText(s.Is), decisionText(s.Was))
		}
	}
	return nil
}

func decisionText(all []allocator.Decision) string {
	if len(all) == 0 {
		return "nothing"
	}
	var words []string
	for _, d := range all {
		words = append(words, fmt.Sprintf("%v %v (%s)", d.Lane, d.Verdict, d.Reason))
	}
	return strings.Join(words, "; ")
}

// inForce is the set that made a plan.
func (p *replayer) inForce(ctx context.Context, r *records.Record) (*hosted.Set, error) {
	return p.kept(fmt.Sprintf("%+v", r.Policies), func() (*hosted.Set, error) { return p.build(ctx, r, nil, nil) })
}

// otherwise is that set with what the command line says of other rules.
func (p *replayer) otherwise(ctx context.Context, r *records.Record) (*hosted.Set, error) {
	return p.kept("other "+fmt.Sprintf("%+v", r.Policies), func() (*hosted.Set, error) {
		var own []hosted.Policy
		for _, text := range p.o.policies {
			m, err := parseModule(text)
			if err != nil {
				return nil, err
			}
			one, err := p.shop.policy(ctx, m)
			if err != nil {
				return nil, fmt.Errorf("--policy %s: %w", text, err)
			}
			own, p.given = append(own, one), append(p.given, one.Name())
		}
		return p.build(ctx, r, p.o.without, own)
	})
}

func (p *replayer) kept(key string, build func() (*hosted.Set, error)) (*hosted.Set, error) {
	if s := p.sets[key]; s != nil {
		return s, nil
	}
	s, err := build()
	if err == nil {
		p.sets[key] = s
	}
	return s, err
}

// build makes the set of a record again: deciders in Go by name, modules by digest; without some, and with others.
func (p *replayer) build(ctx context.Context, r *records.Record, without []string, own []hosted.Policy) (*hosted.Set, error) {
	skip := slices.Clone(without)
	for _, o := range own {
		skip = append(skip, o.Name())
	}
	known := deciders.All()
	var native []policies.Decider
	var of []hosted.Policy
	seen := map[string]bool{}
	for _, x := range slices.Concat(r.Policies.Deciders, r.Policies.Scorers) {
		twice := x.Digest + x.Settings // one module may be two policies, with settings of their own
		if slices.Contains(skip, x.Name) || x.Digest != "" && seen[twice] {
			continue // a module that decides and scores is there twice
		}
		if x.Digest != "" && !(p.twins && isShipped(x)) {
			v, err := p.found(ctx, x)
			if err != nil {
				return nil, fmt.Errorf("plan %v%s: %w", r.Key, elsewhere(r), err)
			}
			settings := map[string]string{} // the cluster's come with its state
			if x.Settings != "" {
				if settings, err = v.Manifest.Written([]byte(x.Settings)); err != nil {
					return nil, fmt.Errorf("plan %v: %w", r.Key, err)
				}
			}
			seen[twice], of = true, append(of, hosted.Policy{Version: v, Settings: settings, Strikes: map[bool]int{true: hosted.Strikes}[x.Out]})
			continue
		}
		at := slices.IndexFunc(known, func(d policies.Decider) bool { return d.Name() == x.Name })
		if at < 0 {
			return nil, fmt.Errorf("plan %v%s: %w", r.Key, elsewhere(r), p.lack(ctx, &lacking{Policy: x.Name}))
		}
		native = append(native, known[at])
	}
	p.meet(r, without)
	return p.shop.set(native, append(of, own...)), nil
}

// eachRecord reads the records of files and folders, in the order of their plans.
func eachRecord(paths []string, do func(*records.Record) error) error {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		within, err := filepath.Glob(filepath.Join(path, "*.plan"))
		if err != nil {
			return err
		}
		slices.SortFunc(within, func(a, b string) int { return planOrder(a, b) })
		files = append(files, within...)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for rest := data; ; {
			r, after, err := records.Next(rest)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			if err := do(r); err != nil {
				return err
			}
			rest = after
		}
	}
	return nil
}

// planOrder orders files by the plans in their names.
func planOrder(a, b string) int {
	name := func(path string) string { return strings.TrimSuffix(filepath.Base(path), ".plan") }
	x, err := records.ParseKey(name(a))
	y, err2 := records.ParseKey(name(b))
	switch {
	case err != nil || err2 != nil || x == y:
		return strings.Compare(a, b)
	case x.Before(y):
		return -1
	}
	return 1
}
