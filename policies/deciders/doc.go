// Package deciders holds the built-in rules of placement, one per file: the reference for their twins in other languages,
// and the safe set that takes over when another fails.
//
//	                       allocate  remain  rebalance  promote  start
//	same_node                  x
//	same_host                  x        x
//	awareness                  x        x
//	role                       x        x
//	filter                     x        x
//	version                    x
//	alive                      x                           x
//	draining                   x        x                  x
//	replace                    x        x                  x
//	maintenance                x                  x        x
//	enable                     x                  x
//	max_retries                x
//	replica_after_primary      x
//	shards_limit               x        x
//	disk                       x        x
//	memory                     x        x
//	active                                        x
//	allow_rebalance                               x
//	concurrent_rebalance                          x
//	rebalance_budget                              x
//	cooldown                                      x
//	windows                                       x
//	throttling                                                    x
//
// Each says in its comment what it refuses and which setting governs it; testdata plays each as text.
package deciders

import "github.com/troupe-actors/troupe/policies"

// All lists the built-in deciders in the order in which explanations name them.
func All() []policies.Decider {
	return []policies.Decider{SameNode{}, SameHost{}, Awareness{}, Role{}, Filter{}, Version{}, Alive{}, Draining{}, Replace{}, Maintenance{}, Enable{},
		MaxRetries{}, ReplicaAfterPrimary{}, ShardsLimit{}, Disk{}, Memory{}, Active{}, AllowRebalance{}, ConcurrentRebalance{}, RebalanceBudget{}, Cooldown{}, Windows{}, Throttling{}}
}
