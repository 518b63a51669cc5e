package abi

// Type is what one value of a column is. All are little-endian.
type Type uint8

// The types. They cross the ABI: never reorder.
const (
	U8 Type = iota + 1
	U32
	I64
	F64
)

// Size is the length of a value in bytes, 0 of a type that is not known.
func (t Type) Size() int {
	switch t {
	case U8:
		return 1
	case U32:
		return 4
	case I64, F64:
		return 8
	}
	return 0
}

// String is the type's name in messages.
func (t Type) String() string {
	if t.Size() == 0 {
		return "unknown"
	}
	return [...]string{"u8", "u32", "i64", "f64"}[t-1]
}

// Table is what the rows of a column are.
type Table uint8

// The tables.
const (
	Global      Table = iota + 1 // one row
	Nodes                        // State.Members, in their order
	Keyspaces                    // State.Keyspaces, in their order
	Shards                       // State.Shards, in their order
	Copies                       // Counts.Slots rows for each shard, in the shards' order: row = shard * slots + slot
	NodesInKey                   // one row for each node of each keyspace: row = keyspace * nodes + node
	NodeOffsets                  // one for each node and one more: where its attributes begin, and where the last one's end
	Attributes                   // attributes of all nodes, in the nodes' order, each node's sorted by name
	TextOffsets                  // one for each string and one more: where it begins in Text
	Text                         // bytes of all strings, one after the other
	tables
)

// Column is the number of a column.
type Column uint16

// The columns. Numbers are the ABI's: new ones take free numbers, and a column that changes its meaning takes a new one.
const (
	Now             Column = 1
	Ticks           Column = 2
	TickLength      Column = 3
	Relocating      Column = 4
	Unled           Column = 5
	Unwhole         Column = 6
	Rebalanced      Column = 7
	RebalancedBytes Column = 8
	RebalancedUntil Column = 9
	TextStarts      Column = 16
	TextContent     Column = 17

	NodeID             Column = 32
	NodeName           Column = 33
	NodeHost           Column = 34
	NodeAddress        Column = 35
	NodeRelease        Column = 36
	NodeFormat         Column = 37
	NodeEpoch          Column = 38
	NodeRoles          Column = 39
	NodeFlags          Column = 40
	NodeEvidence       Column = 41
	NodeSince          Column = 42
	NodeHeld           Column = 43
	NodeReason         Column = 44
	NodeCopies         Column = 45
	NodePrimaries      Column = 46
	NodeIncoming       Column = 47
	NodeOutgoing       Column = 48
	NodeCapacityCPU    Column = 49
	NodeCapacityMemory Column = 50
	NodeCapacityDisk   Column = 51
	NodeUsedCPU        Column = 52
	NodeUsedMemory     Column = 53
	NodeUsedDisk       Column = 54
	NodeAttributes     Column = 55
	AttributeName      Column = 56
	AttributeValue     Column = 57
	NodeComingCPU      Column = 58
	NodeComingMemory   Column = 59
	NodeComingDisk     Column = 60
	NodeLeavingCPU     Column = 61
	NodeLeavingMemory  Column = 62
	NodeLeavingDisk    Column = 63
	NodeOpening        Column = 64

	KeyspaceName            Column = 96
	KeyspaceShards          Column = 97
	KeyspaceReplicas        Column = 98
	KeyspaceMinInSync       Column = 99
	KeyspaceDurability      Column = 100
	KeyspaceNodeCopies      Column = 101
	KeyspaceNodePrimaries   Column = 102
	KeyspaceRebalanced      Column = 103
	KeyspaceRebalancedBytes Column = 104
	KeyspaceRebalancedUntil Column = 105

	ShardKeyspace      Column = 128
	ShardNumber        Column = 129
	ShardPrimary       Column = 130
	ShardHandTo        Column = 131
	ShardFailures      Column = 132
	ShardCopies        Column = 133
	ShardPrimaryCPU    Column = 134
	ShardPrimaryMemory Column = 135
	ShardPrimaryDisk   Column = 136
	ShardReplicaCPU    Column = 137
	ShardReplicaMemory Column = 138
	ShardReplicaDisk   Column = 139
	ShardSetback       Column = 140
	ShardRebalanced    Column = 141

	CopyNode   Column = 160
	CopyFlags  Column = 161
	CopySource Column = 162
	CopyID     Column = 163

	columns = 256 // bounds the numbers of version 1
)

