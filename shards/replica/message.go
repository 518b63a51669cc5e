package replica

import "github.com/troupe-actors/troupe/shards"

// Kind says what a Message is. The numbers go over the wire: never reorder, only append.
type Kind uint8

// The kinds.
const (
	KindAppend Kind = iota + 1 // primary to replica: entries after Prev, perhaps none; Last, Commit and the hash beside them
	KindAck                    // replica to primary: everything up to Last.Seq is as in the primary's log, and durable
	KindRefuse                 // replica to primary: what follows Prev cannot be taken. Or anyone: your term is over
	KindHello                  // replica to primary: I am here, and end at Last
	KindSync                   // primary to replica: an append without entries that asks for an answer
)

var kindNames = [...]string{"none", "append", "ack", "refuse", "hello", "sync"}

// String is the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Message goes from one copy of a shard to another. Copies are named by id: one that goes on under another id does not
// answer for what it was. Which fields a kind has is said beside each.
type Message struct {
	Shard    shards.ShardID
	Kind     Kind
	From, To shards.CopyID
	Term     shards.Term // the sender's

	Prev    Position     // append, sync: the entry before Entries. refuse: of the append that is refused
	Last    Position     // append, sync: the end of the primary's log. ack: durable and the same up to here. refuse, hello: the end of the durable log
	Commit  shards.SeqNo // append, sync: the global checkpoint. Others: what the sender has committed, which it cannot give up
	Checked shards.SeqNo // append, sync: Rolling is the hash over everything up to here; 0: no hash
	Rolling uint64       // append, sync
	Reset   bool         // refuse: no entries can help, the logs differ below what is committed here
	Entries []Entry      // append
}

// Size is about what the message takes in a body, in bytes; seldom less.
func (m *Message) Size() int {
	size := 96
	for i := range m.Entries {
		size += m.Entries[i].Size()
	}
	return size
}
