package cluster

import (
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

func (d *draft) inSync(c *InSync) error {
	i, err := d.ofPrimary(c.Shard, c.Term, c.Primary)
	if err != nil {
		return err
	}
	return d.edit(i, func(r *row) error {
		r.Copies[r.at(c.Primary)].Fresh = false // who speaks is there
		for _, id := range c.Add {
			if slices.Contains(c.Remove, id) {
				return refuse(WhyInvalid, "copy c%d of shard %s is to enter and to leave the in-sync set", id, d.ShardName(c.Shard))
			}
			if err := r.enter(id); err != nil {
				return err
			}
		}
		for _, id := range c.Remove {
			if id == r.Primary {
				return refuse(WhyInvalid, "copy c%d of shard %s is the primary: it cannot leave its own in-sync set", id, d.ShardName(c.Shard))
			}
			if at := r.at(id); at >= 0 { // in the set or not: no proposal to put it there counts any more
				r.renew(at)
			}
		}
		return nil
	})
}

// ofPrimary finds a shard for a command that only the primary of the present term may give.
func (d *draft) ofPrimary(id shards.ShardID, term shards.Term, primary shards.CopyID) (int, error) {
	i, found := d.find(id)
	if !found {
		return 0, refuse(WhyUnknown, "there is no shard %v", id)
	}
	if r := &d.Shards[i]; r.Term != term || r.Primary != primary || primary == 0 {
		return 0, refuse(WhyStale, "copy c%d does not lead shard %s in term %d any more: the table has c%d in term %d", primary, d.ShardName(id), term, r.Primary, r.Term)
	}
	return i, nil
}

// enter puts a copy into the in-sync set; settle then drops the copy that it replaces, unless that leads.
func (r *row) enter(id shards.CopyID) error {
	at, err := r.named(id)
	if err != nil {
		return err
	}
	c := &r.Copies[at]
	if c.InSync {
		return nil
	}
	if !r.living(c.Node) {
		return refuse(WhyStale, "node %s, which has copy c%d of shard %s, is down", r.draft.NodeName(c.Node), id, r.draft.ShardName(r.ID))
	}
	c.InSync, c.Started = true, true
	r.Failures = 0
	return nil
}

// ofNode refuses what a node says about its copies in a life that is over.
func (d *draft) ofNode(node shards.NodeID, epoch shards.Epoch) error {
	m := d.Member(node)
	switch {
	case m == nil:
		return refuse(WhyUnknown, "node %s is not a member", node)
	case m.Epoch != epoch:
		return refuse(WhyStale, "node %s said so in epoch %d and is in epoch %d now", m.Name, epoch, m.Epoch)
	}
	return nil
}

// eachOn edits the rows of the copies that are still on the node as the command says, and passes over the others: they were
// dropped or renewed meanwhile, which is what the node will learn.
func (d *draft) eachOn(node shards.NodeID, copies []ShardCopy, f func(r *row, at int)) error {
	for n, c := range copies {
		if n > 0 && c.Shard <= copies[n-1].Shard {
			return refuse(WhyInvalid, "copies ascend by shard, each once; shard %v does not", c.Shard)
		}
		i, found := d.find(c.Shard)
		if !found {
			continue
		}
		mustEdit(d.edit(i, func(r *row) error {
			if at := r.at(c.Copy); at >= 0 && r.Copies[at].Node == node {
				f(r, at)
			}
			return nil
		}))
	}
	return nil
}

func (d *draft) opened(c *Opened) error {
	if err := d.ofNode(c.Node, c.Epoch); err != nil {
		return err
	}
	return d.eachOn(c.Node, c.Copies, func(r *row, at int) { r.Copies[at].Fresh = false })
}

func (d *draft) failed(c *Failed) error {
	if err := d.ofNode(c.Node, c.Epoch); err != nil {
		return err
	}
	if len(c.Reason) > MaxReason {
		return refuse(WhyInvalid, "a reason has %d bytes; at most %d", len(c.Reason), MaxReason)
	}
	return d.eachOn(c.Node, c.Copies, func(r *row, at int) {
		lost := &r.Copies[at]
		switch {
		case lost.Failed:
		case lost.InSync && !r.inSyncBut(lost.ID):
			lost.Failed, lost.Fresh = true, false
			if r.Primary == lost.ID {
				r.Primary = 0
			}
			r.Failures++
		default:
			r.remove(at)
			r.Failures++
		}
	})
}

func (d *draft) handOver(c *HandOver) error {
	i, err := d.ofPrimary(c.Shard, c.Term, c.From)
	if err != nil {
		return err
	}
	return d.edit(i, func(r *row) error {
		r.Copies[r.at(c.From)].Fresh = false // who speaks is there
		at, err := r.named(c.To)
		if err != nil {
			return err
		}
		to := r.Copies[at]
		switch {
		case to.ID == r.Primary:
			return refuse(WhyInvalid, "copy c%d of shard %s is to hand over to itself", to.ID, d.ShardName(c.Shard))
		case !to.InSync:
			return refuse(WhyUnsafe, "copy c%d of shard %s is not in sync: it cannot take over", to.ID, d.ShardName(c.Shard))
		case !r.living(to.Node):
			return refuse(WhyStale, "node %s, which has copy c%d of shard %s, is down", d.NodeName(to.Node), to.ID, d.ShardName(c.Shard))
		}
		r.reign(at)
		return nil
	})
}
