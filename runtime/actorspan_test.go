package runtime

import (
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// What a shard holds of a span is what a sorted list does, forwards and backwards, whatever its bounds are.
func TestSpansOfAShard(t *testing.T) {
	n := start(t, Config{})
	k := virtual.NewKind[int]("span")
	if err := n.Register(t.Context(), k.Kind); err != nil {
		t.Fatal(err)
	}
	s := actorStorage{n}
	keys := []string{"x/{a}", "x/{a}0", "x/{a}0\xff", "x/{a}a", "x/{a}}", "x/{a}\xff", "x/{a}\xff\xff", "x/{a}\xff\xffa"} // in order
	var ops []virtual.Op
	for _, key := range keys {
		ops = append(ops, virtual.Op{Key: key, Value: []byte(key)})
	}
	eventually(t, "the shard is led", func() bool {
		_, err := s.Commit(t.Context(), "actors", ops)
		return err == nil
	})
	shard, _, err := s.Locate("actors", keys[0])
	if err != nil {
		t.Fatal(err)
	}
	bounds := append([]string{"", "x", "x/{b}", "\xff"}, keys...)
	for _, prefix := range append([]string{"\xff", "x/{a}0\xff\xff"}, keys...) {
		for _, from := range bounds {
			for _, to := range bounds {
				for _, last := range []bool{false, true} {
					span := virtual.Span{Prefix: prefix, From: from, To: to, Last: last}
					var want, got []string
					for _, key := range keys {
						if strings.HasPrefix(key, prefix) && key >= from && (to == "" || key < to) {
							want = append(want, key)
						}
					}
					if last {
						slices.Reverse(want)
					}
					for e, err := range s.ScanShard(t.Context(), shard, span) {
						if err != nil {
							t.Fatalf("%+v: %v", span, err)
						}
						if got = append(got, e.Key); string(e.Value) != e.Key {
							t.Errorf("%q has %q", e.Key, e.Value)
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%+v: %q; want %q", span, got, want)
					}
				}
			}
		}
	}
}
