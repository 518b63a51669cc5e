package metadata

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// An entry of the log, msgpack:
//
//	[ format 1, proposer, epoch, sequence, since, part, parts, bytes ]
//	            └──── ProposalID ───────┘
//
// A command longer than an entry may be is cut into parts 0 to parts-1, proposed together, so that they follow one another in
// the log: nothing can come between them but the end of their leader's term. Then the rest is missing, for ever, and what has
// come is dropped with the next entry.
const (
	entryFormat = 1
	entryFields = 8
	entryHead   = 128 // bytes of an entry beside the command's, at most
)

// entry is a part of a command in the log.
type entry struct {
	id    ProposalID
	since uint64
	part  int
	parts int
	bytes []byte
}

func (e *entry) encode() []byte {
	w := wire.NewEncoder(make([]byte, 0, len(e.bytes)+64))
	w.Array(entryFields)
	w.Uint(entryFormat)
	w.Uint(e.id.Proposer)
	w.Uint(uint64(e.id.Epoch))
	w.Uint(e.id.Sequence)
	w.Uint(e.since)
	w.Uint(uint64(e.part))
	w.Uint(uint64(e.parts))
	w.Bytes(e.bytes)
	return w.Buffer()
}

// decodeEntry reads an entry; bytes is a view.
func decodeEntry(data []byte) (entry, error) {
	r := wire.NewDecoder(data)
	fields, format := r.Array(), uint64(0)
	if fields > 0 {
		format = r.Uint()
	}
	if r.Err() == nil && format != entryFormat {
		return entry{}, fmt.Errorf("metadata: an entry of format %d, this release reads %d: run the release that the others run", format, entryFormat)
	}
	if r.Err() == nil && fields != entryFields {
		r.Refuse("an entry of another number of fields")
	}
	e := entry{id: ProposalID{Proposer: r.Uint(), Epoch: shards.Epoch(r.Uint()), Sequence: r.Uint()}, since: r.Uint()}
	part, parts := r.Uint(), r.Uint()
	e.bytes = r.Bytes()
	if r.Err() == nil && (parts == 0 || part >= parts || parts > MaxCommand) {
		r.Refuse("no part of a command")
	}
	e.part, e.parts = int(part), int(parts)
	return e, r.Finish()
}

// cut makes entries of an encoded command, with so many bytes of it in each.
func cut(id ProposalID, since uint64, command []byte, room int) []entry {
	parts := max(1, (len(command)+room-1)/room)
	entries := make([]entry, parts)
	for i := range entries {
		entries[i] = entry{id: id, since: since, part: i, parts: parts, bytes: command[i*room : min(len(command), (i+1)*room)]}
	}
	return entries
}

// staging holds the parts of a command that have come so far, in order.
type staging struct {
	id    ProposalID
	next  int
	bytes []byte
}

func (s *staging) empty() bool { return s.next == 0 }

// add takes the next entry of the log and gives a command once it is whole. It is a function of the log alone.
func (s *staging) add(e *entry) (command []byte, whole bool) {
	if e.part == 0 {
		*s = staging{}
		if e.parts == 1 {
			return e.bytes, true
		}
	} else if e.part != s.next || e.id != s.id {
		*s = staging{}
		return nil, false
	}
	s.id, s.next, s.bytes = e.id, e.part+1, append(s.bytes, e.bytes...)
	if s.next < e.parts {
		return nil, false
	}
	command = s.bytes
	*s = staging{}
	return command, true
}

func (s *staging) encode(w *wire.Encoder) {
	w.Uint(s.id.Proposer)
	w.Uint(uint64(s.id.Epoch))
	w.Uint(s.id.Sequence)
	w.Uint(uint64(s.next))
	w.Bytes(s.bytes)
}

func decodeStaging(r *wire.Decoder) staging {
	s := staging{id: ProposalID{Proposer: r.Uint(), Epoch: shards.Epoch(r.Uint()), Sequence: r.Uint()}}
	next := r.Uint()
	if r.Err() == nil && next > MaxCommand {
		r.Refuse("no part of a command")
	}
	s.next, s.bytes = int(next), slices.Clone(r.Bytes())
	return s
}
