package cluster

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

func (d *draft) reroute(c *Reroute) error {
	if err := d.declare(c.Down); err != nil {
		return err
	}
	for i, change := range c.Rows {
		if i > 0 && change.Shard <= c.Rows[i-1].Shard {
			return refuse(WhyInvalid, "the rows of a reroute ascend by shard, each once; shard %v does not", change.Shard)
		}
		if err := d.changeRow(&change); err != nil {
			d.left = append(d.left, RowOutcome{Shard: change.Shard, Err: refusal(err)})
		}
	}
	return d.rebalance(c)
}

// declare takes members down. All are dead before the first row is looked at: of two that die together, neither is the
// survivor that the other's copies may leave the in-sync set for.
func (d *draft) declare(deaths []Death) error {
	dead := make([]bool, len(d.Members))
	led, any := d.ledBy(deaths), false
	for at, death := range deaths {
		i, found := d.findMember(death.Node)
		if !found {
			return refuse(WhyUnknown, "node %s, declared dead, is not a member any more", death.Node)
		}
		m := d.Members[i]
		if m.Epoch != death.Epoch {
			return refuse(WhyStale, "node %s was declared dead in epoch %d; it is in epoch %d now", m.Name, death.Epoch, m.Epoch)
		}
		if m.Down {
			continue
		}
		m.Down = true
		d.depose(m.ID, m.Epoch, led[at])
		d.putMember(i, m)
		dead[i], any = true, true
	}
	if !any {
		return nil
	}
	for i := range d.Shards {
		if !slices.ContainsFunc(d.Shards[i].Copies, func(c Copy) bool { at := d.place(c.Node); return at >= 0 && dead[at] }) {
			continue
		}
		mustEdit(d.edit(i, func(r *row) error {
			r.bury()
			return nil
		}))
	}
	return nil
}

// ledBy lists, for each of the deaths, the shards that the node leads.
func (d *draft) ledBy(deaths []Death) [][]shards.ShardID {
	list := make([][]shards.ShardID, len(deaths))
	if len(deaths) == 0 {
		return list
	}
	at := make([]int, len(d.Members)) // place of the death, from 1
	for i := range deaths {
		if m := d.place(deaths[i].Node); m >= 0 && at[m] == 0 {
			at[m] = i + 1
		}
	}
	for i := range d.Shards {
		if c := d.Shards[i].PrimaryCopy(); c != nil {
			if m := d.place(c.Node); m >= 0 && at[m] > 0 {
				list[at[m]-1] = append(list[at[m]-1], d.Shards[i].ID)
			}
		}
	}
	return list
}

// bury deposes a primary on a dead member, and takes the copies of dead members out of the in-sync set if one on a living
// member is in it.
func (r *row) bury() {
	if at := r.at(r.Primary); r.Primary != 0 && !r.living(r.Copies[at].Node) {
		r.Primary = 0
	}
	if slices.ContainsFunc(r.Copies, func(c Copy) bool { return c.InSync && !c.Failed && r.living(c.Node) }) {
		r.shed(func(c Copy) bool { return !r.living(c.Node) })
	}
}

// changeRow makes all moves of one row, or none.
func (d *draft) changeRow(c *RowChange) error {
	i, found := d.find(c.Shard)
	if !found {
		return refuse(WhyUnknown, "there is no shard %v", c.Shard)
	}
	if now := d.old.Shards[i].Version; now != c.Base {
		return refuse(WhyStale, "shard %s has changed since it was planned: it was at version %d and is at %d", d.ShardName(c.Shard), c.Base, now)
	}
	return d.edit(i, func(r *row) error {
		for m := range c.Moves {
			if err := r.move(&c.Moves[m]); err != nil {
				return err
			}
			r.settle()
		}
		return nil
	})
}

func (r *row) move(m *Move) error {
	if len(m.Reason) > MaxReason {
		return refuse(WhyInvalid, "a move's reason has %d bytes; at most %d", len(m.Reason), MaxReason)
	}
	switch m.Kind {
	case MoveAllocate:
		return r.allocate(m)
	case MoveCreate:
		return r.create(m)
	case MovePromote:
		return r.promote(m)
	case MoveDrop:
		return r.drop(m)
	case MoveStale:
		return r.acceptStale(m)
	case MoveEmpty:
		return r.acceptEmpty(m)
	case MoveHandTo:
		return r.handTo(m)
	case MoveRetry:
		r.Failures = 0
		return nil
	}
	return refuse(WhyInvalid, "a move of kind %d is unknown", m.Kind)
}

// named is the place of the copy that a move names.
func (r *row) named(id shards.CopyID) (int, error) {
	if i := r.at(id); i >= 0 {
		return i, nil
	}
	return 0, refuse(WhyStale, "shard %s has no copy c%d any more", r.draft.ShardName(r.ID), id)
}

// fit says whether the node may take a copy, as far as the state itself must insist on it.
func (r *row) fit(node shards.NodeID) error {
	at := r.draft.place(node)
	if at < 0 {
		return refuse(WhyUnknown, "node %s is not a member", node)
	}
	switch m := &r.draft.Members[at]; {
	case m.Down:
		return refuse(WhyStale, "node %s is down", m.Name)
	case m.Roles&RoleData == 0:
		return refuse(WhyInvalid, "node %s has not the role data", m.Name)
	}
	return nil
}

