package wasm

import "unicode/utf8"

// reader walks over a part of a binary. A mistake sticks: what follows it reads as zero, and bad says where it was.
type reader struct {
	b     []byte
	at    int
	bad   string // what was wrong first; "" while all is well
	where int    // how far it had come then
}

func (r *reader) fail(what string) {
	if r.bad == "" {
		r.bad, r.where = what, r.at
	}
	r.at = len(r.b)
}

func (r *reader) more() bool { return r.at < len(r.b) }

func (r *reader) byte() byte {
	if r.at >= len(r.b) {
		r.fail("it ends too early")
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

// skip moves over n bytes and returns them.
func (r *reader) skip(n uint32) []byte {
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail("it ends too early")
		return nil
	}
	r.at += int(n)
	return r.b[r.at-int(n) : r.at]
}

// u32 reads an unsigned LEB128 number of at most 32 bits.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if v > 0xffff_ffff {
				break
			}
			return uint32(v)
		}
	}
	r.fail("a number of more than 32 bits")
	return 0
}

// signed reads a signed LEB128 number of at most so many bits.
func (r *reader) signed(bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte()
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if rest := shift + 7; rest < 64 {
			v = v << (64 - rest) >> (64 - rest)
		}
		// The bits beyond the number's must repeat its sign.
		if left := bits - shift; left < 7 {
			if high := int8(b<<1) >> left; high != 0 && high != -1 {
				break
			}
		}
		return v
	}
	r.fail("a number of too many bits")
	return 0
}

func (r *reader) name() string {
	b := r.skip(r.u32())
	if !utf8.Valid(b) {
		r.fail("a name that is not UTF-8")
		return ""
	}
	return string(b)
}

// count reads the length of a list whose items take at least one byte each, so that a forged length ends here.
func (r *reader) count() int {
	n := r.u32()
	if uint64(n) > uint64(len(r.b)-r.at) {
		r.fail("a list that is longer than its section")
		return 0
	}
	return int(n)
}

// appendU32 writes an unsigned LEB128 number.
func appendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

// appendS64 writes a signed LEB128 number.
func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low < 0x40 || v == -1 && low >= 0x40 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendName(b []byte, name string) []byte {
	return append(appendU32(b, uint32(len(name))), name...)
}
