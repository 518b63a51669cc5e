package policies

// Decider is a rule. It has a word on some of the questions: it implements one or more of Allocator, Remainer, Rebalancer,
// Promoter and Starter, or Mind, each of which raises the answers in a row that begins as all YES.
type Decider interface {
	// Name is how settings, explanations and traces call it.
	Name() string
	// PerShard says that answers depend on the shard's own copies, so that they cannot be shared by a keyspace's shards; see
	// Classifier for those that can be after all. Without it answers depend on the question's capability, keyspace, Primary
	// and New, and on what is fixed in the view: sums change, and only Start and Metered may look at them.
	PerShard() bool
	// Reason is the sentence behind an answer that it gave about a node; it is asked for no others.
	Reason(v *View, q *Question, node int, a Answer) string
}

// Allocator says on which nodes a new copy may be put.
type Allocator interface {
	Allocate(v *View, q *Question, r Row)
}

// Remainer says on which nodes the copy might stay.
type Remainer interface {
	Remain(v *View, q *Question, r Row)
}

// Rebalancer says which nodes the copy might leave for balance alone.
type Rebalancer interface {
	Rebalance(v *View, q *Question, r Row)
}

// Promoter says on which nodes the copy might lead.
type Promoter interface {
	Promote(v *View, q *Question, r Row)
}

// Starter says into which nodes a recovery of the copy may start now.
type Starter interface {
	Start(v *View, q *Question, r Row)
}

// Mind is a decider whose rule is no Go: which questions it has a word on is known only once it is loaded, so it says so
// itself and takes all of them in one place.
type Mind interface {
	Decider
	Has(c Capability) bool
	Answer(v *View, q *Question, r Row) // of a capability that it has
}

// Classifier is a Decider with PerShard that puts shards into classes. Questions of one kind about shards of one keyspace and
// class have the same row, which a Set then asks for once; ok is false for a shard that is a class of its own. It must be cheap:
// it is called for each question. Class 0 costs least, and of no shard is it milder than of those in class 0.
type Classifier interface {
	Class(v *View, q *Question) (class uint64, ok bool)
}

// Metered is a Decider whose answer about a node depends on the sums of that node, and on those of no other. Meter gives it;
// it equals what the row would hold. A Set asks for it again when View.Count has changed the node. With PerShard the answer may depend on the
// shard and its copies as well: no row is kept then, and Meter is asked where one node alone is wanted.
type Metered interface {
	Meter(v *View, q *Question, node int) Answer
}

// PairClassifier is a Metered with PerShard that puts pairs of a shard and a node into classes, as a Classifier does with shards. Questions of one
// kind about pairs of one class have the same answer, whatever the keyspace and however sums and rows change; ok is false for a pair that is a
// class of its own. It must be cheap: it is called for each question about one node. Whoever pays for asking asks once for each class.
type PairClassifier interface {
	PairClass(v *View, q *Question, node int) (class uint64, ok bool)
}

// Silent is a Decider that has nothing to say in many views, whatever the shard and the sums: its setting is off, or all nodes are
// as they should be. A Set does not ask it there.
type Silent interface {
	Silent(v *View, c Capability) bool
}

// Blind is a Decider that, if it IsBlind, does not look at the keyspace: what it says of a node, by class or metered, it says to the shards
// of all keyspaces. A Set then asks it once for all.
type Blind interface {
	IsBlind() bool
}

// Spreader is a Decider that, if KeepsApart, only keeps a new copy of a shard away from its others, and from nodes that do not say
// where they are. Who searches by rules of that kind itself need not ask it for what a keyspace's shards have in common.
type Spreader interface {
	KeepsApart() bool
}

// Observer is told that a row of the shard table has changed in a view that it has been asked about; shard is the row's place.
// A view that it has not seen yet is another matter: everything in it may be new.
type Observer interface {
	Changed(v *View, shard int)
}

// Timer is a Decider whose answers may change by time alone. Next is the tick at which they do next, or 0.
type Timer interface {
	Next(v *View) int64
}

// Clocked is a Decider or a Scorer that, if LooksAtTime, may answer otherwise at any time and is no Timer that says when: who wants to
// know looks again and again, as a placement leader does.
type Clocked interface {
	LooksAtTime() bool
}

// Digested is a Decider or Scorer whose mind is a module; the digest says which.
type Digested interface {
	Digest() string
}

// Fueled is a Digested one whose work is counted: Cost is the fuel of the newest row of a kind that it was asked for. spoke says
// that its module has answered such a question about the newest view: not where it was asked none, where its twin in Go answered in its
// place, as to all promotions of shards without a primary, or where it failed. It is for traces: no plan depends on it.
type Fueled interface {
	Cost(c Capability) (fuel uint64, spoke bool)
}

// Burner is a Decider or a Scorer that counts all its work: Burnt is the fuel that it has used since it was asked last. It is for
// figures: no plan depends on it.
type Burner interface {
	Burnt() uint64
}

// Scorer ranks the nodes that deciders allow: it adds its figure for each to scores, in the order of View.Nodes. Lower is
// better; Scale is what a difference of one copy on a node is worth, so that figures of several scorers can be added.
type Scorer interface {
	Name() string
	Scale() float64
	Score(v *View, q *Question, scores []float64)
}

// ask puts the question to one decider; one that has no word on it says YES.
func ask(d Decider, v *View, q *Question, r Row) {
	if m, ok := d.(Mind); ok {
		if m.Has(q.Capability) {
			m.Answer(v, q, r)
		}
		return
	}
	switch q.Capability {
	case Allocate:
		if d, ok := d.(Allocator); ok {
			d.Allocate(v, q, r)
		}
	case Remain:
		if d, ok := d.(Remainer); ok {
			d.Remain(v, q, r)
		}
	case Rebalance:
		if d, ok := d.(Rebalancer); ok {
			d.Rebalance(v, q, r)
		}
	case Promote:
		if d, ok := d.(Promoter); ok {
			d.Promote(v, q, r)
		}
	case Start:
		if d, ok := d.(Starter); ok {
			d.Start(v, q, r)
		}
	}
}

// has says whether a decider has a word on a kind of question.
func has(d Decider, c Capability) (ok bool) {
	if m, ok := d.(Mind); ok {
		return m.Has(c)
	}
	switch c {
	case Allocate:
		_, ok = d.(Allocator)
	case Remain:
		_, ok = d.(Remainer)
	case Rebalance:
		_, ok = d.(Rebalancer)
	case Promote:
		_, ok = d.(Promoter)
	case Start:
		_, ok = d.(Starter)
	}
	return ok
}
