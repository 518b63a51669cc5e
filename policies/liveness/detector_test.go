package liveness

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// lone is a detector with members n1 (itself) to nN, all heard at tick 0.
func lone(t *testing.T, size int, c Config) *Detector {
	t.Helper()
	c.Self = "n1"
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	d.Members(listed(size))
	for i := range size {
		d.Heard(name(i), 1, Health{})
	}
	d.Ready()
	return d
}

func name(i int) shards.NodeID { return shards.NodeID(fmt.Sprintf("n%d", i+1)) }

func listed(size int) (out []cluster.Member) {
	for i := range size {
		out = append(out, cluster.Member{ID: name(i), Epoch: 1, Peer: string(name(i)) + ":7300"})
	}
	return out
}

// ticks lets n ticks pass, with heartbeats of all but the silent in each fifth, and returns what was wanted meanwhile.
func ticks(d *Detector, n int, silent ...shards.NodeID) (all Ready) {
	for range n {
		d.Tick(0)
		if d.now%5 == 0 {
			for _, s := range d.All() {
				if !strings.Contains(fmt.Sprint(silent), string(s.Node)) {
					d.Heard(s.Node, s.Epoch, Health{})
				}
			}
		}
		r := d.Ready()
		all.Changes = append(all.Changes, r.Changes...)
		all.Redials = append(all.Redials, r.Redials...)
		all.Probes = append(all.Probes, r.Probes...)
	}
	d.check()
	return all
}

func state(t *testing.T, d *Detector, id shards.NodeID) Status {
	t.Helper()
	s, ok := d.Status(id)
	if !ok {
		t.Fatalf("%s is unknown", id)
	}
	return s
}

func TestStanding(t *testing.T) {
	d := lone(t, 3, Config{})
	list := listed(4)
	list[1].Epoch, list[2].Down = 7, true
	d.Members(list)
	for _, c := range []struct {
		id    shards.NodeID
		epoch shards.Epoch
		want  Standing
	}{
		{"n1", 1, Granted}, {"n4", 1, Granted}, {"n9", 1, Stranger},
		{"n2", 6, Bygone}, {"n2", 7, Granted}, {"n2", 8, Stranger}, {"n2", 7, Declared}, // its next life has been heard
		{"n3", 1, Declared}, {"n3", 2, Stranger},
	} {
		if got := d.Heard(c.id, c.epoch, Health{}); got != c.want {
			t.Errorf("Heard(%s, %d) = %v, want %v", c.id, c.epoch, got, c.want)
		}
	}
	if s := state(t, d, "n2"); s.State != Dead || !s.Proof {
		t.Errorf("n2: %+v", s)
	}
}

func TestABreakIsSuspectAtOnceAndNobodyElseIsAskedFirst(t *testing.T) {
	d := lone(t, 4, Config{})
	ticks(d, 10)
	d.Broken("n2", 1, "EOF")
	r := d.Ready()
	if len(r.Changes) != 1 || r.Changes[0].State != Suspect || r.Changes[0].Reason != "its connection broke: EOF" {
		t.Fatalf("changes: %+v", r.Changes)
	}
	if len(r.Redials) != 1 || r.Redials[0] != (Redial{"n2", 1, "n2:7300", 8}) || len(r.Probes) != 0 {
		t.Fatalf("redials %+v, probes %+v", r.Redials, r.Probes)
	}
	d.Broken("n2", 1, "EOF again")
	if r := d.Ready(); !r.Empty() {
		t.Errorf("a second break while it is redialed wants %+v", r)
	}
	// The heartbeat of this very tick may have been sent before the break.
	d.Heard("n2", 1, Health{})
	if s := state(t, d, "n2"); s.State != Suspect {
		t.Errorf("refuted by what was under way: %+v", s)
	}
	d.Redialed("n2", 1, Refused, 0)
	if s := state(t, d, "n2"); s.State != Dead || !s.Proof || s.Reason != "nobody listens on n2:7300, where epoch 1 listened" {
		t.Errorf("refused: %+v", s)
	}
	d.Heard("n2", 1, Health{})
	d.Redialed("n2", 1, Answered, 1)
	if s := state(t, d, "n2"); s.State != Dead {
		t.Errorf("a life that was declared dead came back: %+v", s)
	}
}

