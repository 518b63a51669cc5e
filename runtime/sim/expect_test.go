package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// operate does what an operator does, through the leader, and waits until it is committed.
func (s *script) operate(words []string) {
	command := &cluster.Command{}
	yes := words[0] == "drain"
	switch words[0] {
	case "drain", "undrain":
		command.Member = &cluster.MemberChange{Node: s.node(words[1]).ID, Draining: &yes}
	case "set":
		command.Settings = &cluster.SettingsChange{Set: []cluster.Setting{{Name: words[1], Value: words[2]}}}
	case "keyspace":
		command.Keyspace = &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: words[1], Shards: s.number(words[2])}}
		s.w.keys = append(s.w.keys, words[1]+":0", words[1]+":1", words[1]+":2")
		for _, key := range s.w.keys[len(s.w.keys)-3:] {
			s.w.addClient(key)
		}
	case "replicas":
		space := s.w.watch.newest.KeyspaceByName(words[1]).Keyspace
		space.Replicas = s.number(words[2])
		command.Keyspace = &cluster.KeyspaceChange{Keyspace: space}
	case "stale":
		id := s.shard(words[1])
		row := s.w.row(id)
		copy := row.CopyOn(s.node(words[2]).ID)
		if copy == nil {
			s.fail("no copy there: %s", describe(row))
		}
		s.w.watch.shard(id).forgiven = true
		command.Reroute = &cluster.Reroute{Rows: []cluster.RowChange{{
			Shard: id, Base: row.Version, Moves: []cluster.Move{{Kind: cluster.MoveStale, Copy: copy.ID, Reason: "an operator accepts the loss"}},
		}}}
	}
	var outcome *cluster.Outcome
	leader := s.w.leader()
	if leader == nil {
		s.fail("nobody leads")
	}
	s.w.push(0, leader, leader.life, func() {
		leader.proc.meta.propose(command, func(o *cluster.Outcome) { outcome = o })
	})
	if _, ok := s.w.Until(5*time.Second, func() bool { return outcome != nil }); !ok || outcome.Err != nil {
		s.fail("it was not done: %+v", outcome)
	}
}

func (s *script) expect(words []string) {
	bound := func(word string) (time.Duration, bool) {
		at := slices.Index(words, word)
		if at < 0 {
			return 0, false
		}
		return s.span(words[at+1]), true
	}
	most := func() int { return s.number(words[len(words)-1]) }
	count := func(what string, n int) {
		if n > most() {
			s.fail("%d %s", n, what)
		}
	}
	switch words[0] {
	case "held": // else what follows would not be in the middle of a message
		if _, waits := s.w.acts.slow[words[1]]; waits {
			s.fail("no message has come to actor %s", words[1])
		}
	case "elections":
		count("elections", int(s.w.highestTerm()-s.elections))
	case "promotions":
		count("promotions", s.promotions)
	case "allocations":
		count("allocations", s.allocations)
	case "repeats":
		repeats := 0
		for _, n := range s.allocated {
			repeats += max(0, n-1)
		}
		count("copies of shards that had got one", repeats)
	case "deaths":
		count("deaths", s.deaths)
	case "pause":
		if d := s.span(words[2]); s.slowest >= d {
			s.fail("an operation took %v", s.slowest)
		}
		s.t.Logf("%s: %v", s.line, s.slowest)
	case "spread":
		s.spread(most())
	case "version":
		if x, y := s.node(words[2]), s.node(words[4]); x.proc.table().Version >= y.proc.table().Version {
			s.fail("%s knows version %d, and %s %d", x.ID, x.proc.table().Version, y.ID, y.proc.table().Version)
		}
	case "not":
		if m := s.w.watch.newest.Member(s.node(words[2]).ID); m.Down {
			s.fail("%s is down", m.Name)
		}
	default:
		s.await(words, bound)
	}
}

// await looks at a condition after every event, for as long as the line says.
func (s *script) await(words []string, bound func(string) (time.Duration, bool)) {
	holds := s.condition(words)
	if d, ok := bound("for"); ok {
		if took, broke := s.w.Until(d, func() bool { return !holds() }); broke {
			s.fail("it ended after %v: %s", took, s.w.unwell())
		}
		return
	}
	d, _ := bound("within")
	if _, ok := s.w.Until(max(0, s.at+d-s.w.now), holds); !ok {
		if s.missing != nil {
			s.fail("it took longer: shard %v: %s", s.missing.ID, s.w.statusOf(s.w.row(s.missing.ID)))
		}
		s.fail("it took longer: %s", s.w.unwell())
	}
	s.t.Logf("%s: %v", s.line, s.w.now-s.at)
}

