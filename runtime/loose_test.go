package runtime

import (
	"slices"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// The folder knows what the life before wrote with interval, whatever the keyspace has become since: a change counts from the next start on.
func TestDurabilityOfTheLifeBefore(t *testing.T) {
	config := Config{Data: t.TempDir(), Patience: time.Minute, Keyspaces: []shards.Keyspace{
		{Name: "books", Shards: 1}, {Name: "pages", Shards: 1, Durability: shards.DurabilityInterval}, {Name: "notes", Shards: 1, Durability: shards.DurabilityInterval},
	}}
	for life, loose := range [][]shards.KeyspaceID{nil, {1, 2}, {2}, {2}} {
		n, err := Start(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(n.loose, loose) {
			t.Errorf("life %d begins with %v written with interval, want %v", life, n.loose, loose)
		}
		if config.Keyspaces = nil; life == 0 {
			k := n.state().KeyspaceByName("pages").Keyspace
			k.Durability = shards.DurabilityFsync
			if outcome, err := n.propose(t.Context(), n.state().KeyspaceCommand(k)); err != nil || outcome.Err != nil {
				t.Fatal(err, outcome.Err)
			}
			eventually(t, "the node knows", func() bool { return n.catalog.Load().settings[1].Durability == shards.DurabilityFsync })
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