func TestRedialed(t *testing.T) {
	for want, c := range map[string]struct {
		config Config
		epoch  shards.Epoch // that was asked for
		answer Answer
		by     shards.Epoch
	}{
		"dead, proof true":         {answer: Refused, epoch: 1},
		"suspect, proof false":     {answer: Refused, epoch: 1, config: Config{NoProof: true}},
		"suspect, proof false    ": {answer: Answered, by: 1, epoch: 1}, // until a heartbeat says more
		"dead, proof true ":        {answer: Answered, by: 2, epoch: 1},
		"suspect, proof false ":    {answer: NoAnswer, epoch: 1},
		"suspect, proof false  ":   {answer: Answered, by: 0, epoch: 1}, // something else listens there
		"suspect, proof false   ":  {answer: Refused, epoch: 9},         // about another life
	} {
		d := lone(t, 3, c.config)
		d.Broken("n3", 1, "EOF")
		d.Redialed("n3", c.epoch, c.answer, c.by)
		s := state(t, d, "n3")
		if got := fmt.Sprintf("%v, proof %v", s.State, s.Proof); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	d := lone(t, 3, Config{})
	d.Broken("n3", 1, "EOF")
	d.Redialed("n3", 1, Answered, 1)
	ticks(d, 5)
	if s := state(t, d, "n3"); s.State != Alive {
		t.Errorf("answered, and heard: %+v", s)
	}
	d.Redialed("n3", 1, Refused, 0)
	if s := state(t, d, "n3"); s.State != Alive {
		t.Errorf("an answer that nobody waits for any more: %+v", s)
	}
}

// "at the very address where that epoch listened": the answer of an earlier address proves nothing.
func TestARefusalWhereItListensNoMoreProvesNothing(t *testing.T) {
	d := lone(t, 3, Config{})
	d.Broken("n3", 1, "EOF")
	d.Ready()
	list := listed(3)
	list[2].Peer = "elsewhere:7300"
	d.Members(list)
	d.Redialed("n3", 1, Refused, 0)
	if s := state(t, d, "n3"); s.State != Suspect {
		t.Errorf("%+v", s)
	}
	if r := ticks(d, 2, "n3"); len(r.Redials) != 1 || r.Redials[0].Address != "elsewhere:7300" {
		t.Errorf("redials %+v", r.Redials)
	}
	d.Redialed("n3", 1, Refused, 0)
	if s := state(t, d, "n3"); s.State != Dead {
		t.Errorf("%+v", s)
	}
}

func TestUnsure(t *testing.T) {
	for want, c := range map[string]struct {
		config Config
		answer Answer
		by     shards.Epoch
		heard  bool
	}{
		"dead, proof true":      {answer: Refused},
		"alive, proof false":    {answer: Refused, config: Config{NoProof: true}},
		"dead, proof true ":     {answer: Answered, by: 2},
		"alive, proof false ":   {answer: Answered, by: 1},
		"alive, proof false  ":  {answer: NoAnswer},
		"alive, proof false   ": {answer: Refused, heard: true}, // since
	} {
		c.config.Self = "n1"
		d, err := New(c.config)
		if err != nil {
			t.Fatal(err)
		}
		d.Members(listed(3))
		d.Ready()
		d.Unsure("n1", 1)
		d.Unsure("n3", 7)
		d.Unsure("n3", 1)
		r := d.Ready()
		if len(r.Redials) != 1 || r.Redials[0] != (Redial{"n3", 1, "n3:7300", 8}) || len(r.Changes) != 0 {
			t.Fatalf("wants %+v", r)
		}
		if c.heard {
			d.Heard("n3", 1, Health{})
		}
		d.Redialed("n3", 1, c.answer, c.by)
		d.check()
		s := state(t, d, "n3")
		if got := fmt.Sprintf("%v, proof %v", s.State, s.Proof); got != strings.TrimSpace(want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	d := lone(t, 3, Config{})
	d.Unsure("n3", 1)
	if r := d.Ready(); !r.Empty() {
		t.Errorf("a node that has been heard is redialed: %+v", r)
	}
}

func TestASuspectIsRedialedAgainAndAgain(t *testing.T) {
	d := lone(t, 3, Config{})
	d.Broken("n3", 1, "EOF")
	d.Ready()
	d.Redialed("n3", 1, NoAnswer, 0) // answered within the tick
	if r := ticks(d, 1, "n3"); len(r.Redials) != 1 {
		t.Errorf("%d redials in the tick after an answer", len(r.Redials))
	}
	if r := ticks(d, 16, "n3"); len(r.Redials) != 2 {
		t.Errorf("%d redials in 16 ticks in which none is answered within 8", len(r.Redials))
	}
}

// TestMajorityOfProbers: "Otherwise: N consecutive misses, confirmed by other members' probes (indirect), before a member is
// dead" (DESIGN.md section 3).
func TestMajorityOfProbers(t *testing.T) {
	for _, c := range []struct {
		reached []bool // what the probers say; those beyond say nothing
		redial  Answer
		want    State
		partial bool
	}{
		{reached: []bool{false, false, false}, want: Dead},
		{reached: []bool{true, false, false}, want: Dead},
		{reached: []bool{true, true, false}, want: Suspect, partial: true},
		{reached: []bool{true, false}, want: Suspect, partial: true},
		{reached: []bool{false}, want: Dead},
		{reached: nil, want: Suspect}, // they were asked and do not answer: that says nothing about the suspect
		{reached: []bool{false, false, false}, redial: Answered, want: Suspect, partial: true},
	} {
		d := lone(t, 6, Config{})
		for range 60 {
			r := ticks(d, 1, "n6")
			for i, p := range r.Probes {
				if p.By == "n1" || p.By == "n6" || p.Target != "n6" || p.Address != "n6:7300" {
					t.Fatalf("asked %+v", p)
				}
				if k := i % d.c.Probers; k < len(c.reached) {
					d.ProbeResult(p.By, p.Target, p.Epoch, c.reached[k])
				}
			}
			for range r.Redials {
				d.Redialed("n6", 1, c.redial, 1)
			}
		}
		if s := state(t, d, "n6"); s.State != c.want || s.Partial != c.partial || s.Proof {
			t.Errorf("probers %v, redial %v: %+v", c.reached, c.redial, s)
		}
	}
}

func TestStrangersDoNotVote(t *testing.T) {
	d := lone(t, 3, Config{})
	for range 60 {
		ticks(d, 1, "n3")
		d.ProbeResult("n9", "n3", 1, false)
	}
	if s := state(t, d, "n3"); s.State != Suspect {
		t.Errorf("a node that is no member had it declared dead: %+v", s)
	}
}

func TestWithNobodyToAskTheLeadersWordIsEnough(t *testing.T) {
	d := lone(t, 2, Config{})
	r := ticks(d, 40, "n2")
	if s := state(t, d, "n2"); s.State != Dead || len(r.Probes) != 0 {
		t.Errorf("%+v, %d probes", s, len(r.Probes))
	}
}

func TestAllMembersTakeTurnsInProbing(t *testing.T) {
	d := lone(t, 8, Config{})
	asked := map[shards.NodeID]int{}
	for range 200 {
		for _, p := range ticks(d, 1, "n8").Probes {
			asked[p.By]++
			d.ProbeResult(p.By, p.Target, p.Epoch, true)
		}
	}
	for i := 1; i < 7; i++ {
		if asked[name(i)] == 0 {
			t.Errorf("%s was never asked: %v", name(i), asked)
		}
	}
}

// TestWidening: "a node that is itself slow widens its own limits" (DESIGN.md section 3).
func TestWidening(t *testing.T) {
	suspectAt := func(late int64, silent ...shards.NodeID) int64 {
		d := lone(t, 4, Config{})
		ticks(d, 5)
		d.Tick(late)
		for range 200 {
			for _, c := range ticks(d, 1, silent...).Changes {
				if c.Node == "n4" && c.State == Suspect {
					return d.now - c.Heard
				}
			}
		}
		return 0
	}
	if got := suspectAt(0, "n4"); got != 16 {
		t.Errorf("a punctual detector: suspect after %d ticks, want 16", got)
	}
	if got := suspectAt(4, "n4"); got <= 25 || got > 46 {
		t.Errorf("a detector that is 200 ms late: suspect after %d ticks", got)
	}
	if got := suspectAt(1<<50, "n4"); got <= 40 || got > 76 {
		t.Errorf("a detector that slept: suspect after %d ticks", got)
	}
	if got := suspectAt(0, "n2", "n3", "n4"); got != 31 {
		t.Errorf("all silent at once: suspect after %d ticks, want 31", got)
	}
}

func TestOneselfIsNeverSuspect(t *testing.T) {
	d := lone(t, 3, Config{})
	d.Broken("n1", 1, "EOF")
	d.Redialed("n1", 1, Refused, 0)
	d.Redialed("n1", 1, Answered, 5)
	ticks(d, 500, "n1")
	if s := state(t, d, "n1"); s.State != Alive {
		t.Errorf("%+v", s)
	}
	for range 20 {
		d.Heard("n1", 1, Health{Fsync: time.Second})
		ticks(d, 5, "n1")
	}
	if s := state(t, d, "n1"); s.State != Grey {
		t.Errorf("its own disk is slow: %+v", s)
	}
}

func TestMembersComeAndGo(t *testing.T) {
	d := lone(t, 3, Config{})
	d.Members(append(listed(1), listed(4)[2:]...)) // n2 leaves, n4 joins
	if _, ok := d.Status("n2"); ok || len(d.All()) != 3 {
		t.Errorf("%+v", d.All())
	}
	if d.Heard("n2", 1, Health{}) != Stranger || d.Heard("n4", 1, Health{}) != Granted {
		t.Error("who left is a member, or who joined is none")
	}
	d.Broken("n4", 1, "EOF")
	d.Ready()
	list := listed(4)
	list[3].Epoch = 2
	d.Members(list)
	r := d.Ready()
	if n := len(r.Changes); n != 2 || r.Changes[1].Node != "n4" || r.Changes[1].Outcome != OutcomeReplaced || r.Changes[1].State != Alive {
		t.Errorf("n2 is new again, and n4 lives again: %+v", r.Changes)
	}
}

func TestBrokenInvariantsPanic(t *testing.T) {
	for what, do := range map[string]func(*Detector){
		"unsorted members": func(d *Detector) { l := listed(2); d.Members([]cluster.Member{l[1], l[0]}) },
		"a member twice":   func(d *Detector) { l := listed(1); d.Members([]cluster.Member{l[0], l[0]}); d.check() },
		"an epoch back":    func(d *Detector) { l := listed(3); l[1].Epoch = 0; d.Members(l) },
		"an early death":   func(d *Detector) { d.die(d.find("n2"), false, "too early") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", what)
				}
			}()
			do(lone(t, 3, Config{}))
		}()
	}
}

// With leases shorter than the limits, silence still has to pass the limit, also after a break.
func TestAShortLeaseDoesNotShortenTheLimit(t *testing.T) {
	d := lone(t, 2, Config{Lease: 6})
	d.Broken("n2", 1, "EOF")
	ticks(d, 15, "n2")
	if s := state(t, d, "n2"); s.State != Suspect {
		t.Errorf("dead within the limit: %+v", s)
	}
	ticks(d, 1, "n2")
	if s := state(t, d, "n2"); s.State != Dead {
		t.Errorf("not dead beyond the limit: %+v", s)
	}
}

func TestARoundIsWaitedFor(t *testing.T) {
	d := lone(t, 5, Config{Lease: 6})
	r := ticks(d, 17, "n5")
	if len(r.Probes) != 3 {
		t.Fatalf("asked %+v", r.Probes)
	}
	d.ProbeResult(r.Probes[0].By, "n5", 1, false)
	d.Tick(0)
	if s := state(t, d, "n5"); s.State != Suspect {
		t.Errorf("one of three had it declared dead, with two still to speak: %+v", s)
	}
	d.ProbeResult(r.Probes[1].By, "n5", 1, false)
	d.ProbeResult(r.Probes[2].By, "n5", 1, true)
	d.Tick(0)
	if s := state(t, d, "n5"); s.State != Dead {
		t.Errorf("two of three cannot reach it: %+v", s)
	}
}

func TestOldVerdictsAreForgotten(t *testing.T) {
	d := lone(t, 8, Config{Probers: 1})
	rounds := 0
	for range 200 {
		r := ticks(d, 1, "n8")
		if len(r.Probes) > 0 {
			rounds++
		}
		for _, p := range r.Probes {
			d.ProbeResult(p.By, "n8", 1, rounds <= 4) // nobody reaches it any more from the fifth round on
		}
		if s := state(t, d, "n8"); s.State == Dead {
			if rounds > 6 {
				t.Errorf("dead in round %d only: %+v", rounds, s)
			}
			return
		}
	}
	t.Error("what was reached in the beginning is never declared dead")
}
