package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	m := newMemory()
	m.cluster = newAgreed(t)
	s := NewServer(m, ServerConfig{})
	check := func() (a CheckAnswer) {
		t.Helper()
		w := ask(s, "POST", "/_cluster/check?timeout=100ms", "")
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return a
	}
	if a := check(); !a.OK || a.Shards != 2 || len(a.Nodes) != 3 || a.Leader != "n1" || len(m.keys) != 0 {
		t.Errorf("all is well: %+v, and %d keys are left", a, len(m.keys))
	}
	m.failure = &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("no primary")}
	if a := check(); a.OK || len(a.Problems) != 2 || a.Problems[1] != (ShardCheck{"default/1", "write: no primary"}) {
		t.Errorf("shards that take no write: %+v", a)
	}
	m.failure = nil
	m.cluster.mute = nodeID(2)
	if a := check(); a.OK || a.Nodes[0].Problem != "" || a.Nodes[1].Problem != "node n2 does not answer: the peer is gone" {
		t.Errorf("a mute node: %+v", a)
	}
	m.cluster.mute = ""
	m.cluster.silent = nodeID(3)
	if a := check(); a.OK || len(a.Problems) != 0 || a.Shards != 2 || a.Nodes[2].Problem != "it does not answer in time" {
		t.Errorf("a node that is cut off says nothing about the shards: %+v", a)
	}
	m.cluster.silent = ""
	m.cluster.behind = 2
	if a := check(); a.OK || !strings.Contains(a.Nodes[2].Problem, "has version 7, and did not come to 9") {
		t.Errorf("nodes that lag: %+v", a)
	}
	m.cluster.behind = 0
	m.cluster.evidence.Leader = ""
	if a := check(); a.OK || !strings.Contains(a.Nodes[0].Problem, "no leader") {
		t.Errorf("no leader: %+v", a)
	}
}

// A check names the node whose clock is far from the middle one of the voters', how far, and on which side; one that does not tell the time is no
// worse for it, and with too few that do nobody knows.
func TestCheckFindsWrongClocks(t *testing.T) {
	const most = time.Hour
	for _, x := range []struct {
		voters []uint64
		ahead  []time.Duration // -most: it does not tell
		want   map[int]string
	}{
		{[]uint64{1, 2, 3}, []time.Duration{0, 0, 90 * time.Minute}, map[int]string{2: "its clock is 1h30m0s ahead of the voters': set it right"}},
		{[]uint64{1, 2, 3}, []time.Duration{-20 * time.Second, 0, 0}, map[int]string{0: "its clock is 20s behind the voters'"}},
		{[]uint64{1, 2, 3}, []time.Duration{400 * time.Millisecond, 0, -400 * time.Millisecond}, nil},
		{[]uint64{1, 2, 3}, []time.Duration{0, -most, time.Minute}, map[int]string{2: "its clock is 1m0s ahead"}},
		{[]uint64{1, 2, 3}, []time.Duration{0, -most, -most}, nil},
		{[]uint64{1, 2}, []time.Duration{0, time.Minute, 0}, map[int]string{1: "its clock is 1m0s ahead"}},
		{[]uint64{3}, []time.Duration{time.Minute, time.Minute, 0}, map[int]string{0: "its clock is 1m0s ahead", 1: "its clock is 1m0s ahead"}},
	} {
		a := newAgreed(t)
		a.state.Voters, a.clocks = x.voters, map[shards.NodeID]time.Duration{}
		for i, ahead := range x.ahead {
			if ahead != -most {
				a.clocks[nodeID(i+1)] = ahead
			}
		}
		for i, c := range checkNodes(t.Context(), a, a.state, &a.evidence) {
			if want := x.want[i]; c.OK != (want == "") || !strings.HasPrefix(c.Problem, want) || want == "" && c.Problem != "" {
				t.Errorf("%v ahead, %v vote: %+v, want %q", x.ahead, x.voters, c, want)
			}
		}
	}
}

func TestDisagreement(t *testing.T) {
	a := newAgreed(t)
	leads := Evidence{Leader: nodeID(1)}
	if got := disagreement(a.state, &leads, &View{Leader: nodeID(3), Version: a.state.Version}, nil); got != "it takes n3 for the leader" {
		t.Error(got)
	}
}