func (r *row) allocate(m *Move) error {
	if err := r.fit(m.Node); err != nil {
		return err
	}
	name := func() string { return r.draft.ShardName(r.ID) }
	switch {
	case len(r.Copies) == 0:
		return refuse(WhyStale, "shard %s has no copy that another could recover from; it is created, not allocated", name())
	case r.on(m.Node) >= 0:
		return refuse(WhyStale, "shard %s has a copy on node %s already", name(), r.draft.NodeName(m.Node))
	case len(r.Copies) >= MaxCopies:
		return refuse(WhyInvalid, "shard %s has %d copies, and cannot have more", name(), MaxCopies)
	}
	if m.Source != 0 {
		i, err := r.named(m.Source)
		if err != nil {
			return err
		}
		if !r.Copies[i].Started {
			return refuse(WhyStale, "copy c%d of shard %s is not started: it cannot be relocated", m.Source, name())
		}
		if slices.ContainsFunc(r.Copies, func(c Copy) bool { return c.Source == m.Source }) {
			return refuse(WhyStale, "copy c%d of shard %s is on its way already", m.Source, name())
		}
	}
	r.add(Copy{Node: m.Node, Source: m.Source})
	return nil
}

func (r *row) create(m *Move) error {
	if len(r.Copies) > 0 {
		return refuse(WhyStale, "shard %s has %d copies; only one that has none is created", r.draft.ShardName(r.ID), len(r.Copies))
	}
	if err := r.fit(m.Node); err != nil {
		return err
	}
	r.begin(m.Node)
	return nil
}

// begin gives the shard an empty copy as its primary.
func (r *row) begin(node shards.NodeID) {
	r.add(Copy{Node: node, InSync: true, Started: true, Fresh: true})
	r.lead(len(r.Copies) - 1)
}

func (r *row) promote(m *Move) error {
	i, err := r.named(m.Copy)
	if err != nil {
		return err
	}
	c := r.Copies[i]
	name := func() string { return r.draft.ShardName(r.ID) }
	switch {
	case r.Primary == c.ID:
		return refuse(WhyStale, "copy c%d is the primary of shard %s already", c.ID, name())
	case !c.InSync:
		return refuse(WhyUnsafe, "copy c%d of shard %s is not in sync: as a primary it would lose acknowledged writes", c.ID, name())
	case c.Failed:
		return refuse(WhyUnsafe, "copy c%d of shard %s cannot be opened on node %s", c.ID, name(), r.draft.NodeName(c.Node))
	case !r.living(c.Node):
		return refuse(WhyStale, "node %s, which has copy c%d of shard %s, is down", r.draft.NodeName(c.Node), c.ID, name())
	case r.Primary != 0: // invariant 4: on a living member
		return refuse(WhyUnsafe, "copy c%d leads shard %s on node %s, which lives, and could go on answering reads under its lease: have it hand over to copy c%d",
			r.Primary, name(), r.draft.NodeName(r.PrimaryCopy().Node), c.ID)
	}
	r.reign(i)
	return nil
}

// reign makes the in-sync copy at i the primary. If it was allocated to replace the present one, that one goes.
func (r *row) reign(i int) {
	id, replaced := r.Copies[i].ID, r.Copies[i].Source
	r.Copies[i].Source = 0
	if replaced != 0 {
		r.remove(r.at(replaced))
	}
	r.lead(r.at(id))
}

func (r *row) drop(m *Move) error {
	i, err := r.named(m.Copy)
	if err != nil {
		return err
	}
	c := r.Copies[i]
	name := r.draft.ShardName(r.ID)
	switch {
	case c.InSync && !r.inSyncBut(c.ID):
		return refuse(WhyUnsafe, "copy c%d is the last in-sync copy of shard %s: dropping it would lose acknowledged writes", c.ID, name)
	case c.ID == r.Primary:
		return refuse(WhyUnsafe, "copy c%d is the primary of shard %s: have it hand over first", c.ID, name)
	}
	r.remove(i)
	return nil
}

// mayLose refuses to give up acknowledged writes that a living member has.
func (r *row) mayLose() error {
	i := slices.IndexFunc(r.Copies, func(c Copy) bool { return c.InSync && !c.Failed && r.living(c.Node) })
	if i < 0 {
		return nil
	}
	c := r.Copies[i]
	return refuse(WhyUnsafe, "copy c%d of shard %s on node %s is in sync: nothing has to be given up", c.ID, r.draft.ShardName(r.ID), r.draft.NodeName(c.Node))
}

func (r *row) acceptStale(m *Move) error {
	i, err := r.named(m.Copy)
	if err != nil {
		return err
	}
	if err := r.mayLose(); err != nil {
		return err
	}
	c := r.Copies[i]
	if c.InSync {
		return refuse(WhyInvalid, "copy c%d of shard %s is the in-sync one that is lost; choose one that is not in sync", c.ID, r.draft.ShardName(r.ID))
	}
	if err := r.fit(c.Node); err != nil {
		return err
	}
	r.shed(func(Copy) bool { return true })
	i = r.at(c.ID)
	r.Copies[i].InSync, r.Copies[i].Started, r.Copies[i].Source = true, true, 0
	r.Failures = 0
	r.lead(i)
	return nil
}

func (r *row) acceptEmpty(m *Move) error {
	if err := r.mayLose(); err != nil {
		return err
	}
	if err := r.fit(m.Node); err != nil {
		return err
	}
	r.Copies, r.Primary, r.Failures = nil, 0, 0
	r.begin(m.Node)
	return nil
}

func (r *row) handTo(m *Move) error {
	i, err := r.named(m.Copy)
	if err != nil {
		return err
	}
	c := r.Copies[i]
	name := r.draft.ShardName(r.ID)
	switch {
	case r.Primary == 0:
		return refuse(WhyStale, "shard %s has no primary that could hand over", name)
	case c.ID == r.Primary:
		r.HandTo = 0
		return nil
	case !c.InSync || !r.living(c.Node):
		return refuse(WhyStale, "copy c%d of shard %s is not in sync on a living node", c.ID, name)
	}
	r.HandTo = c.ID
	return nil
}
