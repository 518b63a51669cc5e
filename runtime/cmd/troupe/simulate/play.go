package simulate

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/deciders"
)

// Config says how scenarios are played. The zero value works.
type Config struct {
	// Rules makes the set that decides. nil: the built-in rules; scenarios then have no modules.
	Rules func(Rules) (*policies.Set, error)

	// Begin gives what a leader saw: a file that the scenario names, or "now". nil: scenarios begin with nothing.
	Begin func(what string) (allocator.Input, error)

	// Planned is told of each plan; see World.
	Planned func(in allocator.Input, p *allocator.Plan) error
}

// Rules are what a scenario says of the rules.
type Rules struct {
	Without []string // built-in ones and modules that are not asked, by name
	Modules []Module
}

// Module is a policy's file, as the scenario has it, and its own settings.
type Module struct {
	Path     string
	Settings map[string]string
}

// Outcome is what came of a scenario.
type Outcome struct {
	File    string    `json:"file"`
	Evals   []*Result `json:"evals"`
	Asserts []Assert  `json:"asserts"`
	Faulty  []string  `json:"-"`                // modules that the scenario expects to fail, by name
	Failed  []string  `json:"failed,omitempty"` // modules that failed and were not expected to, by name; whoever loads modules fills it in
	Text    string    `json:"-"`                // for people
	World   *World    `json:"-"`                // as it is at the end
}

// Untrue counts the asserts that do not hold.
func (o *Outcome) Untrue() (n int) {
	for _, a := range o.Asserts {
		if !a.Holds {
			n++
		}
	}
	return n
}

// Assert is a line that says what must hold.
type Assert struct {
	Line   int    `json:"line"`
	Text   string `json:"assert"`
	Holds  bool   `json:"holds"`
	Figure string `json:"figure"` // what it is
}

// player plays one scenario.
type player struct {
	config  Config
	file    string
	w       *World
	rules   Rules
	pending []Event // of the next eval
	out     bytes.Buffer
	outcome Outcome
}

// MaxScenario bounds a scenario, in bytes.
const MaxScenario = 1 << 20

// Play plays a scenario; file is for its messages. What is wrong with the text is a *Mistake.
func Play(file string, text []byte, c Config) (*Outcome, error) {
	if len(text) > MaxScenario {
		return nil, fmt.Errorf("%s: %d bytes; a scenario has at most %d", file, len(text), MaxScenario)
	}
	p := &player{config: c, file: file, w: NewWorld(), outcome: Outcome{File: file, Evals: []*Result{}, Asserts: []Assert{}}}
	p.w.Planned = c.Planned
	if err := p.decide(p.w); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, MaxScenario)
	for n := 1; s.Scan(); n++ {
		l, err := cut(n, s.Text())
		if err == nil && l != nil {
			err = p.line(l)
		}
		if err != nil {
			if _, placed := err.(*Mistake); placed {
				return nil, err
			}
			return nil, &Mistake{file, n, err}
		}
	}
	if len(p.pending) > 0 {
		return nil, fmt.Errorf("%s: %q never happens: no eval follows", file, p.pending[0].Text)
	}
	if len(p.outcome.Evals) == 0 {
		return nil, fmt.Errorf("%s: nothing is played; end with a line such as: eval 30m", file)
	}
	p.outcome.Text, p.outcome.World = p.out.String(), p.w
	return &p.outcome, s.Err()
}

func (p *player) line(l *line) error {
	if len(l.words) == 0 {
		return fmt.Errorf("%q begins with no word; see troupe simulate --help", l.text)
	}
	switch l.words[0] {
	case "eval":
		return p.eval(l)
	case "at":
		return p.at(l)
	case "assert":
		return p.assert(l)
	case "plot":
		return p.plot(l)
	case "nodes?", "shards?", "health?", "explain":
		return p.print(l)
	case "now":
		return p.now(l)
	case "cluster":
		return p.begin(l)
	case "faults":
		return p.faults(l)
	case "step":
		l.next()
		d, err := duration("step", l.next())
		if err != nil {
			return err
		}
		p.w.step = max(1, p.w.ticksOf(d))
		return l.done()
	}
	do, err := p.event(l)
	if err != nil {
		return err
	}
	return do(p.w)
}

