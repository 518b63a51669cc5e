package replica

import (
	"errors"
	"reflect"
	"testing"

	"github.com/troupe-actors/troupe/shards/wire"
)

func samples() []*Message {
	return []*Message{
		{Shard: 7, Kind: KindAppend, From: 1, To: 2, Term: 3, Prev: Position{2, 9}, Last: Position{3, 14}, Commit: 8, Checked: 8, Rolling: 1 << 63,
			Entries: []Entry{{Term: 3, First: 10, Last: 12, Payload: []byte("abc")}, {Term: 3, First: 13, Last: 14, Shrinks: true, Payload: []byte{}}}},
		{Shard: 1<<32 - 1, Kind: KindSync, From: 1, To: 2, Term: 3, Prev: Position{2, 9}, Last: Position{3, 14}, Commit: 8},
		{Shard: 0, Kind: KindAck, From: 2, To: 1, Term: 3, Last: Position{3, 14}, Commit: 8},
		{Shard: 0, Kind: KindRefuse, From: 2, To: 1, Term: 3, Prev: Position{2, 9}, Last: Position{1, 4}, Commit: 3, Reset: true},
		{Shard: 0, Kind: KindHello, From: 2, To: 1, Term: 3, Last: Position{1, 4}, Commit: 3},
	}
}

func decode(body []byte) (all []*Message, err error) {
	err = Decode(body, func(m *Message) {
		kept := *m
		all = append(all, &kept)
	})
	return all, err
}

func TestBodiesCarryManyShards(t *testing.T) {
	want := samples()
	body := Append(Append(nil, want[0]), want[1:]...)
	got, err := decode(body)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%v\n%+v\n%+v", err, got, want)
	}
	for n := range body {
		if got, err := decode(body[:n]); err == nil && len(got) == len(want) {
			t.Fatalf("%d of %d bytes gave everything", n, len(body))
		} else if err != nil && !errors.Is(err, wire.ErrMalformed) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

// FuzzDecode: whatever comes, a body is refused or means what its encoding means, and a core takes it without harm.
func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		f.Add(Append(nil, m))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decode(body)
		if err != nil {
			return
		}
		again, err := decode(Append(nil, got...))
		if len(got) > 0 && (err != nil || !reflect.DeepEqual(again, got)) {
			t.Fatalf("%v\n%+v\n%+v", err, again, got)
		}
		core, err := New(Config{Shard: 7}, Start{Base: Position{1, 4}, Runs: []Position{{1, 5}, {2, 8}}, Last: 9})
		if err != nil {
			t.Fatal(err)
		}
		core.Configure(Assignment{Self: 2, Term: 2, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, true}}, MinInSync: 1})
		for _, m := range got {
			core.Step(m)
			core.Ready()
			if err := core.Check(); err != nil {
				t.Fatalf("%+v: %v", m, err)
			}
		}
	})
}

func BenchmarkRound(b *testing.B) {
	row := Assignment{Term: 1, Version: 1, Primary: 1, Copies: []Peer{{1, true}, {2, true}}, MinInSync: 1}
	var cores [2]*Core
	for i := range cores {
		cores[i], _ = New(Config{Shard: 7, Memory: true}, Start{})
		row.Self = row.Copies[i].ID
		cores[i].Configure(row)
	}
	payload := make([]byte, 130)
	var body []byte
	var into Message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cores[0].Propose(1, payload, false); err != nil {
			b.Fatal(err)
		}
		for moved := true; moved; {
			moved = false
			for i, c := range cores {
				for c.HasReady() {
					moved = true
					r := c.Ready()
					if r.Commit != 0 {
						c.Applied(r.Commit, 0)
					}
					for k := range r.Messages {
						body = Append(body[:0], &r.Messages[k])
						if err := DecodeInto(body, &into, func(m *Message) { cores[1-i].Step(m) }); err != nil {
							b.Fatal(err)
						}
					}
					c.Reuse(&r)
				}
			}
		}
	}
}
