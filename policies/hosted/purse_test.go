package hosted_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/hosted"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/modules"
	"github.com/troupe-actors/troupe/policies/tck"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// used is the fuel of all guests of a set.
func used(s *hosted.Set) (sum uint64) {
	for _, fuel := range s.Fuel() {
		sum += fuel
	}
	return sum
}

// wasm.md, section 3.1: a module may use "500 M per round". One that stays within its limits at each row, and has no fault, ends a plan no
// later than that. What it was not asked about waits if it is hard, and is decided without it if it is soft; in three plans in a row, and it
// is quarantined.
func TestPlanIsBounded(t *testing.T) {
	e, w := engine(t), town(t, 3, 400, true)
	for _, mode := range []string{abi.Hard, abi.Soft} {
		set := with(load(t, e, fixture(t, "plain/plod", abi.Manifest{Kind: mode})))
		defer set.Close()
		for plan := 1; plan <= hosted.Strikes; plan++ {
			if plan > 1 {
				set.Give(20_000_000) // the rest of it is not about how much that is
			}
			before, most := used(set), uint64(hosted.PlanFuel)
			if plan > 1 {
				most = 20_000_000
			}
			in := input(w, &set.Set)
			in.Explain = true
			p := allocator.Make(in)
			if fuel := used(set) - before; fuel > most+1_000_000 || fuel < most-3_000_000 {
				t.Errorf("%s, plan %d: %d instructions, of %d", mode, plan, fuel, most)
			}
			faults, _ := set.Faults()
			if len(faults) != 1 || faults[0].Kind != string(wasm.Fuel) || !strings.Contains(faults[0].Text, "that it may use in one plan, here about 400 shards on 3 nodes") {
				t.Fatalf("%s, plan %d: %+v", mode, plan, faults)
			}
			if out := plan == hosted.Strikes; faults[0].Out != out || faults[0].Spared == out {
				t.Errorf("%s, plan %d: %+v", mode, plan, faults[0])
			}
			switch made := p.Moves(); {
			case mode == abi.Soft && made != 800:
				t.Errorf("soft, plan %d: %d moves, want all of 800", plan, made)
			case mode == abi.Hard && plan == 1 && (made < 100 || made > 500):
				t.Errorf("hard: %d moves, want as many as it was asked about", made)
			case mode == abi.Hard && plan < hosted.Strikes && !waits(p):
				t.Errorf("hard, plan %d: nothing says why something waits", plan)
			}
		}
		before := used(set)
		if made := allocator.Make(input(w, &set.Set)).Moves(); made != 800 || used(set) != before {
			t.Errorf("%s, in quarantine: %d moves, %d instructions", mode, made, used(set)-before)
		}
	}
}

// waits says whether a decision has the sentence of a policy that is not asked any more in this plan.
func waits(p *allocator.Plan) bool {
	for i := range p.Decisions {
		for _, c := range p.Decisions[i].Candidates {
			for _, word := range c.Words {
				if strings.Contains(word.Reason, "waits for the next: policy plod 1, export can_allocate") {
					return true
				}
			}
		}
	}
	return false
}

// The bound is fuel: the plan is the same on another engine, and with guests that have planned before. Another plan in between that stays
// within it, and nothing is held against a policy.
func TestBoundedPlansCanBeMadeAgain(t *testing.T) {
	slow := interpreter(t)
	large, small := town(t, 3, 20, true), town(t, 3, 1, true)
	binary := fixture(t, "plain/plod", abi.Manifest{})
	plan := func(s *hosted.Set, w *tck.World) *allocator.Plan {
		in := input(w, &s.Set)
		in.Explain = true
		return allocator.Make(in)
	}
	fast := engine(t)
	kept, other := with(load(t, fast, binary)), with(load(t, slow, binary))
	defer kept.Close()
	defer other.Close()
	kept.Give(5_000_000)
	other.Give(5_000_000)
	want := plan(other, large)
	for round := range 2 * hosted.Strikes {
		if got := plan(kept, large); !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: %s", round, difference(got, want))
		}
		if made := plan(kept, small).Moves(); made != 2 {
			t.Fatalf("round %d: %d moves of a small plan", round, made)
		}
	}
	faults, _ := kept.Faults()
	for _, f := range faults {
		if !f.Spared || f.Out {
			t.Errorf("%+v", f)
		}
	}
	if len(faults) != 2*hosted.Strikes || want.Moves() == 0 || want.Moves() >= 40 {
		t.Errorf("%d faults, %d moves", len(faults), want.Moves())
	}
}

