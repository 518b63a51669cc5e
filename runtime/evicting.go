package runtime

import (
	"errors"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// evicting says that a keyspace gives up keys by itself. No actor can live in one: it would lose its state and not what it has set, or the number of
// its last message, so that receivers take the next ones for some that they have handled.
func evicting(k *shards.Keyspace) bool { return k.Eviction != shards.EvictNone && k.MaxMemory > 0 }

// errAimless refuses a keyspace that is made with a policy which would never do anything.
var errAimless = errors.New("an eviction policy does nothing without a limit; give MaxMemory, too")

func errEvicting(k *shards.Keyspace) error {
	return invalid("keyspace %q gives up keys when it is full (eviction %v), and actors that live there would lose some of what they keep, their messages and reminders: "+
		"have them live in another keyspace, or this one refuse writes then (eviction %v)", k.Name, k.Eviction, shards.EvictNone)
}

// staysWhole refuses a change by which a keyspace where actors live would begin to give up keys.
func (n *Node) staysWhole(k *shards.Keyspace) error {
	state := n.state()
	known := state.KeyspaceByName(k.Name)
	if known == nil || !evicting(k) || evicting(&known.Keyspace) {
		return nil
	}
	if n.actors.Uses(k.Name) || slices.ContainsFunc(state.Kinds, func(kind cluster.ActorKind) bool { return kind.Keyspace == k.Name }) {
		return &shards.Error{Kind: shards.KindInvalid, Err: errEvicting(k)}
	}
	return nil
}
