// Package deciders holds the built-in rules of placement, one per file: the reference for their twins in other languages,
// and the safe set that takes over when another fails.
//
//	             allocate  remain  rebalance  promote  start
//	same_node       x
//	same_host       x        x
//	role            x        x
//	alive           x                           x
//	draining        x        x                  x
//	maintenance     x                  x        x
//	enable          x                  x
//	max_retries     x
//	active                             x
//	throttling                                           x
//
// Each says in its comment what it refuses and which setting governs it; testdata plays each as text.
package deciders

import "github.com/troupe-actors/troupe/policies"

// All lists the built-in deciders in the order in which explanations name them.
func All() []policies.Decider {
	return []policies.Decider{SameNode{}, SameHost{}, Role{}, Alive{}, Draining{}, Maintenance{}, Enable{}, MaxRetries{}, Active{}, Throttling{}}
}
