package guest

import (
	"bytes"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// FuzzMark: whatever a shard keeps is refused, or is a mark that encodes to the same bytes.
func FuzzMark(f *testing.F) {
	whole := (&mark{7, 2, cluster.DigestOf(nil)}).encode()
	f.Add(whole)
	f.Add(whole[:markHeader])
	f.Add([]byte{markFormat})
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMark(b)
		if err == nil && len(b) > 0 && !bytes.Equal(m.encode(), b) {
			t.Fatalf("%x became %+v", b, m)
		}
		if (MarkedVersion(b) != m.version) && err == nil {
			t.Fatal("the version is another")
		}
	})
}
