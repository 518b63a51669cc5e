package main

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards/store"
)

// An empty value is one; a key that is gone has none.
func TestAWatchPrintsEmptyValues(t *testing.T) {
	for want, change := range map[string]store.Change{
		`{"seq":7,"shard":1,"kind":"put","key":"k","value":""}`: {Seq: 7, Kind: store.ChangePut, Key: []byte("k"), Value: []byte{}},
		`{"seq":8,"shard":1,"kind":"delete","key":"k"}`:         {Seq: 8, Kind: store.ChangeDelete, Key: []byte("k")},
	} {
		var out strings.Builder
		r := &remote{c: &console{out: &out}, json: true}
		if err := r.printChange(&admin.Changed{Shard: 1, Change: change}); err != nil || out.String() != want+"\n" {
			t.Errorf("%s%v; want %s", out.String(), err, want)
		}
	}
}
