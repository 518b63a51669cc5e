package shards

import "bytes"

// Slots is the number of slots of every keyspace. Redis Cluster has the same number and the same function, so that its
// clients route to the right shard by themselves.
const Slots = 16384

// Slot is one of Slots parts of a keyspace.
type Slot uint16

// SlotOf is the slot of a key: CRC16 (CCITT, XMODEM variant) of the key modulo Slots. If the key holds a "{tag}" with at
// least one byte between the first "{" and the next "}", only the tag counts, so that keys with one tag share a slot.
func SlotOf(key []byte) Slot {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	return Slot(crc16(key) % Slots)
}

// crc16 goes eight bytes at a time, and byte by byte through the rest: every write and read of a key begins here.
func crc16(p []byte) uint16 {
	var crc uint16
	t := &crc16Tables
	for len(p) >= 8 {
		crc = t[7][p[0]^byte(crc>>8)] ^ t[6][p[1]^byte(crc)] ^ t[5][p[2]] ^ t[4][p[3]] ^ t[3][p[4]] ^ t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]]
		p = p[8:]
	}
	for _, b := range p {
		crc = crc<<8 ^ t[0][byte(crc>>8)^b]
	}
	return crc
}

var crc16Tables = makeCRC16Tables()

// makeCRC16Tables computes, for the polynomial x^16 + x^12 + x^5 + 1 with the most significant bit first, what a byte adds to
// the sum when i more bytes follow it.
func makeCRC16Tables() (tables [8][256]uint16) {
	for b := range 256 {
		crc := uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		tables[0][b] = crc
	}
	for i := 1; i < len(tables); i++ {
		for b := range 256 {
			before := tables[i-1][b]
			tables[i][b] = before<<8 ^ tables[0][before>>8]
		}
	}
	return tables
}
