package wal

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// A snapshot file, dir/snapshots/KKKK-IIII-SSSSSSSSSSSSSSSS (keyspace, index, sequence number in hex), little-endian:
//
//	│ "troupes1" │ shard u32 │ seq u64 │ crc32c of the 20 bytes before │
//	│ length u32 │ crc32c of length and chunk │ chunk ... │                 as often as there are chunks
//	│ 0xffffffff │ count u64 │ crc32c of the file up to here │
//
// It is written to a name ending in ".tmp", synced and renamed, and the folder is synced: under its own name it is whole.
const (
	snapshotMagic  = "troupes1"
	snapshotHeader = 24
	snapshotFooter = 16
	footerMark     = 0xffffffff
	maxChunk       = 1 << 30
)

// Snapshots keeps whole shards in files. Calls about different shards may run concurrently; those about one shard may not,
// but for Newest and Load beside each other.
type Snapshots struct {
	dir   string
	fs    vfs.FS
	sizes sync.Map // snapshotName -> int64
}

type snapshotName struct {
	shard shards.ShardID
	seq   shards.SeqNo
}

func (n snapshotName) String() string {
	return fmt.Sprintf("%04x-%04x-%016x", n.shard.Keyspace(), n.shard.Index(), uint64(n.seq))
}

func parseSnapshotName(s string) (snapshotName, bool) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 {
		return snapshotName{}, false
	}
	keyspace, err1 := strconv.ParseUint(parts[0], 16, 16)
	index, err2 := strconv.ParseUint(parts[1], 16, 16)
	seq, err3 := strconv.ParseUint(parts[2], 16, 64)
	name := snapshotName{shards.ShardID(keyspace<<16 | index), shards.SeqNo(seq)}
	return name, err1 == nil && err2 == nil && err3 == nil && name.String() == s
}

// OpenSnapshots lists dir/snapshots, making it if it is not there, and removes what an interrupted Save left. fs nil means
// the disk. The folder's lock is the Log's: open that first.
func OpenSnapshots(dir string, fs vfs.FS) (*Snapshots, error) {
	if fs == nil {
		fs = vfs.Default
	}
	s := &Snapshots{dir: fs.PathJoin(dir, "snapshots"), fs: fs}
	if err := makeFolder(fs, s.dir); err != nil {
		return nil, err
	}
	names, err := fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("wal: list %s: %w", s.dir, err)
	}
	for _, text := range names {
		name, ok := parseSnapshotName(text)
		switch {
		case ok:
			info, err := fs.Stat(fs.PathJoin(s.dir, text))
			if err != nil {
				return nil, fmt.Errorf("wal: look at a snapshot: %w", err)
			}
			s.sizes.Store(name, info.Size())
		case strings.HasSuffix(text, ".tmp"):
			if err := fs.Remove(fs.PathJoin(s.dir, text)); err != nil {
				return nil, fmt.Errorf("wal: remove an unfinished snapshot: %w", err)
			}
		}
	}
	return s, nil
}

func (s *Snapshots) path(name snapshotName) string { return s.fs.PathJoin(s.dir, name.String()) }

