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

func crc16(p []byte) uint16 {
	var crc uint16
	for _, b := range p {
		crc = crc<<8 ^ crc16Table[byte(crc>>8)^b]
	}
	return crc
}

var crc16Table = makeCRC16Table()

// makeCRC16Table computes the table of the polynomial x^16 + x^12 + x^5 + 1, most significant bit first.
func makeCRC16Table() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
		table[i] = crc
	}
	return table
}
