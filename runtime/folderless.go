package runtime

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// errFolderless is why a node cannot open a copy of a keyspace that is more durable than memory.
var errFolderless = errors.New("a node that holds copies of it needs a data folder")

// folderless refuses a node that may be given copies of keyspaces which it cannot keep.
func (n *Node) folderless(state *cluster.State) error {
	if !n.withoutFolder() {
		return nil
	}
	for i := range state.Keyspaces {
		if k := &state.Keyspaces[i]; k.Durability != shards.DurabilityMemory {
			return invalid("keyspace %q of this cluster has durability %v: %w, or roles without data", k.Name, k.Durability, errFolderless)
		}
	}
	return nil
}

// withoutFolder says whether the node holds copies, and keeps them in memory only.
func (n *Node) withoutFolder() bool { return n.log == nil && slices.Contains(n.config.Roles, "data") }

// keepable refuses a new keyspace that is to be durable while there are nodes that may be given copies of it and cannot keep them: its shards there
// would be red for ever. A member that does not answer in time is taken to have a folder.
func (n *Node) keepable(ctx context.Context, k *shards.Keyspace) error {
	state := n.state()
	if k.Durability == shards.DurabilityMemory || state.KeyspaceByName(k.Name) != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.config.Patience)
	defer cancel()
	without := make([]bool, len(state.Members))
	var asked sync.WaitGroup
	for i := range state.Members {
		if m := &state.Members[i]; !m.Down && m.Has(cluster.RoleData) {
			asked.Go(func() {
				view, err := clusterAPI{n}.View(ctx, m.ID, false)
				without[i] = err == nil && view.Folderless
			})
		}
	}
	asked.Wait()
	var names []string
	for i := range without {
		if without[i] {
			names = append(names, state.Members[i].Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return &shards.Error{Kind: shards.KindInvalid, Err: invalid("keyspace %q asks for durability %v: %w, and %s has none: start it with one, or make the keyspace with durability memory", k.Name, k.Durability, errFolderless, strings.Join(names, ", "))}
}
