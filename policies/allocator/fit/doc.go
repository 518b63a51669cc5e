// Package fit places weighty things on nodes: vectors of load in, an assignment out. It knows no cluster, only dense arrays, so
// that 100,000 copies on 1000 nodes are a matter of milliseconds. It is deterministic: chance comes from a seed.
//
//	 shards ─► slots    classes ─► rows (a byte per node)      nodes ─► use, capacity, level
//	┌────────┬───────┐ ┌───────┬─────────────────────┐        ┌──────┬────────────────────┐
//	│ s0  c0 │ 3 7 9 │ │ c0    │ 0 0 2 0 1 0 0 2 …   │        │ n0   │ ▇▇▇▇▇▇▁▁  cool     │
//	│ s1  c1 │ 1 4 – │ │ c1    │ 2 0 0 0 0 0 0 0 …   │        │ n1   │ ▇▇▇▇▇▇▇▇▇▇ hot     │
//	└────────┴───────┘ └───────┴─────────────────────┘        └──────┴────────────────────┘
//	  Place fills the slots that are empty (–), the biggest load first: of twelve nodes the one where it costs least
//	  Settle cools hot nodes: hand the lead over ─► move ─► swap ─► chain, the best gain per byte first
//
// What is minimized is the potential Σ capacity·(use / (capacity·level))^8 over nodes and dimensions. The level of a node is
// what it would carry if the loads of its classes could be poured like water: a node that must carry more, because few may, is
// not hot for that. See the DESIGN.md of the allocator.
package fit
