package cluster

import "github.com/troupe-actors/troupe/shards"

// Command is one change of the cluster state, as the metadata group logs it. Exactly one of the pointers is set. A command
// that no longer fits the state it meets changes nothing: State.Apply then says so in its Outcome, and whoever proposed it
// looks at the new state and decides again.
//
// Apply calls no policy, reads no clock and makes no choice: it checks and records what its proposer decided.
type Command struct {
	Trace string // the trace that the change belongs to, if any: carried, never looked at

	Bootstrap *Bootstrap
	Join      *Join
	Reroute   *Reroute
	InSync    *InSync
	Opened    *Opened
	Failed    *Failed
	HandOver  *HandOver
	Member    *MemberChange
	Keyspace  *KeyspaceChange
	Settings  *SettingsChange
	Voters    *VotersChange

	// What follows is of FormatPolicies.
	Push       *PushChunk
	Stage      *StageReport
	Register   *RegisterPolicy
	Activate   *ActivatePolicy
	Shadow     *ShadowPolicy
	Retire     *RetirePolicy
	Quarantine *QuarantineModule
	Forget     *ForgetPolicies
	Failover   *FailoverChange

	// What follows is of FormatHistory.
	Drain *DrainChange

	// What follows is of FormatKinds.
	RegisterKind *RegisterKind
	UseKind      *UseKind
	ForgetKind   *ForgetKind

	// What follows is of FormatMoves.
	Moves *BeginMoves

	// What follows is of FormatStrikes.
	Strike *StrikeModule
}

// Bootstrap makes a cluster out of nothing: it is the first command of a log, and refused ever after.
type Bootstrap struct {
	Cluster   string
	Member    Member
	Keyspaces []shards.Keyspace
	Settings  []Setting
	Adopt     []shards.ShardID // sorted; shards whose data the first member has from an earlier life as a single node: they begin with what is there
}

// Join makes a node a member, or tells that a member has begun another life. A known ID needs a higher epoch than before (the
// same epoch is a repetition and changes addresses only). Its primaries of the earlier life are deposed: Primary becomes 0
// until a reroute promotes a copy, perhaps the same one.
//
// What it kept keeps its place: all of it if Awake; else of a keyspace of durability fsync always; of interval if Clean; of
// memory never. A keyspace that is Loose is one of interval here, whatever it is by now.
// A copy that lost its data leaves the in-sync set if another copy is in it, and is recovered under a new id. The last in-sync
// copy stays: of interval with what its disk has, of memory Fresh under a new id, since its writes are gone everywhere. A
// copy that was not in sync and is not kept gets a new id too: nobody may count on what it once acknowledged.
type Join struct {
	Member Member
	Clean  bool // its last life ended with everything on disk
	Awake  bool // the process of its last life goes on, with everything in memory: the cluster had taken it for dead

	// Loose are the keyspaces, ascending, that its last life wrote with interval: another durability counts from the next start on. Of
	// FormatLoose, and nil, whichever, while a member reads less.
	Loose []shards.KeyspaceID
}

// Reroute carries out a plan of the placement leader, all of it in one step: a row whose Version, as it was before the
// command, differs from Base is left out (the leader looks again), and so is one with a move that does not fit; the others
// are changed.
type Reroute struct {
	Down []Death     // members that died; deposes their primaries before the moves
	Rows []RowChange // sorted by shard

	// What of it is for balance alone, sorted by shard, and of FormatBudget: left out unless the state is Budgeted.
	Rebalances []Rebalance
}

// Death declares a member dead in one epoch. It is refused, with its whole command, if the member has a newer one.
//
// A copy of the dead goes on out of sync and under a new id wherever an in-sync copy on a living member remains, so that
// writes need not wait for it. Where none remains all stay in sync: whichever comes back first has every acknowledged write.
type Death struct {
	Node   shards.NodeID
	Epoch  shards.Epoch
	Reason string
}

// RowChange changes one row of the shard table by moves, in order.
type RowChange struct {
	Shard shards.ShardID
	Base  uint64 // the row's Version that the moves were planned on
	Moves []Move
}

// MoveKind says what a move does.
type MoveKind uint8

