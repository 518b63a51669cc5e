package admin

import (
	"context"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// behind is a cluster in which the copy on each node ends elsewhere.
type behind struct {
	*agreed
	ends map[shards.NodeID]Shard
}

func (b behind) View(ctx context.Context, node shards.NodeID, copies bool) (View, error) {
	v, err := b.agreed.View(ctx, node, copies)
	for i := range v.Copies {
		end := b.ends[node]
		v.Copies[i].Last, v.Copies[i].LastTerm, v.Copies[i].Applied, v.Copies[i].Reason = end.Last, end.LastTerm, end.Applied, end.Reason
	}
	return v, err
}

// backed is a node that belongs to such a cluster.
type backed struct {
	*memory
	in behind
}

func (b backed) Cluster() Cluster { return b.in }

// Each command of an answer has its own gap, and words agree with their numbers.
func TestGapsOfOneShard(t *testing.T) {
	a := newAgreed(t)
	id := a.state.Shards[0].ID
	r := Reroute{Commands: []RerouteCommand{{Kind: CommandAllocateStale, Shard: id, To: nodeID(1)}, {Kind: CommandAllocateEmpty, Shard: id, To: nodeID(2)}, {Kind: CommandAllocateEmpty, Shard: id, To: nodeID(1)}}}
	answer := RerouteAnswer{Moves: []PlannedMove{{Shard: a.state.ShardName(id), Move: moveNames[cluster.MoveStale], Node: "n1"}}}
	if answer.lose(a.state, &r, []string{"of stale on n1", "of empty on n2", "of empty on n1"}); answer.Moves[0].Lacks != "of stale on n1" {
		t.Errorf("the move lacks what is %s", answer.Moves[0].Lacks)
	}
	own := &Shard{Last: 7, LastTerm: 2}
	for want, best := range map[string]*Shard{"": own, ", 1 operation and 1 term later": {Last: 8, LastTerm: 3}, ", 2 operations and 2 terms later": {Last: 9, LastTerm: 4}} {
		if got := later(own, best); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a node of a release before tells has no end: it is not known how far its copies go.
func TestWhoTellsWhereACopyEnds(t *testing.T) {
	a := newAgreed(t)
	for _, c := range []struct {
		of   Shard
		told bool
	}{{Shard{Applied: 42, Last: 43, LastTerm: 1}, true}, {Shard{}, true}, {Shard{Applied: 42}, false}, {Shard{Reason: "it opens"}, false}} {
		server := NewServer(backed{newMemory(), behind{a, map[shards.NodeID]Shard{nodeID(1): c.of}}}, ServerConfig{})
		o := server.overview()
		o.ask(t.Context(), behind{a, map[shards.NodeID]Shard{nodeID(1): c.of}})
		for i := range o.copies {
			if x := &o.copies[i]; x.Node == nodeID(1) && x.Told != c.told {
				t.Errorf("%+v: told %v", c.of, x.Told)
			}
		}
	}
}

// T22: "red; never automatic; allocate stale shows term/offset gap": in the dry run, which needs no word that the loss is accepted, in the refusal
// without it, and when it is done.
func TestWhatIsGivenUp(t *testing.T) {
	m := newMemory()
	a := newAgreed(t)
	a.move(t, 0, cluster.Move{Kind: cluster.MoveAllocate, Node: nodeID(3)}) // c5 on n3, which never comes in sync
	row := a.state.Shard(0)
	a.apply(t, &cluster.Command{InSync: &cluster.InSync{Shard: 0, Term: row.Term, Primary: row.Primary, Remove: []shards.CopyID{row.CopyOn(nodeID(2)).ID}}})
	a.kill(t, 1)
	m.cluster = a
	server := NewServer(backed{m, behind{a, map[shards.NodeID]Shard{nodeID(2): {Last: 1041, LastTerm: 1}, nodeID(3): {Last: 1057, LastTerm: 3}}}}, ServerConfig{})
	lacks := "copy c6 on node n2 ends at operation 1041 of term 1, and the shard's last term is 1; copy c5 on node n3 ends at operation 1057 of term 3, 16 operations and 2 terms later; " +
		"how far c1 on node n1 (in sync) goes nobody says: what it has beyond that is given up as well"
	for _, c := range []struct {
		target, command string
		status          int
		want            string
	}{
		{"", `{"allocate_stale":{"keyspace":"default","shard":0,"node":"n2"}}`, 400, "command 0: allocate_stale gives up acknowledged writes of shard default/0 for ever: " + lacks + `. Say that this is accepted with`},
		{"?dry_run", `{"allocate_stale":{"keyspace":"default","shard":0,"node":"n2"}}`, 200, `"move":"stale","node":"n2","copy":"c6","reason":"an operator asked for it","lacks":"` + lacks + `"`},
		{"?dry_run", `{"allocate_stale":{"keyspace":"default","shard":0,"node":"n3"}}`, 200, `"lacks":"copy c5 on node n3 ends at operation 1057 of term 3, and the shard's last term is 1; how far c1`},
		{"", `{"allocate_empty":{"keyspace":"default","shard":0,"node":"n2"}}`, 400, "term 1; all of it is given up; how far c1"},
		{"", `{"allocate_stale":{"keyspace":"default","shard":0,"node":"n2","accept_data_loss":true}}`, 200, `"lacks":"` + lacks + `"`},
	} {
		w := ask(server, "POST", "/_cluster/reroute"+c.target, `{"commands":[`+c.command+`]}`)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.target, c.command, w.Code, w.Body, c.status, c.want)
		}
	}
}
