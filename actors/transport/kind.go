package transport

import "fmt"

// Class is one of the four kinds of traffic between two nodes, each with a stream and credits of its own.
type Class uint8

// The classes. The numbers are part of the handshake: never reorder, only append.
const (
	Control   Class = iota + 1 // Raft, heartbeats: small, urgent
	Replicate                  // operations from primary to replicas, and what they answer
	Call                       // requests and their answers; Send does not take it
	Bulk                       // recovery: much, and in no hurry

	classes = Bulk
)

var classNames = [...]string{Control: "control", Replicate: "replicate", Call: "call", Bulk: "bulk"}

// String is the class's name in messages.
func (c Class) String() string {
	if c >= Control && c <= classes {
		return classNames[c]
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Kind says what a message is, hence who reads it and how its body is encoded.
type Kind uint8

// The kinds. Numbers are written to the wire and never reused: append, and retire by leaving a gap.
const (
	KindRaft           Kind = iota + 1 // one-way, Control or Bulk (snapshots): a message of the metadata group
	KindHeartbeat                      // one-way, Control: member to placement leader
	KindHeartbeatReply                 // one-way, Control: and back, with what the lease needs
	KindReplicate                      // one-way, Replicate: primary to copies and back
	KindRecover                        // one-way, Bulk: snapshot chunks and tails
	KindCommand                        // call: a command for the metadata group, to its leader
	KindForward                        // call: a client's work, to the primary of its shard
	KindProbe                          // call: "do you reach that node?", asked by who doubts its own line
	KindJoin                           // call: a node asks to become a member, or tells of its new life
	KindDiscover                       // call: who are you, which cluster, whom do you know
	KindQuery                          // call: what does this node run; for health, explain and check
	KindRead                           // call: a read of a shard that is no operation: scans, counts, snapshots
	KindWatch                          // call: changes of shards, as they happen
	KindPlacement                      // call: an operator's question to the placement leader
	KindPublish                        // one-way, Bulk: a message to a channel, for the subscribers on that node
	KindLoads                          // one-way, Control: member to placement leader, what node and copies use
	KindFailover                       // call: to the placement leader, of shards that were taken over, or for the stories that it writes
	KindActor                          // call: a message to a virtual actor, to the node that leads its shard
	KindUnanswered                     // one-way, Control: member to placement leader, before a heartbeat: for how long none has been answered

	lastKind = KindUnanswered
)

var kindNames = [...]string{
	KindRaft: "raft", KindHeartbeat: "heartbeat", KindHeartbeatReply: "heartbeat reply", KindReplicate: "replicate",
	KindRecover: "recover", KindCommand: "command", KindForward: "forward", KindProbe: "probe", KindJoin: "join",
	KindDiscover: "discover", KindQuery: "query", KindRead: "read", KindWatch: "watch",
	KindPlacement: "placement", KindPublish: "publish", KindLoads: "loads", KindFailover: "failover", KindActor: "actor",
	KindUnanswered: "unanswered heartbeats",
}

// Known says whether this release has a meaning for the kind. A message of another is counted and dropped, a call of
// another is answered with shards.KindInvalid: newer nodes may send them while a cluster is upgraded.
func (k Kind) Known() bool { return k >= KindRaft && k <= lastKind }

// lasts says that what serves a call of the kind may go on after the end of its context, for ever perhaps: what users have written runs in it.
func (k Kind) lasts() bool { return k == KindActor }

// String is the kind's name in messages.
func (k Kind) String() string {
	if k.Known() {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}
