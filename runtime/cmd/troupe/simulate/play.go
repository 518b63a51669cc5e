package simulate

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
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

	// Over is asked again and again; see World. What was played before an error of its is in the Outcome.
	Over func() error
}

// Rules are what a scenario says of the rules.
type Rules struct {
	Begin   string   // the cluster that it begins with, as Config.Begin was given it: with the rules that were asked there. Empty: an invented one, with the house's
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
	pending []Event         // of the next eval, while lines are read...
	waits   int             // ...and the line of the first of them
	evals   int             // that have been read
	faulty  []expected      // modules that are expected to fail
	met     map[string]bool // rules that have been asked, by name
	out     bytes.Buffer
	outcome Outcome
}

// expected is a line's word that a module fails.
type expected struct {
	policy string
	line   int
}

// act is a line that has been read: what it does when it is its turn.
type act struct {
	line int
	do   func() error
}

// MaxScenario bounds a scenario, in bytes.
const MaxScenario = 1 << 20

// Play plays a scenario; file is for its messages. What is wrong with the text is a *Mistake: all lines are read before the first is played. What only
// shows when it is played, as that there is no such node, ends the scenario there, and the Outcome that comes with the error has all that came before;
// it is nil if nothing was played.
func Play(file string, text []byte, c Config) (*Outcome, error) {
	if len(text) > MaxScenario {
		return nil, fmt.Errorf("%s: %d bytes; a scenario has at most %d", file, len(text), MaxScenario)
	}
	p := &player{config: c, file: file, w: NewWorld(), met: map[string]bool{}, outcome: Outcome{File: file, Evals: []*Result{}, Asserts: []Assert{}}}
	p.w.Planned, p.w.Over = c.Planned, c.Over
	if err := p.decide(p.w); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	acts, err := p.read(text)
	if err != nil {
		return nil, err
	}
	for _, a := range acts {
		if err = p.mistake(a.line, a.do()); err != nil {
			break
		}
	}
	if err == nil {
		err = p.ended()
	}
	p.outcome.Text, p.outcome.World = p.out.String(), p.w
	return &p.outcome, err
}

// mistake gives an error its line, if it has none.
func (p *player) mistake(line int, err error) error {
	if _, placed := err.(*Mistake); err == nil || placed {
		return err
	}
	return &Mistake{p.file, line, err}
}

// read reads all lines.
func (p *player) read(text []byte) (acts []act, err error) {
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, MaxScenario)
	for n := 1; s.Scan(); n++ {
		l, err := cut(n, s.Text())
		if err != nil {
			return nil, p.mistake(n, err)
		}
		if l == nil {
			continue
		}
		do, err := p.line(l)
		if err != nil {
			return nil, p.mistake(n, err)
		}
		acts = append(acts, act{n, do})
	}
	if len(p.pending) > 0 {
		return nil, p.mistake(p.waits, fmt.Errorf("%q never happens: no eval follows", p.pending[0].Text))
	}
	return acts, s.Err()
}

// ended says what a scenario lacks that has been played to its end.
func (p *player) ended() error {
	if len(p.outcome.Evals) == 0 {
		return p.mistake(0, fmt.Errorf("nothing is played; end with a line such as: eval 30m"))
	}
	for _, x := range p.faulty {
		if !p.met[x.policy] {
			return p.mistake(x.line, fmt.Errorf("faults %s: no policy of that name was there; there are %s", x.policy, strings.Join(slices.Sorted(maps.Keys(p.met)), ", ")))
		}
	}
	return nil
}

// line reads a line. What can be checked without the world is checked now, the rest when it is played.
func (p *player) line(l *line) (func() error, error) {
	if len(l.words) == 0 {
		return nil, fmt.Errorf("%q begins with no word; see troupe simulate --help", l.text)
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
		return p.step(l)
	}
	do, err := p.event(l)
	if err != nil {
		return nil, err
	}
	return func() error { return do(p.w) }, nil
}

func (p *player) step(l *line) (func() error, error) {
	l.next()
	d, err := duration("step", l.next())
	if err != nil {
		return nil, err
	}
	return func() error {
		p.w.step = max(1, p.w.ticksOf(d))
		return nil
	}, l.done()
}