// Bits of NodeFlags.
const (
	NodeDown       = 1 << iota // declared dead in its present epoch
	NodeDraining               // its copies shall go elsewhere
	NodeMaintained             // may restart at any moment
	NodeExcluded               // shall not vote
)

// Bits of NodeRoles.
const (
	RoleMeta = 1 << iota
	RoleData
	RoleGateway
)

// Values of NodeEvidence.
const (
	EvidenceNone    = iota // nothing has been heard of the node in its present epoch
	EvidenceAlive          //
	EvidenceGrey           // alive, and sick
	EvidenceSuspect        // silent
	EvidenceDead           //
)

// Bits of CopyFlags.
const (
	CopyInSync  = 1 << iota // holds every acknowledged write
	CopyStarted             // has been in sync
	CopyFresh               // begins empty by decision
	CopyFailed              // its node cannot open it
)

// Values of KeyspaceDurability.
const (
	DurabilityFsync = iota
	DurabilityInterval
	DurabilityMemory
)

// Spec is what there is to know of a column.
type Spec struct {
	ID     Column
	Name   string // as the manifest's needs has it
	Type   Type
	Table  Table // what its rows are
	Text   bool  // its values are numbers of strings
	Moves  bool  // the host may change it between two calls, without a new image
	Points Table // its values are rows of this table, or None; 0: they are not
	Doc    string
}

