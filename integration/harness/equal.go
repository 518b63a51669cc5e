package harness

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrDiverged says that two copies of a shard, or two nodes, have gone different ways: there is nothing to wait for.
var ErrDiverged = errors.New("diverged")

// NodeRow is one member, as /_cat/nodes shows it.
type NodeRow struct {
	Name      string `json:"name"`
	State     string `json:"state"`
	Copies    int    `json:"shards,string"`
	Primaries int    `json:"pri,string"`
	Voter     string `json:"voter"`          // * votes
	Applied   uint64 `json:"applied,string"` // the last entry of the metadata group
	Digest    string `json:"digest"`         // hash up to there
}

// Votes says whether the member votes in the metadata group.
func (r *NodeRow) Votes() bool { return r.Voter == "*" }

// Nodes lists the members, as any running one knows them.
func (c *Cluster) Nodes(ctx context.Context) (rows []NodeRow, err error) {
	return rows, c.anyone(func(m *Member) error {
		rows = nil
		return m.ask(ctx, "/_cat/nodes?format=json&h=name,state,shards,pri,voter,applied,digest", &rows)
	})
}

// Node is the row of one member.
func (c *Cluster) Node(ctx context.Context, name string) (NodeRow, error) {
	rows, err := c.Nodes(ctx)
	if err != nil {
		return NodeRow{}, err
	}
	for _, r := range rows {
		if r.Name == name {
			return r, nil
		}
	}
	return NodeRow{}, fmt.Errorf("the cluster does not list %s", name)
}

// Standing is what a member says of the life of one, and why, as /_nodes has it.
type Standing struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	State  string `json:"state"`
	Reason string `json:"reason"`
	Epoch  uint64 `json:"epoch"`
}

// Standing asks this member of another, or of itself.
func (m *Member) Standing(ctx context.Context, of string) (Standing, error) {
	var all []Standing
	if err := m.ask(ctx, "/_nodes", &all); err != nil {
		return Standing{}, err
	}
	for _, s := range all {
		if s.Name == of {
			return s, nil
		}
	}
	return Standing{}, fmt.Errorf("%s does not list %s", m.Name, of)
}

// Comparison is what WaitEqual has compared.
type Comparison struct {
	Shards, Copies int
	Applied        uint64 // transactions of all shards together
}

// WaitEqual waits until every shard has all its copies, each has applied the same number of transactions, and every running
// node the same entries of the metadata group; nobody may write meanwhile. Copies that have applied the same number must hold
// the same at every moment: ErrDiverged ends the wait at once.
func (c *Cluster) WaitEqual(ctx context.Context) (Comparison, error) {
	var now Comparison
	var diverged error
	err := c.Wait(ctx, func(ctx context.Context) error {
		rows, err := c.Shards(ctx)
		if err != nil {
			return err
		}
		if now, err = compareCopies(rows); err == nil {
			err = c.compareNodes(ctx)
		}
		if errors.Is(err, ErrDiverged) {
			diverged = err
			return nil
		}
		return err
	})
	return now, errors.Join(diverged, err)
}

// compareCopies is nil if all copies are there and equal.
func compareCopies(rows []ShardRow) (sum Comparison, unequal error) {
	type place struct{ keyspace, shard string }
	first := map[place]*ShardRow{}
	for i := range rows {
		r := &rows[i]
		sum.Copies++
		if r.State != "STARTED" {
			unequal = fmt.Errorf("%s/%s: a copy is %s on %s", r.Keyspace, r.Shard, strings.ToLower(r.State), r.Node)
		}
		at := place{r.Keyspace, r.Shard}
		f := first[at]
		if f == nil {
			first[at] = r
			sum.Shards++
			seq, err := strconv.ParseUint(r.Applied, 10, 64)
			if err != nil {
				return sum, fmt.Errorf("%s/%s: seq %q", r.Keyspace, r.Shard, r.Applied)
			}
			sum.Applied += seq
			continue
		}
		switch {
		case f.Applied != r.Applied:
			unequal = fmt.Errorf("%s/%s: %s has applied %s, %s %s", r.Keyspace, r.Shard, f.Node, f.Applied, r.Node, r.Applied)
		case f.Hash != r.Hash || f.Keys != r.Keys:
			return sum, fmt.Errorf("%w: %s/%s at %s: %s has hash %s and %s keys, %s %s and %s",
				ErrDiverged, r.Keyspace, r.Shard, r.Applied, f.Node, f.Hash, f.Keys, r.Node, r.Hash, r.Keys)
		}
	}
	return sum, unequal
}

// compareNodes is nil if all running nodes have carried out the same entries of the metadata group.
func (c *Cluster) compareNodes(ctx context.Context) error {
	rows, err := c.Nodes(ctx)
	if err != nil {
		return err
	}
	var first *NodeRow
	var unequal error
	for i := range rows {
		r := &rows[i]
		switch {
		case strings.HasPrefix(r.State, "dead"):
		case first == nil:
			first = r
		case first.Applied != r.Applied:
			unequal = fmt.Errorf("%s has applied entry %d, %s %d", first.Name, first.Applied, r.Name, r.Applied)
		case first.Digest != r.Digest:
			return fmt.Errorf("%w: the cluster state at entry %d: %s has digest %s, %s %s", ErrDiverged, r.Applied, first.Name, first.Digest, r.Name, r.Digest)
		}
	}
	return unequal
}
