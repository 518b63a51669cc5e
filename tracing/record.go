package tracing

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind says what a record is about.
type Kind uint8

// The kinds. The numbers are written to disk: never reorder, only append.
const (
	KindFailover  Kind = iota + 1 // a node died, and others took over what it led
	KindSuspicion                 // a node was suspected, and was alive
	KindDrain                     // a node was emptied because an operator asked for it
	KindPolicies                  // other policies came into force
	KindMoves                     // copies changed places though no node was emptied: a rebalance, or what an operator wished
	KindCopies                    // copies of a node that died were replaced, or came back with it
)

// String is the kind's name in ids, spans and lists.
func (k Kind) String() string {
	if int(k) < len(kinds) && k > 0 {
		return kinds[k]
	}
	return "unknown"
}

var kinds = [...]string{"", "failover", "suspicion", "drain", "policies", "moves", "copies"}

// Failover is the record of one: all that its trace is made from. Times are nanoseconds since 1970 by the clock of the node
// that the field is about; 0 says that it has not happened, or is not known. Names of nodes are those for people. On disk fields have
// no names, only places: append to these structs, and never reorder.
type Failover struct {
	Kind    Kind   `json:"kind"`
	Cluster string `json:"cluster"`
	Node    string `json:"node_id"` // id
	Name    string `json:"node"`
	Epoch   uint64 `json:"epoch"` // the life that ended, or is emptied
	Since   uint64 `json:"since"` // what tells it from others of its kind in the same life: the version of the cluster state that began it, or of a suspicion its nanoseconds; else 0

	Heard     int64   `json:"heard"` // last heartbeat, or other sign of life
	Lost      int64   `json:"lost"`  // its connection broke, which tells when a process ended; 0: it just fell silent
	Suspected int64   `json:"suspected"`
	Declared  int64   `json:"declared"` // its death was decided, or its drain, or other policies
	Detector  string  `json:"detector"`
	Reason    string  `json:"reason"` // a sentence
	Proof     bool    `json:"proof"`  // the death was proven, and not only waited for
	Checks    []Check `json:"checks"`

	Elections []Election `json:"elections"`
	Plans     []Plan     `json:"plans"`
	Words     []Word     `json:"words"` // what deciders said, each once; Shard.Candidates name them by place
	Shards    []Shard    `json:"shards"`
	Omitted   int        `json:"omitted"` // shards that are not in Shards since the record would have become too large
	Groups    []Group    `json:"groups"`  // where the omitted ones went
	Clients   []Wait     `json:"clients"`

	Done    int64   `json:"done"`
	Outcome Outcome `json:"outcome"`

	DetectorID string     `json:"detector_id"` // empty: a release before wrote it
	Earlier    []Decision `json:"earlier"`     // decisions that others have followed, in order

	OmittedPlans int `json:"omitted_plans"` // plans that are not in Plans since the record would have become too large
}

// Outcome says how it ended.
type Outcome uint8

// The outcomes. The numbers are written to disk: never reorder, only append.
const (
	OutcomeOpen      Outcome = iota // it goes on
	OutcomeRecovered                // every shard takes writes again
	OutcomeRefuted                  // the node was alive after all
	OutcomeReturned                 // the node came back before everything had been taken over
	OutcomeRed                      // a shard has no copy that may lead
	OutcomeGivenUp                  // it took too long: what was known by then is here
	OutcomeDone                     // what was asked for is done
	OutcomeTakenBack                // it was asked for no more
	OutcomeDied                     // the node died before it was done
)

// String is the outcome's name in attributes and lists.
func (o Outcome) String() string {
	if int(o) < len(outcomes) {
		return outcomes[o]
	}
	return "unknown"
}

var outcomes = [...]string{"open", "recovered", "refuted", "returned", "red", "given_up", "done", "taken_back", "died"}

// Check is a sign for or against the life of a node.
type Check struct {
	At   int64  `json:"at"`
	Text string `json:"text"`
}

// Election is how another leader came to office because the dead node had led.
type Election struct {
	Term   uint64 `json:"term"`
	By     string `json:"by"` // who won
	ByID   string `json:"by_id"`
	Began  int64  `json:"began"` // when the winner began to miss its leader
	Won    int64  `json:"won"`
	Resume bool   `json:"resume"` // the winner goes on with what another leader had begun
	Former string `json:"former"` // trace id of that leader's own failover; empty: unknown
}

