package shards

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// KeyspaceID numbers a keyspace within a cluster. Numbers are not reused. ReservedKeyspace is never given out.
type KeyspaceID uint16

// ReservedKeyspace is kept for records of the node itself and of the metadata group in the node's log.
const ReservedKeyspace KeyspaceID = 0xFFFF

// Durability says when a write of a keyspace is acknowledged.
type Durability uint8

// The durabilities. The zero value is the safe one.
const (
	DurabilityFsync    Durability = iota // after an fsync of the log; group commit shares it between writers
	DurabilityInterval                   // when applied; the log is written at once and fsynced every interval
	DurabilityMemory                     // when applied; there is no log, a restarted node has nothing and says so
)

var durabilityNames = []string{"fsync", "interval", "memory"}

// Eviction says which keys a keyspace with a memory limit gives up when the limit is reached. The names are Redis'.
type Eviction uint8

// The eviction policies. "Volatile" ones give up only keys that expire.
const (
	EvictNone           Eviction = iota // refuse writes that grow
	EvictAllKeysLRU                     // least recently used
	EvictAllKeysLFU                     // least frequently used
	EvictAllKeysRandom                  // any
	EvictVolatileLRU                    // least recently used among expiring keys
	EvictVolatileLFU                    // least frequently used among expiring keys
	EvictVolatileRandom                 // any expiring key
	EvictVolatileTTL                    // the one that expires next
)

var evictionNames = []string{
	"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
	"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
}

// Keyspace describes a named set of shards.
type Keyspace struct {
	ID         KeyspaceID // number within the cluster
	Name       string     // 1 to 64 of a-z 0-9 . _ -, starting with a letter or digit
	Shards     int        // 1 to Slots; default 16; fixed for the keyspace's life
	Durability Durability // default fsync
	MaxMemory  int64      // bytes on one node, tree overhead included, but for what trees hold of keys that are gone; 0 = no limit
	Eviction   Eviction   // what happens at MaxMemory; default: writes that grow are refused
	Replicas   int        // copies beside the primary, up to MaxReplicas; default 1, NoReplicas for none; may change at any time
	MinInSync  int        // copies that must hold a write, the primary among them; default 1 with up to one replica, else 2
}

// NoReplicas is the Replicas of a keyspace with primaries alone: zero stands for the default.
const NoReplicas = -1

// MaxReplicas bounds the replicas of a shard: each write goes to all of them.
const MaxReplicas = 15

// DefaultShards is the shard count of a keyspace that does not say.
const DefaultShards = 16

// ErrKeyspace is wrapped by every error of Keyspace.Validate.
var ErrKeyspace = errors.New("invalid keyspace")

// Validate fills the defaults and reports the first field that cannot be used; the error wraps ErrKeyspace.
func (k *Keyspace) Validate() error {
	if k.Shards == 0 {
		k.Shards = DefaultShards
	}
	if k.Replicas == 0 {
		k.Replicas = 1
	}
	if k.MinInSync == 0 {
		k.MinInSync = min(2, max(1, k.Replicas))
	}
	switch {
	case !validName(k.Name):
		return fmt.Errorf("%w: name %q must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit", ErrKeyspace, k.Name)
	case k.ID == ReservedKeyspace:
		return fmt.Errorf("%w %q: number %d is reserved", ErrKeyspace, k.Name, k.ID)
	case k.Shards < 1 || k.Shards > Slots:
		return fmt.Errorf("%w %q: %d shards; must be 1 to %d", ErrKeyspace, k.Name, k.Shards, Slots)
	case int(k.Durability) >= len(durabilityNames):
		return fmt.Errorf("%w %q: durability %d; must be one of %s", ErrKeyspace, k.Name, k.Durability, strings.Join(durabilityNames, ", "))
	case int(k.Eviction) >= len(evictionNames):
		return fmt.Errorf("%w %q: eviction %d; must be one of %s", ErrKeyspace, k.Name, k.Eviction, strings.Join(evictionNames, ", "))
	case k.Replicas < NoReplicas || k.Replicas > MaxReplicas:
		return fmt.Errorf("%w %q: %d replicas; must be 0 to %d", ErrKeyspace, k.Name, k.Replicas, MaxReplicas)
	case k.MinInSync < 1 || k.MinInSync > k.Copies():
		return fmt.Errorf("%w %q: %d copies in sync at least; must be 1 to %d, the number of copies", ErrKeyspace, k.Name, k.MinInSync, k.Copies())
	case k.MaxMemory < 0:
		return fmt.Errorf("%w %q: max memory %d is negative; 0 means no limit", ErrKeyspace, k.Name, k.MaxMemory)
	}
	return nil
}

// Aimless says that a keyspace has an eviction policy and no limit that would set it off. States of earlier releases have such, so Validate takes
// them; whoever makes or changes one refuses it.
func (k *Keyspace) Aimless() bool { return k.Eviction != EvictNone && k.MaxMemory == 0 }

// Copies is how many copies each shard of a validated keyspace shall have: the primary and its replicas.
func (k *Keyspace) Copies() int { return 1 + max(0, k.Replicas) }

func validName(name string) bool {
	if len(name) == 0 || len(name) > 64 || strings.IndexByte("._-", name[0]) >= 0 {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}) < 0
}

// ShardOf is the index of the shard that owns a slot. Shard i owns the slots of SlotRange(i).
func (k *Keyspace) ShardOf(slot Slot) int { return int(slot) * k.Shards / Slots }

// SlotRange gives the first and the last slot that the shard with this index owns.
func (k *Keyspace) SlotRange(index int) (first, last Slot) {
	low := (index*Slots + k.Shards - 1) / k.Shards
	high := ((index+1)*Slots + k.Shards - 1) / k.Shards
	return Slot(low), Slot(high - 1)
}

// ShardName prints a shard as operators see it, as in "orders/17".
func (k *Keyspace) ShardName(index int) string {
	return string(k.AppendShardName(make([]byte, 0, len(k.Name)+8), index))
}

// AppendShardName appends what ShardName gives.
func (k *Keyspace) AppendShardName(to []byte, index int) []byte {
	return strconv.AppendInt(append(append(to, k.Name...), '/'), int64(index), 10)
}

// String is the name used in configuration.
func (d Durability) String() string { return nameOf(durabilityNames, int(d)) }

// MarshalText writes the name used in configuration.
func (d Durability) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads fsync, interval or memory.
func (d *Durability) UnmarshalText(text []byte) error {
	i, err := indexOf("durability", durabilityNames, string(text))
	*d = Durability(i)
	return err
}

// String is Redis' name of the policy.
func (e Eviction) String() string { return nameOf(evictionNames, int(e)) }

// MarshalText writes Redis' name of the policy.
func (e Eviction) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads one of Redis' eight names.
func (e *Eviction) UnmarshalText(text []byte) error {
	i, err := indexOf("eviction", evictionNames, string(text))
	*e = Eviction(i)
	return err
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return fmt.Sprintf("unknown(%d)", i)
}

func indexOf(what string, names []string, name string) (int, error) {
	if i := slices.Index(names, name); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%w: %s %q; must be one of %s", ErrKeyspace, what, name, strings.Join(names, ", "))
}