// Two members that are at one version with two states are the worst that can happen: the check says so.
func TestCheckFindsDivergence(t *testing.T) {
	a := newAgreed(t)
	checks := checkNodes(t.Context(), diverged{a}, a.state, &a.evidence)
	bad := 0
	for _, c := range checks {
		if strings.Contains(c.Problem, "is not that of the others") {
			bad++
		}
	}
	if bad == 0 {
		t.Errorf("%+v", checks)
	}
}

// What changes nothing, as the first entry of a new leader, raises no version: members at one version may have carried out
// different entries, and have different digests.
func TestCheckComparesDigestsOfTheSameEntry(t *testing.T) {
	a := newAgreed(t)
	for _, c := range checkNodes(t.Context(), ahead{diverged{a}}, a.state, &a.evidence) {
		if c.Problem != "" {
			t.Errorf("%+v", c)
		}
	}
}

// ahead is a cluster whose third member has carried out one entry more, which did not change the state.
type ahead struct{ diverged }

func (d ahead) View(ctx context.Context, node shards.NodeID, copies bool) (View, error) {
	v, err := d.diverged.View(ctx, node, copies)
	if node == nodeID(3) {
		v.Applied++
	}
	return v, err
}

// diverged is a cluster whose third member has a state of its own.
type diverged struct{ *agreed }

func (d diverged) View(ctx context.Context, node shards.NodeID, copies bool) (View, error) {
	v, err := d.agreed.View(ctx, node, copies)
	if node == nodeID(3) {
		v.Digest++
	}
	return v, err
}

func TestCheckKeysBelongToTheirShards(t *testing.T) {
	for _, n := range []int{1, 16, 1000, shards.Slots} {
		k := shards.Keyspace{Name: "k", Shards: n}
		for _, i := range []int{0, n / 2, n - 1} {
			if key := checkKey(&k, i); k.ShardOf(shards.SlotOf(key)) != i {
				t.Errorf("%s is not of shard %d of %d", key, i, n)
			}
		}
	}
}

// stream opens a watch and reads its lines.
func stream(t *testing.T, url string) func(line any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	return func(line any) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("the watch ended: %v", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), line); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
	}
}

func TestWatchRouting(t *testing.T) {
	_, c, client := gather(t, ServerConfig{})
	next := stream(t, client.list()[0].base+"/_watch/routing")
	var first Routing
	next(&first)
	if !first.Whole || len(first.Nodes) != 3 || len(first.Shards) != 2 || first.Leader != "n1" {
		t.Fatalf("%+v", first)
	}
	row := c.state.Shard(1)
	c.handOver(t, 1, row.Copies[1].ID)
	var second Routing
	next(&second)
	if second.Whole || len(second.Shards) != 1 || second.Shards[0].Shard != "default/1" || second.Shards[0].Term != 2 || len(second.Nodes) != 3 {
		t.Errorf("%+v", second)
	}
	if err := c.Transfer(t.Context(), nodeID(2)); err != nil {
		t.Fatal(err)
	}
	var third Routing
	next(&third)
	if third.Leader != "n2" || third.Shards != nil {
		t.Errorf("%+v", third)
	}
	c.apply(t, &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "x", Value: "y"}}}})
	var fourth Routing
	next(&fourth)
	if fourth.Version <= third.Version || fourth.Shards != nil || fourth.Nodes != nil {
		t.Errorf("after a setting has changed: %+v", fourth)
	}
}

func TestWatchHealth(t *testing.T) {
	_, c, client := gather(t, ServerConfig{Keepalive: 1})
	seen := []string{}
	last := ""
	for h, err := range client.WatchHealth(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, h.Status); len(seen) == 1 {
			c.apply(t, &cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: "x", Value: "y"}}}}) // changes no health
			c.kill(t, 2)
		} else {
			last = h.Reasons[0].Reason
			break
		}
	}
	if fmt.Sprint(seen) != "[green red]" || !strings.Contains(last, "will be promoted") {
		t.Errorf("%v %s", seen, last)
	}
}
