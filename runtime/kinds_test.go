package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

func guestModule(t *testing.T, name string) []byte {
	t.Helper()
	binary, err := os.ReadFile(filepath.Join("..", "actors", "guest", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// count has an actor of kind counter add, by way of a node, and holds the sum to what is wanted.
func count(t *testing.T, n *Node, name string, add, want int) {
	t.Helper()
	got, err := virtual.Call[int, int](t.Context(), n.Actors(), virtual.ID{Kind: "counter", Name: name}, "add", add)
	if err != nil || got != want {
		t.Errorf("counter/%s through %s: %d, %v; want %d", name, n.Name(), got, err, want)
	}
}

// inUse says which version is in use, and which are there.
func inUse(n *Node, kind string) string {
	for _, k := range n.Kinds().List() {
		if k.Kind == kind {
			text := fmt.Sprint(k.Active, " of")
			for _, v := range k.Versions {
				text += fmt.Sprint(" ", v.Version)
			}
			return text
		}
	}
	return "none"
}

// A program pushes kinds through the node that it embeds: what it has put in use is found by the next call, through any node. All that
// `troupe actor` does has a method.
func TestKindsFromGo(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	first, second := guestModule(t, "counter.wasm"), guestModule(t, "counter2.wasm")
	kinds := c.nodes[1].Kinds()
	p, err := kinds.Push(t.Context(), first, PushOptions{})
	if err != nil || p != (PushedKind{"counter", 1, "1.0.0", string(cluster.DigestOf(first))}) {
		t.Fatalf("pushed: %+v, %v", p, err)
	}
	for i, n := range c.nodes {
		for name := range 3 {
			count(t, n, fmt.Sprint(name), 1, i+1)
		}
	}
	held := func(text, want string) {
		t.Helper()
		if got := inUse(c.nodes[1], "counter"); got != want {
			t.Errorf("%s: version %s is in use, not %s", text, got, want)
		}
	}
	if p, err = c.nodes[2].Kinds().Push(t.Context(), second, PushOptions{Hold: true}); err != nil || p.Version != 2 {
		t.Errorf("held: %+v, %v", p, err)
	}
	for range 2 { // again: nothing is new
		if p, err = kinds.Push(t.Context(), first, PushOptions{}); err != nil || p.Version != 1 {
			t.Errorf("pushed again: %+v, %v", p, err)
		}
	}
	held("after a push that holds", "1 of 1 2")
	if err := kinds.Use(t.Context(), "counter", admin.KindUse{If: 1}); err != nil {
		t.Error(err)
	}
	held("used", "2 of 1 2")
	count(t, c.nodes[0], "0", 1, 4)

	var refusal *cluster.Refusal
	for what, err := range map[string]error{
		"rolled back to an older layout": kinds.Rollback(t.Context(), "counter", admin.KindUse{}),
		"used if another is":             kinds.Use(t.Context(), "counter", admin.KindUse{Version: 1, If: 1, Older: true}),
		"unknown":                        kinds.Use(t.Context(), "ghost", admin.KindUse{}),
		"unknown, rolled back":           kinds.Rollback(t.Context(), "ghost", admin.KindUse{}),
		"unknown, forgotten":             kinds.Forget(t.Context(), "ghost"),
	} {
		if !errors.As(err, &refusal) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := kinds.Rollback(t.Context(), "counter", admin.KindUse{Version: 1}); err == nil {
		t.Error("a rollback to a version of choice is not refused")
	}
	if err := kinds.Rollback(t.Context(), "counter", admin.KindUse{Older: true}); err != nil {
		t.Error(err)
	}
	held("rolled back", "1 of 1 2")
	if err := kinds.Forget(t.Context(), "counter"); err != nil {
		t.Error(err)
	}
	held("forgotten", "none")
	if _, err := kinds.Push(t.Context(), []byte("\x00asm\x01\x00\x00\x00"), PushOptions{}); err == nil || len(kinds.List()) != 0 {
		t.Errorf("a module without a manifest: %v, and there are %+v", err, kinds.List())
	}
}

// A node that cannot run what is pushed is named, and nothing changes.
func TestKindThatANodeCannotRun(t *testing.T) {
	n := start(t, Config{Guests: GuestsOff, Keyspaces: []shards.Keyspace{volatileSpace("actors", 0)}})
	p, err := n.Kinds().Push(t.Context(), guestModule(t, "counter.wasm"), PushOptions{})
	if err == nil || !strings.Contains(err.Error(), "node "+n.Name()+" cannot run it: ") || p.Version != 1 || inUse(n, "counter") != "0 of 1" {
		t.Errorf("pushed: %+v, %v; in use %s", p, err, inUse(n, "counter"))
	}
	if _, err := virtual.Call[int, int](t.Context(), n.Actors(), virtual.ID{Kind: "counter", Name: "x"}, "add", 1); virtual.CodeOf(err) != virtual.CodeUnknown || !strings.Contains(err.Error(), "no version of kind counter is in use") {
		t.Errorf("called: %v", err)
	}
}

// A node that joins compiles what is in use, and is given leads when it has. Calls go on whatever primaries it is given, and when; so they do
// when it starts anew.
func TestKindsOnANodeThatJoins(t *testing.T) {
	config := Config{
		Name: "old", Peer: freeAddress(t), Dev: true, Lease: 5 * time.Second, Patience: time.Minute, Keyspaces: []shards.Keyspace{volatileSpace("actors", 1)},
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)).With("on", "old"),
	}
	config.Initial = []string{config.Peer}
	old := start(t, config)
	if _, err := old.Kinds().Push(t.Context(), guestModule(t, "counter.wasm"), PushOptions{}); err != nil {
		t.Fatal(err)
	}
	config.Name, config.Roles, config.Peer, config.Initial, config.Join, config.Data = "new", []string{"data"}, freeAddress(t), nil, config.Initial, t.TempDir()
	config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil)).With("on", "new")
	sums := map[int]int{}
	unwatch := watchLeads(t, old, "actors", config.Name)
	for range 2 {
		joined, err := Start(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		eventually(t, "the new node leads shards of actors, and calls go on", func() bool {
			for _, n := range []*Node{old, joined} {
				name := calls % 40
				calls++
				sums[name]++
				count(t, n, fmt.Sprint(name), 1, sums[name])
			}
			return calls >= 80 && old.leads("actors", joined)
		})
		unwatch() // in its next life it may have to lead since nobody else can
		if err := joined.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, sum := range sums {
		count(t, old, fmt.Sprint(name), 0, sum)
	}
}

// leads says whether another node leads a shard of a keyspace, as far as this one knows.
func (n *Node) leads(keyspace string, other *Node) bool {
	return leadsIn(n.state(), keyspace, other.id.Node)
}

func leadsIn(s *cluster.State, keyspace string, node shards.NodeID) bool {
	return slices.ContainsFunc(s.Shards, func(r cluster.Shard) bool {
		p := r.PrimaryCopy()
		return p != nil && p.Node == node && r.ID.Keyspace() == s.KeyspaceByName(keyspace).ID
	})
}

// watchLeads looks at every state that a node hears of until it is ended: the other node, of this name, may lead no shard of a keyspace while
// it has not made ready what is in use.
func watchLeads(t *testing.T, n *Node, keyspace, other string) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() {
		for s := n.state(); n.await(ctx, s.Version) == nil; {
			s = n.state()
			m := s.MemberByName(other)
			if m == nil || !leadsIn(s, keyspace, m.ID) {
				continue
			}
			if _, known := s.Modules[0].ReadyOn(m.ID, m.Epoch); !known {
				t.Errorf("node %s leads shards of %s, and has not said that it is ready for their kind", other, keyspace)
				return
			}
		}
	})
	return func() {
		cancel()
		watching.Wait()
	}
}