// condition is what an expectation with a time is about.
func (s *script) condition(words []string) func() bool {
	state := func() *cluster.State { return s.w.watch.newest }
	begun := s.w.now
	switch words[0] {
	case "writes":
		space, on := shards.KeyspaceID(1), shards.NodeID("")
		switch words[1] {
		case "within":
		case "on":
			on = s.node(words[2]).ID
		default:
			space = state().KeyspaceByName(words[1]).ID
		}
		keyed := s.keyed()
		return func() bool {
			for _, row := range state().ShardsOf(space) {
				if _, ok := s.written[row.ID]; !ok && keyed[row.ID] && (on == "" || syncedOn(&row, on)) {
					s.missing = &row
					return false
				}
			}
			return true
		}
	case "acts":
		return func() bool {
			return !slices.ContainsFunc(s.w.acts.names, func(name string) bool { return s.w.acts.lines[name].now().count == s.counts[name] })
		}
	case "writable":
		seen := 0 // as many are, or were, in the order of the table
		return func() bool {
			for rows := state().Shards; seen < len(rows); seen++ {
				if !s.writable(&rows[seen]) {
					s.missing = &rows[seen]
					return false
				}
			}
			return true
		}
	case "refusal":
		ids := s.alone(words[1:])
		return func() bool {
			return !slices.ContainsFunc(ids, func(id shards.ShardID) bool { return s.lastWrite[id] > begun })
		}
	case "reads":
		id := s.shard(words[2])
		return func() bool { return s.lastRead[id] > 0 }
	case "no":
		id := s.shard(words[3])
		return func() bool { return s.lastRead[id] <= begun }
	case "leader":
		var but *Node
		if words[1] == "not" {
			but = s.node(words[2])
		}
		return func() bool { l := s.w.leader(); return l != nil && l.running() && l != but }
	case "health":
		return func() bool { return s.w.watch.healthOf(state()).Status.String() == words[1] }
	case "down":
		n := s.node(words[1])
		return func() bool { return state().Member(n.ID).Down }
	case "voters":
		n := s.number(words[1])
		return func() bool { return len(state().Voters) == n && s.w.votersFollow() }
	case "grey":
		n := s.node(words[1])
		return func() bool {
			l := s.w.leader()
			if l == nil || l.proc.member.detector == nil {
				return false
			}
			status, _ := l.proc.member.detector.Status(n.ID)
			return status.State == liveness.Grey
		}
	case "drained":
		n := s.node(words[1])
		return func() bool {
			return !slices.ContainsFunc(state().Shards, func(r cluster.Shard) bool { return r.CopyOn(n.ID) != nil })
		}
	}
	s.t.Fatalf("%s: unknown expectation", s.line)
	return nil
}

// writable says whether a shard's primary takes writes now.
func (s *script) writable(row *cluster.Shard) bool {
	primary := row.PrimaryCopy()
	if primary == nil {
		return false
	}
	n := s.w.nodeByID(primary.Node)
	if !n.running() || n.proc.copies == nil || !n.proc.member.leased() {
		return false
	}
	h := n.proc.copies.held[row.ID]
	return h != nil && h.core.Writable() == nil
}

// syncedOn says whether a node has a copy in sync of a shard.
func syncedOn(row *cluster.Shard, node shards.NodeID) bool {
	c := row.CopyOn(node)
	return c != nil && c.InSync
}

// alone is the shard that is named, "of a/0", or all whose only copy in sync is on a node, "on x".
func (s *script) alone(words []string) (ids []shards.ShardID) {
	if words[0] == "of" {
		return []shards.ShardID{s.shard(words[1])}
	}
	on := s.node(words[1]).ID
	for i := range s.w.watch.newest.Shards {
		row := &s.w.watch.newest.Shards[i]
		others := slices.ContainsFunc(row.Copies, func(c cluster.Copy) bool { return c.InSync && c.Node != on })
		if syncedOn(row, on) && !others {
			ids = append(ids, row.ID)
		}
	}
	if len(ids) == 0 {
		s.fail("no shard is in sync on %s alone", on)
	}
	return ids
}

// keyed are the shards that some client writes to.
func (s *script) keyed() map[shards.ShardID]bool {
	keyed := map[shards.ShardID]bool{}
	for _, c := range s.w.clients {
		keys := s.w.keys
		switch {
		case c.reads:
			continue
		case c.key != "":
			keys = []string{c.key}
		case c.number > 0:
			continue // as the first one, it writes to all
		}
		for _, key := range keys {
			if space := s.w.spaceOf(s.w.watch.newest, key); space != nil {
				keyed[shards.NewShardID(space.ID, space.ShardOf(shards.SlotOf([]byte(key))))] = true
			}
		}
	}
	return keyed
}

// spread checks that primaries are even: nobody leads more than so many above the average.
func (s *script) spread(above int) {
	led := map[shards.NodeID]int{}
	state := s.w.watch.newest
	for i := range state.Shards {
		if c := state.Shards[i].PrimaryCopy(); c != nil {
			led[c.Node]++
		}
	}
	holders := 0
	for _, m := range state.Members {
		if m.Has(cluster.RoleData) && !m.Down {
			holders++
		}
	}
	var all []string
	for _, n := range s.w.nodes {
		all = append(all, string(n.ID))
		if led[n.ID] > len(state.Shards)/holders+above {
			s.fail("%s leads %d of %d shards", n.ID, led[n.ID], len(state.Shards))
		}
	}
	s.t.Logf("%s: %s lead %v", s.line, strings.Join(all, " "), led)
}

// highestTerm is the newest term of the metadata group that any node knows.
func (w *World) highestTerm() uint64 {
	highest := uint64(0)
	for _, n := range w.nodes {
		if n.alive && n.proc.meta != nil {
			highest = max(highest, n.proc.meta.core.Lead().Term)
		}
	}
	return highest
}

// votersFollow says whether Raft's configuration has become what the state asks for.
func (w *World) votersFollow() bool {
	l := w.leader()
	return l != nil && slices.Equal(l.proc.meta.core.Voters().GetVoters(), l.proc.table().Voters) && len(l.proc.meta.core.Voters().GetVotersOutgoing()) == 0
}
