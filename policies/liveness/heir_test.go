package liveness

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// apart is a detector of n1 with members that all vote. The tests have it not hear n2.
func apart(t *testing.T, size int, c Config) *Detector {
	t.Helper()
	d := lone(t, size, c)
	list := listed(size)
	var voters []uint64
	for i := range list {
		list[i].Raft = uint64(i + 1)
		voters = append(voters, list[i].Raft)
	}
	d.Members(list)
	d.Voters(voters)
	return d
}

// answering lets n ticks pass in which n2 is silent and every probe is answered at once, as reach says, and returns who was named heir, and when.
func answering(d *Detector, n int, reach func(by, target shards.NodeID) bool) (heirs []Heir, at []int64) {
	for range n {
		r := without2(d)
		for _, p := range r.Probes {
			d.ProbeResult(p.By, p.Target, p.Epoch, reach(p.By, p.Target))
		}
		if r.Heir.Node != "" {
			heirs, at = append(heirs, r.Heir), append(at, d.Now())
		}
	}
	return heirs, at
}

// without2 is one tick, with the heartbeats of all but n2.
func without2(d *Detector) Ready {
	d.Tick(0)
	if d.Now()%5 == 0 {
		for _, s := range d.All() {
			if s.Node != "n2" {
				d.Heard(s.Node, s.Epoch, Health{})
			}
		}
	}
	return d.Ready()
}

func everybody(_, _ shards.NodeID) bool { return true }

// An heir that does not take the lead is offered it again after 1.5 s, then 3 s and so on, and never more than half a minute.
func TestWhoDoesNotTakeTheLeadIsAskedEverMoreRarely(t *testing.T) {
	d := apart(t, 3, Config{})
	_, at := answering(d, 4000, everybody)
	if len(at) < 6 || at[0] > 80 {
		t.Fatalf("offered in ticks %v", at)
	}
	for i := range at[2:] {
		before, after := at[i+1]-at[i], at[i+2]-at[i+1]
		if after < min(2*before-60, 600) || after > 660 {
			t.Errorf("offered in ticks %v", at)
		}
	}
}

// A reign after a short one keeps the lead for Settle; one after a long one, or of which nothing is known, does not.
func TestAReignAfterAShortOneKeepsTheLead(t *testing.T) {
	for before, want := range map[int64]bool{-1: true, 0: false, 599: false, 600: true} {
		d := apart(t, 3, Config{})
		if before >= 0 {
			d.Follows(before)
		}
		if heirs, _ := answering(d, 599, everybody); len(heirs) > 0 != want {
			t.Errorf("after a reign of %d ticks: %v", before, heirs)
		}
		if heirs, _ := answering(d, 100, everybody); len(heirs) == 0 && !want {
			t.Errorf("after a reign of %d ticks, for ever", before)
		}
	}
}

// Only voters that are well, and heard, are asked to lead.
func TestWhoIsNotFitIsNoHeir(t *testing.T) {
	for name, spoil := range map[string]func(d *Detector){
		"nobody votes":     func(d *Detector) { d.Voters(nil) },
		"n3 does not vote": func(d *Detector) { d.Voters([]uint64{1, 2}) },
		"n3 is grey":       func(d *Detector) { d.find("n3").grey = true },
		"n3 is dead":       func(d *Detector) { d.find("n3").member.Down, d.find("n3").state = true, Dead },
	} {
		d := apart(t, 4, Config{})
		voters := []uint64{1, 2, 3}
		d.Voters(voters)
		spoil(d)
		if heirs, _ := answering(d, 200, everybody); len(heirs) > 0 {
			t.Errorf("%s: %v", name, heirs)
		}
	}
}

// Where one of two voters says nothing, the other is heard; and where nobody answers a search, the lead stays.
func TestSilentVoters(t *testing.T) {
	d := apart(t, 4, Config{})
	answers := 0
	for range 300 {
		r := without2(d)
		for _, p := range r.Probes {
			if p.By == "n4" { // n3 is asked first, and says nothing
				answers++
				d.ProbeResult(p.By, p.Target, p.Epoch, true)
			}
		}
		if r.Heir.Node == "n4" {
			return
		}
		if r.Heir.Node != "" {
			t.Fatalf("%+v", r.Heir)
		}
	}
	t.Errorf("no heir after %d answers", answers)
}

// Somebody who answers redials and is not heard: another leader may hear it, so the lead is offered, before it is dead after MuteAfter.
func TestWhoAnswersRedialsIsHandedOnForAndThenDead(t *testing.T) {
	d := apart(t, 3, Config{})
	offered := int64(0)
	for range 400 {
		r := without2(d)
		for _, p := range r.Probes {
			d.ProbeResult(p.By, p.Target, p.Epoch, true)
		}
		for _, q := range r.Redials {
			d.Redialed(q.Node, q.Epoch, Answered, q.Epoch)
		}
		if r.Heir.Node != "" && offered == 0 {
			offered = d.Now()
		}
		if s, _ := d.Status("n2"); s.State == Dead {
			silent := d.Now() - s.Heard
			if most := int64(d.c.MuteAfter); silent <= most || silent > most+1 || s.Proof || offered == 0 || offered-s.Heard > 2*standardLease+20 {
				t.Errorf("dead after %d ticks of silence, the lead was offered in tick %d: %+v", silent, offered, s)
			}
			return
		}
	}
	t.Error("it is alive for ever")
}

