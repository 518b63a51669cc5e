package act

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrEnvelope is wrapped by every error about an envelope.
var ErrEnvelope = errors.New("act: not an envelope")

// Magic begins an envelope: "TACT".
const Magic = 0x54434154

// HeaderSize is the length of the header that this version writes.
const HeaderSize = 80

// MaxEnvelope bounds an envelope: a payload of MaxPayload, and names.
const MaxEnvelope = MaxPayload + HeaderSize + 3*MaxTarget

// Envelope is a message as a guest gets it, in the memory that act_inbox gave. Little-endian:
//
//	 0  magic "TACT" u32 │ version u16 1 │ header size u16 80
//	 8  now i64          Unix milliseconds
//	16  seed u64         of act.random
//	24  token u64        event Reply: what act.ask gave
//	32  number u64       of the message, for people: it rises from one message of a sender to its next
//	40  self             offset u32, length u32   KIND/NAME of this actor
//	48  sender           offset u32, length u32   KIND/NAME of who asks, tells or answers; empty: it came from outside
//	56  method           offset u32, length u32
//	64  payload          offset u32, length u32   JSON; may be empty
//	72  status u32       event Reply: 0 answered, 1 refused
//	76  0 u32
//	80  the bytes of self, sender, method, payload, one after the other
//
// Offsets count from the envelope's first byte.
type Envelope struct {
	Now     int64
	Seed    uint64
	Token   uint64
	Number  uint64
	Self    string
	Sender  string
	Method  string
	Payload []byte
	Status  uint32
}

// Size is the length of the envelope in bytes.
func (e *Envelope) Size() int {
	return HeaderSize + len(e.Self) + len(e.Sender) + len(e.Method) + len(e.Payload)
}

// Put writes the envelope into out, which has at least Size bytes.
func (e *Envelope) Put(out []byte) {
	order := binary.LittleEndian
	out = out[:e.Size()]
	order.PutUint32(out, Magic)
	order.PutUint16(out[4:], Version)
	order.PutUint16(out[6:], HeaderSize)
	order.PutUint64(out[8:], uint64(e.Now))
	order.PutUint64(out[16:], e.Seed)
	order.PutUint64(out[24:], e.Token)
	order.PutUint64(out[32:], e.Number)
	order.PutUint64(out[72:], uint64(e.Status))
	at := HeaderSize
	place := func(field, length int) {
		order.PutUint32(out[field:], uint32(at))
		order.PutUint32(out[field+4:], uint32(length))
		at += length
	}
	copy(out[at:], e.Self)
	place(40, len(e.Self))
	copy(out[at:], e.Sender)
	place(48, len(e.Sender))
	copy(out[at:], e.Method)
	place(56, len(e.Method))
	copy(out[at:], e.Payload)
	place(64, len(e.Payload))
}

// ReadEnvelope reads what may be any bytes. The payload is a view into them. Header bytes beyond those of this version are passed over.
func ReadEnvelope(data []byte) (*Envelope, error) {
	order := binary.LittleEndian
	if len(data) < HeaderSize || len(data) > MaxEnvelope {
		return nil, fmt.Errorf("%w: %d bytes; a header alone has %d, and the limit is %d", ErrEnvelope, len(data), HeaderSize, MaxEnvelope)
	}
	if magic := order.Uint32(data); magic != Magic {
		return nil, fmt.Errorf("%w: begins with %#x, not with %#x", ErrEnvelope, magic, Magic)
	}
	if v, header := order.Uint16(data[4:]), order.Uint16(data[6:]); v != Version || header < HeaderSize {
		return nil, fmt.Errorf("%w: of version %d, with a header of %d bytes", ErrEnvelope, v, header)
	}
	e := &Envelope{Now: int64(order.Uint64(data[8:])), Seed: order.Uint64(data[16:]), Token: order.Uint64(data[24:]), Number: order.Uint64(data[32:]),
		Status: order.Uint32(data[72:])}
	var parts [4][]byte
	for i := range parts {
		offset, length := order.Uint32(data[40+8*i:]), order.Uint32(data[44+8*i:])
		if uint64(offset)+uint64(length) > uint64(len(data)) {
			return nil, fmt.Errorf("%w: field %d has %d bytes at %d, beyond its %d", ErrEnvelope, i, length, offset, len(data))
		}
		parts[i] = data[offset:][:length:length]
	}
	e.Self, e.Sender, e.Method, e.Payload = string(parts[0]), string(parts[1]), string(parts[2]), parts[3]
	return e, nil
}

// Dice gives the bytes of act.random: those of splitmix64 that begins with the envelope's seed, each number in little-endian order. A request
// begins with the byte after the last one of the request before.
type Dice struct {
	state uint64
	word  uint64
	left  int
}

// NewDice begins with a seed.
func NewDice(seed uint64) Dice { return Dice{state: seed} }

// Fill writes the next bytes.
func (d *Dice) Fill(out []byte) {
	for i := range out {
		if d.left == 0 {
			d.state += 0x9e3779b97f4a7c15
			z := d.state
			z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			d.word, d.left = z^z>>31, 8
		}
		out[i] = byte(d.word)
		d.word >>= 8
		d.left--
	}
}

// Entry is what act.next writes:
//
//	0  length of the key u32 │ 4 the key │ the value
func Entry(out []byte, key string, value []byte) []byte {
	out = binary.LittleEndian.AppendUint32(out, uint32(len(key)))
	return append(append(out, key...), value...)
}