// The moves. The numbers are written to the log: never reorder, only append.
const (
	MoveAllocate MoveKind = iota + 1 // a new copy on Node that recovers from the primary; Source: a relocation
	MoveCreate                       // the first copy of a shard that has none: in sync, Fresh, and primary of term 1 or Term+1
	MovePromote                      // Copy, which is in sync, becomes primary of a shard that has none; the term rises
	MoveDrop                         // Copy is removed; refused for the last in-sync copy
	MoveStale                        // an operator accepts the loss: Copy, not in sync, becomes the only in-sync copy and primary
	MoveEmpty                        // an operator accepts the loss: the shard begins empty on Node; all other copies are dropped
	MoveHandTo                       // the primary is asked to hand over to Copy, which is in sync; the primary's own id takes the request back
	MoveRetry                        // Failures becomes 0, so that allocation is tried again
)

// Move is one step of a plan. Reason is a sentence for people: who decided, and why.
type Move struct {
	Kind   MoveKind
	Copy   shards.CopyID // promote, drop, stale, hand to
	Node   shards.NodeID // allocate, create, empty
	Source shards.CopyID // allocate: the copy it replaces, or 0
	Reason string
}

// InSync changes the in-sync set of one shard. Only the primary of the present term may ask; the change is committed before
// it acknowledges a write that a removed copy lacks. A copy that is added becomes Started, and the Source that it replaces is
// dropped, unless that is the primary (which hands over first). A removed copy goes on under a new id, not in sync.
type InSync struct {
	Shard   shards.ShardID
	Term    shards.Term
	Primary shards.CopyID
	Add     []shards.CopyID
	Remove  []shards.CopyID
	Reason  string
}

// Opened says that copies which began Fresh are there: from then on a node that cannot find one has lost it. A primary that
// changes its in-sync set, or hands over, says the same of its own copy.
type Opened struct {
	Node   shards.NodeID
	Epoch  shards.Epoch
	Copies []ShardCopy // sorted by shard
}

// ShardCopy names a copy of a shard.
type ShardCopy struct {
	Shard shards.ShardID
	Copy  shards.CopyID
}

// Failed says that a node has given up a copy: it is damaged, or not there. The copy is dropped, whatever it was, unless it is
// the last in-sync one: then it stays in the table, without being primary, and the shard is red until an operator decides.
type Failed struct {
	Node   shards.NodeID
	Epoch  shards.Epoch
	Copies []ShardCopy // sorted by shard
	Reason string
}

// HandOver moves the primary to another in-sync copy without a gap: the primary asks for it when that copy has all there is
// and it has itself stopped to take writes. The term rises; the old primary stays, as a replica, or is dropped if To was
// allocated to replace it.
type HandOver struct {
	Shard shards.ShardID
	Term  shards.Term
	From  shards.CopyID // the primary
	To    shards.CopyID
}

// MemberChange changes what is agreed about a member. Forget removes it, and drops its copies; it must be Down. The metadata group takes it once
// its own configuration does not count the member's vote any more.
type MemberChange struct {
	Node       shards.NodeID
	Forget     bool
	Draining   *bool // nil: as it is
	Maintained *bool
	Excluded   *bool
}

// KeyspaceChange makes a keyspace (ID is given by Apply), or changes the settings of the one with that name; shard count,
// and durability to or from memory, are fixed.
type KeyspaceChange struct {
	Keyspace shards.Keyspace

	// After is the version of the keyspace that it was derived from, 0 if there was none: it is refused where there is another by now. Of
	// FormatAfter, and nil, whichever, while a member reads less.
	After *uint64
}

// SettingsChange sets settings; an empty value removes one. ReadOnly, if not nil, begins or ends the cluster's maintenance.
type SettingsChange struct {
	Set      []Setting
	ReadOnly *bool

	// For the history, and of FormatHistory: both are left out while a member reads less.
	By string // who asks, for people
	At int64  // Unix milliseconds, by the proposer's clock
}

// VotersChange records who shall vote; the metadata group follows by joint consensus.
type VotersChange struct {
	Voters []uint64 // by Raft number, ascending
}