// A member that is heard again ends the search, whatever the voter that is being asked says later.
func TestASearchEndsWithItsReason(t *testing.T) {
	d := apart(t, 3, Config{})
	for d.search.asked == "" {
		without2(d)
		d.ProbeResult("n3", "n2", 1, true)
		if d.Now() > 200 {
			t.Fatal("no search")
		}
	}
	d.Heard("n2", 1, Health{})
	d.ProbeResult("n3", "n2", 1, true)
	for range 20 {
		d.Heard("n2", 1, Health{})
		if r := without2(d); r.Heir.Node != "" {
			t.Fatalf("%+v", r.Heir)
		}
	}
}

func TestSuccession(t *testing.T) {
	s := NewSuccession()
	want := func(past int64, known bool) {
		t.Helper()
		if got, ok := s.Before(); ok != known || known && got != past {
			t.Errorf("%d %v, want %d %v", got, ok, past, known)
		}
	}
	want(0, false)
	s.Leads(100, "a", 1)
	s.Leads(150, "a", 2) // it won another term after its own
	want(0, false)
	s.Leads(160, "", 3) // nobody, for a while
	s.Leads(300, "b", 4)
	want(200, true)
	s.Leads(310, "a", 2) // old news
	s.Leads(350, "b", 4)
	want(200, true)
	s.Leads(360, "a", 5)
	want(60, true)
}

// A voter that leaves while another one is asked is passed over, and so is who falls ill.
func TestVotersThatLeaveDuringASearch(t *testing.T) {
	d := apart(t, 5, Config{})
	for d.search.asked == "" {
		for _, p := range without2(d).Probes {
			d.ProbeResult(p.By, p.Target, p.Epoch, p.Target != "n2" || p.By != "n3")
		}
		if d.Now() > 200 {
			t.Fatal("no search")
		}
	}
	if d.search.asked != "n3" {
		t.Fatalf("%s is asked first", d.search.asked)
	}
	var list []cluster.Member
	for _, n := range d.nodes {
		if n.member.ID != "n4" {
			list = append(list, n.member)
		}
	}
	d.Members(list)
	heirs, _ := answering(d, 100, func(by, _ shards.NodeID) bool { return by != "n3" })
	if len(heirs) == 0 || heirs[0].Node != "n5" {
		t.Errorf("heirs %v", heirs)
	}
}

// An heir that nobody has fetched yet is none any more when it leaves.
func TestAnHeirThatLeaves(t *testing.T) {
	d := apart(t, 3, Config{})
	for d.ready.Heir.Node == "" {
		probes := d.ready.Probes
		d.ready.Probes = nil
		for _, p := range probes {
			d.ProbeResult(p.By, p.Target, p.Epoch, true)
		}
		if d.Tick(0); d.Now()%5 == 0 {
			d.Heard("n1", 1, Health{})
			d.Heard("n3", 1, Health{})
		}
		if d.Now() > 200 {
			t.Fatal("no heir")
		}
	}
	d.Voters([]uint64{1, 2})
	d.Tick(0)
	if r := d.Ready(); r.Heir.Node != "" {
		t.Errorf("%+v", r.Heir)
	}
}

// Where nobody does better than the leader, voters are asked ever more rarely, up to Settle; as soon as another member is lost, they are asked anew.
func TestFruitlessSearchesBecomeRare(t *testing.T) {
	d := apart(t, 5, Config{})
	var began []int64
	silent := map[shards.NodeID]bool{"n2": true}
	pass := func(ticks int) {
		for range ticks {
			if d.Tick(0); d.Now()%5 == 0 {
				for _, s := range d.All() {
					if !silent[s.Node] {
						d.Heard(s.Node, s.Epoch, Health{})
					}
				}
			}
			for _, p := range d.Ready().Probes { // n4 and n5 reach who is silent, and nobody else
				d.ProbeResult(p.By, p.Target, p.Epoch, silent[p.Target] == (p.By > "n3"))
			}
			if at := d.search.began; at > 0 && (len(began) == 0 || began[len(began)-1] != at) {
				began = append(began, at)
			}
		}
	}
	pass(3000)
	if len(began) < 6 || len(began) > 12 {
		t.Fatalf("searches began in ticks %v", began)
	}
	for i := range began[2:] {
		if before, after := began[i+1]-began[i], began[i+2]-began[i+1]; after != min(2*before, 600) {
			t.Errorf("searches began in ticks %v", began)
		}
	}
	silent["n3"] = true
	last, known := d.Now(), len(began)
	pass(150)
	if len(began) == known || began[known] > last+150 {
		t.Errorf("another member is lost since tick %d; searches began in %v", last, began)
	}
}

// Voters are asked HandOnAfter after a member was lost, whether it answers redials or not.
func TestHandOnAfter(t *testing.T) {
	for _, answers := range []bool{true, false} {
		d, lost := apart(t, 3, Config{HandOnAfter: 50}), int64(0)
		for d.search.asked == "" && d.Now() < 400 {
			r := without2(d)
			for _, p := range r.Probes {
				d.ProbeResult(p.By, p.Target, p.Epoch, true)
			}
			for _, q := range r.Redials {
				if answers {
					d.Redialed(q.Node, q.Epoch, Answered, q.Epoch)
				}
			}
			if lost == 0 && len(d.lost()) > 0 {
				lost = d.Now()
			}
		}
		if d.search.asked == "" || lost == 0 || d.Now()-lost != 50 {
			t.Errorf("answers %v: lost in tick %d, and %q is asked in tick %d", answers, lost, d.search.asked, d.Now())
		}
	}
}
