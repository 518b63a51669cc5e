// Package runtime puts a Troupe node together and is what a Go program embeds.
//
//	              ┌──────────────────────────── Node ───────────────────────────┐
//	Go program ──►│ Store(keyspace)                                              │
//	Redis client ─►│ runtime/resp ──► route: key → slot → shard ──► actors/shard  │
//	HTTP client ──►│ runtime/admin                                   │      │     │
//	              │                                     shards/store    shards/wal │──► data folder
//	              └───────────────────────────────────────────────────────────────┘
//
// Start with the zero Config gives a node that keeps one keyspace in memory and listens nowhere: a fast ordered map with
// transactions, expiry and watches. A data folder makes it durable; addresses make it a server. Config.Kinds, Register and Actors are for
// virtual actors (package actors/virtual) whose code is in the program, Kinds for those whose code is a WebAssembly module.
package runtime
