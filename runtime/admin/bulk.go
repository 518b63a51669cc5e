package admin

import (
	"github.com/troupe-actors/troupe/shards/store"
)

// Limits of POST /{keyspace}/_bulk. A frame beyond MaxBulkFrame is taken only if it holds one item.
const (
	MaxBulkFrame = 8 << 20 // bytes of payload

	maxBulkItems = store.MaxOps
	maxLoneItem  = store.MaxKey + store.MaxValue + 64 // payload of a frame with one item
	mimeBulk     = "application/x-troupe-bulk"
)