// Save writes the chunks (1 GiB each at most) as the snapshot of the shard at seq, and returns when it is durable. An error
// among the chunks is returned, and like any other leaves nothing behind, but for one of the folder, which may leave the snapshot; a full
// disk wraps ErrDiskFull.
func (s *Snapshots) Save(shard shards.ShardID, seq shards.SeqNo, chunks iter.Seq2[[]byte, error]) (bytes int64, err error) {
	name := snapshotName{shard, seq}
	temporary := s.path(name) + ".tmp"
	bytes, err = s.write(temporary, name, chunks)
	if err == nil {
		err = s.fs.Rename(temporary, s.path(name))
	}
	if err != nil {
		if vfs.IsNoSpaceError(err) {
			err = fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		return 0, errors.Join(fmt.Errorf("wal: save snapshot %v: %w", name, err), s.removeIfThere(temporary))
	}
	s.sizes.Store(name, bytes) // it is there, whatever comes of the sync, and may have to be removed
	if err := syncFolder(s.fs, s.dir); err != nil {
		return 0, err
	}
	return bytes, nil
}

func (s *Snapshots) removeIfThere(path string) error {
	if _, err := s.fs.Stat(path); err != nil {
		return nil // never made; if it is there after all, the next start removes it
	}
	return s.fs.Remove(path)
}

func (s *Snapshots) write(path string, name snapshotName, chunks iter.Seq2[[]byte, error]) (bytes int64, err error) {
	file, err := s.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := snapshotWriter{file: file}
	head := binary.LittleEndian.AppendUint32([]byte(snapshotMagic), uint32(name.shard))
	head = binary.LittleEndian.AppendUint64(head, uint64(name.seq))
	if err := w.write(binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))); err != nil {
		return 0, err
	}
	count := uint64(0)
	for chunk, err := range chunks {
		if err == nil && len(chunk) > maxChunk {
			err = fmt.Errorf("a chunk of %d bytes", len(chunk))
		}
		if err == nil {
			err = w.chunk(chunk)
		}
		if err != nil {
			return 0, err
		}
		count++
	}
	foot := binary.LittleEndian.AppendUint32(nil, footerMark)
	if err := w.write(binary.LittleEndian.AppendUint64(foot, count)); err != nil {
		return 0, err
	}
	if err := w.write(binary.LittleEndian.AppendUint32(nil, w.sum)); err != nil {
		return 0, err
	}
	return w.bytes, file.Sync()
}

// snapshotWriter counts and sums what goes into the file.
type snapshotWriter struct {
	file  io.Writer
	bytes int64
	sum   uint32
	buf   []byte
}

func (w *snapshotWriter) write(p []byte) error {
	w.sum = crc32.Update(w.sum, castagnoli, p)
	n, err := w.file.Write(p)
	w.bytes += int64(n)
	return err
}

// chunk writes a copy, since a vfs.File may scribble over what it is given.
func (w *snapshotWriter) chunk(chunk []byte) error {
	w.buf = binary.LittleEndian.AppendUint32(w.buf[:0], uint32(len(chunk)))
	sum := crc32.Update(crc32.Checksum(w.buf, castagnoli), castagnoli, chunk)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, sum)
	return w.write(append(w.buf, chunk...))
}

// Newest is the newest snapshot of a shard and its size in bytes; false if there is none.
func (s *Snapshots) Newest(shard shards.ShardID) (seq shards.SeqNo, size int64, ok bool) {
	s.sizes.Range(func(key, bytes any) bool {
		if name := key.(snapshotName); name.shard == shard && (!ok || name.seq > seq) {
			seq, size, ok = name.seq, bytes.(int64), true
		}
		return true
	})
	return seq, size, ok
}

// Sizes are the bytes of each shard's snapshots together.
func (s *Snapshots) Sizes() map[shards.ShardID]int64 {
	sums := map[shards.ShardID]int64{}
	s.sizes.Range(func(key, bytes any) bool {
		sums[key.(snapshotName).shard] += bytes.(int64)
		return true
	})
	return sums
}

// RemoveBefore removes the shard's snapshots older than seq, once one at seq is there. A crash may bring them back.
func (s *Snapshots) RemoveBefore(shard shards.ShardID, seq shards.SeqNo) error {
	if _, kept := s.sizes.Load(snapshotName{shard, seq}); !kept {
		return nil
	}
	return s.remove(shard, func(other shards.SeqNo) bool { return other < seq })
}

// RemoveAfter removes the shard's snapshots of more than seq; with 0 all of them. When it has returned nil no crash brings them
// back: the newest one counts.
func (s *Snapshots) RemoveAfter(shard shards.ShardID, seq shards.SeqNo) error {
	if err := s.remove(shard, func(other shards.SeqNo) bool { return other > seq }); err != nil {
		return err
	}
	return syncFolder(s.fs, s.dir)
}

