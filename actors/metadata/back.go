package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// How a member comes back:
//
//	Join, with its higher epoch ──► the leader, once one is known: who votes asks for votes, and is heard by it
//	  │ nobody leads, as far as this node knows
//	  ▼
//	who is there? ──► each member that the folder knows, where it was last ──► whom it knows, and where they are now
//	  │                 └ it notes where this node is, so that it can tell others who look for it
//	  ▼
//	Join ──► one that has answered ──► or the leader that it names
//
// The second way is for a node that has come up at another address, and does not vote: nobody knows where it is, and nobody waits for a
// word of it. It is asked as a command, not by KindJoin: a leader refuses commands of those whom it does not know, so that a node that
// was forgotten does not slip in again.
const (
	renewPatience = 3 * time.Second // between two looks for the others; the first comes after Config.Patience
	roundsUnheard = 4               // after so many looks a node that waits where it always was asks by itself
	mostAsked     = 64              // addresses at once: each round takes others of a large cluster
)

// renew tells the group of this node's new life.
func (g *Group) renew(ctx context.Context) error {
	if g.alone(ctx) { // nobody else can win: why wait
		if err := g.stand(ctx); err != nil {
			return err
		}
	}
	say := progress5(g)
	for round, patience := 0, g.config.Patience; ; round, patience = round+1, renewPatience {
		patient, cancel := context.WithTimeout(ctx, patience)
		outcome, err := g.anew(patient)
		cancel()
		switch {
		case err == nil:
			return takenBack(&outcome)
		case errors.Is(err, ErrPast):
			return err
		}
		found := g.others(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, f := range found {
			if err := g.outlived(&f); err != nil {
				return err
			}
			g.meet(f.members)
		}
		if round >= roundsUnheard || g.unheard(found) {
			if back, err := g.callOn(ctx, found); back || err != nil {
				return err
			}
		}
		g.sayWaiting(ctx, say, found, err)
	}
}

// ErrPast says that the data folder is an old copy: this node has lived on since on another one, and has acknowledged there what this one lacks. It ends the
// Group for good, and is found by errors.Is in Group.Err; a ShortError is one.
var ErrPast = errors.New("the data folder is of a life of this node that is past")

// anew tells the leader of this node's life, once all that was agreed before is known here: if that has this life in it already, this node
// began it before, on a folder that is a newer one than this, and has acknowledged what this one lacks.
func (g *Group) anew(ctx context.Context) (cluster.Outcome, error) {
	if !g.begun.Load() {
		if err := g.Barrier(ctx); err != nil {
			return cluster.Outcome{}, err
		}
		if m := g.State().Member(g.config.Self.ID); m != nil && (m.Epoch >= g.config.Self.Epoch || g.config.Log.missed(m.Epoch)) {
			return cluster.Outcome{}, fmt.Errorf("metadata: %w: epoch %d begins here, and the cluster knows of epoch %d, which is not of this folder: %s", ErrPast, g.config.Self.Epoch, m.Epoch, pastAdvice)
		}
		if err := g.announce(); err != nil {
			return cluster.Outcome{}, err
		}
	}
	return g.Propose(ctx, g.rejoin())
}

// announce notes that the cluster is about to be asked to take this life in.
func (g *Group) announce() error {
	if g.begun.Load() {
		return nil
	}
	if err := g.config.Log.announce(g.config.Self.Epoch); err != nil {
		return err
	}
	g.begun.Store(true)
	return nil
}

const pastAdvice = "start the node on its newer folder; if that is lost, have the cluster forget this node and begin with an empty one; to restore a whole cluster takes the folders of all nodes, of the same stop"

// unheard says whether the members wait in vain for a word of this node, as of one that has moved and does not vote, or know no such node:
// then it has to call on them. From others the leader hears, and they from it, so that anew can look before it asks.
func (g *Group) unheard(found []finding) bool {
	m := g.State().Member(g.config.Self.ID)
	if m == nil || m.Peer != g.config.Self.Peer {
		return true
	}
	for _, f := range found {
		if f.err == nil && !slices.ContainsFunc(f.members[:len(f.members)-1], func(a transport.Address) bool { return a.Node == g.config.Self.ID }) {
			return true
		}
	}
	return false
}

func takenBack(outcome *cluster.Outcome) error {
	if outcome.Err != nil {
		return fmt.Errorf("metadata: the cluster does not take this node back: %w", outcome.Err)
	}
	return nil
}

// sayWaiting says what a node that is not back yet waits for.
func (g *Group) sayWaiting(ctx context.Context, say *progressLine, found []finding, cause error) {
	if len(found) > 0 {
		say.line("waiting for the metadata group to take this node back; it needs a majority of its voters: start them, or give --join with an address of one that has moved",
			"voters", g.Status().Voters, "error", cause)
		return
	}
	say.line("no other member answers where this node knows it: they do not run, or have moved as this node may have, and then nobody can tell it where to; start one of them at its old address, or give this node --join, or a file of peers, with the present address of one",
		"asked", g.known(ctx), "error", cause)
}

// known are the addresses at which this node looks for the others: those that it was given, and where it has heard of them last, which
// may have been long ago.
func (g *Group) known(ctx context.Context) []string {
	list := g.seeds()
	for _, m := range g.whereabouts(ctx, transport.Hello{}) {
		if m.Node != g.config.Self.ID {
			list = append(list, m.Addr)
		}
	}
	return once(list)
}

// others asks the members of this node's cluster that it knows of, and those that they know of.
func (g *Group) others(ctx context.Context) (found []finding) {
	asked, addresses, given := map[string]bool{"": true}, g.known(ctx), g.seeds()
	for range 2 {
		addresses = slices.DeleteFunc(addresses, func(address string) bool {
			again := asked[address]
			asked[address] = true
			return again
		})
		var next []string
		for _, f := range g.askAll(ctx, some(addresses, given)) {
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

// some are as many addresses as are asked at once: those that this node was given, since somebody has said that they are right, and of the others
// each time others.
func some(addresses, given []string) []string {
	if len(addresses) <= mostAsked {
		return addresses
	}
	rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] })
	slices.SortStableFunc(addresses, func(a, b string) int { return cmp.Compare(place(given, a), place(given, b)) })
	return addresses[:mostAsked]
}

// place is 0 for what is in a list, and 1 for all else.
func place(list []string, one string) int {
	if slices.Contains(list, one) {
		return 0
	}
	return 1
}

// outlived is an error if a member knows of a later life of this node than the present one: then the data folder is an old copy,
// whatever the other members would have to say, and what it holds may have been given up since. One that knows of the present life elsewhere
// knows of another process on a copy of the folder, which began that life before.
func (g *Group) outlived(f *finding) error {
	if g.config.Log.missed(f.known) {
		return fmt.Errorf("metadata: %w: epoch %d begins here, and %s knows of epoch %d, which is not of this folder: %s", ErrPast, g.config.Self.Epoch, f.address, f.known, pastAdvice)
	}
	for _, m := range f.members {
		if m.Node == g.config.Self.ID && m.Epoch > g.config.Self.Epoch {
			return fmt.Errorf("metadata: %w: epoch %d begins here, and %s knows of epoch %d: %s", ErrPast, g.config.Self.Epoch, f.address, m.Epoch, pastAdvice)
		}
		if m.Node == g.config.Self.ID && m.Epoch == g.config.Self.Epoch && m.Addr != g.config.Self.Peer {
			return fmt.Errorf("metadata: the data folder is used twice: %s knows of epoch %d of this node at %s, and it begins here at %s as well: if that one runs, start nothing on a copy of its folder; if it does not, start the node on the newer of the two",
				f.address, m.Epoch, m.Addr, g.config.Self.Peer)
		}
	}
	return nil
}

// callOn asks those who have answered to take this node back, until the leader was among them. back: it has, and this node has heard
// of it. An error is final.
func (g *Group) callOn(ctx context.Context, found []finding) (back bool, err error) {
	var addresses []string
	where := map[shards.NodeID]string{}
	for _, f := range found {
		addresses, where[f.node] = append(addresses, f.address), f.address
	}
	for _, f := range found {
		for _, m := range f.members {
			if where[m.Node] == "" {
				where[m.Node] = m.Addr
			}
		}
	}
	if len(addresses) == 0 {
		return false, nil
	}
	if err := g.announce(); err != nil {
		return false, err
	}
	asked := map[string]bool{"": true}
	for len(addresses) > 0 && ctx.Err() == nil {
		address := addresses[0]
		addresses = addresses[1:]
		if asked[address] {
			continue
		}
		asked[address] = true
		a := g.callOnOne(ctx, address)
		switch a.verdict {
		case verdictApplied:
			if err := takenBack(&a.applied.Outcome); err != nil {
				return false, err
			}
			return g.heard(ctx), nil
		case verdictRefused: // a member that does not know this node is no proof, if it does not lead
			return false, fmt.Errorf("metadata: cluster %s has forgotten this node, says its leader at %s: what the data folder holds is no part of it any more. To have the node in the cluster again, start it with an empty data folder and --join %s; keep this one until nothing of it is missed",
				g.config.Log.Cluster(), address, address)
		case verdictElsewhere:
			addresses = append([]string{where[a.leader]}, addresses...)
		}
	}
	return false, nil
}

// callOnOne asks one member to take this node back.
func (g *Group) callOnOne(ctx context.Context, address string) answer {
	ctx, cancel := context.WithTimeout(ctx, g.config.Patience)
	defer cancel()
	p := Proposal{ID: ProposalID{Proposer: g.config.Self.Raft, Epoch: g.config.Self.Epoch, Sequence: g.sequence.Add(1)}, Command: g.rejoin()}
	_, body, err := g.config.Wire.CallAddress(ctx, address, transport.KindCommand, encodeProposal(&p))
	a, _ := judge(body, err)
	return a
}

// heard waits until this node has heard from its group that it is back; false if that takes long.
func (g *Group) heard(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, renewPatience)
	defer cancel()
	select {
	case <-g.joined:
		return true
	case <-g.done:
	case <-ctx.Done():
	}
	return false
}
