package runtime

import (
	"fmt"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A scan whose reader stood still for more than a minute is cut off, and one that begins behind its last key finds the rest.
func TestScanOfAReaderThatStoodStill(t *testing.T) {
	nodes := trio(t, "never")
	s := open(t, nodes[0], "default")
	const keys = 40_000 // more than a page in each of the six shards
	w := must[*Writer](t)(s.Writer(WriterOptions{}))
	for i := range keys {
		if err := w.Write(t.Context(), Put(fmt.Sprintf("k%06d", i), nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, last, cut := 0, "", error(nil)
	visit := func(stop int) {
		for e, err := range s.Scan(t.Context(), ScanOptions{After: last}) {
			if err != nil {
				cut = err
				return
			}
			n, last = n+1, string(e.Key)
			if n == stop {
				for _, node := range nodes {
					node.views.Expire(time.Now().Add(61 * time.Second))
				}
			}
		}
	}
	visit(keys / 10)
	if kindOf(cut) != shards.KindUnavailable {
		t.Fatalf("after %d keys: %v", n, cut)
	}
	if cut = nil; n < keys {
		visit(0)
	}
	if n != keys || cut != nil {
		t.Errorf("%d keys, %v", n, cut)
	}
}