// Who asks for more than plans do holds nothing against anybody, and knows where it ended.
func TestLenientSetsBlameNobody(t *testing.T) {
	w := town(t, 3, 20, true)
	set := with(load(t, engine(t), fixture(t, "plain/plod", abi.Manifest{})))
	defer set.Close()
	set.Give(5_000_000)
	for _, lenient := range []bool{true, false} {
		set.Lenient(lenient)
		for range 2 * hosted.Strikes {
			v := w.View()
			asked := 0
			for ; asked < len(v.State.Shards) && !set.Exhausted(v); asked++ {
				set.Ask(v, question(v, asked))
			}
			if out := set.Strikes(set.Digests()[0]) == hosted.Strikes; !out && (asked < 2 || asked > 5) {
				t.Errorf("lenient %v: exhausted after %d questions", lenient, asked)
			}
		}
		faults, _ := set.Faults()
		if want := map[bool]int{false: hosted.Strikes}[lenient]; len(faults) != want {
			t.Errorf("lenient %v: %d faults, want %d", lenient, len(faults), want)
		}
	}
}

// A fault moves no copy: a hard rule about where copies may remain that fails, or is not asked any more, has them stay.
func TestFaultsMoveNothing(t *testing.T) {
	e, w := engine(t), town(t, 3, 60, false)
	for _, name := range []string{"plain/plod", "hostile/remain"} {
		set := with(load(t, e, fixture(t, name, abi.Manifest{})))
		set.Give(20_000_000)
		for range hosted.Strikes + 1 {
			if p := allocator.Make(input(w, &set.Set)); p.Moves() != 0 {
				t.Errorf("%s: %d moves", name, p.Moves())
			}
		}
		if faults, _ := set.Faults(); len(faults) != hosted.Strikes {
			t.Errorf("%s: %d faults", name, len(faults))
		}
		set.Close()
	}
}

// However many policies there are, what they may do with one plan together does not grow.
func TestPoliciesShareWhatAPlanMayUse(t *testing.T) {
	e, w := engine(t), town(t, 3, 10, true)
	var of []hosted.Policy
	for i := range 4 {
		of = append(of, hosted.Policy{Version: load(t, e, fixture(t, "plain/plod", abi.Manifest{Name: fmt.Sprintf("plod%d", i), Kind: abi.Soft}))})
	}
	for n, want := range map[int]uint64{1: hosted.PlanFuel, 2: hosted.PlanFuel, 4: hosted.UsersFuel / 4} {
		set := hosted.NewSet(deciders.All(), of[:n])
		allocator.Make(input(w, &set.Set))
		for _, spare := range set.Spare() {
			if spare == 0 || spare >= want || spare < want-100_000_000 {
				t.Errorf("%d policies: one has %d left of %d", n, spare, want)
			}
		}
		set.Close()
	}
}

// What the house may use grows with the shards once these are many: asked about each copy of a million, a module that looks at sizes would
// be taken for one that does not end. What others may use does not.
func TestTheHouseMayUseMoreForMoreShards(t *testing.T) {
	for shards, want := range map[int]uint64{0: hosted.PlanFuel, 33_333: hosted.PlanFuel, 333_300: 3_333_000_000} {
		if user, house := hosted.Allowances(shards); user != hosted.PlanFuel || house != want {
			t.Errorf("%d shards: %d for a user's, %d for the house's; want %d and %d", shards, user, house, uint64(hosted.PlanFuel), want)
		}
	}
}

