package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// filled gives a command of each kind with every field set, so that one that an encoding forgot is missed.
func filled() []*Command {
	r := rand.New(rand.NewPCG(1, 1))
	var out []*Command
	kinds := reflect.TypeFor[Command]()
	for i := range kinds.NumField() {
		if kinds.Field(i).Type.Kind() != reflect.Pointer {
			continue
		}
		c := &Command{Trace: "a trace"}
		fill(r, reflect.ValueOf(c).Elem().Field(i))
		out = append(out, c)
	}
	return out
}

func fill(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(r, v.Index(0))
		fill(r, v.Index(1))
	case reflect.String:
		v.SetString(strings.Repeat("x", 1+r.IntN(40)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + r.Int64N(1<<40))
	default:
		v.SetUint(1 + uint64(r.IntN(200)))
	}
}

func TestEncodingKeepsEveryField(t *testing.T) {
	commands := filled()
	if len(commands) != len(changesOf(&Command{})) {
		t.Fatalf("%d kinds of commands, %d encodings", len(commands), len(changesOf(&Command{})))
	}
	for _, c := range commands {
		frame := c.Encode()
		got, err := DecodeCommand(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, c) {
			t.Errorf("%+v became %+v", c, got)
		}
		for n := range frame {
			if _, err := DecodeCommand(frame[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for a command", n, len(frame))
			}
		}
	}
	s := &State{}
	fill(rand.New(rand.NewPCG(1, 2)), reflect.ValueOf(s).Elem())
	got := &State{}
	if err := decode("state", s.Encode(), MaxStateBytes, func(c *codec) { c.state(got) }); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v became %+v: %v", s, got, err)
	}
	if _, err := DecodeState(s.Encode()); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a state that breaks invariants was read: %v", err)
	}
}

func TestEmptyAndAbsentAreTheSameBytes(t *testing.T) {
	a, b := &State{}, &State{Members: []Member{}, Shards: []Shard{}, Settings: []Setting{}, Voters: []uint64{}}
	if !bytes.Equal(a.Encode(), b.Encode()) {
		t.Fatal("an empty list and an absent one differ")
	}
}

func TestDecodingIsBounded(t *testing.T) {
	if _, err := DecodeCommand(make([]byte, MaxCommandBytes+1)); err == nil {
		t.Fatal("a command beyond the limit was taken")
	}
	future := (&Command{Voters: &VotersChange{Voters: []uint64{1}}}).Encode()
	future[1] = Format + 1
	if _, err := DecodeCommand(future); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("format %d; this version knows 1 to %d", Format+1, Format)) {
		t.Fatalf("a command of another format: %v", err)
	}
	announced := []byte{0x94, 1, 0xa0, 10, 0x91, 0xdd, 0x7f, 0xff, 0xff, 0xff}
	if _, err := DecodeCommand(announced); err == nil {
		t.Fatal("two billion voters were believed in")
	}
}

func TestTwoChangesAreNoCommand(t *testing.T) {
	c := &Command{Voters: &VotersChange{}, Settings: &SettingsChange{}}
	if _, o := (&State{Cluster: testCluster}).Apply(c); !errors.Is(o.Error(), &Refusal{Why: WhyInvalid}) {
		t.Fatalf("two changes: %v", o.Err)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("two changes were encoded")
		}
	}()
	c.Encode()
}

// FuzzDecodeCommand: whatever comes is refused or is a command that encodes to what decodes to the same, and that Apply
// takes or refuses without a panic and without breaking an invariant.
func FuzzDecodeCommand(f *testing.F) {
	for _, c := range filled() {
		f.Add(c.Encode())
	}
	w := newWorld(&testing.T{}, rand.New(rand.NewPCG(3, 4)))
	for range 200 {
		w.play()
	}
	for i := range w.state.Shards {
		r := &w.state.Shards[i]
		for kind := MoveAllocate; kind <= MoveRetry; kind++ {
			f.Add((&Command{Reroute: &Reroute{Rows: []RowChange{{Shard: r.ID, Base: r.Version, Moves: []Move{{Kind: kind, Copy: r.Copies[0].ID, Node: node(2)}}}}}}).Encode())
		}
	}
	for _, m := range w.state.Members {
		f.Add((&Command{Reroute: &Reroute{Down: []Death{{Node: m.ID, Epoch: m.Epoch}}}}).Encode())
		f.Add((&Command{Join: &Join{Member: m}}).Encode())
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		c, err := DecodeCommand(frame)
		if err != nil {
			return
		}
		again, err := DecodeCommand(c.Encode())
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v became %+v: %v", c, again, err)
		}
		for _, s := range []*State{{}, w.state} {
			after, _ := s.Apply(c)
			if err := errors.Join(Check(after), CheckStep(s, after)); err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			HealthOf(after)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	w := newWorld(&testing.T{}, rand.New(rand.NewPCG(3, 4)))
	f.Add((&State{}).Encode())
	for range 20 {
		f.Add(w.state.Encode())
		w.play()
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		s, err := DecodeState(frame)
		if err != nil {
			return
		}
		again, err := DecodeState(s.Encode())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v became %+v: %v", s, again, err)
		}
		HealthOf(s)
		VotersFor(s, func(shards.NodeID) bool { return true })
	})
}

// TestALargeStateCanBeRead: a million copies, of shards with eight each, and all the modules that there may be are a state that
// members read, and that fits a message beside what a snapshot has besides.
func TestALargeStateCanBeRead(t *testing.T) {
	const rows, each, copies = 1000, 8, MaxAllCopies
	s := &State{}
	for i := range rows {
		r := Shard{ID: shards.NewShardID(1<<14, i), Term: 1 << 20, Version: 1 << 30, Primary: 1 << 30}
		for c := range each {
			r.Copies = append(r.Copies, Copy{ID: shards.CopyID(1<<30 + c), Node: shards.NodeID(fmt.Sprintf("%040x", c)), InSync: true, Started: true})
		}
		s.Shards = append(s.Shards, r)
	}
	size := len(s.Encode()) * (copies / each) / rows
	if size+MaxModules > MaxStateBytes {
		t.Errorf("%d copies take %d bytes, and modules up to %d: a state may have %d", copies, size, MaxModules, MaxStateBytes)
	}
	const message = 128 << 20
	if MaxStateBytes+8<<20 > message {
		t.Errorf("a state of %d bytes does not fit a message of %d", MaxStateBytes, message)
	}
}
