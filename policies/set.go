package policies

import "math"

// Set is a list of deciders and scorers that are asked together. What questions have in common is asked once and kept:
//
//	                 kept by capability, keyspace,            made anew for
//	                 Primary, New and classes                 each question
//	without PerShard ──► ┐
//	Classifier       ──► ├ row ──► nodes that Count has ──► copy ──► raised by the
//	Metered          ──► ┘         changed: metered again            others with PerShard
//
// Rows are kept until another view is asked about, or Forget. A Set belongs to one goroutine.
type Set struct {
	Deciders []Decider
	Scorers  []Scorer

	view   *View
	known  int // deciders that the rolls were made from
	rolls  [capabilities]roll
	groups map[class]*group
	kept   int // groups
	row    Row
}

// class is what shards have in common that no decider without PerShard can tell apart.
type class struct {
	capability   Capability
	keyspace     uint16
	primary, new bool
}

// roll lists who has a word on one capability, by how it is asked.
type roll struct {
	shared  []Decider // once per class
	classed []Decider // once per class of theirs: Classifiers
	alone   []Decider // for each question
	metered []meter   // those of the first two that are asked node by node
}

// meter is a Metered with its bit among the classifiers, if it is one.
type meter struct {
	Metered
	bit uint64
}

// group is the questions that share a row.
type group struct {
	next map[branch]*group // by what the next classifiers say
	made bool
	base Row // without the metered
	row  Row // with them; the same as base if there are none
	seen int // of View.touched
}

// branch is one classifier's word on a shard.
type branch struct {
	who   int
	class uint64
	alone bool
}

// maxGroups bounds the rows that are kept: beyond it the shards have too little in common.
const maxGroups = 4096

// Forget drops the rows that are kept: for whoever has changed what a view says without Count.
func (s *Set) Forget() { s.view, s.groups, s.kept = nil, nil, 0 }

// Changed tells those who keep a picture of the view that a row of its shard table has changed; shard is its place there.
// Who plans calls it after each change, when Count has been called too.
func (s *Set) Changed(v *View, shard int) {
	for _, d := range s.Deciders {
		if o, ok := d.(Observer); ok {
			o.Changed(v, shard)
		}
	}
	for _, d := range s.Scorers {
		if o, ok := d.(Observer); ok {
			o.Changed(v, shard)
		}
	}
}

// Next is the first tick at which time alone may change an answer, or 0 if it changes none.
func (s *Set) Next(v *View) (tick int64) {
	for _, d := range s.Deciders {
		if t, ok := d.(Timer); ok {
			if next := t.Next(v); next > v.Ticks && (tick == 0 || next < tick) {
				tick = next
			}
		}
	}
	return tick
}

// Names lists deciders, then scorers, each with the digest of its module if its mind is one, as in "same_node" or
// "tenants@9f86d081".
func (s *Set) Names() []string {
	var names []string
	add := func(name, digest string) {
		if digest != "" {
			name += "@" + digest
		}
		names = append(names, name)
	}
	for _, d := range s.Deciders {
		add(d.Name(), digest(d))
	}
	for _, d := range s.Scorers {
		add(d.Name(), digest(d))
	}
	return names
}

func digest(d any) string {
	if d, ok := d.(Digested); ok {
		return d.Digest()
	}
	return ""
}

// Ask folds the answers of all deciders: the strictest wins. The row is valid until the next Ask.
func (s *Set) Ask(v *View, q *Question) Row {
	if s.view != v || s.known != len(s.Deciders) {
		s.Forget()
		s.view, s.known = v, len(s.Deciders)
		for c := range s.rolls {
			s.rolls[c] = s.enroll(Capability(c))
		}
		s.row = make(Row, len(v.Nodes))
	}
	l := &s.rolls[q.Capability]
	g, alone := s.group(v, q, l)
	if !g.made {
		g.make(v, q, l, alone)
	} else if len(l.metered) > 0 {
		g.catchUp(v, q, l, alone)
	}
	copy(s.row, g.row)
	for _, d := range l.alone {
		ask(d, v, q, s.row)
	}
	for i, d := range l.classed {
		if alone&(1<<i) != 0 {
			ask(d, v, q, s.row)
		}
	}
	return s.row
}