func (s *Snapshots) remove(shard shards.ShardID, goes func(shards.SeqNo) bool) error {
	var old []snapshotName
	s.sizes.Range(func(key, _ any) bool {
		if name := key.(snapshotName); name.shard == shard && goes(name.seq) {
			old = append(old, name)
		}
		return true
	})
	slices.SortFunc(old, func(a, b snapshotName) int { return cmp.Compare(a.seq, b.seq) })
	for _, name := range old {
		if err := s.fs.Remove(s.path(name)); err != nil {
			return fmt.Errorf("wal: remove snapshot %v: %w", name, err)
		}
		s.sizes.Delete(name)
	}
	return nil
}

// Load visits the chunks of a snapshot in order, each checked before it is handed out; a chunk is a view until visit
// returns. Damage anywhere in the file is a *CorruptError, which may come after chunks that were sound: only when Load has
// returned nil was the snapshot whole. An error of visit ends it and is returned.
func (s *Snapshots) Load(shard shards.ShardID, seq shards.SeqNo, visit func(chunk []byte) error) error {
	name := snapshotName{shard, seq}
	file, err := s.fs.Open(s.path(name), vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("wal: load snapshot %v: %w", name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("wal: load snapshot %v: %w", name, err), file.Close())
	}
	r := snapshotReader{file: file, size: info.Size()}
	err = r.read(name, visit)
	if r.bad != nil {
		err = &CorruptError{Shard: shard, Seq: seq, Position: fmt.Sprintf("%s at %d", s.path(name), r.offset), Cause: r.bad}
	}
	return errors.Join(err, file.Close())
}

// snapshotReader checks and sums what comes out of the file. bad is what is wrong with the bytes.
type snapshotReader struct {
	file   io.Reader
	size   int64
	offset int64
	sum    uint32
	buf    []byte
	bad    error
}

// next reads n bytes: a view until the next call. It allocates no more than the file still holds.
func (r *snapshotReader) next(n int64) ([]byte, error) {
	if n > r.size-r.offset {
		r.bad = errShort
		return nil, r.bad
	}
	r.buf = slices.Grow(r.buf[:0], int(n))[:n]
	if _, err := io.ReadFull(r.file, r.buf); err != nil {
		return nil, fmt.Errorf("wal: read a snapshot: %w", err)
	}
	r.offset += n
	return r.buf, nil
}

func (r *snapshotReader) read(name snapshotName, visit func([]byte) error) error {
	head, err := r.next(snapshotHeader)
	if err != nil {
		return err
	}
	ours := string(head[:8]) == snapshotMagic && crc32.Checksum(head[:20], castagnoli) == binary.LittleEndian.Uint32(head[20:]) &&
		binary.LittleEndian.Uint32(head[8:]) == uint32(name.shard) && binary.LittleEndian.Uint64(head[12:]) == uint64(name.seq)
	if !ours {
		r.bad = errFormat
		return r.bad
	}
	r.sum = crc32.Checksum(head, castagnoli)
	for count := uint64(0); ; count++ {
		if r.size-r.offset <= snapshotFooter {
			return r.footer(count)
		}
		if err := r.chunk(visit); err != nil {
			return err
		}
	}
}

func (r *snapshotReader) chunk(visit func([]byte) error) error {
	head, err := r.next(8)
	if err != nil {
		return err
	}
	length, want := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
	r.sum = crc32.Update(r.sum, castagnoli, head)
	sum := crc32.Checksum(head[:4], castagnoli)
	chunk, err := r.next(int64(length))
	if err != nil {
		return err
	}
	if crc32.Update(sum, castagnoli, chunk) != want {
		r.bad = errChecksum
		return r.bad
	}
	r.sum = crc32.Update(r.sum, castagnoli, chunk)
	return visit(chunk)
}

func (r *snapshotReader) footer(count uint64) error {
	foot, err := r.next(snapshotFooter)
	if err != nil {
		return err
	}
	switch {
	case binary.LittleEndian.Uint32(foot) != footerMark || binary.LittleEndian.Uint64(foot[4:]) != count:
		r.bad = errFormat
	case crc32.Update(r.sum, castagnoli, foot[:12]) != binary.LittleEndian.Uint32(foot[12:]):
		r.bad = errChecksum
	}
	return r.bad
}
