package source

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
)

// Sum is a key with its value's digest in place of the value.
type Sum struct {
	Key    []byte
	SHA256 [sha256.Size]byte
	Size   int64 // bytes of the value

	ExpireAt int64 // as in Item
}

func sumOf(value []byte) [sha256.Size]byte { return sha256.Sum256(value) }

// Summed digests an item.
func Summed(item Item) Sum {
	return Sum{item.Key, sumOf(item.Value), int64(len(item.Value)), item.ExpireAt}
}

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

// Sums digests the files of a tree on several goroutines and yields them in key order. *ItemErrors come in their place;
// any other error is the last.
func Sums(t *Tree, workers int) iter.Seq2[Sum, error] {
	return func(yield func(Sum, error) bool) {
		queue := make(chan chan hashed, 4*workers) // in key order; each is filled once
		slots := make(chan struct{}, workers)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		defer close(stop)
		wg.Go(func() {
			defer close(queue)
			for {
				f, err := t.NextFile()
				if err == io.EOF {
					return
				}
				result := make(chan hashed, 1)
				select {
				case queue <- result:
				case <-stop:
					return
				}
				if err != nil {
					result <- hashed{err: err}
					continue
				}
				slots <- struct{}{}
				wg.Go(func() { result <- hash(f); <-slots })
			}
		})
		for result := range queue {
			if h := <-result; !yield(h.sum, h.err) {
				return
			}
		}
	}
}

type hashed struct {
	sum Sum
	err error
}

func hash(f File) hashed {
	item, err := f.Item()
	if err != nil {
		return hashed{err: err}
	}
	return hashed{sum: Summed(item)}
}