// enroll sorts the deciders that have a word on a capability. What Start asks of those who are not metered may depend on any
// sum, and is not kept.
func (s *Set) enroll(c Capability) (l roll) {
	for _, d := range s.Deciders {
		if !has(d, c) {
			continue
		}
		m, metered := d.(Metered)
		_, classifies := d.(Classifier)
		bit := uint64(0)
		switch {
		case d.PerShard() && classifies && len(l.classed) < 64:
			bit = 1 << len(l.classed)
			l.classed = append(l.classed, d)
		case d.PerShard() || c == Start && !metered:
			l.alone = append(l.alone, d)
			continue
		default:
			l.shared = append(l.shared, d)
		}
		if metered {
			l.metered = append(l.metered, meter{m, bit})
		}
	}
	return l
}

// group finds the questions that share a row with this one, and, as bits, the classifiers that this shard must be put to alone.
func (s *Set) group(v *View, q *Question, l *roll) (g *group, alone uint64) {
	key := class{q.Capability, uint16(q.Keyspace.ID), q.Primary, q.New}
	if s.kept >= maxGroups {
		s.groups, s.kept = nil, 0
	}
	if g = s.groups[key]; g == nil {
		if s.groups == nil {
			s.groups = map[class]*group{}
		}
		g = &group{}
		s.groups[key] = g
		s.kept++
	}
	for i, d := range l.classed {
		b := branch{who: i}
		number, ok := d.(Classifier).Class(v, q)
		switch {
		case !ok:
			b.alone = true
			alone |= 1 << i
		case number == 0:
			continue
		}
		b.class = number
		next := g.next[b]
		if next == nil {
			if g.next == nil {
				g.next = map[branch]*group{}
			}
			next = &group{}
			g.next[b] = next
			s.kept++
		}
		g = next
	}
	return g, alone
}

func (g *group) make(v *View, q *Question, l *roll, alone uint64) {
	g.base, g.made, g.seen = make(Row, len(v.Nodes)), true, len(v.touched)
	for _, d := range l.shared {
		if _, metered := d.(Metered); !metered {
			ask(d, v, q, g.base)
		}
	}
	for i, d := range l.classed {
		if _, metered := d.(Metered); !metered && alone&(1<<i) == 0 {
			ask(d, v, q, g.base)
		}
	}
	g.row = g.base
	if len(l.metered) > 0 {
		g.row = make(Row, len(v.Nodes))
		for n := range g.row {
			g.meter(v, q, l, alone, n)
		}
	}
}

// catchUp meters the nodes whose sums have changed since the row was asked for last.
func (g *group) catchUp(v *View, q *Question, l *roll, alone uint64) {
	if len(v.touched)-g.seen >= len(v.Nodes) {
		for n := range g.row {
			g.meter(v, q, l, alone, n)
		}
	} else {
		for _, n := range v.touched[g.seen:] {
			g.meter(v, q, l, alone, int(n))
		}
	}
	g.seen = len(v.touched)
}

func (g *group) meter(v *View, q *Question, l *roll, alone uint64, node int) {
	a := g.base[node]
	for i := range l.metered {
		if m := &l.metered[i]; alone&m.bit == 0 {
			a = max(a, m.Meter(v, q, node))
		}
	}
	g.row[node] = a
}

// Scores adds up what the scorers say, in units of one copy. A figure that is no number, or not finite, counts as 0: a soft
// rule that fails is ignored.
func (s *Set) Scores(v *View, q *Question) []float64 {
	if len(s.Scorers) == 0 {
		return nil
	}
	sum := make([]float64, len(v.Nodes))
	each := make([]float64, len(v.Nodes))
	for _, scorer := range s.Scorers {
		clear(each)
		scorer.Score(v, q, each)
		for i, x := range each {
			if x = x / scorer.Scale(); !math.IsNaN(x) && !math.IsInf(x, 0) {
				sum[i] += x
			}
		}
	}
	return sum
}