// Plan is a plan of the placement leader that is part of the failover.
type Plan struct {
	Version   uint64 `json:"version"` // of the cluster state that it was made for
	Term      uint64 `json:"term"`    // of the reign
	By        string `json:"by"`
	ByID      string `json:"by_id"`
	Began     int64  `json:"began"`
	Took      int64  `json:"took_ns"` // nanoseconds
	Committed int64  `json:"committed"`
	Moves     int    `json:"moves"`
	Error     string `json:"error"`   // it was not committed
	Became    uint64 `json:"became"`  // the version of the cluster state that has it; 0: not committed, or a release before wrote it
	Weighed   int    `json:"weighed"` // candidates of all its decisions; 0: none, or a release before wrote it
}

// Word is what a decider said: verdict and reason as its author worded it.
type Word struct {
	Decider string `json:"decider"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Module  string `json:"module"` // digest of the guest module that answered; empty where none did: a rule of the house without one, or its twin, as in all failovers
	Fuel    int64  `json:"fuel"`   // of the row that holds the answer; the most, where several rows do
}

// Shard is one shard of the failover.
type Shard struct {
	ID         uint32      `json:"id"`
	Name       string      `json:"name"`    // as in "orders/17"
	From       string      `json:"from"`    // who led it
	Plan       int         `json:"plan"`    // place in Plans of the plan that decided; -1: none has yet
	Decided    int64       `json:"decided"` // first
	Led        bool        `json:"led"`     // of a drain: it was the primary that left; of policies: it hands over
	Reason     string      `json:"reason"`  // why this copy
	Candidates []Candidate `json:"candidates"`
	Attempts   []Attempt   `json:"attempts"`
	Problem    string      `json:"problem"` // why nobody can lead it
	To         string      `json:"to"`      // where the newest decision has it go; empty where there is none, or a release before wrote it
}

// Candidate is a node whose copy might have been promoted.
type Candidate struct {
	Node    string  `json:"node"`
	Verdict string  `json:"verdict"`
	Words   []int   `json:"words"` // places in Failover.Words
	Chosen  bool    `json:"chosen"`
	Scores  []Score `json:"scores"` // of soft policies: of the chosen node, and of the best of the others that might have been
}

// Score is what a soft policy said of a node, in copies, to a thousandth: of those that may, the lowest is preferred.
type Score struct {
	Scorer string  `json:"scorer"`
	Score  float32 `json:"score"`
}

// Attempt is one promotion. A second one follows when the node of the first has died as well.
type Attempt struct {
	To      string `json:"to"`
	ToID    string `json:"to_id"`
	Term    uint64 `json:"term"`     // primary term
	Told    int64  `json:"told"`     // committed, by the leader's clock
	Heard   int64  `json:"heard"`    // the node knows, by its own clock, like the three below
	Served  int64  `json:"served"`   // it takes writes
	Written int64  `json:"written"`  // first write of a client acknowledged; 0: none came in time
	Entries int    `json:"entries"`  // uncommitted writes that it sent again
	Waited  int    `json:"waited"`   // requests that waited for the shard on that node
	Ahead   int64  `json:"ahead_ns"` // how far its clock is ahead of the leader's, if its times were impossible and have been set back by that; else 0
	Failed  string `json:"failed"`   // why it came to nothing

	// Of a copy that another took the place of, as the primary tells that it came from.
	Source     string `json:"source"`     // that node
	Bytes      int64  `json:"bytes"`      // of a snapshot
	Operations int64  `json:"operations"` // that came one by one

	// The span of that first write, in hexadecimal, where it was traced as a message; else empty, as a release before has it.
	WriteTrace string `json:"write_trace"`
	WriteSpan  string `json:"write_span"`
}

// Group is what is left of shards that are not in a record one by one.
type Group struct {
	To      string `json:"to"`
	ToID    string `json:"to_id"`
	Shards  int    `json:"shards"`
	Decided int64  `json:"decided"`
	Served  int64  `json:"served"` // the first decision, the last that served
	By      string `json:"by"`     // who decided first; empty: a release before wrote it
	ByID    string `json:"by_id"`
}

// Wait is a node on which requests waited because of the failover.
type Wait struct {
	Node     string `json:"node"`
	ID       string `json:"node_id"`
	Requests int    `json:"requests"`
	Began    int64  `json:"began"`      // when the first of them was tried again, by the node's clock
	Ended    int64  `json:"ended"`      // when the last was answered, or given up
	Longest  int64  `json:"longest_ns"` // nanoseconds that one of them waited
	Ahead    int64  `json:"ahead_ns"`   // of the node's clock, as of an Attempt
}

// ID names the record for people: n2@7 for the death of a life, drain-n2@41 for a drain that the cluster state of version 41 began,
// suspicion-n2@7, copies-n2@7. A life that was suspected twice has two records of that name.
func (f *Failover) ID() string {
	switch f.Kind {
	case KindSuspicion, KindCopies:
		return f.Kind.String() + "-" + f.life()
	case KindDrain:
		return fmt.Sprintf("drain-%s@%d", f.Name, cmp.Or(f.Since, f.Epoch))
	}
	return f.life()
}

func (f *Failover) life() string { return fmt.Sprintf("%s@%d", f.Name, f.Epoch) }

// Called says how well a name fits the record: 2 if it is its ID or trace id, 1 if it is the life that it is about, or no less than eight
// digits of the trace id's beginning, else 0.
func (f *Failover) Called(name string) int {
	trace, low := f.Trace().String(), strings.ToLower(name)
	switch {
	case name == f.ID() || low == trace:
		return 2
	case name == f.life() || len(name) >= 8 && strings.HasPrefix(trace, low):
		return 1
	}
	return 0
}

// Trace is the id of its trace.
func (f *Failover) Trace() TraceID {
	if f.Since != 0 {
		return f.Kind.Trace(f.Cluster, f.Node+"/"+strconv.FormatUint(f.Since, 10), f.Epoch)
	}
	return f.Kind.Trace(f.Cluster, f.Node, f.Epoch)
}

// Last is the newest attempt for the shard, or nil.
func (s *Shard) Last() *Attempt {
	if len(s.Attempts) == 0 {
		return nil
	}
	return &s.Attempts[len(s.Attempts)-1]
}

// Serving says whether the shard takes writes again.
func (s *Shard) Serving() bool {
	a := s.Last()
	return a != nil && a.Served != 0 && a.Failed == ""
}

// Shard finds a shard by its name; nil if it is not part of this.
func (f *Failover) Shard(name string) *Shard {
	for i := range f.Shards {
		if f.Shards[i].Name == name {
			return &f.Shards[i]
		}
	}
	return nil
}

// Say puts a word into Words, once, and returns its place. Words that are said again were mostly said lately.
func (f *Failover) Say(w Word) int {
	for at := len(f.Words) - 1; at >= 0; at-- {
		if x := &f.Words[at]; x.Reason == w.Reason && x.Decider == w.Decider && x.Verdict == w.Verdict && x.Module == w.Module {
			x.Fuel = max(x.Fuel, w.Fuel)
			return at
		}
	}
	f.Words = append(f.Words, w)
	return len(f.Words) - 1
}

// Gone is when the node was certainly not there any more, as well as it is known. A connection that broke after its death had
// been decided tells when somebody cut it. Where the end was not Seen it is the first that was done about it.
func (f *Failover) Gone() int64 {
	if f.Lost != 0 && (f.Declared == 0 || f.Lost <= f.Declared) {
		return f.Lost
	}
	return f.begun()
}

// Seen says whether anybody has noted when the node went. Where all died together nobody has: who leads afterwards finds shards without a
// primary, and how long they were that is not known; that their death was declared then is no sign of it.
func (f *Failover) Seen() bool {
	return f.planned() || f.Heard != 0 || f.Lost != 0 || f.Suspected != 0
}

// begun is when it all began, as far as it is known: the earliest of what was noted, since two leaders with two clocks may have
// noted it. Where nobody noted anything it is the first that was done about it: the end comes last, and would be taken for the time.
func (f *Failover) begun() int64 {
	begun := earliest(f.Heard, f.Lost, f.Suspected, f.Declared)
	if begun != 0 {
		return begun
	}
	for i := range f.Elections {
		begun = earliest(begun, f.Elections[i].Began)
	}
	for i := range f.Plans {
		begun = earliest(begun, f.Plans[i].Began)
	}
	for i := range f.Shards {
		for j := range f.Shards[i].Attempts {
			a := &f.Shards[i].Attempts[j]
			begun = earliest(begun, a.Told, a.Served)
		}
	}
	return cmp.Or(begun, f.Done)
}

// earliest is the first of these times; 0 is none.
func earliest(times ...int64) (first int64) {
	for _, t := range times {
		if t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	return first
}

// Back says whether every shard of a failover takes writes again, if there is one.
func (f *Failover) Back() bool {
	return f.Kind == KindFailover && len(f.Shards) > 0 && !slices.ContainsFunc(f.Shards, func(s Shard) bool { return !s.Serving() })
}

// Unavailable is the time from the node's end to the last shard that takes writes again, in nanoseconds. What is planned makes
// nothing unavailable. It means nothing where the end was not Seen, and how long it is so far where writes are not Back.
func (f *Failover) Unavailable() int64 {
	if f.planned() {
		return 0
	}
	last := f.Declared
	for i := range f.Shards {
		if a := f.Shards[i].Last(); a != nil {
			last = max(last, a.Served)
		}
	}
	for i := range f.Groups {
		last = max(last, f.Groups[i].Served)
	}
	return max(0, last-f.Gone())
}

// Summary is the record in one line, as in
//
//	n2@7 recovered: 32 shards, writes back after 212ms, 340ms after its last heartbeat (detected in 160ms by n1)
//	drain-n2@41 done: 12 copies in 3.2s
//	copies-n2@7 done: 12 copies back, 3.1 MiB in 1m12s
func (f *Failover) Summary() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", f.ID(), f.Outcome)
	n := len(f.Shards) + f.Omitted
	switch f.Kind {
	case KindSuspicion:
		fmt.Fprintf(&b, ": suspected by %s, %s", f.Detector, f.Reason)
		return b.String()
	case KindDrain:
		fmt.Fprintf(&b, ": %s%s", counted(n, "copy", "copies"), f.volume())
		return b.String() + f.lasted()
	case KindCopies:
		fmt.Fprintf(&b, ": %s back%s", counted(f.served(), "copy", "copies"), f.volume())
		return b.String() + f.lasted()
	case KindMoves:
		fmt.Fprintf(&b, ": %s moved%s", counted(f.served(), "copy", "copies"), f.volume())
		return b.String() + f.lasted()
	case KindPolicies:
		fmt.Fprintf(&b, ": %s; %s", f.Reason, counted(f.moves(), "move", "moves"))
		return b.String() + f.lasted()
	}
	fmt.Fprintf(&b, ": %s", counted(n, "shard", "shards"))
	switch stuck := f.stuck(); {
	case stuck > 0:
		fmt.Fprintf(&b, ", of which %d take no writes", stuck)
	case f.Back() && !f.Seen():
		b.WriteString(", writes back; nobody saw when they ended")
	case f.Back():
		fmt.Fprintf(&b, ", writes back after %v", short(f.Unavailable()))
		if before := f.Gone() - f.Heard; f.Heard != 0 && before > 0 { // it may have answered nobody for as long
			fmt.Fprintf(&b, ", %v after its last heartbeat", short(f.Unavailable()+before))
		}
	}
	if f.Declared > 0 && f.Seen() {
		fmt.Fprintf(&b, " (detected in %v by %s)", short(max(0, f.Declared-f.Gone())), f.Detector)
	}
	return b.String()
}

func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// stuck counts the shards that nobody can lead, and of a failover that is over those that nobody leads.
func (f *Failover) stuck() (n int) {
	for i := range f.Shards {
		if s := &f.Shards[i]; (s.Problem != "" || f.Done != 0) && !s.Serving() {
			n++
		}
	}
	return n
}

// served counts the shards that have what was wanted for them, among them those that the record only counts.
func (f *Failover) served() int {
	n := f.Omitted
	for i := range f.Shards {
		if f.Shards[i].Serving() {
			n++
		}
	}
	return n
}

// Took is the time from the beginning to the end, in nanoseconds; 0: it goes on.
func (f *Failover) Took() int64 {
	if f.Done == 0 {
		return 0
	}
	return max(0, f.Done-f.begun())
}

func (f *Failover) lasted() string {
	if f.Done == 0 {
		return ""
	}
	return fmt.Sprintf(" in %v", short(f.Took()))
}

func (f *Failover) moves() (n int) {
	for i := range f.Plans {
		n += f.Plans[i].Moves
	}
	return n
}
