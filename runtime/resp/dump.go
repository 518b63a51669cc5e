package resp

import (
	"encoding/binary"
	"errors"
	"hash/crc64"
	"math"
	"strconv"

	"github.com/troupe-actors/troupe/shards/store"
)

// DUMP's payload is that of Redis, whose values are strings among others. A node writes the short forms of numbers, as Redis does, and
// does not compress; it reads all forms of a string.
//
//	payload  00  string  09 00  crc64:8          numbers of the footer little-endian; the sum is of all before it
//	         │           └ the format's version
//	         └ a string
//	string   00nnnnnn bytes                      length of 6 bits
//	         01nnnnnn n:1 bytes                  of 14 bits, the high ones first
//	         80 n:4 bytes   81 n:8 bytes         big-endian
//	         c0 int8   c1 int16   c2 int32       a number, little-endian, which stands for its decimal text
//	         c3 packed-length length packed      LZF; lengths as above
const (
	dumpString  = 0
	dumpVersion = 9  // of Redis 5: all since then restore it
	dumpNewest  = 80 // of Valkey 9; a string is the same in all versions so far
	dumpFooter  = 2 + 8

	dumpInt8, dumpInt16, dumpInt32, dumpPacked = 0xC0, 0xC1, 0xC2, 0xC3
)

// dumpSums is the polynomial of Redis' CRC-64 (Jones), bits reversed.
var dumpSums = crc64.MakeTable(0x95AC9329AC4BC9B5)

// dumpSum is Redis' checksum, which starts at zero and ends as it is; Go's is inverted before and after.
func dumpSum(b []byte) uint64 { return ^crc64.Update(math.MaxUint64, dumpSums, b) }

// appendDumped appends the value as a dump begins: its type and its string.
func appendDumped(b, value []byte) []byte {
	b = append(b, dumpString)
	if n, ok := parseInt(value); ok && len(value) <= len("-2147483648") && n == int64(int32(n)) {
		switch {
		case n == int64(int8(n)):
			return append(b, dumpInt8, byte(n))
		case n == int64(int16(n)):
			return binary.LittleEndian.AppendUint16(append(b, dumpInt16), uint16(n))
		}
		return binary.LittleEndian.AppendUint32(append(b, dumpInt32), uint32(n))
	}
	switch n := len(value); {
	case n < 1<<6:
		b = append(b, byte(n))
	case n < 1<<14:
		b = append(b, 0x40|byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0x80), uint32(n))
	}
	return append(b, value...)
}

// appendDumpFooter appends what ends the dump that b has from place start on.
func appendDumpFooter(b []byte, start int) []byte {
	b = binary.LittleEndian.AppendUint16(b, dumpVersion)
	return binary.LittleEndian.AppendUint64(b, dumpSum(b[start:]))
}

// checkDump verifies version and checksum and returns what stands before them.
func checkDump(payload []byte) ([]byte, error) {
	end := len(payload) - dumpFooter
	if end < 0 || binary.LittleEndian.Uint16(payload[end:]) > dumpNewest || binary.LittleEndian.Uint64(payload[end+2:]) != dumpSum(payload[:end+2]) {
		return nil, errDump
	}
	return payload[:end], nil
}

// restored is the value in a dump without its footer: a view into it, or memory of its own. room is asked before memory is taken, and
// refuses with an error of its own. Other errors are errBadData and errTooLong.
func restored(dump []byte, room func(n int) error) ([]byte, error) {
	if len(dump) < 2 || dump[0] != dumpString {
		return nil, errBadData
	}
	switch b := dump[2:]; dump[1] {
	case dumpInt8:
		return dumpedNumber(b, 1)
	case dumpInt16:
		return dumpedNumber(b, 2)
	case dumpInt32:
		return dumpedNumber(b, 4)
	case dumpPacked:
		packed, b, ok := dumpedLength(b)
		size, b, ok2 := dumpedLength(b)
		switch {
		case !ok || !ok2 || packed != uint64(len(b)) || size > packed*lzfMost:
			return nil, errBadData
		case size > store.MaxValue:
			return nil, errTooLong
		}
		if err := room(int(size)); err != nil {
			return nil, err
		}
		return unpack(b, int(size))
	}
	n, value, ok := dumpedLength(dump[1:])
	switch {
	case !ok || n != uint64(len(value)):
		return nil, errBadData
	case n > store.MaxValue:
		return nil, errTooLong
	}
	return value, nil
}

