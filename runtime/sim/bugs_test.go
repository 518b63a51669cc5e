package sim

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/replica"
)

// mutant is a planted bug, with the number of seeds within which a world has to stumble over it.
type mutant struct {
	name    string
	bugs    Bugs
	replica replica.Bug
	rules   activation.Bug
	within  int
	temper  []FaultKind       // of its worlds, where what it spoils is rare
	spaces  []shards.Keyspace // likewise
	clients int               // likewise
	actors  int               // likewise; -1: none
	lenders int               // likewise
	hold    bool              // in worlds where an actor holds messages off
	deeds   []deed            // what is asked of actors there; nil: everything
	because string            // it is not looked for here
}

// lonely is a keyspace that begins with primaries alone.
var lonely = []shards.Keyspace{{Name: "a", ID: 1, Shards: 3, Replicas: shards.NoReplicas}}

// rare says in which worlds a bug has a chance to show, where that is not any.
var rare = map[string]mutant{
	"read-while-moving": {
		temper: []FaultKind{FaultDrain, FaultStorm}, spaces: []shards.Keyspace{{Name: "a", ID: 1, Shards: 4, Replicas: shards.NoReplicas}}, clients: 20, actors: -1, lenders: -1},
	"lost-copy-stays": {temper: []FaultKind{FaultRot}},
	"one-lane":        {temper: []FaultKind{FaultClock}, actors: 4, deeds: []deed{add, remind}}, // what else is numbered between parts two reminders
	"keep-files":      {temper: []FaultKind{FaultAccept}, spaces: []shards.Keyspace{{Name: "a", ID: 1, Shards: 3, Replicas: 1}}, clients: 8, actors: -1},
	"forget-hold":     {hold: true},
	"hold-own":        {hold: true},
	"own-time":        {lenders: 2, actors: -1},
	"forget-expired":  {lenders: 2, actors: -1},
	"sleep-busy":      {actors: 8, lenders: -1, clients: 1, deeds: []deed{look, add}},
	"same-identity":   {temper: []FaultKind{FaultForget}},
	"alone-too-soon":  {temper: []FaultKind{FaultReplicas}, spaces: lonely},
	"alone-too-long":  {temper: []FaultKind{FaultReplicas}, spaces: lonely, clients: 12},
	"alone-untold":    {temper: []FaultKind{FaultReplicas}, spaces: lonely},
	"read-by-clock":   {temper: []FaultKind{FaultHand, FaultStorm}, lenders: 4, actors: -1},
	"answer-twice":    {temper: []FaultKind{FaultHand, FaultStorm}},
}

// elsewhere are bugs of shards/replica that its own random worlds find, whose copies are deposed without being found dead and
// whose connections outlive a life. Here what they spoil is a second fence, behind one that holds.
var elsewhere = map[replica.Bug]string{
	replica.BugNoTermCheck:    "a deposed primary that is still connected learns of it from the table first, and begins another life",
	replica.BugUnfenced:       "the same",
	replica.BugStaleAck:       "an acknowledgement does not outlive the connection, and no copy reigns twice over one connection but after a hand-over, when all is committed",
	replica.BugForgetTruncate: "a replica that is still writing what a new primary lacks has been out of the in-sync set for long",
}

func mutants() []mutant {
	var all []mutant
	for i, name := range bugNames {
		m := rare[name]
		m.name, m.bugs, m.within = name, 1<<i, 40
		all = append(all, m)
	}
	for _, b := range replica.Bugs() {
		all = append(all, mutant{name: "replica: " + b.String(), replica: b, within: 40, because: elsewhere[b]})
	}
	for _, b := range activation.Bugs() {
		all = append(all, mutant{name: "activation: " + b.String(), rules: b, within: 40})
	}
	return all
}

// TestPlantedBugs: each mistake is found within a bounded number of seeds, and the number is printed. The world in which it is
// found goes well without it.
func TestPlantedBugs(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			if m.because != "" {
				t.Skip(m.because)
			}
			begun := time.Now()
			for i := range m.within {
				o := Options{
					Seed: uint64(i) + 1, Length: 30 * time.Second, Heal: 10 * time.Second, Bugs: m.bugs, Replica: m.replica, Rules: m.rules,
					Temper: m.temper, Spaces: m.spaces, Clients: m.clients, Actors: m.actors, Lenders: m.lenders, Hold: m.hold, Deeds: m.deeds,
				}
				if w, _ := play(t, o); w.failure != nil {
					o.Bugs, o.Replica, o.Rules = 0, 0, 0
					if sound, _ := play(t, o); sound.failure != nil {
						t.Fatalf("seed %d fails without the bug as well: %v", o.Seed, sound.failure)
					}
					t.Logf("%-28s seed %2d, %5.1f s simulated, %4.1f s: %.150v", m.name, i+1, w.now.Seconds(), time.Since(begun).Seconds(), w.failure)
					return
				}
			}
			t.Errorf("%d seeds did not find it", m.within)
		})
	}
}

func TestBugNames(t *testing.T) {
	for _, all := range []Bugs{0, 1, bugsEnd - 1} {
		if got, err := ParseBugs(all.String()); err != nil || got != all {
			t.Errorf("%v came back as %v: %v", all, got, err)
		}
	}
	if _, err := ParseBugs("no-such-bug"); err == nil {
		t.Error("a bug that does not exist was accepted")
	}
	if n := fmt.Sprintf("%b", bugsEnd-1); len(n) != len(bugNames) {
		t.Errorf("%d bugs, and %d names", len(n), len(bugNames))
	}
}