// specs are sorted by ID.
var specs = []Spec{
	{Now, "now", I64, Global, false, false, 0, "wall time of the plan in seconds since 1970, UTC; 0: not known"},
	{Ticks, "ticks", I64, Global, false, false, 0, "the placement leader's clock, in ticks"},
	{TickLength, "tick_length", U32, Global, false, false, 0, "length of a tick in milliseconds"},
	{Relocating, "relocating", U32, Global, false, true, 0, "relocations for balance alone that are under way in the cluster"},
	{Unled, "unled", U32, Global, false, true, 0, "shards without a primary"},
	{Unwhole, "unwhole", U32, Global, false, true, 0, "shards with fewer copies in sync than their keyspace wants"},
	{Rebalanced, "rebalanced", U32, Global, false, true, 0, "copies that began to move for balance alone within cluster.routing.rebalance.budget.window; counted while a budget or a cooldown is set"},
	{RebalancedBytes, "rebalanced_bytes", F64, Global, false, true, 0, "bytes of these copies, as far as their shards had been measured"},
	{RebalancedUntil, "rebalanced_until", I64, Global, false, true, 0, "wall time in seconds since 1970, UTC, at which the oldest of them counts no more; 0: there are none"},
	{TextStarts, "text_starts", U32, TextOffsets, false, false, 0, "where each string begins in text; string 0 is empty"},
	{TextContent, "text", U8, Text, false, false, 0, "the bytes of all strings, UTF-8, without separators"},

	{NodeID, "node_id", U32, Nodes, true, false, 0, "the node's id, which survives its restarts"},
	{NodeName, "node_name", U32, Nodes, true, false, 0, "its name, for people"},
	{NodeHost, "node_host", U32, Nodes, true, false, 0, "the machine that it runs on"},
	{NodeAddress, "node_address", U32, Nodes, true, false, 0, "host:port where other nodes reach it"},
	{NodeRelease, "node_release", U32, Nodes, true, false, 0, "version of the program that it runs, for people"},
	{NodeFormat, "node_format", U32, Nodes, false, false, 0, "version of wire and state that it speaks"},
	{NodeEpoch, "node_epoch", I64, Nodes, false, false, 0, "number of its life, raised at each start"},
	{NodeRoles, "node_roles", U8, Nodes, false, false, 0, "bits: 1 meta, 2 data, 4 gateway"},
	{NodeFlags, "node_flags", U8, Nodes, false, false, 0, "bits: 1 down, 2 draining, 4 maintained, 8 excluded from voting"},
	{NodeEvidence, "node_evidence", U8, Nodes, false, false, 0, "0 none, 1 alive, 2 grey, 3 suspect, 4 dead"},
	{NodeSince, "node_since", I64, Nodes, false, false, 0, "tick of the last change of node_evidence"},
	{NodeHeld, "node_held", I64, Nodes, false, false, 0, "tick until which it gets no new copies, since it came back too often; 0: not held"},
	{NodeReason, "node_reason", U32, Nodes, true, false, 0, "the sentence behind node_evidence"},
	{NodeCopies, "node_copies", U32, Nodes, false, true, 0, "copies that it will hold when all relocations have ended"},
	{NodePrimaries, "node_primaries", U32, Nodes, false, true, 0, "copies that it will lead when all hand-overs have ended"},
	{NodeIncoming, "node_incoming", U32, Nodes, false, true, 0, "recoveries into it"},
	{NodeOutgoing, "node_outgoing", U32, Nodes, false, true, 0, "recoveries that it, as a primary, feeds"},
	{NodeCapacityCPU, "node_capacity_cpu", F64, Nodes, false, false, 0, "cores that it may use; 0: not known, as in all figures of capacity"},
	{NodeCapacityMemory, "node_capacity_memory", F64, Nodes, false, false, 0, "bytes of memory that it may use"},
	{NodeCapacityDisk, "node_capacity_disk", F64, Nodes, false, false, 0, "bytes of its data folder's disk"},
	{NodeUsedCPU, "node_used_cpu", F64, Nodes, false, true, 0, "cores that are busy, with whatever"},
	{NodeUsedMemory, "node_used_memory", F64, Nodes, false, true, 0, "bytes of memory that are taken, by whatever"},
	{NodeUsedDisk, "node_used_disk", F64, Nodes, false, true, 0, "bytes of disk that are taken, by whatever"},
	{NodeAttributes, "node_attributes", U32, NodeOffsets, false, false, 0, "where each node's attributes begin in attribute_name and attribute_value"},
	{AttributeName, "attribute_name", U32, Attributes, true, false, 0, "name of an attribute that a node was started with"},
	{AttributeValue, "attribute_value", U32, Attributes, true, false, 0, "its value"},
	{NodeComingCPU, "node_coming_cpu", F64, Nodes, false, true, 0, "cores that recoveries into it will add to node_used_cpu, as far as their shards have been measured"},
	{NodeComingMemory, "node_coming_memory", F64, Nodes, false, true, 0, "bytes of memory that they will add"},
	{NodeComingDisk, "node_coming_disk", F64, Nodes, false, true, 0, "bytes of disk that they will add"},
	{NodeLeavingCPU, "node_leaving_cpu", F64, Nodes, false, true, 0, "cores that copies on it free when others have taken their place"},
	{NodeLeavingMemory, "node_leaving_memory", F64, Nodes, false, true, 0, "bytes of memory that they free"},
	{NodeLeavingDisk, "node_leaving_disk", F64, Nodes, false, true, 0, "bytes of disk that they free"},
	{NodeOpening, "node_opening", U32, Nodes, false, true, 0, "first copies of shards on it that have not said yet that they are open"},

	{KeyspaceName, "keyspace_name", U32, Keyspaces, true, false, 0, "the keyspace's name"},
	{KeyspaceShards, "keyspace_shards", U32, Keyspaces, false, false, 0, "its shards"},
	{KeyspaceReplicas, "keyspace_replicas", U32, Keyspaces, false, false, 0, "replicas wanted of each, beside the primary"},
	{KeyspaceMinInSync, "keyspace_min_in_sync", U32, Keyspaces, false, false, 0, "copies that must hold a write, the primary among them"},
	{KeyspaceDurability, "keyspace_durability", U8, Keyspaces, false, false, 0, "0 fsync, 1 interval, 2 memory"},
	{KeyspaceNodeCopies, "keyspace_node_copies", U32, NodesInKey, false, true, 0, "node_copies of this keyspace alone"},
	{KeyspaceNodePrimaries, "keyspace_node_primaries", U32, NodesInKey, false, true, 0, "node_primaries of this keyspace alone"},

	{KeyspaceRebalanced, "keyspace_rebalanced", U32, Keyspaces, false, true, 0, "rebalanced of this keyspace alone, within its own budget.window"},
	{KeyspaceRebalancedBytes, "keyspace_rebalanced_bytes", F64, Keyspaces, false, true, 0, "rebalanced_bytes of this keyspace alone"},
	{KeyspaceRebalancedUntil, "keyspace_rebalanced_until", I64, Keyspaces, false, true, 0, "rebalanced_until of this keyspace alone"},

	{ShardKeyspace, "shard_keyspace", U32, Shards, false, false, Keyspaces, "the shard's keyspace"},
	{ShardNumber, "shard_number", U32, Shards, false, false, 0, "its number in its keyspace"},
	{ShardPrimary, "shard_primary", U32, Shards, false, true, Copies, "the copy that leads; none if none does"},
	{ShardHandTo, "shard_hand_to", U32, Shards, false, true, Copies, "the copy that the primary is asked to hand over to; none if it is not"},
	{ShardFailures, "shard_failures", U32, Shards, false, true, 0, "copies that failed in a row"},
	{ShardCopies, "shard_copies", U32, Shards, false, true, 0, "copies that exist: slots whose copy_node is not none"},
	{ShardPrimaryCPU, "shard_primary_cpu", F64, Shards, false, false, 0, "cores that the copy which leads takes; 0: not measured, as in all figures of load"},
	{ShardPrimaryMemory, "shard_primary_memory", F64, Shards, false, false, 0, "bytes of memory that it takes"},
	{ShardPrimaryDisk, "shard_primary_disk", F64, Shards, false, false, 0, "bytes of disk that it takes"},
	{ShardReplicaCPU, "shard_replica_cpu", F64, Shards, false, false, 0, "cores that a copy which does not lead takes"},
	{ShardReplicaMemory, "shard_replica_memory", F64, Shards, false, false, 0, "bytes of memory that it takes"},
	{ShardReplicaDisk, "shard_replica_disk", F64, Shards, false, false, 0, "bytes of disk that it takes"},
	{ShardSetback, "shard_setback", I64, Shards, false, false, 0, "tick at which a copy was last seen to fail; the least number if none was"},
	{ShardRebalanced, "shard_rebalanced", I64, Shards, false, true, 0, "wall time in seconds since 1970, UTC, at which a copy last began to move for balance; 0: none did, or it is not counted, as with rebalanced"},

	{CopyNode, "copy_node", U32, Copies, false, true, Nodes, "the node that holds the copy; none if the slot is free"},
	{CopyFlags, "copy_flags", U8, Copies, false, true, 0, "bits: 1 in sync, 2 started, 4 fresh, 8 failed"},
	{CopySource, "copy_source", U32, Copies, false, true, Copies, "relocation: the copy whose place it takes; else none"},
	{CopyID, "copy_id", I64, Copies, false, true, 0, "the copy's number, as people see it in c7: the smaller is the older; 0 if the slot is free"},
}

// byID finds a spec by number in one step.
var byID = func() (t [columns]*Spec) {
	for i := range specs {
		t[specs[i].ID] = &specs[i]
	}
	return t
}()

// Specs lists the columns of this version, by number.
func Specs() []Spec { return append([]Spec(nil), specs...) }

// Lookup finds a column by its name.
func Lookup(name string) (Column, bool) {
	for i := range specs {
		if specs[i].Name == name {
			return specs[i].ID, true
		}
	}
	return 0, false
}

// spec is what is known of a column, or nil.
func (c Column) spec() *Spec {
	if c >= columns {
		return nil
	}
	return byID[c]
}

// String is the column's name.
func (c Column) String() string {
	if s := c.spec(); s != nil {
		return s.Name
	}
	return "unknown column"
}

// All lists the numbers of all columns.
func All() []Column {
	out := make([]Column, len(specs))
	for i := range specs {
		out[i] = specs[i].ID
	}
	return out
}