// begin takes over a cluster that is, or was.
func (p *player) begin(l *line) (func() error, error) {
	l.next()
	what, err := l.need("a file with a recorded plan, or now")
	if err != nil {
		return nil, err
	}
	if p.config.Begin == nil {
		return nil, fmt.Errorf("cluster %s: scenarios begin with nothing here", what)
	}
	return func() error {
		if len(p.w.State.Members) > 0 {
			return fmt.Errorf("cluster comes first: there are nodes already")
		}
		in, err := p.config.Begin(what)
		if err != nil {
			return err
		}
		seed := p.w.seed
		p.rules.Begin = what
		p.w = Copy(in, p.w.Policies)
		if err := p.decide(p.w); err != nil {
			return err
		}
		p.w.Planned, p.w.Over = p.config.Planned, p.config.Over
		p.w.reseed(seed)
		if n := p.w.Unmeasured(); n > 0 {
			fmt.Fprintf(&p.out, "the size of %d shards has not been measured: bytes and times lack them\n", n)
		}
		return nil
	}, l.done()
}

func (p *player) now(l *line) (func() error, error) {
	l.next()
	text, err := l.need("the time")
	if err != nil {
		return nil, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, fmt.Errorf("now is %q; write it as 2026-03-01T12:00:00Z", text)
	}
	return func() error {
		p.w.epoch = t.UTC().Add(-p.w.after(p.w.ticks))
		return nil
	}, l.done()
}

// at has an event wait for the eval that follows: by itself the line does nothing.
func (p *player) at(l *line) (func() error, error) {
	l.next()
	text, err := l.need("a time")
	if err != nil {
		return nil, err
	}
	d, err := duration("the time", text)
	if err != nil {
		return nil, err
	}
	number, what := l.number, l.text
	do, err := p.event(l)
	if err != nil {
		return nil, err
	}
	if len(p.pending) == 0 {
		p.waits = number
	}
	p.pending = append(p.pending, Event{At: d, Text: eventText(what), Do: func(w *World) error { return p.mistake(number, do(w)) }})
	return func() error { return nil }, nil
}

// eventText is the event of a line "at 10s lose node n3".
func eventText(line string) string {
	fields := bytes.Fields([]byte(line))
	return string(bytes.Join(fields[2:], []byte(" ")))
}

func (p *player) eval(l *line) (func() error, error) {
	l.next()
	text, err := l.need("how long")
	if err != nil {
		return nil, err
	}
	d, err := duration("the length", text)
	if err != nil {
		return nil, err
	}
	if d == 0 {
		return nil, fmt.Errorf("an eval of no time")
	}
	seed := -1
	if text := l.option("seed", ""); text != "" {
		if seed, err = number("seed", text, 0, 1<<62); err != nil {
			return nil, err
		}
	}
	if err := l.done(); err != nil {
		return nil, err
	}
	events := p.pending
	for _, e := range events {
		if e.At > d {
			return nil, fmt.Errorf("%q is to happen at %v, after the end of the eval", e.Text, e.At)
		}
	}
	p.pending = nil
	p.evals++
	return func() error {
		if seed >= 0 {
			p.w.reseed(uint64(seed))
		}
		if len(p.w.State.Members) == 0 {
			return fmt.Errorf("there are no nodes yet; begin with a line such as: nodes 12 zones=3")
		}
		r, err := p.w.Run(l.text, d, events)
		if err != nil {
			return err
		}
		r.Line = l.number
		p.outcome.Evals = append(p.outcome.Evals, r)
		p.out.WriteString(r.Table())
		return nil
	}, nil
}

// follows refuses a line that is about an eval and has none before it.
func (p *player) follows() error {
	if p.evals == 0 {
		return fmt.Errorf("no eval comes before this line")
	}
	return nil
}

// last is the result that asserts and plots are about: one that was read after an eval is played after it.
func (p *player) last() *Result { return p.outcome.Evals[len(p.outcome.Evals)-1] }

// decide makes the set anew.
func (p *player) decide(w *World) error {
	if p.config.Rules != nil {
		set, err := p.config.Rules(p.rules)
		if err == nil {
			w.Policies = set
			p.meet(set)
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
	p.meet(w.Policies)
	return nil
}

// meet notes which rules there are.
func (p *player) meet(s *policies.Set) {
	for _, name := range Names(s) {
		p.met[name] = true
	}
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

// faults notes which modules are expected to fail. Whether there are any of these names is known when all has been played: they may come later.
func (p *player) faults(l *line) (func() error, error) {
	l.next()
	name, err := l.need("the name of a policy")
	for ; name != ""; name = l.next() {
		p.outcome.Faulty = append(p.outcome.Faulty, name)
		p.faulty = append(p.faulty, expected{name, l.number})
	}
	if err != nil {
		return nil, err
	}
	return func() error { return nil }, l.done()
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
