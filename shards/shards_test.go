package shards

import (
	"errors"
	"testing"
)

// The vectors are those of the Redis Cluster specification (CRC16 of "123456789" is 0x31C3) and of CLUSTER KEYSLOT.
func TestSlotOfAgreesWithRedisCluster(t *testing.T) {
	if got := crc16([]byte("123456789")); got != 0x31C3 {
		t.Fatalf("crc16(123456789) = %#x, want 0x31c3", got)
	}
	for key, want := range map[string]Slot{
		"": 0, "foo": 12182, "bar": 5061, "somekey": 11058, "foo{hash_tag}": 2515, "bar{hash_tag}": 2515, "user:{42}:name": 8000,
	} {
		if got := SlotOf([]byte(key)); got != want {
			t.Errorf("SlotOf(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestCRC16OfEveryLength(t *testing.T) {
	key := []byte("the quick brown fox jumps over the lazy dog")
	for n := range key {
		slow := uint16(0)
		for _, b := range key[:n] {
			slow ^= uint16(b) << 8
			for range 8 {
				carry := slow >> 15
				slow = slow<<1 ^ carry*0x1021
			}
		}
		if got := crc16(key[:n]); got != slow {
			t.Fatalf("crc16 of %d bytes is %#x, want %#x", n, got, slow)
		}
	}
}

func BenchmarkSlotOf(b *testing.B) {
	key := []byte("key:000000012345")
	for b.Loop() {
		SlotOf(key)
	}
}

func TestTagRules(t *testing.T) {
	same := [][2]string{
		{"{user1000}.following", "user1000"}, {"foo{{bar}}zap", "{bar"}, {"foo{bar}{zap}", "bar"},
	}
	for _, pair := range same {
		if SlotOf([]byte(pair[0])) != SlotOf([]byte(pair[1])) {
			t.Errorf("%q and %q must share a slot", pair[0], pair[1])
		}
	}
	for _, whole := range []string{"foo{}{bar}", "foo{bar", "foo}bar{"} {
		if got, want := SlotOf([]byte(whole)), Slot(crc16([]byte(whole))%Slots); got != want {
			t.Errorf("SlotOf(%q) = %d, want %d: there is no tag", whole, got, want)
		}
	}
}

func TestEverySlotHasOneShard(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 16, 100, 1000, 4096, 16383, 16384} {
		k := Keyspace{Name: "k", Shards: n}
		next := 0
		for i := range n {
			first, last := k.SlotRange(i)
			if int(first) != next || last < first {
				t.Fatalf("%d shards: shard %d owns %d..%d, expected to begin at %d", n, i, first, last, next)
			}
			if k.ShardOf(first) != i || k.ShardOf(last) != i {
				t.Fatalf("%d shards: slots %d and %d map to %d and %d, want %d", n, first, last, k.ShardOf(first), k.ShardOf(last), i)
			}
			next = int(last) + 1
		}
		if next != Slots {
			t.Fatalf("%d shards cover %d slots", n, next)
		}
	}
}

func TestKeyspaceValidate(t *testing.T) {
	k := Keyspace{Name: "orders"}
	if err := k.Validate(); err != nil || k.Shards != DefaultShards {
		t.Fatalf("defaults: %v, %d shards", err, k.Shards)
	}
	for _, bad := range []Keyspace{
		{}, {Name: "A"}, {Name: "-a"}, {Name: "a b"}, {Name: "a", Shards: -1}, {Name: "a", Shards: Slots + 1},
		{Name: "a", MaxMemory: -1}, {Name: "a", ID: ReservedKeyspace}, {Name: "a", Durability: 9}, {Name: "a", Eviction: 9},
	} {
		if err := bad.Validate(); !errors.Is(err, ErrKeyspace) {
			t.Errorf("%+v: got %v, want ErrKeyspace", bad, err)
		}
	}
}

func TestNamesRoundTrip(t *testing.T) {
	for d := range Durability(len(durabilityNames)) {
		var got Durability
		if text, _ := d.MarshalText(); got.UnmarshalText(text) != nil || got != d {
			t.Errorf("durability %v came back as %v", d, got)
		}
	}
	for e := range Eviction(len(evictionNames)) {
		var got Eviction
		if text, _ := e.MarshalText(); got.UnmarshalText(text) != nil || got != e {
			t.Errorf("eviction %v came back as %v", e, got)
		}
	}
	var d Durability
	if err := d.UnmarshalText([]byte("sometimes")); !errors.Is(err, ErrKeyspace) {
		t.Errorf("an unknown name gave %v", err)
	}
	if id := NewShardID(2, 17); id.String() != "2/17" || id.Keyspace() != 2 || id.Index() != 17 {
		t.Errorf("shard id: %v", id)
	}
}
