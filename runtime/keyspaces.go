package runtime

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/troupe-actors/troupe/actors"
	"github.com/troupe-actors/troupe/actors/directory"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// keyspace is a keyspace as this node knows it, with the copies that it holds, by the shard's index.
type keyspace struct {
	*shard.Space
	copies []atomic.Pointer[held]
}

// held is a copy on this node, and its actor.
type held struct {
	*shard.Shard
	ref actors.Ref
}

// catalog is the keyspaces of the cluster as this node knows them. It is replaced, never changed.
type catalog struct {
	numbered []*keyspace       // by number; nil where a number is not given
	ordered  []*keyspace       // by number, in the order of SELECT n
	settings []shards.Keyspace // likewise
}

// keyspaces are the node's, by number.
func (n *Node) keyspaces() []*keyspace { return n.catalog.Load().ordered }

// local is the copy of a shard on this node, or nil.
func (n *Node) local(id shards.ShardID) *shard.Shard {
	all := n.catalog.Load().numbered
	if int(id.Keyspace()) >= len(all) {
		return nil
	}
	k := all[id.Keyspace()]
	if k == nil || id.Index() >= len(k.copies) {
		return nil
	}
	if h := k.copies[id.Index()].Load(); h != nil {
		return h.Shard
	}
	return nil
}

// held yields the copies on this node, by shard.
func (n *Node) held() iter.Seq2[*keyspace, *held] {
	return func(yield func(*keyspace, *held) bool) {
		for _, k := range n.keyspaces() {
			for i := range k.copies {
				if h := k.copies[i].Load(); h != nil && !yield(k, h) {
					return
				}
			}
		}
	}
}

// id is the shard with this index.
func (k *keyspace) id(index int) shards.ShardID { return shards.NewShardID(k.ID, index) }

// named finds a keyspace by name.
func (n *Node) named(name string) (*keyspace, error) {
	for _, k := range n.keyspaces() {
		if k.Name == name {
			return k, nil
		}
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: noKeyspace(name)}
}

// numbered finds a keyspace by number.
func (n *Node) numbered(id shards.KeyspaceID) (*keyspace, error) {
	if all := n.catalog.Load().numbered; int(id) < len(all) && all[id] != nil {
		return all[id], nil
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: noKeyspace(shards.NewShardID(id, 0).String())}
}

// learn makes the keyspaces of a cluster state known here, and their settings. A keyspace never goes.
func (n *Node) learn(state *cluster.State) error {
	known := n.catalog.Load()
	next := &catalog{numbered: append([]*keyspace(nil), known.numbered...)}
	for i := range state.Keyspaces {
		k := state.Keyspaces[i].Keyspace
		for int(k.ID) >= len(next.numbered) {
			next.numbered = append(next.numbered, nil)
		}
		if next.numbered[k.ID] == nil {
			next.numbered[k.ID] = &keyspace{Space: shard.NewSpace(k), copies: make([]atomic.Pointer[held], k.Shards)}
		}
		if i := len(next.settings); i < len(known.settings) {
			n.waitsForRestart(&known.settings[i], &k)
		}
		next.ordered = append(next.ordered, next.numbered[k.ID])
		next.settings = append(next.settings, k)
	}
	if err := n.noteLoose(next); err != nil {
		return err
	}
	n.catalog.Store(next)
	return nil
}

// knows says whether these keyspaces have been learnt, with their settings.
func (n *Node) knows(list []cluster.Keyspace) bool {
	return slices.EqualFunc(n.catalog.Load().settings, list, func(k shards.Keyspace, of cluster.Keyspace) bool { return k == of.Keyspace })
}

// waitsForRestart says that a keyspace has got settings which copies take up when they are made.
func (n *Node) waitsForRestart(was, is *shards.Keyspace) {
	if was.Durability != is.Durability || was.MaxMemory != is.MaxMemory || was.Eviction != is.Eviction {
		n.config.Logger.Warn("a keyspace has new settings, which take effect here when this node starts the next time", "keyspace", is.Name,
			"durability", is.Durability, "max_memory", is.MaxMemory, "eviction", is.Eviction)
	}
}

// tasks are one piece of work for each shard of a keyspace.
func (k *keyspace) tasks(work func(index int) shard.Work) []directory.Task {
	tasks := make([]directory.Task, k.Shards)
	for i := range tasks {
		tasks[i] = directory.Task{Shard: k.id(i), Work: work(i)}
	}
	return tasks
}
