package liveness

import (
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// State is what the evidence says of a member.
type State uint8

// The states. The numbers may cross the wire: never reorder.
const (
	Alive   State = iota + 1 // heard in time
	Grey                     // alive, and sick: it shall shed its primaries, and keep its copies
	Suspect                  // silent, or its connection broke: plan for its death, and do nothing yet
	Dead                     // in this epoch: what it held may be taken over at once
)

var stateNames = [...]string{"unknown", "alive", "grey", "suspect", "dead"}

// String is the state's name in messages and in JSON.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[0]
}

// Health is what a member measured of itself since its last heartbeat. A negative figure counts as 0.
type Health struct {
	Fsync     time.Duration // 99th percentile of the log's fsync
	Queue     time.Duration // longest time that work waited in a queue
	Late      time.Duration // how late the member's own ticker was at worst
	RoundTrip time.Duration // from its last heartbeat to the reply; 0 before the first

	// Unanswered is for how long no reply of the present leader has come: since the first heartbeat that left after the last reply. A member
	// may say 0 of what is no longer than a lease; one of a release before always does.
	Unanswered time.Duration
}

// Status is what is known of one member.
type Status struct {
	Node    shards.NodeID
	Name    string
	Epoch   shards.Epoch // the life that State speaks of
	State   State
	Since   int64  // tick of the last change of State
	Heard   int64  // tick of the last heartbeat in this epoch, or of the moment from which one was awaited
	Limit   int64  // tick after which silence makes it suspect
	Reason  string // a sentence that says why it is in this state
	Proof   bool   // dead: by proof, not by silence
	Partial bool   // suspect: other members reach it, it answers redials or its heartbeats come, so it will not be declared dead, or not before MuteAfter
	Held    int64  // tick until which it gets no new copies and no primaries, since it came back too often; 0: not held
}

// Outcome says how a suspicion ended.
type Outcome uint8

// The outcomes. A change that ended no suspicion has none.
const (
	OutcomeNone     Outcome = iota
	OutcomeRefuted          // it was alive
	OutcomeProof            // it was dead, and there is proof
	OutcomeTimeout          // it is taken for dead: its lease ended, and most probers cannot reach it
	OutcomeReplaced         // its next life joined before the suspicion was settled
)

var outcomeNames = [...]string{"none", "refuted", "proof", "timeout", "replaced"}

// String is the outcome's name in traces and logs.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[0]
}

// Change is a change of a member's status.
type Change struct {
	Status
	From    State // 0: the member is new here
	Outcome Outcome
	Took    int64 // ticks from the suspicion to its end, if Outcome says that one ended

	// Unanswered is for how long the member has had no answer by now, as its heartbeats say: since then it cannot serve for longer than a lease.
	// 0: they do not say so.
	Unanswered time.Duration

	Unheard bool // no heartbeat of this life has come: Heard is the moment from which one was awaited

	Probes []Probed // what has been said, and not been told before, by members that were asked about it; the oldest first
}

// Probed is a member that was asked about a suspect, and what it said: told with the next change of the suspect, the newest maxProbed of them.
type Probed struct {
	By       shards.NodeID
	Name     string
	Asked    time.Duration // before the change
	Answered bool          // it has said something, ...
	Took     time.Duration // ...so long after it was asked
	Reached  bool
}

// maxProbed bounds what is remembered of the members that were asked about one suspect.
const maxProbed = 24

// Redial asks for a look at who listens on a member's address; the answer is given to Redialed.
type Redial struct {
	Node    shards.NodeID
	Epoch   shards.Epoch
	Address string
	Timeout int64 // ticks after which it counts as unanswered
}

// Probe asks another member to redial a suspect, or, where somebody else may reach more than the leader does, any member; its
// answer is given to ProbeResult.
type Probe struct {
	By      shards.NodeID
	Target  shards.NodeID
	Epoch   shards.Epoch
	Address string
	Timeout int64 // ticks that By has before it must say that nobody answered
}

// Answer is what a redial met.
type Answer uint8

// The answers.
const (
	NoAnswer Answer = iota // nothing, or nothing that makes sense, before the timeout
	Refused                // the machine answered that nobody listens there
	Answered               // a node's greeting came back
)

// Heir is the voter to whom the lead shall be handed, since it reaches more members than this leader does.
type Heir struct {
	Node   shards.NodeID // empty: the lead stays where it is
	Reason string        // a sentence that says why
}

// Ready is what a Detector wants done, each list in the order in which it was decided.
type Ready struct {
	Changes []Change
	Redials []Redial
	Probes  []Probe
	Heir    Heir
}

// Empty says that there is nothing to do.
func (r *Ready) Empty() bool {
	return len(r.Changes)+len(r.Redials)+len(r.Probes) == 0 && r.Heir.Node == ""
}
