package cluster

import (
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

func (d *draft) changeKeyspace(c *KeyspaceChange) error {
	k := c.Keyspace
	i := slices.IndexFunc(d.Keyspaces, func(other Keyspace) bool { return other.Name == k.Name })
	if err := d.follows(c, i); err != nil {
		return err
	}
	if i < 0 {
		k.ID = d.NextKeyspace
		d.keyspace = k.ID
		return d.addKeyspace(k)
	}
	known := d.Keyspaces[i].Keyspace
	k.ID, d.keyspace = known.ID, known.ID
	if k.Shards == 0 {
		k.Shards = known.Shards
	}
	if err := k.Validate(); err != nil {
		return refuse(WhyInvalid, "%v", err)
	}
	memory := k.Durability == shards.DurabilityMemory
	switch {
	case k == known:
		return nil
	case k.Shards != known.Shards:
		return refuse(WhyInvalid, "keyspace %q has %d shards, for its whole life", k.Name, known.Shards)
	case memory != (known.Durability == shards.DurabilityMemory):
		return refuse(WhyInvalid, "keyspace %q has durability %v; it cannot become %v: a keyspace is in memory from its beginning to its end, or never",
			k.Name, known.Durability, k.Durability)
	}
	if more := k.Copies() - known.Copies(); more > 0 {
		if err := d.copiesFit(&k, more); err != nil {
			return err
		}
	}
	d.Keyspaces, d.changed = slices.Clone(d.Keyspaces), true
	d.Keyspaces[i] = Keyspace{Keyspace: k, Version: d.Version}
	return nil
}

// follows refuses a change that was derived from another keyspace than the one at i, or from none; i is below 0 if there is none now.
func (d *draft) follows(c *KeyspaceChange, i int) error {
	now := uint64(0)
	if i >= 0 {
		now = d.Keyspaces[i].Version
	}
	if c.After == nil || *c.After == now {
		return nil
	}
	if *c.After == 0 {
		return refuse(WhyStale, "somebody else has made keyspace %q meanwhile: look at it again", c.Keyspace.Name)
	}
	return refuse(WhyStale, "somebody else has changed keyspace %q meanwhile: look at it again", c.Keyspace.Name)
}

// KeyspaceCommand makes a keyspace, or changes the one of that name, as somebody wants it who has seen this state: a change that comes in
// between is not undone unseen, but has the command refused (WhyStale). While a member could not read that it may be undone.
func (s *State) KeyspaceCommand(k shards.Keyspace) *Command {
	seen := uint64(0)
	if known := s.KeyspaceByName(k.Name); known != nil {
		seen = known.Version
	}
	c := &Command{Keyspace: &KeyspaceChange{Keyspace: k, After: &seen}}
	if s.Readable(c) != nil {
		c.Keyspace.After = nil
	}
	return c
}

// copiesFit refuses a keyspace with so many more copies of each shard than the state knows of if all together were too many.
func (d *draft) copiesFit(k *shards.Keyspace, more int) error {
	all := k.Shards * more
	for i := range d.Keyspaces {
		all += d.Keyspaces[i].Shards * d.Keyspaces[i].Copies()
	}
	if all > MaxAllCopies {
		return refuse(WhyInvalid, "keyspace %q with %d shards of %d copies would bring the cluster to %d copies; at most %d: give it fewer shards or replicas", k.Name, k.Shards, k.Copies(), all, MaxAllCopies)
	}
	return nil
}

// addKeyspace appends a keyspace, whose ID is NextKeyspace or above, with its shards: none has a copy yet.
func (d *draft) addKeyspace(k shards.Keyspace) error {
	if err := k.Validate(); err != nil {
		return refuse(WhyInvalid, "%v", err)
	}
	switch {
	case slices.ContainsFunc(d.Keyspaces, func(other Keyspace) bool { return other.Name == k.Name }):
		return refuse(WhyTaken, "keyspace %q is there twice", k.Name)
	case len(d.Keyspaces) >= MaxKeyspaces:
		return refuse(WhyInvalid, "the cluster has %d keyspaces, and cannot have more", MaxKeyspaces)
	case len(d.Shards)+k.Shards > MaxShards:
		return refuse(WhyInvalid, "keyspace %q would bring the cluster to %d shards; at most %d", k.Name, len(d.Shards)+k.Shards, MaxShards)
	}
	if err := d.copiesFit(&k, k.Copies()); err != nil {
		return err
	}
	d.Keyspaces = append(slices.Clone(d.Keyspaces), Keyspace{Keyspace: k, Version: d.Version})
	grown := make([]Shard, len(d.Shards), len(d.Shards)+k.Shards)
	copy(grown, d.Shards)
	for i := range k.Shards {
		grown = append(grown, Shard{ID: shards.NewShardID(k.ID, i), Version: d.Version})
	}
	d.Shards, d.ownsShards, d.changed = grown, true, true
	d.NextKeyspace = k.ID + 1
	return nil
}

func (d *draft) changeSettings(c *SettingsChange) error {
	if c.ReadOnly != nil && *c.ReadOnly != d.ReadOnly {
		d.ReadOnly, d.changed = *c.ReadOnly, true
	}
	if err := d.set(c.Set); err != nil {
		return err
	}
	return d.chronicle(c)
}

// set puts settings in, or out if the value is empty. What they mean is not looked at: a setting that one version refuses
// and another takes would drive copies of the state apart. CheckSetting is for those who propose.
func (d *draft) set(changes []Setting) error {
	now := slices.Clone(d.Settings)
	for _, c := range changes {
		if c.Name == "" || len(c.Name) > MaxText || len(c.Value) > MaxValue {
			return refuse(WhyInvalid, "setting %.64q: a name has 1 to %d bytes and a value up to %d", c.Name, MaxText, MaxValue)
		}
		i, found := slices.BinarySearchFunc(now, c.Name, func(s Setting, name string) int { return strings.Compare(s.Name, name) })
		switch {
		case found && c.Value == "":
			now = slices.Delete(now, i, i+1)
		case found:
			now[i] = c
		case c.Value != "":
			now = slices.Insert(now, i, c)
		}
	}
	if len(now) > MaxSettings {
		return refuse(WhyInvalid, "the cluster would have %d settings; at most %d", len(now), MaxSettings)
	}
	if !slices.Equal(now, d.Settings) {
		d.Settings, d.changed = now, true
	}
	return nil
}
