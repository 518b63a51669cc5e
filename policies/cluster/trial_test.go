package cluster

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// A trial gives rows their room side by side. What it makes of them is what the command makes of them, whatever was changed between, and whatever of it
// was refused.
func TestTrialsAreAsCommands(t *testing.T) {
	s := tenThousand(t)
	random := rand.New(rand.NewPCG(1, 2))
	deaths := []Death{{Node: s.Members[3].ID, Epoch: 1}, {Node: s.Members[10].ID, Epoch: 1}}
	trial := s.Try()
	if err := trial.Declare(deaths); err != nil {
		t.Fatal(err)
	}
	moves, refused := make([][]Move, len(s.Shards)), 0
	for range 6000 {
		i := random.IntN(2000)
		r := &trial.State().Shards[i]
		m := Move{Kind: MoveAllocate, Node: s.Members[random.IntN(100)].ID}
		if c := r.Copies[random.IntN(len(r.Copies))]; c.ID < s.NextCopy { // a command cannot name those that it makes
			switch random.IntN(4) {
			case 0:
				m = Move{Kind: MovePromote, Copy: c.ID}
			case 1:
				m = Move{Kind: MoveDrop, Copy: c.ID}
			case 2:
				m.Source = c.ID
			}
		}
		if err := trial.MoveAt(i, &m); err != nil {
			refused++
			continue
		}
		moves[i] = append(moves[i], m)
	}
	command := &Reroute{Down: deaths}
	for i := range moves {
		if len(moves[i]) > 0 {
			command.Rows = append(command.Rows, RowChange{Shard: s.Shards[i].ID, Base: s.Shards[i].Version, Moves: moves[i]})
		}
	}
	next, outcome := s.Apply(&Command{Reroute: command})
	if outcome.Err != nil || len(outcome.Rows) > 0 || refused < 100 || len(command.Rows) < 1000 {
		t.Fatalf("%v, %d rows refused of %d, %d moves refused before", outcome.Err, len(outcome.Rows), len(command.Rows), refused)
	}
	if got, want := unnumbered(trial.State()), unnumbered(next); !reflect.DeepEqual(got, want) {
		for i := range want {
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("shard %d is tried as %+v and becomes %+v", i, got[i], want[i])
			}
		}
	}
}

// unnumbered are the rows without what the order of moves decides: the ids of copies that were made, and versions.
func unnumbered(s *State) []Shard {
	rows := make([]Shard, len(s.Shards))
	for i := range s.Shards {
		r := s.Shards[i]
		r.Version = 0
		places := map[shards.CopyID]shards.CopyID{0: 0}
		for at := range r.Copies {
			places[r.Copies[at].ID] = shards.CopyID(at + 1)
		}
		r.Copies = append([]Copy(nil), r.Copies...)
		for at := range r.Copies {
			c := &r.Copies[at]
			c.ID, c.Source = places[c.ID], places[c.Source]
		}
		r.Primary, r.HandTo = places[r.Primary], places[r.HandTo]
		rows[i] = r
	}
	return rows
}
