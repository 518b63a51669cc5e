package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/modules"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/simulate"
)

// workshop makes sets of rules for the tools that plan on this machine. Engines are opened and modules compiled when they are
// first needed, and kept: compiling is slow, and the same module is asked for again and again.
type workshop struct {
	interpreter bool
	engine      *hosted.Engine
	shipped     map[string]*hosted.Version // of the house, by name
	versions    map[string]*hosted.Version // by digest
	sets        []*hosted.Set
}

// close frees everything that was made.
func (w *workshop) close() {
	for _, s := range w.sets {
		s.Close()
	}
	for _, some := range []map[string]*hosted.Version{w.shipped, w.versions} {
		for _, v := range some {
			_ = v.Close()
		}
	}
}

func (w *workshop) open() error {
	if w.engine != nil {
		return nil
	}
	engine, err := hosted.NewEngine(hosted.EngineConfig{Interpreter: w.interpreter})
	w.engine, w.versions, w.shipped = engine, map[string]*hosted.Version{}, map[string]*hosted.Version{}
	return err
}

// read loads a module's file.
func (w *workshop) read(ctx context.Context, path string) (*hosted.Version, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > cluster.MaxModule {
		return nil, fmt.Errorf("%s has %s; a module has at most %s: build it smaller, without debug information", path, byteText(info.Size()), byteText(cluster.MaxModule))
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	v, err := w.load(ctx, binary)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

func (w *workshop) load(ctx context.Context, binary []byte) (*hosted.Version, error) {
	if err := w.open(); err != nil {
		return nil, err
	}
	digest := string(cluster.DigestOf(binary))
	if v := w.versions[digest]; v != nil {
		return v, nil
	}
	v, err := hosted.Load(ctx, w.engine, binary)
	if err == nil {
		w.versions[digest] = v
	}
	return v, err
}

// house are the shipped modules that are wanted, in their order: each takes a while to compile.
func (w *workshop) house(ctx context.Context, wanted func(hosted.BuiltIn) bool) (out []*hosted.Version, err error) {
	if err := w.open(); err != nil {
		return nil, err
	}
	for _, b := range modules.All() {
		if !wanted(b) {
			continue
		}
		v := w.shipped[b.Twin.Name()]
		if v == nil {
			loaded, err := hosted.LoadBuiltIns(ctx, w.engine, []hosted.BuiltIn{b})
			if err != nil {
				return nil, err
			}
			v = loaded[0]
			w.shipped[v.Name()] = v
		}
		out = append(out, v)
	}
	return out, nil
}

// set makes one of deciders in Go and of modules.
func (w *workshop) set(native []policies.Decider, of []hosted.Policy) *hosted.Set {
	s := hosted.NewSet(native, of)
	w.sets = append(w.sets, s)
	return s
}

// tell prints what went wrong in modules since it was asked last, each thing once, and names the modules: their rows were the fail
// mode, or their twins', and a cluster would have noted it.
func (w *workshop) tell(c *console) (failed []string) {
	times := map[string]int{}
	var texts []string
	unlisted := 0
	for _, s := range w.sets {
		faults, more := s.Faults()
		unlisted += more
		for _, f := range faults {
			if times[f.Text]++; times[f.Text] == 1 {
				texts = append(texts, f.Text)
			}
			if !slices.Contains(failed, f.Policy) {
				failed = append(failed, f.Policy)
			}
		}
	}
	for _, text := range texts {
		often := ""
		if n := times[text]; n > 1 {
			often = fmt.Sprintf(" (%d times)", n)
		}
		fmt.Fprintf(c.err, "troupe: it failed: %s%s\n", text, often)
	}
	if unlisted > 0 {
		fmt.Fprintf(c.err, "troupe: and %d faults more\n", unlisted)
	}
	return failed
}

// policy loads a module's file, for settings of its own.
func (w *workshop) policy(ctx context.Context, m simulate.Module) (hosted.Policy, error) {
	v, err := w.read(ctx, m.Path)
	if err != nil {
		return hosted.Policy{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Settings)) {
		if strings.HasPrefix(name, "cluster.") {
			return hosted.Policy{}, usage("%s is a setting of the cluster, and not of policy %s", name, v.Name())
		}
		if err := v.Manifest.CheckSetting(name, m.Settings[name]); err != nil {
			return hosted.Policy{}, &failure{exitUsage, err}
		}
	}
	return hosted.Policy{Version: v, Settings: m.Settings}, nil
}

// builtIn are the rules of the house without some of them.
func builtIn(without []string) ([]policies.Decider, error) {
	all := deciders.All()
	for _, name := range without {
		before := len(all)
		if all = slices.DeleteFunc(all, func(d policies.Decider) bool { return d.Name() == name }); len(all) == before {
			return nil, fmt.Errorf("there is no rule %q; there are %s", name, strings.Join(ruleNames(), ", "))
		}
	}
	return all, nil
}

func ruleNames() (names []string) {
	for _, d := range deciders.All() {
		names = append(names, d.Name())
	}
	return names
}

// ask says which rules are asked, and how.
type ask struct {
	house   bool // those of the house as modules, not in Go
	without []string
	modules []simulate.Module
}

// rules makes a set: the house's rules, but those that a module of that name stands in for, then the modules.
func (w *workshop) rules(ctx context.Context, a ask) (*hosted.Set, error) {
	var own []hosted.Policy
	var names []string
	for _, m := range a.modules {
		p, err := w.policy(ctx, m)
		if err != nil {
			return nil, err
		}
		names = append(names, p.Name())
		if !slices.Contains(a.without, p.Name()) {
			own = append(own, p)
		}
	}
	without := slices.DeleteFunc(slices.Clone(a.without), func(name string) bool { return slices.Contains(names, name) && !slices.Contains(ruleNames(), name) })
	native, err := builtIn(without)
	if err != nil {
		return nil, err
	}
	native = slices.DeleteFunc(native, func(d policies.Decider) bool { return slices.Contains(names, d.Name()) })
	if !a.house {
		return w.set(native, own), nil
	}
	shipped, err := w.house(ctx, func(b hosted.BuiltIn) bool {
		return slices.ContainsFunc(native, func(d policies.Decider) bool { return d.Name() == b.Twin.Name() })
	})
	if err != nil {
		return nil, err
	}
	var of []hosted.Policy
	for _, v := range shipped {
		of = append(of, hosted.Policy{Version: v})
	}
	return w.set(nil, append(of, own...)), nil
}

// isShipped says of a rule that was a module that it is the one of the house.
func isShipped(x records.Policy) bool {
	return slices.ContainsFunc(modules.All(), func(b hosted.BuiltIn) bool {
		return b.Twin.Name() == x.Name && string(cluster.DigestOf(b.Binary)) == x.Digest
	})
}

// rules makes the set of a record again, with what a scenario says of other rules.
func (p *replayer) rules(ctx context.Context, r *records.Record, a ask) (*hosted.Set, error) {
	var own []hosted.Policy
	for _, m := range a.modules {
		one, err := p.shop.policy(ctx, m)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(a.without, one.Name()) {
			own = append(own, one)
		}
	}
	return p.build(ctx, r, a.without, own)
}
