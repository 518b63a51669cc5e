package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
)

// Sum is a key with its value's digest in place of the value.
type Sum struct {
	Key    []byte
	SHA256 [sha256.Size]byte
	Size   int64 // bytes of the value
}

func sumOf(value []byte) [sha256.Size]byte { return sha256.Sum256(value) }

// Summed digests an item.
func Summed(item Item) Sum { return Sum{item.Key, sumOf(item.Value), int64(len(item.Value))} }

// Sorted digests a whole source in key order. Of a key that comes twice the last counts, as when it is loaded. It holds
// about 100 bytes for each key in memory. read hears how many bytes of the source each item took. bad are the *ItemErrors.
func Sorted(s Source, read func(size int64)) (sums []Sum, bad []error, err error) {
	for {
		item, err := s.Next()
		var one *ItemError
		switch {
		case err == io.EOF:
			return lastOfEach(sums), bad, nil
		case errors.As(err, &one):
			bad = append(bad, err)
		case err != nil:
			return nil, nil, err
		default:
			read(item.Place.Size)
			sum := Summed(item)
			sum.Key = bytes.Clone(sum.Key) // the item's may hold the whole record in memory
			sums = append(sums, sum)
		}
	}
}

func lastOfEach(sums []Sum) []Sum {
	slices.SortStableFunc(sums, func(a, b Sum) int { return bytes.Compare(a.Key, b.Key) })
	kept := sums[:0]
	for i, s := range sums {
		if i+1 == len(sums) || !bytes.Equal(s.Key, sums[i+1].Key) {
			kept = append(kept, s)
		}
	}
	return kept
}
