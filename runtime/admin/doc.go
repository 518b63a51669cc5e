// Package admin is the HTTP side of a node: the API that the command line, scripts, monitors and Prometheus speak, and the
// Go client of it. API.md lists each path with an example.
//
//	curl, troupe, Prometheus          Client (client.go)
//	          │                            │
//	          ▼                            ▼
//	listener: connections bounded ─► net/http: header bounded in size and time
//	                                       │
//	                     token ─► pace (slow readers and writers) ─► room (requests, bytes in flight)
//	                                       │
//	         /{keyspace}/keys/{key…}  ─────┤ split by hand: a key may hold any byte, "//" and ".." too
//	         /actors/{kind}/{name…}/… ─────┤ likewise
//	         everything else          ─────┴► ServeMux ─► handler ─► Backend
//
// Names and habits are Elasticsearch's where the thing is the same (/_cluster/health, /_cat/shards?v), so that monitors and
// fingers carry over. Errors are JSON: {"error":{"kind":"conflict","reason":"..."},"status":409}; the kind is that of
// shards.ErrorKind, or one of the few that only HTTP has.
//
// The package knows nothing of how actors work: it declares the Backend, and the Actors, that it needs, and package runtime implements it.
package admin
