package metadata

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// voterKeeper keeps the right number of voters while this node leads.
type voterKeeper struct {
	term     uint64                      // of the reign in which dead was seen
	dead     map[shards.NodeID]time.Time // since when a member shows no sign of life
	proposed bool                        // a change is on its way
	next     time.Time
}

// voterPause is the least time between two looks at the voters.
const voterPause = 250 * time.Millisecond

// look proposes other voters if there should be others.
func (k *voterKeeper) look(l *loop) {
	g, state, now := l.group, l.core.State(), time.Now()
	if g.config.Alive == nil || k.proposed || now.Before(k.next) || state.Cluster == "" {
		return
	}
	k.next = now.Add(voterPause)
	if term := l.core.Lead().Term; k.term != term {
		k.term, k.dead = term, nil
	}
	grace := state.Duration(cluster.SettingVoterGrace)
	dead := map[shards.NodeID]time.Time{}
	for i := range state.Members {
		if m := &state.Members[i]; m.Down || m.ID != g.config.Self.ID && !g.config.Alive(m.ID) {
			dead[m.ID] = now
			if since, known := k.dead[m.ID]; known {
				dead[m.ID] = since
			}
		}
	}
	k.dead = dead
	alive := func(id shards.NodeID) bool {
		since, gone := dead[id]
		return !gone || now.Sub(since) < grace
	}
	voters := cluster.VotersFor(state, alive, g.config.Self.ID)
	if slices.Equal(voters, state.Voters) {
		return
	}
	k.proposed = true
	g.running.Go(func() { g.changeVoters(voters) })
}
