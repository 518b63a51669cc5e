package allocator

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// What is kept stays as it was, however much is written behind it, and whatever becomes of the bytes that it was made of.
func TestWordsStay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 0))
	var w words
	var kept, want []string
	var text []byte
	for range 3000 {
		size := r.IntN(300)
		if r.IntN(200) == 0 {
			size = mostPiece + r.IntN(mostPiece)
		}
		text = append(text[:0], strings.Repeat(string(rune('a'+r.IntN(26))), size)...)
		want, kept = append(want, string(text)), append(kept, w.keep(text))
	}
	for i := range want {
		if kept[i] != want[i] {
			t.Fatalf("text %d was %.40q, and is %.40q", i, want[i], kept[i])
		}
	}
	if n := testing.AllocsPerRun(3000, func() { w.keep([]byte("orders/1 has 2 of 3 copies")) }); n != 0 {
		t.Errorf("a short text takes %v allocations", n)
	}
}