// begin takes over a cluster that is, or was.
func (p *player) begin(l *line) error {
	l.next()
	what, err := l.need("a file with a recorded plan, or now")
	if err != nil {
		return err
	}
	switch {
	case p.config.Begin == nil:
		return fmt.Errorf("cluster %s: scenarios begin with nothing here", what)
	case len(p.w.State.Members) > 0:
		return fmt.Errorf("cluster comes first: there are nodes already")
	}
	in, err := p.config.Begin(what)
	if err != nil {
		return err
	}
	seed := p.w.seed
	p.w = Copy(in, p.w.Policies)
	p.w.Planned = p.config.Planned
	p.w.reseed(seed)
	if n := p.w.Unmeasured(); n > 0 {
		fmt.Fprintf(&p.out, "the size of %d shards has not been measured: bytes and times lack them\n", n)
	}
	return l.done()
}

func (p *player) now(l *line) error {
	l.next()
	text, err := l.need("the time")
	if err != nil {
		return err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return fmt.Errorf("now is %q; write it as 2026-03-01T12:00:00Z", text)
	}
	p.w.epoch = t.UTC().Add(-p.w.after(p.w.ticks))
	return l.done()
}

func (p *player) at(l *line) error {
	l.next()
	text, err := l.need("a time")
	if err != nil {
		return err
	}
	d, err := duration("the time", text)
	if err != nil {
		return err
	}
	number, what := l.number, l.text
	do, err := p.event(l)
	if err != nil {
		return err
	}
	p.pending = append(p.pending, Event{At: d, Text: eventText(what), Do: func(w *World) error {
		if err := do(w); err != nil {
			return &Mistake{p.file, number, err}
		}
		return nil
	}})
	return nil
}

// eventText is the event of a line "at 10s lose node n3".
func eventText(line string) string {
	fields := bytes.Fields([]byte(line))
	return string(bytes.Join(fields[2:], []byte(" ")))
}

func (p *player) eval(l *line) error {
	l.next()
	text, err := l.need("how long")
	if err != nil {
		return err
	}
	d, err := duration("the length", text)
	if err != nil {
		return err
	}
	if d == 0 {
		return fmt.Errorf("an eval of no time")
	}
	if seed := l.option("seed", ""); seed != "" {
		n, err := number("seed", seed, 0, 1<<62)
		if err != nil {
			return err
		}
		p.w.reseed(uint64(n))
	}
	if err := l.done(); err != nil {
		return err
	}
	for _, e := range p.pending {
		if e.At > d {
			return fmt.Errorf("%q is to happen at %v, after the end of the eval", e.Text, e.At)
		}
	}
	if len(p.w.State.Members) == 0 {
		return fmt.Errorf("there are no nodes yet; begin with a line such as: nodes 12 zones=3")
	}
	r, err := p.w.Run(l.text, d, p.pending)
	if err != nil {
		return err
	}
	r.Line, p.pending = l.number, nil
	p.outcome.Evals = append(p.outcome.Evals, r)
	p.out.WriteString(r.Table())
	return nil
}

// last is the result that asserts and plots are about.
func (p *player) last() (*Result, error) {
	if n := len(p.outcome.Evals); n > 0 {
		return p.outcome.Evals[n-1], nil
	}
	return nil, fmt.Errorf("no eval comes before this line")
}

// decide makes the set anew.
func (p *player) decide(w *World) error {
	if p.config.Rules != nil {
		set, err := p.config.Rules(p.rules)
		if err == nil {
			w.Policies = set
		}
		return err
	}
	if len(p.rules.Modules) > 0 {
		return fmt.Errorf("policy %s: modules are not loaded here", p.rules.Modules[0].Path)
	}
	w.Policies = &policies.Set{Deciders: deciders.All()}
	for _, name := range p.rules.Without {
		w.Policies = Without(w.Policies, name)
	}
	return nil
}

func (p *player) policy(l *line) (func(*World) error, error) {
	path, err := l.need("the module's file")
	if err != nil {
		return nil, err
	}
	m := Module{Path: path, Settings: map[string]string{}}
	for name, value := range l.set {
		m.Settings[name] = value
		l.asked = append(l.asked, name)
	}
	return func(w *World) error {
		p.rules.Modules = append(p.rules.Modules, m)
		return p.decide(w)
	}, l.done()
}

// faults notes which modules are expected to fail.
func (p *player) faults(l *line) error {
	l.next()
	name, err := l.need("the name of a policy")
	for ; name != ""; name = l.next() {
		p.outcome.Faulty = append(p.outcome.Faulty, name)
	}
	if err != nil {
		return err
	}
	return l.done()
}

func (p *player) without(l *line) (func(*World) error, error) {
	name, err := l.need("the name of the rule")
	if err != nil {
		return nil, err
	}
	return func(w *World) error {
		if !slices.Contains(Names(w.Policies), name) {
			return fmt.Errorf("there is no rule %q; there are %s", name, strings.Join(Names(w.Policies), ", "))
		}
		p.rules.Without = append(p.rules.Without, name)
		return p.decide(w)
	}, l.done()
}
