package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/actors/virtual/virtualtest"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// town is a cluster of a few nodes whose state the test changes, with one shard in memory. It runs in a bubble of synctest.
type town struct {
	*virtualtest.World
	t      *testing.T
	shells []*Shell

	mu    sync.Mutex
	state *cluster.State
	late  map[int]*cluster.State // nodes that hear nothing new, and what they know
}

// window is the cluster state as one node sees it.
type window struct {
	town *town
	node int
}

func (w window) State() *cluster.State {
	w.town.mu.Lock()
	defer w.town.mu.Unlock()
	if old := w.town.late[w.node]; old != nil {
		return old
	}
	return w.town.state
}

func (w window) Propose(_ context.Context, c *cluster.Command) (cluster.Outcome, error) {
	return w.town.apply(c), nil
}

func newTown(t *testing.T, nodes int) *town {
	return newTownWith(t, nodes, func(int) loader { return Load })
}

// newTownWith begins a town whose nodes make modules ready in ways of their own.
func newTownWith(t *testing.T, nodes int, load func(node int) loader) *town {
	w := &town{World: virtualtest.New(t, nodes, func() []*virtual.Kind { return nil }), t: t, state: &cluster.State{}, late: map[int]*cluster.State{}}
	for i := range nodes {
		c := &cluster.Command{Join: &cluster.Join{Member: member(i)}}
		if i == 0 {
			c = &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("c", 40), Member: member(i)}}
		}
		w.must(c)
	}
	for i := range nodes {
		s, err := Start(Config{Self: id(i), Group: window{w, i}, Host: w.Host(i), Engine: engine(), load: load(i)})
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.shells = append(w.shells, s)
		w.mu.Unlock()
		t.Cleanup(s.Close)
	}
	synctest.Wait()
	return w
}

func id(node int) shards.NodeID { return shards.NodeID(fmt.Sprintf("%040x", node+1)) }

func member(node int) cluster.Member {
	name := fmt.Sprint("n", node)
	return cluster.Member{ID: id(node), Name: name, Raft: uint64(node + 1), Epoch: 1, Peer: name + ":1", Format: cluster.Format, Roles: cluster.RoleMeta | cluster.RoleData}
}

func (w *town) apply(c *cluster.Command) cluster.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	after, o := w.state.Apply(c)
	w.state = after
	for _, s := range w.shells {
		s.Wake()
	}
	return o
}

func (w *town) must(c *cluster.Command) {
	w.t.Helper()
	if err := w.apply(c).Error(); err != nil {
		w.t.Fatal(err)
	}
}

// deaf has a node hear nothing new of the cluster, or again.
func (w *town) deaf(node int, is bool) {
	w.mu.Lock()
	delete(w.late, node)
	if is {
		w.late[node] = w.state
	}
	w.mu.Unlock()
	w.shells[node].Wake()
	synctest.Wait()
}

// push brings a module in, and has every node make it ready.
func (w *town) push(binary []byte) cluster.Digest {
	w.t.Helper()
	digest := cluster.DigestOf(binary)
	for part := range cluster.Parts(len(binary)) {
		chunk := binary[part*cluster.ChunkBytes : min(len(binary), (part+1)*cluster.ChunkBytes)]
		w.must(&cluster.Command{Push: &cluster.PushChunk{Digest: digest, Size: len(binary), Part: part, Bytes: chunk}})
	}
	m, err := act.FindManifest(binary)
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(&cluster.Command{RegisterKind: &cluster.RegisterKind{Name: m.Kind, Keyspace: m.Keyspace, Digest: digest, Label: m.Version, Data: m.Data}})
	synctest.Wait()
	return digest
}

// use has the newest version of a kind handle messages, or another one.
func (w *town) use(kind string, number uint32) {
	w.t.Helper()
	w.must(&cluster.Command{UseKind: &cluster.UseKind{Name: kind, Number: number, Older: true}})
	synctest.Wait()
}

// call has an actor handle a message by way of a node, and gives what comes back as text.
func (w *town) call(node int, actor, method, request string) string {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	to, err := virtual.ParseID(actor)
	if err != nil {
		w.t.Fatal(err)
	}
	reply, err := w.Host(node).Call(ctx, to, method, []byte(request))
	if err != nil {
		return "! " + err.Error()
	}
	var text string
	if json.Unmarshal(reply, &text) == nil {
		return strings.Join(strings.Fields(text), " ")
	}
	return string(reply)
}

// expect calls, and compares what comes back: all of it, or of errors a part.
func (w *town) expect(node int, actor, method, request, want string) {
	w.t.Helper()
	got := w.call(node, actor, method, request)
	if part, isError := strings.CutPrefix(want, "! "); got != want && (!isError || !strings.HasPrefix(got, "! ") || !strings.Contains(got, part)) {
		w.t.Errorf("%s %s %s by way of node %d gives %q, not %q", actor, method, request, node, got, want)
	}
}

// leave has a node be no member any more.
func (w *town) leave(node int) {
	w.t.Helper()
	m := member(node)
	w.must(&cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: m.ID, Epoch: m.Epoch}}}})
	w.must(&cluster.Command{Member: &cluster.MemberChange{Node: m.ID, Forget: true}})
	synctest.Wait()
}

// join makes it one again.
func (w *town) join(node int) {
	w.t.Helper()
	w.must(&cluster.Command{Join: &cluster.Join{Member: member(node)}})
	synctest.Wait()
}
