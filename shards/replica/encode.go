package replica

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A body carries messages of any number of shards between two nodes: msgpack values through package wire, one behind the
// other, up to the end of the body.
//
//	body     format=1  message ...
//	message  9n  shard kind from to term  ...                  n = 5 + the fields of the kind:
//	append   prev.term prev.seq last.term last.seq commit checked rolling [entry ...]
//	sync     prev.term prev.seq last.term last.seq commit checked rolling
//	ack      last.term last.seq commit
//	refuse   prev.term prev.seq last.term last.seq commit reset
//	hello    last.term last.seq commit
//	entry    9n  term first last-first payload [true]           n = 4, or 5 if it shrinks
const bodyFormat = 1

// Limits of a body.
const (
	MaxBody    = 120 << 20       // bytes
	MaxEntries = 4096            // in one message
	MaxPayload = MaxBody - 1<<20 // bytes of one entry; the rest is for what stands around it
)

// fields is how many values a message of each kind has; 0: no such kind.
var fields = [...]int{KindAppend: 13, KindSync: 12, KindAck: 8, KindRefuse: 11, KindHello: 8}

// Append appends messages to a body: to dst if it is one already, else to a new one.
func Append(dst []byte, messages ...*Message) []byte {
	e := wire.NewEncoder(dst)
	if len(dst) == 0 {
		e.Uint(bodyFormat)
	}
	for _, m := range messages {
		appendMessage(&e, m)
	}
	return e.Buffer()
}

func appendMessage(e *wire.Encoder, m *Message) {
	e.Array(fields[m.Kind])
	e.Uint(uint64(m.Shard))
	e.Uint(uint64(m.Kind))
	e.Uint(uint64(m.From))
	e.Uint(uint64(m.To))
	e.Uint(uint64(m.Term))
	if m.Kind != KindAck && m.Kind != KindHello {
		appendPosition(e, m.Prev)
	}
	appendPosition(e, m.Last)
	e.Uint(uint64(m.Commit))
	switch m.Kind {
	case KindRefuse:
		e.Bool(m.Reset)
	case KindAppend, KindSync:
		e.Uint(uint64(m.Checked))
		e.Uint(m.Rolling)
	}
	if m.Kind == KindAppend {
		e.Array(len(m.Entries))
		for i := range m.Entries {
			appendEntry(e, &m.Entries[i])
		}
	}
}

func appendPosition(e *wire.Encoder, p Position) {
	e.Uint(uint64(p.Term))
	e.Uint(uint64(p.Seq))
}

func appendEntry(e *wire.Encoder, entry *Entry) {
	if entry.Shrinks {
		e.Array(5)
	} else {
		e.Array(4)
	}
	e.Uint(uint64(entry.Term))
	e.Uint(uint64(entry.First))
	e.Uint(uint64(entry.Last - entry.First))
	e.Bytes(entry.Payload)
	if entry.Shrinks {
		e.Bool(true)
	}
}

// Decode visits the messages of a body. A message and its entries are views: the message is valid until visit returns, the
// payloads as long as the body is left alone. Memory grows with what is there, never with a count that is claimed. The error
// wraps wire.ErrMalformed; messages before the malformed one have been visited.
func Decode(body []byte, visit func(*Message)) error { return DecodeInto(body, nil, visit) }

// DecodeInto is Decode into the memory of a message and its entries, one message after another.
func DecodeInto(body []byte, into *Message, visit func(*Message)) error {
	if len(body) > MaxBody {
		return fmt.Errorf("replica: a body of %d bytes, at most %d: %w", len(body), MaxBody, wire.ErrMalformed)
	}
	d := wire.NewDecoder(body)
	if d.Uint() != bodyFormat && d.Err() == nil {
		d.Refuse("unknown format of a body")
	}
	for d.Err() == nil && len(d.Rest()) > 0 {
		m := into
		if m == nil {
			m = new(Message)
		}
		*m = Message{Entries: m.Entries[:0]}
		decodeMessage(&d, m)
		if d.Err() == nil {
			visit(m)
		}
	}
	if err := d.Err(); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	return nil
}

func decodeMessage(d *wire.Decoder, m *Message) {
	n := d.Array()
	shard, kind := d.Uint(), d.Uint()
	m.Shard, m.Kind = shards.ShardID(shard), Kind(kind)
	if shard > 1<<32-1 || kind == 0 || kind >= uint64(len(fields)) || n != fields[kind] {
		d.Refuse("no message of a shard")
		return
	}
	m.From, m.To, m.Term = shards.CopyID(d.Uint()), shards.CopyID(d.Uint()), shards.Term(d.Uint())
	if m.Kind != KindAck && m.Kind != KindHello {
		m.Prev = decodePosition(d)
	}
	m.Last = decodePosition(d)
	m.Commit = decodeSeq(d)
	switch m.Kind {
	case KindRefuse:
		m.Reset = d.Bool()
	case KindAppend, KindSync:
		m.Checked, m.Rolling = decodeSeq(d), d.Uint()
	}
	if m.Kind == KindAppend {
		count := d.Array()
		if count > MaxEntries {
			d.Refuse("too many entries")
			return
		}
		for ; count > 0 && d.Err() == nil; count-- {
			m.Entries = append(m.Entries, decodeEntry(d))
		}
	}
}

// maxSeq bounds sequence numbers from outside, so that sums with counts stay within 64 bits.
const maxSeq = 1 << 60

func decodeSeq(d *wire.Decoder) shards.SeqNo {
	v := d.Uint()
	if v > maxSeq {
		d.Refuse("a sequence number beyond all bounds")
		return 0
	}
	return shards.SeqNo(v)
}

func decodePosition(d *wire.Decoder) Position {
	return Position{shards.Term(d.Uint()), decodeSeq(d)}
}

func decodeEntry(d *wire.Decoder) Entry {
	n := d.Array()
	e := Entry{Term: shards.Term(d.Uint()), First: decodeSeq(d)}
	e.Last = e.First + decodeSeq(d)
	e.Payload = d.Bytes()
	if n == 5 {
		e.Shrinks = d.Bool()
	} else if n != 4 {
		d.Refuse("an entry has 4 or 5 fields")
	}
	if e.First == 0 {
		d.Refuse("transactions are numbered from 1")
	}
	return e
}
