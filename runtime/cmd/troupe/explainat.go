package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// pastExplanation is why a shard was where it was, by a recorded plan: what explain says of now, and of which plan it is.
type pastExplanation struct {
	admin.ExplainAnswer
	Plan     string    `json:"plan"`
	Taken    time.Time `json:"taken"`
	Version  uint64    `json:"version"` // of the state that was planned on
	Status   string    `json:"status"`
	Why      string    `json:"why,omitempty"`
	Decided  []string  `json:"decided"`
	Conflict []string  `json:"conflict,omitempty"` // of a copy that no node might have: the fewest rules that saw to it
	Same     bool      `json:"same"`               // the plan comes out the same here: what is said is what was said then
	By       string    `json:"by"`                 // the software that planned
	row      string
}

// explainAt explains a shard by what a leader saw and which rules it asked: when a plan was made, at a time, or in a file.
func (r *remote) explainAt(ctx context.Context, modules []string, at, shard, node string, all bool) error {
	var args []string
	if strings.HasSuffix(at, ".plan") {
		args, at = []string{at}, ""
	}
	begin, err := r.beginning(ctx, args, at)
	if err != nil {
		return err
	}
	id, err := shardOf(begin.Input.State, shard)
	if err != nil {
		return err
	}
	shop := &workshop{}
	defer shop.close()
	p := &replayer{r: r, o: &replayFlags{modules: modules}, shop: shop, sets: map[string]*hosted.Set{}}
	set, err := p.inForce(ctx, begin)
	if err != nil {
		return err
	}
	in := begin.Input
	in.Policies = &set.Set
	same, _ := begin.Same(allocator.Make(in))
	e, err := allocator.Explain(in, id)
	shop.tell(r.c)
	if err != nil {
		return err
	}
	var only shards.NodeID
	if node != "" {
		m := in.State.MemberByName(node)
		if m == nil {
			return &failure{exitNotFound, fmt.Errorf("there was no node %q", node)}
		}
		only = m.ID
	}
	x := pastOf(begin, e, only, same)
	if r.json {
		return printJSON(r.c.out, x)
	}
	return r.printPast(x, all || node != "")
}

// shardOf finds a shard by name; without one it is the first that is not green.
func shardOf(s *cluster.State, name string) (shards.ShardID, error) {
	if name == "" {
		for _, h := range cluster.HealthOf(s).Reasons {
			return h.Shard, nil
		}
		return 0, &failure{exitNotFound, fmt.Errorf("every shard was green; name one")}
	}
	keyspace, index, err := shardName(name)
	if err != nil {
		return 0, err
	}
	k := s.KeyspaceByName(keyspace)
	if k == nil || index >= k.Shards {
		return 0, &failure{exitNotFound, fmt.Errorf("there was no shard %s", name)}
	}
	return shards.NewShardID(k.ID, index), nil
}

func pastOf(begin *records.Record, e *allocator.Explanation, only shards.NodeID, same bool) *pastExplanation {
	state := begin.Input.State
	said := admin.ExplanationOf(state, e, only)
	x := &pastExplanation{ExplainAnswer: admin.Explained(state, state.Shard(e.Shard), &said), row: e.Row, Plan: begin.Key.String(), Taken: begin.Taken, Version: state.Version,
		Status: e.Health.Status.String(), Why: e.Health.Reason, Decided: []string{}, Same: same, By: begin.Software.String()}
	for i := range e.Decisions {
		d := &e.Decisions[i]
		x.Decided = append(x.Decided, fmt.Sprintf("%v %v: %s", d.Lane, d.Verdict, d.Reason))
	}
	for i := range e.Conflict {
		x.Conflict = append(x.Conflict, e.Conflict[i].String())
	}
	return x
}

func (r *remote) printPast(x *pastExplanation, all bool) error {
	out := r.c.out
	fmt.Fprintf(out, "plan %s of %s, on cluster state version %d\n%s\n%s", x.Plan, x.Taken.Local().Format(time.RFC3339), x.Version, x.row, x.Status)
	if x.Why != "" {
		fmt.Fprintf(out, ": %s", x.Why)
	}
	fmt.Fprintln(out)
	for _, d := range x.Decided {
		fmt.Fprintf(out, "decided: %s\n", d)
	}
	if len(x.Decided) == 0 {
		fmt.Fprintln(out, "decided: nothing")
	}
	for _, c := range x.Conflict {
		fmt.Fprintf(out, "in the way: %s\n", c)
	}
	if !x.Same {
		fmt.Fprintf(out, "it was planned by %s, and this is %v, which plans otherwise: what follows may not be what was said then\n", x.By, runtime.Software())
	}
	return r.printVerdicts(x.Nodes, all)
}
