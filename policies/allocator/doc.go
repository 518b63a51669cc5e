// Package allocator plans where copies live and which of them lead: the cluster state, the evidence about its members and
// the deciders in, a plan as data out. It is pure: the same input gives the same plan, in the cluster and in a replay.
//
//	              ┌ 0 emergency  members died, shards without a primary: promote in-sync copies, spread over many nodes
//	state ──┐     │ 1 create     shards without a copy
//	evidence├─►   ┤ 2 missing    copies that should be there: what a node still has first, a new one when the wait is over;
//	loads   │     │              and those that are too many
//	deciders┘     │ 3 move       copies that cannot remain, primaries on nodes that should not lead
//	              └ 4 balance    loads as even as capacity lets them be; where nothing is measured, numbers of copies and of primaries
//
// It is level-triggered: each run looks at the whole state and proposes the difference to what is wanted, as far as throttling
// lets it start now. Repeated, with the recoveries that it asked for done in between, it comes to a point where nothing is
// left to do, and does nothing there. Lane 0 goes alone, so that a failover waits for nothing else.
//
// Where copies should go is worked out apart, in the dense arrays of package fit (Desire shows the whole of it); lanes 1 to 4
// carry it out. Moves are tried on a cluster.Trial as they are planned: what one lane did is before the eyes of the next, and what
// Apply would refuse is never proposed. DESIGN.md has the pictures.
package allocator
