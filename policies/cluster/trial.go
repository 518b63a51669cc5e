package cluster

import "github.com/troupe-actors/troupe/shards"

// Trial is a state on which moves are tried one by one, by the very rules by which Apply will make them. It is for whoever
// plans: what it has planned so far is before its eyes, and what Apply would refuse is refused at once. One goroutine at a time.
type Trial struct{ d *draft }

// Try begins a trial on s, which stays as it is.
func (s *State) Try() *Trial {
	t := &Trial{d: &draft{State: *s, old: s, trial: true}}
	t.d.Version++
	return t
}

// State is the state as it would be: read only, and valid until the next move.
func (t *Trial) State() *State { return &t.d.State }

// Declare takes members down, as Reroute.Down does.
func (t *Trial) Declare(deaths []Death) error { return t.d.declare(deaths) }

// MoveAt makes one move of the shard at a place of the table. After an error nothing has changed.
func (t *Trial) MoveAt(i int, m *Move) error {
	return t.d.edit(i, func(r *row) error { return r.move(m) })
}

// Move makes one move of a shard that exists. After an error nothing has changed.
func (t *Trial) Move(id shards.ShardID, m *Move) error {
	i, found := t.d.find(id)
	if !found {
		return refuse(WhyUnknown, "there is no shard %v", id)
	}
	return t.MoveAt(i, m)
}
