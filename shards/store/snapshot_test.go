package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/radix"
)

// chunksOf is the whole stream of a store as it is now.
func chunksOf(s *Store, max int) (chunks [][]byte) {
	snapshot := s.Snapshot()
	defer snapshot.Close()
	for chunk := range snapshot.Chunks(nil, max) {
		chunks = append(chunks, append([]byte(nil), chunk...))
	}
	return chunks
}

func load(chunks [][]byte) (*Store, error) {
	l := NewLoader(Options{})
	for _, chunk := range chunks {
		if err := l.Chunk(chunk); err != nil {
			return nil, err
		}
	}
	return l.Finish()
}

// mustEqual compares all that makes two stores the same.
func mustEqual(t *testing.T, got, want *Store) {
	t.Helper()
	if got.Applied() != want.Applied() || got.Now() != want.Now() || got.Rolling() != want.Rolling() || got.expiring != want.expiring {
		t.Fatalf("seq %d now %d rolling %x expiring %d, want %d %d %x %d", got.Applied(), got.Now(), got.Rolling(), got.expiring,
			want.Applied(), want.Now(), want.Rolling(), want.expiring)
	}
	if got.Digest() != want.Digest() {
		t.Fatalf("digest %v, want %v", got.Digest(), want.Digest())
	}
}

func sample(t *testing.T) *Store {
	s := New(Options{})
	s.must(t, 7, put("", "empty"))
	for i := range 12 {
		s.must(t, 8, Op{Kind: OpSet, Key: fmt.Appendf(nil, "k%02d", (i*5)%12), Value: fmt.Append(nil, i), ExpireAt: int64(i%2) * 1000})
	}
	return s
}

func TestLoadedStoreGoesOnAsTheFirst(t *testing.T) {
	s := sample(t)
	for _, max := range []int{0, 1, 60, 100} {
		loaded, err := load(chunksOf(s, max))
		if err != nil {
			t.Fatalf("chunks of %d bytes: %v", max, err)
		}
		mustEqual(t, loaded, s)
	}
	loaded, _ := load(chunksOf(s, 1))
	for _, x := range []*Store{s, loaded} {
		x.must(t, 1000, put("k00", "new"), Op{Kind: OpExpireDue, Int: 3}, Op{Kind: OpIncrement, Key: []byte("k02"), Int: 4})
	}
	mustEqual(t, loaded, s)
	if a, b := chunksOf(s, 60), chunksOf(loaded, 60); fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatal("equal content gave different chunks")
	}
}

func TestEmptyStoreLoads(t *testing.T) {
	loaded, err := load(chunksOf(New(Options{}), 0))
	if err != nil || loaded.Len() != 0 {
		t.Fatalf("%v", err)
	}
	mustEqual(t, loaded, New(Options{}))
}

// "One flipped byte anywhere in log or snapshot is detected" (issue 2, Crash).
func TestEveryFlippedByteIsDetected(t *testing.T) {
	chunks := chunksOf(sample(t), 60)
	if len(chunks) < 4 {
		t.Fatalf("%d chunks are too few to prove anything", len(chunks))
	}
	for c := range chunks {
		for i := range chunks[c] {
			for _, flip := range []byte{1, 0x80, 0xFF} {
				chunks[c][i] ^= flip
				if _, err := load(chunks); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("chunk %d, byte %d ^ %#x: %v", c, i, flip, err)
				}
				chunks[c][i] ^= flip
			}
		}
		for n := range chunks[c] {
			cut := append([][]byte(nil), chunks...)
			cut[c] = chunks[c][:n]
			if _, err := load(cut); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("chunk %d cut to %d bytes: %v", c, n, err)
			}
		}
	}
	if _, err := load(chunks); err != nil {
		t.Fatalf("the stream itself: %v", err)
	}
}

func TestLostDoubledAndMisplacedChunksAreDetected(t *testing.T) {
	s := sample(t)
	chunks := chunksOf(s, 60)
	s.must(t, 9, put("zz", "later"))
	other := chunksOf(s, 60)
	without := func(i int) [][]byte { return append(append([][]byte(nil), chunks[:i]...), chunks[i+1:]...) }
	for i := range chunks {
		refused(t, fmt.Sprintf("without chunk %d", i), without(i), i)
		twice := append(append([][]byte(nil), chunks[:i+1]...), chunks[i:]...)
		refused(t, fmt.Sprintf("chunk %d twice", i), twice, i+1)
		if i > 0 {
			swapped := append([][]byte(nil), chunks...)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			refused(t, fmt.Sprintf("chunks %d and %d swapped", i-1, i), swapped, i-1)
			mixed := append(append([][]byte(nil), chunks[:i]...), other[i:]...)
			refused(t, fmt.Sprintf("another snapshot's from chunk %d", i), mixed, i)
		}
	}
}

func refused(t *testing.T, what string, chunks [][]byte, at int) {
	t.Helper()
	_, err := load(chunks)
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) || corrupt.Chunk != at || corrupt.ErrorKind() != shards.KindCorrupt {
		t.Fatalf("%s: %v, want a corrupt chunk %d", what, err, at)
	}
}

// "Snapshot stream (chunked, checksummed, resumable)" (issue 2, item 3).
func TestResumeFromAnyChunk(t *testing.T) {
	s := sample(t)
	snapshot := s.Snapshot()
	defer snapshot.Close()
	chunks := chunksOf(s, 60)
	for stop := range len(chunks) {
		for _, max := range []int{1, 60, 1000} {
			l := NewLoader(Options{})
			for _, chunk := range chunks[:stop] {
				if err := l.Chunk(chunk); err != nil {
					t.Fatal(err)
				}
			}
			for chunk := range snapshot.Chunks(l.After(), max) {
				if err := l.Chunk(chunk); err != nil {
					t.Fatalf("resumed after chunk %d: %v", stop, err)
				}
			}
			loaded, err := l.Finish()
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, loaded, s)
		}
	}
}

// "Snapshots readable anywhere" (radix.md section 7): run with -race.
func TestSnapshotsAreReadWhileTheStoreGoesOn(t *testing.T) {
	s := sample(t)
	var readers sync.WaitGroup
	for round := range 20 {
		snapshot, want := s.Snapshot(), s.Digest()
		for range 2 {
			readers.Go(func() {
				if got := snapshot.Digest(); got != want {
					t.Errorf("digest %v, want %v", got, want)
				}
				for range snapshot.Chunks(nil, 100) {
				}
				snapshot.Scan(0, nil, []byte("k"), 5, func([]byte, radix.Item) bool { return true })
			})
		}
		for i := range 200 {
			s.must(t, int64(round), put(fmt.Sprintf("k%03d", i*7%300), fmt.Sprint(round)), Op{Kind: OpDelete, Key: fmt.Appendf(nil, "k%03d", i)})
		}
		readers.Wait()
		snapshot.Close()
	}
}
