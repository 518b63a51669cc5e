package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Cluster is the cluster of a node as those who operate it see it and change it. Its methods do on any node what `troupe nodes`, `health`,
// `drain`, `vote`, `keyspace` and `settings` do, and may be called concurrently. What asks nobody tells what this node has heard; what changes
// something returns when it is agreed, and is refused with a *cluster.Refusal if the state does not allow it, or an *admin.Error if it
// makes no sense; of a node that was closed the error wraps ErrClosed. Who embeds no node has the same with an admin.Client.
type Cluster struct{ node *Node }

// Cluster gives access to the node's cluster.
func (n *Node) Cluster() *Cluster { return &Cluster{n} }

// Members lists the nodes, by name: those that are down as well. How they are (State, Load) is what the placement leader says, a second ago at
// most; that is why it may be asked, for no longer than 300 ms.
func (c *Cluster) Members() []admin.Node { return admin.MembersOf(api{c.node}) }

// Health judges the cluster: green, yellow or red, with the reasons.
func (c *Cluster) Health() admin.Health { return admin.HealthNow(api{c.node}) }

// Drain has a node's copies go elsewhere, and returns when it has none: then it may stop without anybody noticing. It takes the name of a
// node; this one's is Node.Name. If ctx ends first the error says what is left, and the drain goes on until Undrain; calling it again waits on.
func (c *Cluster) Drain(ctx context.Context, node string) error {
	on := true
	if err := c.changeMember(ctx, node, func(m *cluster.MemberChange) { m.Draining = &on }); err != nil {
		return err
	}
	for {
		state := c.node.state()
		m := state.MemberByName(node)
		switch {
		case state.Cluster == "": // this node begins another life: it will know again
		case m == nil:
			return &shards.Error{Kind: shards.KindConflict, Err: fmt.Errorf("runtime: node %s was forgotten while it was drained", node)}
		case !m.Draining:
			return &shards.Error{Kind: shards.KindConflict, Err: fmt.Errorf("runtime: the draining of node %s was taken back", node)}
		}
		left, first := 0, ""
		for i := range state.Shards {
			if row := &state.Shards[i]; m != nil && row.CopyOn(m.ID) != nil {
				left, first = left+1, cmp.Or(first, state.ShardName(row.ID))
			}
		}
		if left == 0 && m != nil {
			return nil
		}
		if err := c.node.awaitUnless(ctx, c.node.done, state.Version); err != nil {
			return fmt.Errorf("runtime: node %s is draining, and still has %d copies, of shard %s first: troupe explain says why: %w", node, left, first, err)
		}
	}
}

// Undrain has a node be given copies again.
func (c *Cluster) Undrain(ctx context.Context, node string) error {
	off := false
	return c.changeMember(ctx, node, func(m *cluster.MemberChange) { m.Draining = &off })
}

// Maintain begins or ends the maintenance of a node: while it is on the node may restart, and nothing is put in the place of its copies.
func (c *Cluster) Maintain(ctx context.Context, node string, on bool) error {
	return c.changeMember(ctx, node, func(m *cluster.MemberChange) { m.Maintained = &on })
}

// Vote lets a node vote in the metadata group again, or keeps it from that, whatever its roles: then others vote in its place, or fewer do.
// It returns when that is agreed; admin.Node.Voter of Members says when it is so. Who is the last that can vote is not kept from it.
func (c *Cluster) Vote(ctx context.Context, node string, may bool) error {
	not := !may
	if state := c.node.state(); not {
		if m := state.MemberByName(node); m != nil {
			if err := state.MayExclude(m.ID); err != nil {
				return err
			}
		}
	}
	return c.changeMember(ctx, node, func(m *cluster.MemberChange) { m.Excluded = &not })
}

// ReadOnly begins or ends the maintenance of the whole cluster: while it is on all keyspaces only serve reads.
func (c *Cluster) ReadOnly(ctx context.Context, on bool) error {
	return c.change(ctx, c.signed(cluster.SettingsChange{ReadOnly: &on}))
}

// Keyspaces lists the keyspaces, by number.
func (c *Cluster) Keyspaces() []shards.Keyspace { return slices.Clone(api(*c).Keyspaces()) }