// dumpedNumber is the text of a number of size bytes, which must be all that there is.
func dumpedNumber(b []byte, size int) ([]byte, error) {
	if len(b) != size {
		return nil, errBadData
	}
	var n int64
	switch size {
	case 1:
		n = int64(int8(b[0]))
	case 2:
		n = int64(int16(binary.LittleEndian.Uint16(b)))
	default:
		n = int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return strconv.AppendInt(nil, n, 10), nil
}

// dumpedLength reads a length and returns what is behind it.
func dumpedLength(b []byte) (n uint64, rest []byte, ok bool) {
	switch {
	case len(b) >= 1 && b[0]>>6 == 0:
		return uint64(b[0]), b[1:], true
	case len(b) >= 2 && b[0]>>6 == 1:
		return uint64(b[0]&0x3F)<<8 | uint64(b[1]), b[2:], true
	case len(b) >= 5 && b[0] == 0x80:
		return uint64(binary.BigEndian.Uint32(b[1:])), b[5:], true
	case len(b) >= 9 && b[0] == 0x81:
		return binary.BigEndian.Uint64(b[1:]), b[9:], true
	}
	return 0, nil, false
}

// lzfMost is more than a byte of packed data can become: three make at most 264.
const lzfMost = 88

// unpack decompresses LZF (Lehmann's liblzf): runs of literal bytes, and copies of what was there before. It must come to exactly size
// bytes.
//
//	000nnnnn bytes              n+1 bytes as they are
//	nnnooooo o:1                n+2 bytes from o+1 bytes before, n from 1 to 6; they may overlap what they make
//	111ooooo n:1 o:1            n+9 bytes
func unpack(packed []byte, size int) ([]byte, error) {
	out := make([]byte, 0, size)
	for len(packed) > 0 {
		control := int(packed[0])
		packed = packed[1:]
		if control < 1<<5 {
			if n := control + 1; n > len(packed) || n > size-len(out) {
				return nil, errBadData
			}
			out, packed = append(out, packed[:control+1]...), packed[control+1:]
			continue
		}
		n := control >> 5
		if n == 7 && len(packed) > 0 {
			n, packed = n+int(packed[0]), packed[1:]
		}
		if len(packed) == 0 {
			return nil, errBadData
		}
		from := len(out) - (control&0x1F)<<8 - int(packed[0]) - 1
		packed = packed[1:]
		if n += 2; from < 0 || n > size-len(out) {
			return nil, errBadData
		}
		for i := range n { // byte for byte, for the copy may begin in what it makes
			out = append(out, out[from+i])
		}
	}
	if len(out) != size {
		return nil, errBadData
	}
	return out, nil
}

// resultDump notes the value as a dump begins; its checksum is for the connection's goroutine to compute.
func resultDump(q *request, _ int, r *store.Result) {
	if r.Found && q.afford(int64(len(r.Value))) {
		q.counted += int64(len(r.Value))
		q.out = appendDumped(q.out, r.Value)
	}
}

func finishDump(q *request) {
	if len(q.out) == 0 {
		q.out = appendNull(q.out, q.v3)
		return
	}
	dump := appendHead(make([]byte, 0, len(q.out)+32), '$', len(q.out)+dumpFooter)
	start := len(dump)
	q.out = append(appendDumpFooter(append(dump, q.out...), start), '\r', '\n')
}

// restoreOptions are the words after RESTORE key ttl payload.
type restoreOptions struct {
	replace, absolute bool
	access            int64 // the Int of a store.OpSet; 0: as of any new key
}

func (q *request) parseRestoreOptions() (o restoreOptions, err error) {
	for i := 4; i < len(q.args); i++ {
		word, more := upper(q.args[i]), i+1 < len(q.args)
		switch {
		case word == "REPLACE":
			o.replace = true
		case word == "ABSTTL":
			o.absolute = true
		case (word == "IDLETIME" && o.access >= 0 || word == "FREQ" && o.access <= 0) && more:
			i++
			n, ok := parseInt(q.args[i])
			switch {
			case !ok:
				return o, errNotInteger
			case word == "FREQ" && (n < 0 || n > math.MaxUint8):
				return o, errFreq
			case word == "FREQ":
				o.access = store.AccessedOften(uint8(n))
			case n < 0:
				return o, errIdleTime
			default:
				o.access = store.AccessedBefore(min(n, math.MaxInt64/1000) * 1000)
			}
		default:
			return o, errSyntax
		}
	}
	return o, nil
}

// compileRestore checks all there is to check before the key is looked at.
func compileRestore(q *request) error {
	o, err := q.parseRestoreOptions()
	if err != nil {
		return err
	}
	at, ok := parseInt(q.args[2])
	switch {
	case !ok:
		return errNotInteger
	case at < 0 || !o.absolute && at > math.MaxInt64-q.now:
		return errTTL
	case at > 0 && !o.absolute:
		at += q.now
	}
	dump, err := checkDump(q.args[3])
	if err != nil {
		return err
	}
	value, err := restored(dump, q.room)
	if err != nil {
		return err
	}
	op := store.Op{Kind: store.OpSet, Key: q.args[1], Value: value, ExpireAt: at, Int: o.access}
	if !o.replace {
		op.If = store.IfAbsent
	}
	q.op(op)
	return nil
}

// room counts n bytes that a command takes besides its arguments, until its batch is answered, or refuses them.
func (q *request) room(n int) error {
	if !q.budget.take(int64(n)) {
		return errHeld
	}
	return nil
}

func resultRestore(q *request, _ int, r *store.Result) {
	switch {
	case errors.Is(r.Err, store.ErrConflict):
		q.fail(errBusyKey)
	case r.Err != nil:
		q.fail(r.Err)
	default:
		q.out = append(q.out, "+OK\r\n"...)
	}
}
