package metadata

import (
	"context"
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/actors/transport"
)

// over is an error if others know that there is nothing to wait for: of a later life of this node than the present one, or that the
// cluster has forgotten it.
func (g *Group) over(ctx context.Context) error {
	for _, f := range g.others(ctx) {
		if err := g.outlived(&f); err != nil {
			return err
		}
		if slices.ContainsFunc(f.members, func(m transport.Address) bool { return m.Node == g.config.Self.ID }) {
			continue
		}
		if err := g.forgotten(ctx, f.address); err != nil {
			return err
		}
	}
	return nil
}

// others asks the members of this node's cluster that it knows of, and those that they know of.
func (g *Group) others(ctx context.Context) (found []finding) {
	asked := map[string]bool{"": true}
	addresses := g.seeds()
	for _, m := range g.members() {
		addresses = append(addresses, m.Addr)
	}
	for range 2 {
		addresses = slices.DeleteFunc(addresses, func(address string) bool {
			again := asked[address]
			asked[address] = true
			return again
		})
		var next []string
		for _, f := range g.askAll(ctx, addresses) {
			if f.err != nil || f.cluster != g.config.Log.Cluster() || f.node == g.config.Self.ID {
				continue
			}
			found = append(found, f)
			for _, m := range f.members {
				next = append(next, m.Addr)
			}
		}
		addresses = next
	}
	return found
}

// outlived is an error if a member knows of a later life of this node than the present one: then the data folder is an old copy,
// whatever the other members would have to say, and what it holds may have been given up since.
func (g *Group) outlived(f *finding) error {
	for _, m := range f.members {
		if m.Node == g.config.Self.ID && m.Epoch > g.config.Self.Epoch {
			return fmt.Errorf("metadata: the data folder is of a life of this node that is past: epoch %d begins here, and %s knows of epoch %d: start the node on its newer folder; if that is lost, have the cluster forget this node and begin with an empty one",
				g.config.Self.Epoch, f.address, m.Epoch)
		}
	}
	return nil
}

// forgotten is an error if the leader of the cluster listens at an address and does not know this node. That a member does not is no
// proof: it may be behind, and not know yet that this node has joined.
func (g *Group) forgotten(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	p := Proposal{ID: ProposalID{Proposer: g.config.Self.Raft, Epoch: g.config.Self.Epoch, Sequence: g.sequence.Add(1)}, Since: max(1, g.Status().Applied), Command: g.rejoin()}
	_, body, err := g.config.Wire.CallAddress(ctx, address, transport.KindCommand, encodeProposal(&p))
	if a, _ := judge(body, err); a.verdict != verdictRefused {
		return nil
	}
	return fmt.Errorf("metadata: cluster %s has forgotten this node, says its leader at %s: what the data folder holds is no part of it any more. To have the node in the cluster again, start it with an empty data folder and --join %s; keep this one until nothing of it is missed",
		g.config.Log.Cluster(), address, address)
}
