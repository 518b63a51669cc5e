package liveness

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// complaining lets n ticks pass in which n2 says with every heartbeat that it has had no answer for so long, and returns how the last one was
// answered, and what was wanted meanwhile.
func complaining(d *Detector, n int, without time.Duration) (last Standing, all Ready) {
	for range n {
		r := without2(d)
		if d.Now()%5 == 0 {
			last = d.Heard("n2", 1, Health{Unanswered: without})
		}
		more := d.Ready()
		all.Changes = append(append(all.Changes, r.Changes...), more.Changes...)
		all.Redials = append(append(all.Redials, r.Redials...), more.Redials...)
		all.Probes = append(append(all.Probes, r.Probes...), more.Probes...)
	}
	d.check()
	return last, all
}

const leaseOf = standardLease * 50 * time.Millisecond

func TestDeafIsWhoHasHadNoAnswerForLongerThanALease(t *testing.T) {
	d := lone(t, 3, Config{})
	if last, r := complaining(d, 200, leaseOf); last != Granted || len(r.Changes) != 0 {
		t.Errorf("without an answer for one lease: standing %d, %+v", last, r.Changes)
	}
	begun := d.Now()/5*5 + 5 // its next heartbeat, the first that says so
	last, r := complaining(d, 25, leaseOf+1)
	if s := state(t, d, "n2"); last != Withheld || s.State != Suspect || !s.Partial {
		t.Errorf("a moment longer: standing %d, %+v", last, s)
	}
	if want := time.Duration(standardLease+1+state(t, d, "n2").Since-begun) * 50 * time.Millisecond; len(r.Changes) != 1 || r.Changes[0].Unanswered != want {
		t.Errorf("want %v without an answer, told %+v", want, r.Changes)
	}
	if len(r.Redials)+len(r.Probes) != 0 {
		t.Errorf("it lives, and is asked about: %+v, %+v", r.Redials, r.Probes)
	}
	if last, _ := complaining(d, 5, 0); last != Granted || state(t, d, "n2").State != Alive {
		t.Errorf("it has an answer: standing %d, %+v", last, state(t, d, "n2"))
	}
	if got := d.Heard("n1", 1, Health{Unanswered: time.Hour}); got != Granted {
		t.Errorf("the leader itself: standing %d", got)
	}
}

// However early MuteAfter is: who is declared dead has been granted nothing for a lease.
func TestWhoIsDeafDiesAfterItsLease(t *testing.T) {
	d := lone(t, 3, Config{MuteAfter: standardLease})
	died := int64(0)
	for granted := int64(0); died == 0 && d.Now() < 1000; {
		if last, _ := complaining(d, 5, time.Hour); last == Granted {
			granted = d.Now()
		}
		if s := state(t, d, "n2"); s.State == Dead {
			if died = s.Since; s.Proof || died-granted < standardLease+3 || died-granted > standardLease+10 {
				t.Errorf("granted in tick %d: %+v", granted, s)
			}
		}
	}
	if last, _ := complaining(d, 5, 0); died == 0 || last != Declared {
		t.Errorf("died in tick %d, and is answered %d", died, last)
	}
}

// A leader that could not prove that it leads has answered nobody.
func TestWhoWasNotAnsweredIsNotDeaf(t *testing.T) {
	d := lone(t, 3, Config{})
	for range 100 {
		if last, _ := complaining(d, 5, time.Hour); last != Granted {
			t.Fatalf("tick %d: standing %d", d.Now(), last)
		}
		d.Unproven("n2")
		d.Unproven("nobody")
	}
}

// One that falls silent is inquired into as everybody is: its heartbeats say nothing any more.
func TestWhoIsDeafAndFallsSilentIsAskedAbout(t *testing.T) {
	d := apart(t, 4, Config{})
	complaining(d, 30, time.Hour)
	_, _ = answering(d, 60, func(shards.NodeID, shards.NodeID) bool { return false })
	if s := state(t, d, "n2"); s.State != Dead || s.Reason != "no heartbeat for 1.15s, its lease has ended, and 2 of 2 members asked cannot reach it: n3, n4" { // withheld since tick 25
		t.Errorf("%+v", s)
	}
	// And what it said before is no evidence when it comes back in time.
	d = apart(t, 4, Config{})
	complaining(d, 30, time.Hour)
	answering(d, 30, everybody)
	if last, _ := complaining(d, 5, time.Hour); last != Granted || state(t, d, "n2").State != Alive {
		t.Errorf("standing %d, %+v", last, state(t, d, "n2"))
	}
}
