package policies

import "math"

// Set is a list of deciders and scorers that are asked together. What questions have in common is asked once and kept:
//
//	                 kept by capability, keyspace,          made anew for
//	                 Primary, New and classes               each question
//	without PerShard ─┬─► row ──────────────────────────┐
//	Classifier       ─┘                                 ├─► row, raised by
//	Metered          ───► row, with the nodes that      │   the others with
//	                      Count has changed since ──────┘   PerShard
//
// Rows are kept until another view is asked about, or Forget. A Set belongs to one goroutine.
type Set struct {
	Deciders []Decider
	Scorers  []Scorer

	view   *View
	known  int // deciders that the rolls were made from
	all    book
	others book // without those that keep apart: see Common
	meters map[class]*group
	kept   int // groups
	row    Row
}

// book is who is asked, and the rows that are kept of it.
type book struct {
	rolls [capabilities]roll
	rows  map[class]*group
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
	metered []meter   // node by node
	split   []Decider // of the metered, the Classifiers
}

// meter is a Metered with its bit among those that are Classifiers, if it is one.
type meter struct {
	Metered
	bit uint64
}

// group is the questions that share a row.
type group struct {
	next   map[branch]*group // by what the next classifiers say
	row    Row               // nil until it is asked for
	seen   int               // of View.touched, by a metered row
	raised int               // answers other than 0 in a metered row
	plain  bool              // no classifier made a difference
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
func (s *Set) Forget() { s.view, s.all.rows, s.others.rows, s.meters, s.kept = nil, nil, nil, nil, 0 }

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
	row, _ := s.ask(v, q, &s.all)
	return row
}

// Common is what Ask says without the deciders that keep a shard's own copies apart. plain says that nobody looked at more of the
// shard than its keyspace: then it is what all shards of that have in common.
func (s *Set) Common(v *View, q *Question) (row Row, plain bool) { return s.ask(v, q, &s.others) }

func (s *Set) ask(v *View, q *Question, b *book) (row Row, plain bool) {
	l, g, alone := s.kin(v, q, b)
	plain = g.plain && len(l.alone) == 0
	copy(s.row, g.row)
	if len(l.metered) > 0 {
		plain = s.meter(v, q, l) && plain
	}
	for _, d := range l.alone {
		ask(d, v, q, s.row)
	}
	askEach(l.classed, alone, v, q, s.row)
	return s.row, plain
}

// On is what Ask says about one node, for less: it meters no other. The row of the last Ask is not valid any more.
func (s *Set) On(v *View, q *Question, node int) Answer {
	l, g, alone := s.kin(v, q, &s.all)
	a := g.row[node]
	s.row[node] = 0
	for i := range l.metered {
		m := &l.metered[i]
		if m.bit != 0 {
			if _, ok := m.Metered.(Classifier).Class(v, q); !ok {
				ask(m.Metered.(Decider), v, q, s.row)
				continue
			}
		}
		a = max(a, m.Meter(v, q, node))
	}
	for _, d := range l.alone {
		ask(d, v, q, s.row)
	}
	askEach(l.classed, alone, v, q, s.row)
	return max(a, s.row[node])
}

// kin finds the row that the question shares with others, and makes it if nobody has asked before.
func (s *Set) kin(v *View, q *Question, b *book) (l *roll, g *group, alone uint64) {
	if s.view != v || s.known != len(s.Deciders) {
		s.Forget()
		s.view, s.known = v, len(s.Deciders)
		for c := range s.all.rolls {
			s.all.rolls[c], s.others.rolls[c] = s.enroll(Capability(c), false), s.enroll(Capability(c), true)
		}
		s.row = make(Row, len(v.Nodes))
	}
	if s.kept >= maxGroups {
		s.all.rows, s.others.rows, s.meters, s.kept = nil, nil, nil, 0
	}
	l = &b.rolls[q.Capability]
	if g, alone = s.find(&b.rows, v, q, l.classed); g.row == nil {
		g.row = make(Row, len(v.Nodes))
		for _, d := range l.shared {
			ask(d, v, q, g.row)
		}
		askEach(l.classed, ^alone, v, q, g.row)
	}
	return l, g, alone
}

// askEach asks those whose bit is set.
func askEach(list []Decider, bits uint64, v *View, q *Question, r Row) {
	for i, d := range list {
		if bits&(1<<i) != 0 {
			ask(d, v, q, r)
		}
	}
}

// meter raises the row by what the metered say, and tells whether that holds for all shards of the keyspace.
func (s *Set) meter(v *View, q *Question, l *roll) (plain bool) {
	g, alone := s.find(&s.meters, v, q, l.split)
	switch {
	case g.row == nil:
		g.row = make(Row, len(v.Nodes))
		fallthrough
	case len(v.touched)-g.seen >= len(v.Nodes):
		for n := range g.row {
			g.meter(v, q, l, alone, n)
		}
	default:
		for _, n := range v.touched[g.seen:] {
			g.meter(v, q, l, alone, int(n))
		}
	}
	if g.seen = len(v.touched); g.raised > 0 {
		row := s.row[:len(g.row)]
		for n, a := range g.row {
			row[n] = max(row[n], a)
		}
	}
	askEach(l.split, alone, v, q, s.row)
	return g.plain
}

func (g *group) meter(v *View, q *Question, l *roll, alone uint64, node int) {
	var a Answer
	for i := range l.metered {
		if m := &l.metered[i]; alone&m.bit == 0 {
			a = max(a, m.Meter(v, q, node))
		}
	}
	if g.row[node] != 0 {
		g.raised--
	}
	if g.row[node] = a; a != 0 {
		g.raised++
	}
}

// enroll sorts the deciders that have a word on a capability, with or without those that keep copies apart. What Start asks of those
// who are not metered may depend on any sum, and is not kept.
func (s *Set) enroll(c Capability, others bool) (l roll) {
	for _, d := range s.Deciders {
		if !has(d, c) || silent(d, s.view, c) || others && keepsApart(d) {
			continue
		}
		m, metered := d.(Metered)
		_, classifies := d.(Classifier)
		switch {
		case metered && classifies && len(l.split) < 64:
			l.metered = append(l.metered, meter{m, 1 << len(l.split)})
			l.split = append(l.split, d)
		case metered && !d.PerShard():
			l.metered = append(l.metered, meter{m, 0})
		case classifies && len(l.classed) < 64:
			l.classed = append(l.classed, d)
		case d.PerShard() || c == Start:
			l.alone = append(l.alone, d)
		default:
			l.shared = append(l.shared, d)
		}
	}
	return l
}

func silent(d Decider, v *View, c Capability) bool {
	x, ok := d.(Silent)
	return ok && x.Silent(v, c)
}

func keepsApart(d Decider) bool {
	x, ok := d.(Spreader)
	return ok && x.KeepsApart()
}

// find gives the questions that share a row with this one, and, as bits, the classifiers that this shard must be put to alone.
func (s *Set) find(groups *map[class]*group, v *View, q *Question, classed []Decider) (g *group, alone uint64) {
	key := class{q.Capability, uint16(q.Keyspace.ID), q.Primary, q.New}
	if g = (*groups)[key]; g == nil {
		if *groups == nil {
			*groups = map[class]*group{}
		}
		g = &group{plain: true}
		(*groups)[key] = g
		s.kept++
	}
	for i, d := range classed {
		number, ok := d.(Classifier).Class(v, q)
		if ok && number == 0 {
			continue
		}
		b := branch{i, number, !ok}
		if !ok {
			b.class = 0
			alone |= 1 << i
		}
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
