package cluster

import (
	"errors"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// Apply gives the state after a command, and what the command did. s is not changed, and is returned itself if nothing was.
// The same state and the same command give the same bytes on every node, for ever: Apply has no setting and no version.
func (s *State) Apply(c *Command) (*State, Outcome) {
	d := &draft{State: *s, old: s}
	d.Version++
	err := d.apply(c)
	if err != nil {
		return s, Outcome{Version: s.Version, Err: refusal(err)}
	}
	if !d.changed {
		return s, Outcome{Version: s.Version, Rows: d.left, Keyspace: d.keyspace}
	}
	after := d.State // by itself: the draft has the state before it, and that would have all others
	return &after, Outcome{Version: d.Version, Changed: true, Rows: d.left, Keyspace: d.keyspace}
}

// refusal unwraps what refuse made; apply returns nothing else.
func refusal(err error) *Refusal {
	var r *Refusal
	if !errors.As(err, &r) {
		panic("cluster: a command was refused without a reason: " + err.Error())
	}
	return r
}

// draft is a state in the making. Its slices are the old state's until they are owned.
type draft struct {
	State
	old                       *State
	ownsMembers               bool
	ownsShards                bool
	ownsModules, ownsPolicies bool
	ownsKinds                 bool
	changed                   bool
	left                      []RowOutcome
	keyspace                  shards.KeyspaceID

	edited row    // the one that edit changes
	asked  int    // how often a member was looked for
	places *Index // of Members, once it has been worth to make it

	trial bool   // the state is for looking at: nobody keeps it
	spare []Copy // of a trial: room for the copies of rows to come, which end together
	piece int    // how much room there was at first
}

func (d *draft) apply(c *Command) error {
	if n := c.parts(); n != 1 {
		return refuse(WhyInvalid, "a command must be one change; this one has %d", n)
	}
	if (d.Cluster == "") != (c.Bootstrap != nil) {
		if c.Bootstrap != nil {
			return refuse(WhyInvalid, "the cluster %s exists already; a node that shall be part of it joins", d.Cluster)
		}
		return refuse(WhyInvalid, "there is no cluster yet; the first command bootstraps one")
	}
	switch {
	case c.Bootstrap != nil:
		return d.bootstrap(c.Bootstrap)
	case c.Join != nil:
		return d.join(c.Join)
	case c.Reroute != nil:
		return d.reroute(c.Reroute)
	case c.InSync != nil:
		return d.inSync(c.InSync)
	case c.Opened != nil:
		return d.opened(c.Opened)
	case c.Failed != nil:
		return d.failed(c.Failed)
	case c.HandOver != nil:
		return d.handOver(c.HandOver)
	case c.Member != nil:
		return d.changeMember(c.Member)
	case c.Keyspace != nil:
		return d.changeKeyspace(c.Keyspace)
	case c.Settings != nil:
		return d.changeSettings(c.Settings)
	case c.Voters != nil:
		return d.changeVoters(c.Voters)
	case c.Failover != nil:
		return d.changeFailover(c.Failover)
	case c.Drain != nil:
		return d.changeDrain(c.Drain)
	case c.Moves != nil:
		return d.beginMoves(c.Moves)
	default:
		return d.applyPolicies(c)
	}
}

// applyPolicies carries out the commands about policies, kinds of actors and their modules.
func (d *draft) applyPolicies(c *Command) error {
	switch {
	case c.Push != nil:
		return d.push(c.Push)
	case c.Stage != nil:
		return d.stage(c.Stage)
	case c.Register != nil:
		return d.register(c.Register)
	case c.Activate != nil:
		return d.activate(c.Activate)
	case c.Shadow != nil:
		return d.shadow(c.Shadow)
	case c.Retire != nil:
		return d.retire(c.Retire)
	case c.Quarantine != nil:
		return d.quarantine(c.Quarantine)
	case c.Strike != nil:
		return d.strike(c.Strike)
	case c.Forget != nil:
		return d.forgetPolicies(c.Forget)
	case c.RegisterKind != nil:
		return d.registerKind(c.RegisterKind)
	case c.UseKind != nil:
		return d.useKind(c.UseKind)
	default:
		return d.forgetKind(c.ForgetKind)
	}
}

// parts counts the changes that a command holds.
func (c *Command) parts() int {
	n := 0
	for _, set := range []bool{c.Bootstrap != nil, c.Join != nil, c.Reroute != nil, c.InSync != nil, c.Opened != nil, c.Failed != nil,
		c.HandOver != nil, c.Member != nil, c.Keyspace != nil, c.Settings != nil, c.Voters != nil, c.Push != nil, c.Stage != nil,
		c.Register != nil, c.Activate != nil, c.Shadow != nil, c.Retire != nil, c.Quarantine != nil, c.Forget != nil, c.Failover != nil,
		c.Drain != nil, c.RegisterKind != nil, c.UseKind != nil, c.ForgetKind != nil, c.Moves != nil, c.Strike != nil} {
		if set {
			n++
		}
	}
	return n
}

// ownMembers makes Members writable.
func (d *draft) ownMembers() {
	if !d.ownsMembers {
		d.Members, d.ownsMembers = slices.Clone(d.Members), true
	}
}

// worthIndexing is how many look-ups pay for an index.
const worthIndexing = 64

// place is where a member is in Members, or -1. Commands with many rows look up many; members do not change among them, but for
// being Down.
func (d *draft) place(id shards.NodeID) int {
	if d.places == nil {
		if d.asked++; d.asked < worthIndexing {
			if i, found := d.findMember(id); found {
				return i
			}
			return -1
		}
		d.places = NewIndex(d.Members)
	}
	return d.places.Place(id)
}

// putMember replaces the member at i.
func (d *draft) putMember(i int, m Member) {
	d.ownMembers()
	d.Members[i], d.changed = m, true
}

// edit changes the shard at i as f says. A row that f refuses stays as it was, ids that it used up included; one that is
// equal afterwards has not been changed.
func (d *draft) edit(i int, f func(*row) error) error {
	next := d.NextCopy
	before := d.Shards[i]
	r := &d.edited // one for all, since f would have each put on the heap; f edits no other
	*r = row{Shard: before, draft: d}
	r.Copies = append(d.room(len(before.Copies)+1), before.Copies...) // most changes add one
	if err := f(r); err != nil {
		d.NextCopy = next
		return err
	}
	r.settle()
	if r.same(&before) {
		return nil
	}
	if !d.ownsShards {
		d.Shards, d.ownsShards = slices.Clone(d.Shards), true
	}
	r.Version = d.Version
	d.Shards[i], d.changed = r.Shard, true
	return nil
}

// mostPiece bounds the pieces of room of a trial, in copies: of some 30 KB.
const mostPiece = 512

// room is where the copies of a row go: by themselves in a state that stays, so that none is kept because of another.
func (d *draft) room(copies int) []Copy {
	if !d.trial {
		return make([]Copy, 0, copies)
	}
	if len(d.spare) < copies {
		d.piece = max(copies, min(mostPiece, max(8, 2*d.piece)))
		d.spare = make([]Copy, d.piece)
	}
	room := d.spare[:0:copies]
	d.spare = d.spare[copies:]
	return room
}

// row is one shard being changed.
type row struct {
	Shard
	draft *draft
}

func (r *row) same(s *Shard) bool {
	return r.Term == s.Term && r.Primary == s.Primary && r.HandTo == s.HandTo && r.Failures == s.Failures && slices.Equal(r.Copies, s.Copies)
}

// at is the copy's place in Copies, or -1.
func (r *row) at(id shards.CopyID) int {
	for i := range r.Copies { // a copy is large, and looked at where it lies
		if r.Copies[i].ID == id {
			return i
		}
	}
	return -1
}

// on is the place in Copies of the copy on this node, or -1.
func (r *row) on(node shards.NodeID) int {
	for i := range r.Copies {
		if r.Copies[i].Node == node {
			return i
		}
	}
	return -1
}

// living says whether a node is a member that is not Down.
func (r *row) living(node shards.NodeID) bool {
	at := r.draft.place(node)
	return at >= 0 && !r.draft.Members[at].Down
}

// add puts in a new copy and gives its id.
func (r *row) add(c Copy) shards.CopyID {
	c.ID = r.draft.NextCopy
	r.draft.NextCopy++
	r.Copies = append(r.Copies, c)
	return c.ID
}

// remove takes the copy at i out of the table.
func (r *row) remove(i int) {
	if r.Primary == r.Copies[i].ID {
		r.Primary = 0
	}
	r.Copies = slices.Delete(r.Copies, i, i+1)
}

// renew gives the copy at i a new id, out of sync: whoever speaks of the old one speaks of what is no more. It becomes the
// last of Copies.
func (r *row) renew(i int) {
	c := r.Copies[i]
	r.remove(i)
	r.add(Copy{Node: c.Node, Source: c.Source})
}

// lead makes the copy at i the primary of a new term. In-sync copies on dead members leave the set: nobody waits for them.
func (r *row) lead(i int) {
	r.Term++
	r.Primary, r.HandTo = r.Copies[i].ID, 0
	r.shed(func(c Copy) bool { return c.ID != r.Primary && !r.living(c.Node) })
}

// shed takes in-sync copies out of the set. Those that it renews go to the end.
func (r *row) shed(which func(Copy) bool) {
	for i, last := 0, len(r.Copies); i < last; {
		if c := r.Copies[i]; c.InSync && which(c) {
			r.renew(i)
			last--
			continue
		}
		i++
	}
}

// inSyncBut says whether another copy than this one is in sync.
func (r *row) inSyncBut(id shards.CopyID) bool {
	return slices.ContainsFunc(r.Copies, func(c Copy) bool { return c.InSync && c.ID != id })
}

// settle ends what a change has brought to its end, and takes back what no longer makes sense: a relocation whose target is
// in sync and whose source does not lead, a source or a wish that is no more (invariants 5 and 9).
func (r *row) settle() {
	for i := 0; i < len(r.Copies); i++ {
		c := &r.Copies[i]
		if c.Source == 0 {
			continue
		}
		switch j := r.at(c.Source); {
		case j < 0:
			c.Source = 0
		case c.InSync && r.Primary != 0 && c.Source != r.Primary:
			c.Source = 0
			r.remove(j) // its successor is in sync, and it does not lead
			i = -1
		}
	}
	if r.HandTo != 0 {
		i := r.at(r.HandTo)
		if i < 0 || !r.Copies[i].InSync || r.HandTo == r.Primary || r.Primary == 0 || !r.living(r.Copies[i].Node) {
			r.HandTo = 0
		}
	}
}
