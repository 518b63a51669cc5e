package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's log and manifest are blocks of 32 KiB that hold chunks, little-endian:
//
//	0        4        6      7         11            19
//	│ crc32c │ length │ code │ log no. │ synced up to │ payload ... │
//	└────────┴────────┴──────┴─────────┴──────────────┴─────────────┘
//	 of byte 6 and behind     code ≥ 5   code ≥ 9
//
// Where a chunk is not valid Pebble must guess: a write that a crash cut short, or damage. It takes the first, in silence, for
// the manifest always, and for the newest log unless a chunk in a *later block* says that the log was synced beyond that
// place. The acknowledged records of the last 32 KiB, or the whole newest state of a manifest, could vanish so. Open
// therefore looks for itself first. An invalid chunk is damage if
//
//  1. a valid chunk comes later that could only be written after it (manifest), or that says it was synced (log); or
//  2. changing one byte would make it valid: that is no torn write, unless the byte is in a sector of which the chunk has
//     nothing but the zeros that were there before it (ahead.go).
//
// What remains is a torn end, which a crash leaves behind rightly.
const (
	blockSize      = 32 << 10
	chunkHeader    = 7
	recycledHeader = 11
	syncedHeader   = 19
	sectorSize     = 512 // what a disk writes whole or not at all, at least
)

// headerOf is the header's length for a chunk's code; 0 if there is no such code.
func headerOf(code byte) int {
	switch {
	case code >= 1 && code <= 4:
		return chunkHeader
	case code >= 5 && code <= 8:
		return recycledHeader
	case code >= 9 && code <= 12:
		return syncedHeader
	}
	return 0
}

// chunkFile is a log or manifest being verified.
type chunkFile struct {
	bytes  []byte
	number uint32 // of the log; 0 for a manifest
	isLog  bool
}

// verifyFiles looks at the newest log and the manifests of a folder. The error is a *CorruptError.
func verifyFiles(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("wal: list %s: %w", dir, err)
	}
	newest, newestNumber, manifest := "", uint64(0), ""
	for _, name := range names {
		base, isLog := strings.CutSuffix(name, ".log")
		if number, err := strconv.ParseUint(base, 10, 64); isLog && err == nil && number >= newestNumber {
			newest, newestNumber = name, number
		}
		if marker, current, found := strings.Cut(name, ".MANIFEST-"); found && strings.HasPrefix(marker, "marker.manifest.") {
			manifest = max(manifest, marker+"/MANIFEST-"+current) // markers are numbered: the last one holds
		}
	}
	if _, name, found := strings.Cut(manifest, "/"); found {
		if err := verifyFile(fs, fs.PathJoin(dir, name), chunkFile{}); err != nil {
			return err
		}
	}
	if newest == "" {
		return nil
	}
	return verifyFile(fs, fs.PathJoin(dir, newest), chunkFile{number: uint32(newestNumber), isLog: true})
}

func verifyFile(fs vfs.FS, path string, f chunkFile) error {
	file, err := fs.Open(path)
	if err != nil {
		return &CorruptError{Position: path, Cause: err}
	}
	f.bytes, err = io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("wal: read %s: %w", path, err)
	}
	if at, bad := f.damage(); bad {
		return &CorruptError{Position: fmt.Sprintf("%s at %d", path, at), Cause: errChecksum}
	}
	return nil
}

// damage finds the first chunk that is not valid though it should be.
func (f *chunkFile) damage() (offset int, found bool) {
	offset = 0
	for {
		next, state := f.chunk(offset)
		switch state {
		case chunkEnd:
			return 0, false
		case chunkInvalid:
			return offset, f.provenLater(offset) || f.oneByteOff(offset)
		}
		offset = next
	}
}

type chunkState int

const (
	chunkValid chunkState = iota
	chunkInvalid
	chunkEnd
)

// chunk reads the chunk at offset.
func (f *chunkFile) chunk(offset int) (next int, state chunkState) {
	end := min(len(f.bytes), offset-offset%blockSize+blockSize) // of the block
	if offset >= len(f.bytes) {
		return 0, chunkEnd
	}
	room := f.bytes[offset:end]
	if len(room) < chunkHeader || f.isLog && len(room) < syncedHeader && allZero(room) {
		return end, chunkValid // the rest of a block, too short for a chunk
	}
	length := int(binary.LittleEndian.Uint16(room[4:]))
	header := headerOf(room[6])
	if header == 0 || header+length > len(room) || f.isLog != (header > chunkHeader) {
		return 0, chunkInvalid
	}
	if f.isLog && length == 0 && binary.LittleEndian.Uint32(room) == 0 && binary.LittleEndian.Uint32(room[7:]) == f.number+1 {
		return 0, chunkEnd // the log was closed here
	}
	if f.isLog && binary.LittleEndian.Uint32(room[7:]) != f.number {
		return 0, chunkInvalid // an older life of a recycled file
	}
	if crc(room[6:header+length]) != binary.LittleEndian.Uint32(room) {
		return 0, chunkInvalid
	}
	return offset + header + length, chunkValid
}