// DESIGN.md section 5: "A failover never waits for a bad policy." What each module that means no good adds to the plan that promotes for a
// node of 100 primaries is counted: it has a share for choosing, and for nothing else.
func TestWhatTheHostileCostAFailover(t *testing.T) {
	e, calm, w := engine(t), town(t, 3, 300, false), town(t, 3, 300, false)
	w.Facts.Evidence[1].State = liveness.Dead
	names := []string{"plain/plod", "plain/wordy", "plain/slow"}
	for name := range hostile {
		names = append(names, "hostile/"+name)
	}
	slices.Sort(names)
	without := promotions(w, &hosted.NewSet(deciders.All(), nil).Set)
	if strings.Count(without, "c") != 100 {
		t.Fatalf("promotions: %s", without)
	}
	for i, name := range names {
		mode := abi.Hard
		if i%2 == 0 {
			mode = abi.Soft
		}
		set := with(load(t, e, fixture(t, name, abi.Manifest{Kind: mode, Scale: 1})))
		for plan := range 3 {
			memory := readied(calm, set)
			before := used(set)
			if got := promoted(memory.Make(input(w, &set.Set))); strings.Count(got, "c") != 100 {
				t.Errorf("%s: promoted %s", name, got)
			}
			if fuel := used(set) - before; fuel > hosted.Emergency(100) || name == "plain/slow" && fuel < hosted.Emergency(100)/2 {
				t.Errorf("%s, %s, plan %d: %d instructions", name, mode, plan, fuel)
			}
		}
		if faults, _ := set.Faults(); len(faults) > hosted.Strikes {
			t.Errorf("%s: %d faults", name, len(faults))
		}
		set.Close()
	}
}

// In haste nobody waits for a guest to begin; one that has begun when there was time is asked, and what it says is followed.
func TestInHasteNobodyBegins(t *testing.T) {
	e, calm, w := engine(t), orphans(t), orphans(t)
	for i := range calm.Facts.Evidence {
		calm.Facts.Evidence[i].State = liveness.Alive
	}
	of := load(t, e, fixture(t, "plain/wordy", abi.Manifest{Kind: abi.Soft}))
	patient := with(of)
	defer patient.Close()
	want := promotions(w, &patient.Set)
	without := promotions(w, &hosted.NewSet(deciders.All(), nil).Set)
	if want == without {
		t.Fatal("the policy makes no difference to who is promoted")
	}
	set := with(of)
	defer set.Close()
	set.Haste()
	if got := promotions(w, &set.Set); got != without || used(set) != 0 {
		t.Errorf("it began when a failover waited: %d instructions, promoted\n%s\nwant\n%s", used(set), got, without)
	}
	if got := promoted(readied(calm, set).Make(input(w, &set.Set))); got != want {
		t.Errorf("it had begun: promoted\n%s\nwant\n%s", got, want)
	}
}

// Who ranks heirs is followed also if it has long words for that: in a failover the sentences are the manifest's, and cost nothing.
func TestNoWordsAreWaitedFor(t *testing.T) {
	e, w := engine(t), orphans(t)
	v := load(t, e, fixture(t, "plain/wordy", abi.Manifest{Kind: abi.Soft}))
	set := with(v)
	defer set.Close()
	p := allocator.Make(input(w, &set.Set))
	said := 0
	for i := range p.Decisions {
		if p.Decisions[i].Move.Kind != cluster.MovePromote {
			continue
		}
		for _, c := range p.Decisions[i].Candidates {
			for _, word := range c.Words {
				if word.Decider != "wordy" || word.Reason == "" {
					continue
				}
				if said++; word.Reason != fmt.Sprintf("node %s may not have shard %s", c.Node, p.Decisions[i].Name) {
					t.Fatalf("it is said to have said %q", word.Reason)
				}
			}
		}
	}
	if faults, _ := set.Faults(); said < 10 || used(set) > 1_000_000 || len(faults) > 0 {
		t.Errorf("%d sentences, %d instructions, faults %v", said, used(set), faults)
	}
}

