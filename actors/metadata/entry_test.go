package metadata

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

func TestEntryRoundTrip(t *testing.T) {
	command := make([]byte, 1000)
	for i := range command {
		command[i] = byte(rand.Uint32())
	}
	id := ProposalID{Proposer: 1 << 63, Epoch: 7, Sequence: 9}
	for _, size := range []int{0, 1, 99, 100, 101, 1000} {
		for _, room := range []int{1, 100, 5000} {
			var s staging
			parts := cut(id, 5, command[:size], room)
			for i := range parts {
				encoded := parts[i].encode()
				if len(encoded) > len(parts[i].bytes)+entryHead {
					t.Errorf("a head of %d bytes, at most %d are promised", len(encoded)-len(parts[i].bytes), entryHead)
				}
				e, err := decodeEntry(encoded)
				if err != nil || e.id != id || e.since != 5 {
					t.Fatalf("%+v, %v", e, err)
				}
				got, whole := s.add(&e)
				if last := i == len(parts)-1; whole != last || whole && !bytes.Equal(got, command[:size]) {
					t.Fatalf("%d bytes, %d in an entry: part %d of %d gives %d bytes, whole %v", size, room, i, len(parts), len(got), whole)
				}
			}
			if !s.empty() {
				t.Error("something stays behind")
			}
		}
	}
}

// What is left of a command whose leader was deposed in the middle never becomes part of another one.
func TestStagingDropsWhatIsCutShort(t *testing.T) {
	a, b := ProposalID{Proposer: 1, Sequence: 1}, ProposalID{Proposer: 2, Sequence: 1}
	part := func(id ProposalID, part, parts int) entry {
		return entry{id: id, part: part, parts: parts, bytes: []byte{byte(part)}}
	}
	for _, c := range []struct {
		why  string
		list []entry
		want []byte // of the last entry; nil: none
	}{
		{"whole", []entry{part(a, 0, 2), part(a, 1, 2)}, []byte{0, 1}},
		{"another one begins", []entry{part(a, 0, 3), part(a, 1, 3), part(b, 0, 2), part(b, 1, 2)}, []byte{0, 1}},
		{"a short one comes between", []entry{part(a, 0, 2), part(b, 0, 1), part(a, 1, 2)}, nil},
		{"another one's end", []entry{part(a, 0, 2), part(b, 1, 2)}, nil},
		{"a part is missing", []entry{part(a, 0, 3), part(a, 2, 3)}, nil},
		{"an end without a beginning", []entry{part(a, 1, 2)}, nil},
		{"it begins again", []entry{part(a, 0, 2), part(a, 0, 2), part(a, 1, 2)}, []byte{0, 1}},
	} {
		var s staging
		var got []byte
		for i := range c.list {
			command, whole := s.add(&c.list[i])
			if got = nil; whole {
				got = command
			}
		}
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	e := entry{parts: 1, bytes: []byte("x")}
	whole := e.encode()
	for i := range whole {
		if _, err := decodeEntry(whole[:i]); err == nil {
			t.Errorf("an entry of %d bytes of %d was read", i, len(whole))
		}
	}
	if _, err := decodeEntry(append(slices.Clone(whole), 0)); err == nil {
		t.Error("bytes behind an entry were not seen")
	}
	future := wire.NewEncoder(nil)
	future.Array(1)
	future.Uint(99)
	if _, err := decodeEntry(future.Buffer()); err == nil {
		t.Error("an entry of the future was read")
	}
	for _, bad := range []entry{{part: 1, parts: 1}, {parts: 0}, {part: 3, parts: 2}} {
		if _, err := decodeEntry(bad.encode()); err == nil {
			t.Errorf("part %d of %d was read", bad.part, bad.parts)
		}
	}
}

func TestMementoRoundTrip(t *testing.T) {
	m := memento{state: &cluster.State{}, hash: 12345}
	for i := range uint64(keptOutcomes + 10) {
		o := cluster.Outcome{Version: i, Changed: true}
		if i%3 == 0 {
			o = cluster.Outcome{Err: &cluster.Refusal{Why: cluster.WhyStale, Text: "no"}}
		}
		m.memory.add(remembered{id: ProposalID{Proposer: 3, Epoch: shards.Epoch(i), Sequence: i}, index: i, outcome: o})
	}
	s := m.snapshot(77, 3, nil)
	got, err := decodeMemento(s.GetData())
	if err != nil || got.hash != m.hash || got.memory.floor != 9 || len(got.memory.kept) != keptOutcomes {
		t.Fatalf("hash %d, floor %d, %d outcomes, %v", got.hash, got.memory.floor, len(got.memory.kept), err)
	}
	if again := got.snapshot(77, 3, nil); !bytes.Equal(again.GetData(), s.GetData()) {
		t.Error("it is not the same again")
	}
	if r := got.memory.find(ProposalID{Proposer: 3, Epoch: 12, Sequence: 12}); r == nil || r.outcome.Err == nil || r.outcome.Err.Text != "no" {
		t.Errorf("an outcome came back as %+v", r)
	}
	for i := range min(len(s.GetData()), 200) {
		if _, err := decodeMemento(s.GetData()[:i]); err == nil {
			t.Fatalf("a snapshot of %d bytes was read", i)
		}
	}
}

func TestDigests(t *testing.T) {
	var a, b digests
	for i := range uint64(3 * keptDigests) {
		a.roll(i+1, []byte{1}, i)
		b.roll(i+1, []byte{1}, i)
	}
	if a.last != b.last || a.last.Index != 3*keptDigests {
		t.Errorf("%+v and %+v", a.last, b.last)
	}
	for _, other := range []func(*digests){
		func(d *digests) { d.roll(a.last.Index+1, []byte{2}, 7) },
		func(d *digests) { d.roll(a.last.Index+1, []byte{1}, 8) },
		func(d *digests) { d.roll(a.last.Index+1, nil, 7) },
	} {
		one, two := a, b
		one.roll(a.last.Index+1, []byte{1}, 7)
		if other(&two); one.last.Hash == two.last.Hash {
			t.Error("different entries have one hash")
		}
	}
	c := &Core{digests: a}
	if d, known := c.DigestAt(a.last.Index); !known || d != a.last {
		t.Errorf("the last digest is %+v, %v", d, known)
	}
	if _, known := c.DigestAt(a.last.Index - keptDigests); known {
		t.Error("a digest that is no longer kept was given")
	}
	if _, known := c.DigestAt(a.last.Index - keptDigests + 1); !known {
		t.Error("the oldest digest is not given")
	}
}