// crc is crc32c as LevelDB and Pebble store it: rotated, plus a constant.
func crc(p []byte) uint32 { return mask(crc32.Checksum(p, castagnoli)) }

func mask(sum uint32) uint32 { return sum>>15 | sum<<17 + 0xa282ead8 }

func unmask(sum uint32) uint32 { sum -= 0xa282ead8; return sum>>17 | sum<<15 }

func allZero(p []byte) bool {
	for _, b := range p {
		if b != 0 {
			return false
		}
	}
	return true
}

// provenLater looks, at every byte behind offset, for a valid chunk that proves the one at offset to have been whole.
func (f *chunkFile) provenLater(offset int) bool {
	for at := offset + 1; at+chunkHeader <= len(f.bytes); at++ {
		header := headerOf(f.bytes[at+6])
		if header == 0 || f.isLog && (header != syncedHeader || len(f.bytes)-at < syncedHeader || binary.LittleEndian.Uint32(f.bytes[at+7:]) != f.number) {
			continue
		}
		if _, state := f.chunk(at); state != chunkValid {
			continue
		}
		begins := f.bytes[at+6] == 1 || f.bytes[at+6] == 2 // a new edit of the manifest: the one before was synced
		if !f.isLog && begins || f.isLog && binary.LittleEndian.Uint64(f.bytes[at+11:]) > uint64(offset) {
			return true
		}
	}
	return false
}

// oneByteOff says whether the chunk at offset would be valid but for one byte: of its length, or of anything else.
func (f *chunkFile) oneByteOff(offset int) bool {
	end := min(len(f.bytes), offset-offset%blockSize+blockSize)
	room := f.bytes[offset:end]
	if len(room) < chunkHeader || f.isLog && !f.oursButOne(room) {
		return false
	}
	stored, length := binary.LittleEndian.Uint32(room), int(binary.LittleEndian.Uint16(room[4:]))
	header := chunkHeader
	if f.isLog { // the code may be the wrong byte
		header = syncedHeader
	}
	if header+length <= len(room) {
		if crc(room[6:header+length]) == stored {
			return false // whole, but of an older life of a recycled file
		}
		if behind, found := oneByteFrom(room[6:header+length], stored); found && !f.unwritten(offset, header+length, behind) {
			return true
		}
	}
	return f.otherLength(room, header, length, stored)
}

// unwritten says whether the byte of a chunk that has so many behind it may never have reached the disk, with all of its
// sector: the chunk began in one before, and there are only zeros from there to its end.
func (f *chunkFile) unwritten(offset, length, behind int) bool {
	end := offset + length
	sector := (end - 1 - behind) / sectorSize * sectorSize
	return f.isLog && sector > offset && allZero(f.bytes[sector:end])
}

// oursButOne says whether at least four of the five bytes that mark a chunk as this log's do so. What a crash leaves behind
// the end, zeros or an older life of the file, hardly ever does, so that it is not searched for explanations.
func (f *chunkFile) oursButOne(room []byte) bool {
	if len(room) < syncedHeader {
		return false
	}
	wrong := 0
	if headerOf(room[6]) != syncedHeader {
		wrong++
	}
	for i := range 4 {
		if room[7+i] != byte(f.number>>(8*i)) {
			wrong++
		}
	}
	return wrong <= 1
}

// otherLength tries the lengths that differ from the stored one in one byte.
func (f *chunkFile) otherLength(room []byte, header, length int, stored uint32) bool {
	for v := range 256 {
		for _, other := range []int{length&0xff00 | v, length&0x00ff | v<<8} {
			if other != length && header+other <= len(room) && crc(room[6:header+other]) == stored {
				return true
			}
		}
	}
	return false
}

// oneByteFrom says whether some single byte of data, or of the stored sum before it, explains the mismatch, and how many
// bytes of data are behind it. The checksum is linear: what one changed byte does to it depends only on the change and on
// the number of bytes behind, so that all changes at all places are tried in one pass from the end.
func oneByteFrom(data []byte, stored uint32) (behind int, found bool) {
	computed := crc(data)
	for shift := 0; shift < 32; shift += 8 {
		if computed&^(0xff<<shift) == stored&^(0xff<<shift) {
			return len(data), true
		}
	}
	wanted := crc32.Checksum(data, castagnoli) ^ unmask(stored)
	var effect [256]uint32
	copy(effect[:], castagnoli[:])
	for behind := range data {
		for v := 1; v < 256; v++ {
			if effect[v] == wanted {
				return behind, true
			}
			effect[v] = effect[v]>>8 ^ castagnoli[byte(effect[v])]
		}
	}
	return 0, false
}