// CreateKeyspace makes a keyspace, with what shards.Keyspace says where a field is zero. When it returns this node's Store finds it; its
// shards are served a moment later. It is refused if there is one of that name with other settings. If it is to be durable, which it is by default, each
// node that may hold copies needs a data folder (Config.Data): else the error wraps ErrConfig, and names those that have none.
func (c *Cluster) CreateKeyspace(ctx context.Context, k shards.Keyspace) error {
	if err := k.Validate(); err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	if k.Aimless() {
		return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("keyspace %q: %w", k.Name, errAimless)}
	}
	return c.changeKeyspace(ctx, k.Name, func(known *cluster.Keyspace) (*shards.Keyspace, error) {
		if known == nil {
			return &k, nil
		}
		if k.ID = known.ID; known.Keyspace == k {
			return nil, nil
		}
		return nil, &shards.Error{Kind: shards.KindConflict, Err: fmt.Errorf("runtime: there is a keyspace %q with other settings: %+v", k.Name, known.Keyspace)}
	})
}

// UpdateKeyspace changes what settings says of a keyspace, and leaves what others change of it at the same time. Replicas and MinInSync take effect
// at once, the rest on each node when it starts the next time; the number of shards is fixed.
func (c *Cluster) UpdateKeyspace(ctx context.Context, name string, settings admin.KeyspaceSettings) error {
	return c.changeKeyspace(ctx, name, func(known *cluster.Keyspace) (*shards.Keyspace, error) {
		if known == nil {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: noKeyspace(name)}
		}
		k := known.Keyspace
		err := settings.Apply(&k)
		return &k, err
	})
}

// changeKeyspace has a keyspace be as want says, or as it is if that gives nil. want is told how it is, or nil if it is not there, and told again
// where somebody else has changed it meanwhile.
func (c *Cluster) changeKeyspace(ctx context.Context, name string, want func(known *cluster.Keyspace) (*shards.Keyspace, error)) error {
	for {
		state := c.node.state()
		k, err := want(state.KeyspaceByName(name))
		if k == nil || err != nil {
			return err
		}
		err = c.change(ctx, state.KeyspaceCommand(*k))
		if overtaken := errors.Is(err, &cluster.Refusal{Why: cluster.WhyStale}); !overtaken || c.node.state().Version == state.Version {
			return err
		}
	}
}

// Settings gives the settings that are not at their defaults, by name. cluster.SettingRules lists all that there are.
func (c *Cluster) Settings() map[string]string {
	set := map[string]string{}
	for _, s := range c.node.state().Settings {
		set[s.Name] = s.Value
	}
	return set
}

// SetSettings changes settings, all or none; an empty value takes one back to its default. The history of settings names the node.
func (c *Cluster) SetSettings(ctx context.Context, values map[string]string) error {
	change := cluster.SettingsChange{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		change.Set = append(change.Set, cluster.Setting{Name: name, Value: values[name]})
	}
	if len(change.Set) == 0 {
		return nil
	}
	if err := admin.CheckSettings(c.node.state(), change.Set); err != nil {
		return err
	}
	if err := admin.TrySettings(ctx, clusterAPI{c.node}, change.Set); err != nil {
		return err
	}
	return c.change(ctx, c.signed(change))
}

// signed puts who asks and when into a change of settings, unless a member could not read that.
func (c *Cluster) signed(plain cluster.SettingsChange) *cluster.Command {
	signed := plain
	signed.By, signed.At = "the program of node "+c.node.Name(), time.Now().UnixMilli()
	if command := (&cluster.Command{Settings: &signed}); c.node.state().Readable(command) == nil {
		return command
	}
	return &cluster.Command{Settings: &plain}
}

func (c *Cluster) changeMember(ctx context.Context, node string, set func(*cluster.MemberChange)) error {
	m := c.node.state().MemberByName(node)
	if m == nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("runtime: there is no node %q", node)}
	}
	change := &cluster.MemberChange{Node: m.ID}
	set(change)
	return c.change(ctx, &cluster.Command{Member: change})
}

// change has a command ordered, and returns when this node has applied it; what the state refuses is an error.
func (c *Cluster) change(ctx context.Context, command *cluster.Command) error {
	outcome, err := clusterAPI{c.node}.Propose(ctx, command)
	if err = errors.Join(err, outcome.Error()); err != nil {
		return err
	}
	for {
		state := c.node.state()
		if state.Version >= outcome.Version && c.node.knows(state.Keyspaces) {
			return nil
		}
		c.node.pause(ctx, settlePause)
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.node.stopped.Load() {
			return fmt.Errorf("runtime: the change is agreed, and this node does not wait until it knows of it: %w", errClosed)
		}
	}
}