// In a failover it is the twins who speak for modules of the house; of a user's the module does. Traces are told so.
func TestWhoSpeaksInAFailover(t *testing.T) {
	e, w := engine(t), orphans(t)
	own, err := hosted.LoadBuiltIns(t.Context(), e, slices.DeleteFunc(modules.All(), func(b hosted.BuiltIn) bool { return b.Twin.Name() != "alive" && b.Twin.Name() != "draining" }))
	if err != nil || len(own) != 2 {
		t.Fatal(own, err)
	}
	set := hosted.NewSet(nil, []hosted.Policy{{Version: own[0]}, {Version: own[1]}, {Version: load(t, e, fixture(t, "plain/wordy", abi.Manifest{Kind: abi.Soft}))}})
	defer set.Close()
	who := func(c policies.Capability) (names []string) {
		for _, d := range set.Deciders {
			if _, spoke := d.(policies.Fueled).Cost(c); spoke {
				names = append(names, d.Name())
			}
		}
		return names
	}
	v := w.View()
	q := question(v, 1)
	q.Capability = policies.Promote
	set.Explain(v, q, 0)
	if got := who(policies.Promote); !slices.Equal(got, []string{"alive", "draining", "wordy"}) {
		t.Errorf("of a shard with a primary spoke %v", got)
	}
	promotions(w, &set.Set)
	if got := who(policies.Promote); !slices.Equal(got, []string{"wordy"}) {
		t.Errorf("in a failover spoke %v", got)
	}
}

// One that decides and scores has two guests and one purse: no more than others, one fault in a plan, and out in the third.
func TestWhoDecidesAndScoresHasOnePurse(t *testing.T) {
	w := town(t, 3, 60, true)
	set := with(load(t, engine(t), fixture(t, "plain/both", abi.Manifest{Kind: abi.Soft, Scale: 1})))
	defer set.Close()
	set.Give(20_000_000)
	for plan := 1; plan <= hosted.Strikes; plan++ {
		before := used(set)
		allocator.Make(input(w, &set.Set))
		if fuel := used(set) - before; fuel > 22_000_000 || fuel < 17_000_000 { // pol_alloc is not charged
			t.Errorf("plan %d: %d instructions", plan, fuel)
		}
		if faults, _ := set.Faults(); len(faults) != 1 || faults[0].Out != (plan == hosted.Strikes) {
			t.Errorf("plan %d: %+v", plan, faults)
		}
	}
}

// Plans in a row are counted whichever sets they are made with: sets are exchanged when any policy is.
func TestOverrunsAreTakenOver(t *testing.T) {
	w, calm := town(t, 3, 60, true), town(t, 3, 60, false)
	v := load(t, engine(t), fixture(t, "plain/plod", abi.Manifest{Kind: abi.Soft}))
	set := with(v)
	for plan := 1; plan <= hosted.Strikes; plan++ {
		set.Give(20_000_000)
		readied(calm, set) // in between there is nothing to do
		allocator.Make(input(w, &set.Set))
		if faults, _ := set.Faults(); len(faults) != 1 || faults[0].Out != (plan == hosted.Strikes) {
			t.Errorf("plan %d: %+v", plan, faults)
		}
		next := with(v)
		next.TakeOver(set)
		set.Close()
		set = next
	}
	set.Close()
}

// What a policy may use for a plan does not depend on whether somebody wants to know why: the moves are those of a plan that nobody asked about.
func TestExplainedPlansAreThePlansThatAreMade(t *testing.T) {
	w := town(t, 3, 60, true)
	for _, fuel := range []uint64{5_000_000, 20_000_000, 21_500_000, 60_000_000} {
		v := load(t, engine(t), fixture(t, "plain/talks", abi.Manifest{Kind: abi.Hard}))
		var plans [2]*allocator.Plan
		for i := range plans {
			set := with(v)
			set.Give(fuel)
			in := input(w, &set.Set)
			in.Explain = i == 1
			plans[i] = allocator.Make(in)
			if used := used(set); used > fuel+fuel/5+12_000_000 {
				t.Errorf("explained %v, of %d: %d instructions", in.Explain, fuel, used)
			}
			set.Close()
		}
		for i := range plans {
			for at := range plans[i].Decisions {
				plans[i].Decisions[at].Candidates = nil
			}
		}
		if !reflect.DeepEqual(plans[0], plans[1]) {
			t.Errorf("of %d: %s", fuel, difference(plans[0], plans[1]))
		} else {
			t.Logf("%d: %d moves", fuel, plans[0].Moves())
		}
	}
}
