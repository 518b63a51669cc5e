package replica

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Config of a Core. Only Shard is required; zero values stand for the defaults.
type Config struct {
	Shard  shards.ShardID
	Memory bool // durability memory: no log. Entries are durable as soon as they are there, and a laggard gets history or a snapshot

	WindowBytes   int // sent to one copy and not acknowledged; default 2 MiB. One entry is always allowed
	WindowEntries int // likewise; default 256, at most MaxEntries
	MessageBytes  int // entries in one message, default 512 KiB; one entry may exceed it
	TailBytes     int // entries that are not committed yet, default 32 MiB; beyond it Room says no
	HistoryBytes  int // committed entries kept in memory for laggards; default 64 KiB, with Memory 256 KiB

	LagTicks    int // a copy that is in sync, or proposed for that, and owes an entry for so long is proposed for removal; default 30: 1.5 s of 50 ms ticks
	ResendTicks int // unanswered messages are sent again after so many ticks, later with doubled pauses up to 16 times; default 4
	RetryTicks  int // a change of the in-sync set that no row shows is proposed again after so many ticks; default 10

	Bug Bug // for the simulator; else 0
}

func (c *Config) validate() error {
	history := 64 << 10
	if c.Memory {
		history = 256 << 10
	}
	for _, field := range []struct {
		name     string
		value    *int
		standard int
	}{
		{"WindowBytes", &c.WindowBytes, 2 << 20}, {"WindowEntries", &c.WindowEntries, 256}, {"MessageBytes", &c.MessageBytes, 512 << 10},
		{"TailBytes", &c.TailBytes, 32 << 20}, {"HistoryBytes", &c.HistoryBytes, history},
		{"LagTicks", &c.LagTicks, 30}, {"ResendTicks", &c.ResendTicks, 4}, {"RetryTicks", &c.RetryTicks, 10},
	} {
		if *field.value == 0 {
			*field.value = field.standard
		}
		if *field.value < 0 {
			return fmt.Errorf("replica: %s is %d; it must be positive, or 0 for %d", field.name, *field.value, field.standard)
		}
	}
	if c.WindowEntries > MaxEntries {
		return fmt.Errorf("replica: WindowEntries is %d; a message holds at most %d", c.WindowEntries, MaxEntries)
	}
	return nil
}

// Start is what a copy has when its life begins.
type Start struct {
	Base    Position     // what its store holds; Term 0 if it is not known any more
	Rolling uint64       // the store's hash at Base
	Runs    []Position   // the log behind Base: for each term in it the number of the first transaction, ascending
	Last    shards.SeqNo // the end of the log; Base.Seq if it holds nothing more
}

// Assignment is the row of the shard table as one copy of the shard sees it.
type Assignment struct {
	Self      shards.CopyID // this copy; 0 if the row does not list it
	Term      shards.Term
	Version   uint64        // of the row; one that is older than the last is ignored
	Primary   shards.CopyID // 0: none
	Copies    []Peer        // all copies, this one included, by ascending id
	MinInSync int           // 1 at least
}

// Peer is one copy of the row.
type Peer struct {
	ID     shards.CopyID
	InSync bool
}

// Role is what a copy is at present.
type Role uint8

// The roles.
const (
	RoleNone    Role = iota // not configured, or not listed by the row
	RolePrimary             // orders entries
	RoleReplica             // follows the primary of its term, if there is one
	RoleFenced              // was primary, and has heard of a higher term; follows as soon as the new primary is known
)

// String is the role's name.
func (r Role) String() string { return [...]string{"none", "primary", "replica", "fenced"}[r] }
