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
	known  int        // deciders that the rolls were made from
	tell   []Observer // those that are told of changes
	all    book
	others book  // without those that keep apart: see Common
	blind  shelf // what is said to all keyspaces
	kept   int   // groups
	row    Row
}

// shelf is groups by class; nil: there is none yet.
type shelf []*group

// book is who is asked, and the rows that are kept of it.
type book struct {
	rolls [capabilities]roll
	rows  shelf
}

// class numbers what shards have in common that no decider without PerShard can tell apart: the kind of question, the keyspace, and
// whether it is about a primary, or the first copy.
func class(q *Question, blind bool) int {
	n := int(q.Capability) << 2
	if !blind {
		n += int(q.Keyspace.ID) * int(capabilities) << 2
	}
	if q.Primary {
		n |= 1
	}
	if q.New {
		n |= 2
	}
	return n
}

// roll lists who has a word on one capability, by how it is asked.
type roll struct {
	blind   []Decider // once for all keyspaces
	shared  []Decider // once per class
	classed []Decider // once per class of theirs: Classifiers
	alone   []Decider // for each question
	own     *meters   // node by node
	all     *meters   // the same of those that are Blind; both are shared by the books
}

// meters are the Metered of one kind of question, with what they have said.
type meters struct {
	blind  bool
	list   []meter
	split  []Decider // of them, the Classifiers
	groups shelf
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
func (s *Set) Forget() { s.view = nil; s.drop() }

// drop drops them, and keeps in mind who is asked.
func (s *Set) drop() {
	s.all.rows, s.others.rows, s.blind, s.kept = nil, nil, nil, 0
	for c := range s.all.rolls {
		if l := &s.all.rolls[c]; l.own != nil {
			l.own.groups, l.all.groups = nil, nil
		}
	}
}

// Changed tells those who keep a picture of the view that a row of its shard table has changed; shard is its place there.
// Who plans calls it after each change, when Count has been called too, and before Count is for another row: who keeps sums
// looks at those of this row's keyspace alone.
func (s *Set) Changed(v *View, shard int) {
	if s.view == v && s.known == len(s.Deciders) {
		for _, o := range s.tell {
			o.Changed(v, shard)
		}
	} else {
		for _, d := range s.Deciders {
			if o, ok := d.(Observer); ok {
				o.Changed(v, shard)
			}
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

// LooksAtTime says whether somebody in the set is a Clocked one that does.
func (s *Set) LooksAtTime() bool {
	for _, d := range s.Deciders {
		if c, ok := d.(Clocked); ok && c.LooksAtTime() {
			return true
		}
	}
	for _, x := range s.Scorers {
		if c, ok := x.(Clocked); ok && c.LooksAtTime() {
			return true
		}
	}
	return false
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
	for _, m := range [...]*meters{l.own, l.all} {
		if len(m.list) > 0 {
			plain = s.meter(v, q, m) && plain
		}
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
	for _, meters := range [...]*meters{l.own, l.all} {
		for i := range meters.list {
			a = max(a, meters.list[i].Meter(v, q, node))
		}
	}
	for _, d := range l.alone {
		if m, ok := d.(Metered); ok {
			a = max(a, m.Meter(v, q, node))
			continue
		}
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
		s.tell = nil // a Set that was copied shares none
		for _, d := range s.Deciders {
			if o, ok := d.(Observer); ok {
				s.tell = append(s.tell, o)
			}
		}
		for c := range s.all.rolls {
			s.all.rolls[c], s.others.rolls[c] = s.enroll(Capability(c))
		}
		s.row = make(Row, len(v.Nodes))
	}
	if s.kept >= maxGroups {
		s.drop()
	}
	l = &b.rolls[q.Capability]
	if g, alone = s.find(&b.rows, v, q, l.classed, false); g.row == nil {
		g.row = make(Row, len(v.Nodes))
		if len(l.blind) > 0 {
			copy(g.row, s.toAll(v, q, l))
		}
		for _, d := range l.shared {
			ask(d, v, q, g.row)
		}
		askEach(l.classed, ^alone, v, q, g.row)
	}
	return l, g, alone
}

// toAll is the row of those that are Blind.
func (s *Set) toAll(v *View, q *Question, l *roll) Row {
	g, _ := s.find(&s.blind, v, q, nil, true)
	if g.row == nil {
		g.row = make(Row, len(v.Nodes))
		for _, d := range l.blind {
			ask(d, v, q, g.row)
		}
	}
	return g.row
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
func (s *Set) meter(v *View, q *Question, l *meters) (plain bool) {
	g, alone := s.find(&l.groups, v, q, l.split, l.blind)
	switch {
	case g.row == nil:
		g.measure(v, q, l, alone)
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

// measure asks about all nodes at once: that is the row, or what every node's Meter says.
func (g *group) measure(v *View, q *Question, l *meters, alone uint64) {
	g.row = make(Row, len(v.Nodes))
	for i := range l.list {
		if m := &l.list[i]; alone&m.bit == 0 {
			ask(m.Metered.(Decider), v, q, g.row)
		}
	}
	for _, a := range g.row {
		if a != 0 {
			g.raised++
		}
	}
}

func (g *group) meter(v *View, q *Question, l *meters, alone uint64, node int) {
	var a Answer
	for i := range l.list {
		if m := &l.list[i]; alone&m.bit == 0 {
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

// enroll sorts the deciders that have a word on a capability, with and without those that keep copies apart. What Start asks of those
// who are not metered may depend on any sum, and is not kept.
func (s *Set) enroll(c Capability) (all, others roll) {
	all.own, all.all = &meters{}, &meters{blind: true}
	others.own, others.all = all.own, all.all
	for _, d := range s.Deciders {
		if !has(d, c) || silent(d, s.view, c) {
			continue
		}
		if m, metered := d.(Metered); metered {
			to := all.own
			if blind(d) {
				to = all.all
			}
			if to.add(m) {
				continue
			}
		}
		all.add(d, c)
		if !keepsApart(d) {
			others.add(d, c)
		}
	}
	return all, others
}

// add takes a Metered, unless it can only be asked about each shard.
func (l *meters) add(m Metered) bool {
	d := m.(Decider)
	_, classifies := d.(Classifier)
	switch {
	case classifies && len(l.split) < 64:
		l.list = append(l.list, meter{m, 1 << len(l.split)})
		l.split = append(l.split, d)
	case !d.PerShard():
		l.list = append(l.list, meter{m, 0})
	default:
		return false
	}
	return true
}

// add takes a decider that is not metered.
func (l *roll) add(d Decider, c Capability) {
	_, classifies := d.(Classifier)
	switch {
	case classifies && len(l.classed) < 64:
		l.classed = append(l.classed, d)
	case d.PerShard() || c == Start:
		l.alone = append(l.alone, d)
	case blind(d):
		l.blind = append(l.blind, d)
	default:
		l.shared = append(l.shared, d)
	}
}

func blind(d Decider) bool {
	x, ok := d.(Blind)
	return ok && x.IsBlind()
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
func (s *Set) find(groups *shelf, v *View, q *Question, classed []Decider, blind bool) (g *group, alone uint64) {
	key := class(q, blind)
	if key >= len(*groups) {
		*groups = append(*groups, make(shelf, key+1-len(*groups))...)
	}
	if g = (*groups)[key]; g == nil {
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
		rate(scorer, v, q, each)
		for i, x := range each {
			sum[i] += x
		}
	}
	return sum
}

// rate asks one scorer, in units of one copy.
func rate(scorer Scorer, v *View, q *Question, each []float64) {
	scorer.Score(v, q, each)
	scale := scorer.Scale()
	for i := range each {
		if each[i] /= scale; math.IsNaN(each[i]) || math.IsInf(each[i], 0) {
			each[i] = 0
		}
	}
}
