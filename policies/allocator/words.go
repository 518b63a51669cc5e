package allocator

import "strings"

// words is where what a plan says is written, many sentences behind one another: a zone that fails leaves tens of thousands of them, and each by
// itself would cost more than to write it.
//
//	orders/1 has 2 of 3 copies; node n7 …│orders/4│orders/4 has 2 of 3 …│        └── as many bytes as the last piece, and as many again
//
// A sentence that is kept keeps its piece, and so a piece is small.
type words struct{ piece strings.Builder }

// The bytes of the first piece, and of the largest.
const (
	firstPiece = 128
	mostPiece  = 4096
)

// keep gives a text as a string.
func (w *words) keep(text []byte) string {
	if room := w.piece.Cap() - w.piece.Len(); room < len(text) {
		size := min(mostPiece, max(firstPiece, 2*w.piece.Cap()))
		w.piece.Reset()
		w.piece.Grow(max(size, len(text)))
	}
	at := w.piece.Len()
	w.piece.Write(text)
	return w.piece.String()[at:]
}
