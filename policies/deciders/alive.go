package deciders

import (
	"fmt"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// Alive follows the evidence about members. Nothing goes to the dead. The suspect get no new copy until that is settled, and
// lead only if nobody else can. The sick get neither if somebody else can. Those that came back too often are kept waiting for
// new copies and avoided as leaders. Those of whom nothing was heard yet in this life wait for new copies, but may lead: they
// have just joined, and after a restart of all of them what each led would else go to whoever was heard first.
type Alive struct{}

// The codes of its reasons.
const (
	aliveDown = iota + 1
	aliveDead
	aliveSuspect
	aliveUnheard
	aliveGrey
	aliveHeld
)

// Name is alive.
func (Alive) Name() string { return "alive" }

// PerShard is false.
func (Alive) PerShard() bool { return false }

// Allocate says NO on the dead, THROTTLE on the uncertain and NOT_PREFERRED on the sick.
func (Alive) Allocate(v *policies.View, _ *policies.Question, r policies.Row) {
	for i := range v.Nodes {
		switch code := standing(v, i); code {
		case aliveDown, aliveDead:
			r.Raise(i, policies.Say(policies.No, code))
		case aliveSuspect, aliveUnheard, aliveHeld:
			r.Raise(i, policies.Say(policies.Throttle, code))
		case aliveGrey:
			r.Raise(i, policies.Say(policies.NotPreferred, code))
		}
	}
}

// Promote says NO on the dead, and NOT_PREFERRED on the suspect, the sick and the unsteady.
func (Alive) Promote(v *policies.View, _ *policies.Question, r policies.Row) {
	for i := range v.Nodes {
		switch code := standing(v, i); code {
		case 0, aliveUnheard:
		case aliveDown, aliveDead:
			r.Raise(i, policies.Say(policies.No, code))
		default:
			r.Raise(i, policies.Say(policies.NotPreferred, code))
		}
	}
}

// Next is when the first node has been kept waiting for long enough.
func (Alive) Next(v *policies.View) (tick int64) {
	for n := range v.Nodes {
		if held := v.Nodes[n].Evidence.Held; held > v.Ticks && (tick == 0 || held < tick) {
			tick = held
		}
	}
	return tick
}

// standing is what stands against a node, or 0.
func standing(v *policies.View, node int) uint8 {
	n := &v.Nodes[node]
	switch {
	case n.Down:
		return aliveDown
	case n.Evidence.State == liveness.Dead:
		return aliveDead
	case n.Evidence.State == liveness.Suspect:
		return aliveSuspect
	case n.Evidence.State == 0:
		return aliveUnheard
	case n.Evidence.State == liveness.Grey:
		return aliveGrey
	case n.Evidence.Held > v.Ticks:
		return aliveHeld
	}
	return 0
}

// Reason says what is known of the node, and since when.
func (Alive) Reason(v *policies.View, _ *policies.Question, node int, a policies.Answer) string {
	n := &v.Nodes[node]
	since := v.Ago(n.Evidence.Since)
	switch a.Code() {
	case aliveDown:
		return fmt.Sprintf("node %s was declared dead in epoch %d", n.Name, n.Epoch)
	case aliveDead:
		return fmt.Sprintf("node %s is dead since %v: %s", n.Name, since, n.Evidence.Reason)
	case aliveSuspect:
		return fmt.Sprintf("node %s is suspect since %v: %s", n.Name, since, n.Evidence.Reason)
	case aliveUnheard:
		return fmt.Sprintf("nothing has been heard of node %s in epoch %d yet", n.Name, n.Epoch)
	case aliveGrey:
		return fmt.Sprintf("node %s is sick since %v: %s", n.Name, since, n.Evidence.Reason)
	}
	return fmt.Sprintf("node %s came back too often, and is kept waiting for %v more", n.Name, -v.Ago(n.Evidence.Held))
}
