package recovery

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Kind says what a Message is. The numbers go over the wire: never reorder, only append.
type Kind uint8

// The kinds.
const (
	KindOffer  Kind = iota + 1 // source: I have a snapshot at Base for you
	KindAccept                 // target: begin after the key After (nil: with the first)
	KindChunk                  // source: chunk number Index; End with the last
	KindGot                    // target: everything before Index is loaded
	KindDone                   // target: the snapshot has taken the place of what was here
	KindFail                   // either: this stream is over; Reason says why
)

// String is the kind's name.
func (k Kind) String() string {
	if names := [...]string{"none", "offer", "accept", "chunk", "got", "done", "fail"}; int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Message goes between the two ends of a stream.
type Message struct {
	Shard    shards.ShardID
	Kind     Kind
	From, To shards.CopyID
	Term     shards.Term // of the source's reign
	Stream   uint64      // chosen by the source, never twice in one reign

	Base     replica.Position // offer: of the snapshot
	HasAfter bool             // accept: the target has keys up to After
	After    []byte           // accept
	Index    uint64           // chunk, got
	End      bool             // chunk: the last
	Data     []byte           // chunk: as store.Snapshot made it
	Reason   string           // fail
}

// A body is one message: msgpack values through package wire.
//
//	body     format=1 [shard kind from to term stream base.term base.seq after|nil index end data reason]
const (
	bodyFormat = 1
	bodyFields = 13
	maxReason  = 4 << 10
)

// Append appends the message's body to dst.
func Append(dst []byte, m *Message) []byte {
	e := wire.NewEncoder(dst)
	e.Uint(bodyFormat)
	e.Array(bodyFields)
	e.Uint(uint64(m.Shard))
	e.Uint(uint64(m.Kind))
	e.Uint(uint64(m.From))
	e.Uint(uint64(m.To))
	e.Uint(uint64(m.Term))
	e.Uint(m.Stream)
	e.Uint(uint64(m.Base.Term))
	e.Uint(uint64(m.Base.Seq))
	if m.HasAfter {
		e.Bytes(m.After)
	} else {
		e.Nil()
	}
	e.Uint(m.Index)
	e.Bool(m.End)
	e.Bytes(m.Data)
	e.Str(m.Reason[:min(len(m.Reason), maxReason)])
	return e.Buffer()
}

// Decode reads a body; Data and After are views into it. The error wraps wire.ErrMalformed.
func Decode(body []byte) (m Message, err error) {
	d := wire.NewDecoder(body)
	if d.Uint() != bodyFormat && d.Err() == nil {
		d.Refuse("unknown format of a recovery message")
	}
	if d.Array() != bodyFields && d.Err() == nil {
		d.Refuse("a recovery message has other fields")
	}
	shard, kind := d.Uint(), d.Uint()
	if d.Err() == nil && (shard > 1<<32-1 || kind < uint64(KindOffer) || kind > uint64(KindFail)) {
		d.Refuse("no recovery message of a shard")
	}
	m.Shard, m.Kind = shards.ShardID(shard), Kind(kind)
	m.From, m.To, m.Term, m.Stream = shards.CopyID(d.Uint()), shards.CopyID(d.Uint()), shards.Term(d.Uint()), d.Uint()
	m.Base = replica.Position{Term: shards.Term(d.Uint()), Seq: shards.SeqNo(d.Uint())}
	if !d.Nil() {
		m.After, m.HasAfter = d.Bytes(), true
	}
	m.Index, m.End, m.Data = d.Uint(), d.Bool(), d.Bytes()
	reason := d.Bytes()
	if len(reason) > maxReason {
		d.Refuse("a reason beyond its limit")
	}
	m.Reason = string(reason)
	if err := d.Finish(); err != nil {
		return Message{}, fmt.Errorf("recovery: %w", err)
	}
	return m, nil
}
