package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/shards/wal"
)

// DESIGN.md section 4: "as durable as the keyspace asks: fsync (default, group commit), interval, or memory (acknowledged in
// memory on every in-sync copy; a restarted node has nothing, and says so)".
func TestAllRestart(t *testing.T) {
	c := newTroop(t, true,
		shards.Keyspace{Name: "synced", Shards: 3}, shards.Keyspace{Name: "lazy", Shards: 3, Durability: shards.DurabilityInterval}, volatileSpace("volatile", 1))
	names := []string{"synced", "lazy", "volatile"}
	for _, name := range names {
		for i := range 20 {
			if _, err := open(t, c.nodes[i%3], name).Put(t.Context(), fmt.Sprint("key ", i), []byte(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := map[string]bool{"synced": true, "lazy": true}
	was := c.nodes[0].state()
	for _, round := range []string{"closed in order", "killed"} {
		for i := range c.nodes {
			if round == "killed" {
				c.crash(i)
			} else {
				c.stop(i)
			}
		}
		c.startAll()
		if now := c.nodes[2].state(); now.Cluster != was.Cluster || len(now.Members) != 3 {
			t.Fatalf("%s: cluster %s of %d members; it was %s", round, now.Cluster, len(now.Members), was.Cluster)
		}
		for _, name := range names {
			for i := range 20 {
				v, err := open(t, c.nodes[i%3], name).Get(t.Context(), fmt.Sprint("key ", i))
				switch {
				case kept[name] && (err != nil || string(v.Bytes) != name):
					t.Errorf("%s: key %d of %s is %q, %v", round, i, name, v.Bytes, err)
				case !kept[name] && !errors.Is(err, ErrNotFound):
					t.Errorf("%s: key %d of %s is %q, %v: a restarted node has nothing of a keyspace in memory", round, i, name, v.Bytes, err)
				}
			}
			if _, err := open(t, c.nodes[0], name).Put(t.Context(), "after", nil); err != nil {
				t.Errorf("%s: %s takes no writes: %v", round, name, err)
			}
		}
	}
}

// crash ends a node without the orderly end of its folder: the next start cannot take its word for what is in it.
func (c *troop) crash(i int) {
	c.t.Helper()
	n := c.nodes[i]
	c.nodes[i] = nil
	if err := n.committer.Barrier(); err != nil { // what an fsync of the machine's own would have done by now
		c.t.Fatal(err)
	}
	n.fail(errors.New("killed by the test"))
	_ = n.Close() // it has failed, and says so
}

// A folder from before nodes formed clusters: its node forms one, with its data, and others join it.
func TestOldFolderBecomesACluster(t *testing.T) {
	folder := t.TempDir()
	keyspaces := []shards.Keyspace{{ID: 0, Name: "default", Shards: 4}, {ID: 2, Name: "other", Shards: 2, Durability: shards.DurabilityInterval}}
	for i := range keyspaces {
		if err := keyspaces[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	writeOldFolder(t, folder, keyspaces)
	for _, c := range []Config{{Join: []string{"127.0.0.1:1"}}, {Initial: []string{"127.0.0.1:1"}}, {PeersFile: "peers"}} {
		c.Data, c.Peer = folder, "127.0.0.1:0"
		if _, err := Start(t.Context(), c); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "data of a node of its own") {
			t.Errorf("a folder with data goes to another cluster: %v", err)
		}
	}
	first := start(t, Config{Name: "first", Data: folder, Peer: "127.0.0.1:0", Dev: true})
	if first.inherited.Load() != nil || len(first.id.Keyspaces) != 0 {
		t.Error("the folder is the cluster's, and still has keyspaces of its own")
	}
	second := start(t, Config{Name: "second", Data: t.TempDir(), Peer: "127.0.0.1:0", Dev: true, Join: []string{first.PeerAddr()}})
	eventually(t, "the second node has copies of all", func() bool {
		state := second.state()
		for i := range state.Shards {
			if state.Shards[i].InSync() != 2 {
				return false
			}
		}
		return len(state.Shards) == 6
	})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, Config{Name: "first", Data: folder, Peer: "127.0.0.1:0", Dev: true, Join: []string{second.PeerAddr()}})
	for _, n := range []*Node{second, again} {
		for _, k := range keyspaces {
			for i := range 30 {
				if v, err := open(t, n, k.Name).Get(t.Context(), fmt.Sprint("key ", i)); err != nil || string(v.Bytes) != k.Name {
					t.Fatalf("%s: key %d of %s is %q, %v", n.Name(), i, k.Name, v.Bytes, err)
				}
			}
		}
	}
}

// writeOldFolder makes a folder as releases before clusters did: an identity of format 1, and logs without terms.
func writeOldFolder(t *testing.T, folder string, keyspaces []shards.Keyspace) {
	t.Helper()
	log, err := wal.Open(folder, wal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	old, err := json.Marshal(struct {
		Format    int               `json:"format"`
		Node      shards.NodeID     `json:"node"`
		Cluster   string            `json:"cluster"`
		Epoch     shards.Epoch      `json:"epoch"`
		Keyspaces []shards.Keyspace `json:"keyspaces"`
	}{1, shards.NodeID(newID()), newID(), 3, keyspaces})
	if err == nil {
		err = log.Set(identityRecord, old)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := wal.OpenSnapshots(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	committer := shard.NewCommitter(log, time.Second, func(err error) { t.Error(err) })
	for _, k := range keyspaces {
		space := shard.NewSpace(k)
		all := make([]*shard.Shard, k.Shards)
		for i := range all {
			all[i] = shard.New(shard.Config{ID: shards.NewShardID(k.ID, i), Space: space, Committer: committer, Log: log, Seed: 1})
			if err := all[i].Recover(files, nil); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 30 {
			key := []byte(fmt.Sprint("key ", i))
			a := ask{txn: store.Txn{Ops: []store.Op{{Kind: store.OpSet, Key: key, Value: []byte(k.Name)}}}, outcomes: make([]Outcome, 1), places: []int{0}}
			b := shard.NewBatch()
			b.Begin()
			all[k.ShardOf(shards.SlotOf(key))].Submit(time.Now().UnixMilli(), &a, b)
			if b.Wait(); a.err != nil {
				t.Fatal(a.err)
			}
		}
	}
	if err := errors.Join(committer.Close(), log.Close()); err != nil {
		t.Fatal(err)
	}
}

// ours are the goroutines of this program beside the test's own.
func ours() (stacks []string) {
	buffer := make([]byte, 8<<20)
	for _, stack := range strings.Split(string(buffer[:goruntime.Stack(buffer, true)]), "\n\n")[1:] { // the first is this one
		for _, of := range []string{"troupe-actors/troupe", "google.golang.org/grpc", "cockroachdb/pebble", "go.etcd.io/raft", "asynkron"} {
			if strings.Contains(stack, of) && !strings.Contains(stack, "testing.(*T).Run") {
				stacks = append(stacks, stack)
				break
			}
		}
	}
	return stacks
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	eventually(t, "what other tests have left is gone", func() bool { return len(ours()) == 0 })
	c := newTroop(t, true, shards.Keyspace{Name: "default", Shards: 4})
	var l load
	l.begin(t, c.nodes...)
	l.more(t, 50)
	l.end(t)
	leads, follows := c.leader()
	c.declareDead(leads, follows)
	for i, n := range c.nodes {
		c.nodes[i] = nil
		var closing sync.WaitGroup
		for range 3 { // from several goroutines, each of which returns when it is done
			closing.Go(func() {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
				if !groupEnded(n) {
					t.Error("Close has returned, and the node's part of the group goes on")
				}
			})
		}
		closing.Wait()
	}
	eventually(t, "nothing runs any more", func() bool { return len(ours()) == 0 })
}

// Close does not wait for other nodes: not with a write that lacks copies, nor for a group that has no majority.
func TestCloseWithoutTheOthers(t *testing.T) {
	c := newTroop(t, true, shards.Keyspace{Name: "default", Shards: 4, Replicas: 2, MinInSync: 3})
	n := c.nodes[0]
	for i := 1; i < 3; i++ {
		c.kill(i)
	}
	s := open(t, n, "default")
	var writing sync.WaitGroup
	for i := range 8 {
		writing.Go(func() {
			if _, err := s.Put(t.Context(), fmt.Sprint(i), nil); err == nil {
				t.Error("a write is acknowledged that no other node has")
			}
		})
	}
	closed := make(chan error, 1)
	go func() { closed <- n.Close() }()
	c.nodes[0] = nil
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		buffer := make([]byte, 4<<20)
		t.Fatalf("Close hangs\n%s", buffer[:goruntime.Stack(buffer, true)])
	}
	writing.Wait()
}

// warned is told of each warning in a log.
type warned func(text string)

func (w warned) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (w warned) Handle(_ context.Context, r slog.Record) error {
	w(r.Message)
	return nil
}
func (w warned) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w warned) WithGroup(string) slog.Handler      { return w }

// Start gives up with its context, and says what it waited for. Nothing is left.
func TestStartGivesUp(t *testing.T) {
	eventually(t, "what other tests have left is gone", func() bool { return len(ours()) == 0 })
	nobody := freeAddress(t)
	for _, c := range []Config{{Join: []string{nobody}}, {Initial: []string{nobody, "OWN"}}, {PeersFile: t.TempDir() + "/missing"}} {
		c.Peer, c.Dev = freeAddress(t), true
		if len(c.Initial) > 0 {
			c.Initial[1] = c.Peer
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.Logger = slog.New(warned(func(text string) {
			if !strings.Contains(text, "list of peers") { // that is not what it waits for
				cancel()
			}
		}))
		n, err := Start(ctx, c)
		if n != nil || !errors.Is(err, context.Canceled) || strings.Count(err.Error(), "member of its cluster") != 1 {
			t.Errorf("%+v: %v", c, err)
		}
		if why := map[bool]string{true: "knows none of its members", false: "connection refused"}[c.PeersFile != ""]; !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: %v, which does not say %q", c, err, why)
		}
		if c.PeersFile != "" && (!strings.Contains(err.Error(), c.PeersFile) || !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "cluster: :")) {
			t.Errorf("%v, which does not say that %s is missing", err, c.PeersFile)
		}
		cancel()
	}
	eventually(t, "nothing runs any more", func() bool { return len(ours()) == 0 })
}

// A node that cannot form a cluster, and is told of none, is configured badly; it waits for nobody.
func TestNobodyToJoin(t *testing.T) {
	for _, roles := range [][]string{{"gateway"}, {"data"}, {"data", "gateway"}} {
		n, err := Start(t.Context(), Config{Roles: roles})
		if n != nil || !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "roles "+strings.Join(roles, ", ")) || !strings.Contains(err.Error(), "Join") {
			t.Errorf("%v: %v", roles, err)
		}
	}
	first := start(t, Config{Name: "first", Peer: "127.0.0.1:0", Dev: true})
	data := t.TempDir()
	second := start(t, Config{Name: "second", Peer: "127.0.0.1:0", Dev: true, Data: data, Roles: []string{"gateway"}, Join: []string{first.PeerAddr()}})
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, Config{Name: "second", Peer: "127.0.0.1:0", Dev: true, Data: data, Roles: []string{"gateway"}}) // its folder tells it of one
}

// A node that keeps nothing does not take copies that must be kept.
func TestFolderlessNodes(t *testing.T) {
	durable := start(t, Config{Name: "durable", Data: t.TempDir(), Peer: "127.0.0.1:0", Dev: true})
	_, err := Start(t.Context(), Config{Name: "folderless", Peer: "127.0.0.1:0", Dev: true, Join: []string{durable.PeerAddr()}})
	if !errors.Is(err, ErrConfig) || !errors.Is(err, errFolderless) {
		t.Errorf("a node without a folder joins a cluster with keyspaces on disk: %v", err)
	}
	gateway := start(t, Config{Name: "gateway", Peer: "127.0.0.1:0", Dev: true, Roles: []string{"gateway"}, Join: []string{durable.PeerAddr()}})
	if _, err := open(t, gateway, "default").Put(t.Context(), "key", nil); err != nil {
		t.Errorf("a gateway without a folder: %v", err)
	}

	memory := start(t, Config{Name: "memory", Peer: "127.0.0.1:0", Dev: true})
	kept := shards.Keyspace{Name: "kept", Shards: 1}
	helper := start(t, Config{Name: "helper", Patience: time.Minute, Peer: "127.0.0.1:0", Dev: true, Roles: []string{"gateway"}, Join: []string{memory.PeerAddr()}})
	for _, n := range []*Node{memory, helper} {
		err := n.Cluster().CreateKeyspace(t.Context(), kept)
		if !errors.Is(err, ErrConfig) || !errors.Is(err, errFolderless) || !strings.Contains(err.Error(), "and memory has none") || !invalidKind(err) {
			t.Errorf("a keyspace that nobody can keep, made on %s: %v", n.Name(), err)
		}
	}
	_, err = Start(t.Context(), Config{Name: "keeper", Data: t.TempDir(), Patience: time.Minute, Peer: "127.0.0.1:0", Dev: true, Join: []string{memory.PeerAddr()}, Keyspaces: []shards.Keyspace{kept}})
	if !errors.Is(err, errFolderless) || !strings.Contains(err.Error(), "and memory has none") {
		t.Errorf("a keyspace that nobody can keep, in the configuration of a node that joins: %v", err)
	}
	if err := memory.Cluster().CreateKeyspace(t.Context(), shards.Keyspace{Name: "light", Shards: 1, Durability: shards.DurabilityMemory}); err != nil {
		t.Error(err)
	}
	outcome, err := memory.propose(t.Context(), &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: kept}}) // as a node of an earlier release does
	if err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
	eventually(t, "the copy is declined", func() bool {
		state := memory.state()
		rows := state.ShardsOf(state.KeyspaceByName("kept").ID)
		return len(rows) == 1 && rows[0].Failures > 0
	})
}

// A look at the state and the wait for a newer one leave no gap.
func TestNewsIsNotMissed(t *testing.T) {
	n := start(t, Config{})
	for i := range 20 {
		state, newer := clusterAPI{n}.State()
		outcome, err := (clusterAPI{n}).Propose(t.Context(), &cluster.Command{Settings: &cluster.SettingsChange{
			Set: []cluster.Setting{{Name: cluster.SettingMaxRetries, Value: fmt.Sprint(i + 1)}}}})
		if err != nil || outcome.Err != nil {
			t.Fatal(err, outcome.Err)
		}
		<-newer
		if now, _ := (clusterAPI{n}).State(); now.Version <= state.Version {
			t.Errorf("news of version %d, after %d", now.Version, state.Version)
		}
	}
}
