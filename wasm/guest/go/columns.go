package troupe

// columns are the image's, by their names; nil: the image does not have it.
var columns struct {
	// columns begin
	now                     []int64
	ticks                   []int64
	tickLength              []uint32
	relocating              []uint32
	unled                   []uint32
	unwhole                 []uint32
	rebalanced              []uint32
	rebalancedBytes         []float64
	rebalancedUntil         []int64
	textStarts              []uint32
	text                    []uint8
	nodeID                  []uint32
	nodeName                []uint32
	nodeHost                []uint32
	nodeAddress             []uint32
	nodeRelease             []uint32
	nodeFormat              []uint32
	nodeEpoch               []int64
	nodeRoles               []uint8
	nodeFlags               []uint8
	nodeEvidence            []uint8
	nodeSince               []int64
	nodeHeld                []int64
	nodeReason              []uint32
	nodeCopies              []uint32
	nodePrimaries           []uint32
	nodeIncoming            []uint32
	nodeOutgoing            []uint32
	nodeCapacityCPU         []float64
	nodeCapacityMemory      []float64
	nodeCapacityDisk        []float64
	nodeUsedCPU             []float64
	nodeUsedMemory          []float64
	nodeUsedDisk            []float64
	nodeAttributes          []uint32
	attributeName           []uint32
	attributeValue          []uint32
	nodeComingCPU           []float64
	nodeComingMemory        []float64
	nodeComingDisk          []float64
	nodeLeavingCPU          []float64
	nodeLeavingMemory       []float64
	nodeLeavingDisk         []float64
	nodeOpening             []uint32
	keyspaceName            []uint32
	keyspaceShards          []uint32
	keyspaceReplicas        []uint32
	keyspaceMinInSync       []uint32
	keyspaceDurability      []uint8
	keyspaceNodeCopies      []uint32
	keyspaceNodePrimaries   []uint32
	keyspaceRebalanced      []uint32
	keyspaceRebalancedBytes []float64
	keyspaceRebalancedUntil []int64
	shardKeyspace           []uint32
	shardNumber             []uint32
	shardPrimary            []uint32
	shardHandTo             []uint32
	shardFailures           []uint32
	shardCopies             []uint32
	shardPrimaryCPU         []float64
	shardPrimaryMemory      []float64
	shardPrimaryDisk        []float64
	shardReplicaCPU         []float64
	shardReplicaMemory      []float64
	shardReplicaDisk        []float64
	shardSetback            []int64
	shardRebalanced         []int64
	copyNode                []uint32
	copyFlags               []uint8
	copySource              []uint32
	copyID                  []int64
	// columns end
}

// rows says what a column has a value for.
type rows uint8

const (
	global rows = iota
	nodes
	keyspaces
	shards
	copies
	nodesInKey
	nodeOffsets
	loose // as many as there are
)

// table finds a column by its number or its name.
var table = []struct {
	id     uint16
	name   string
	rows   rows
	column any
}{
	// table begin
	{1, "now", global, &columns.now},
	{2, "ticks", global, &columns.ticks},
	{3, "tick_length", global, &columns.tickLength},
	{4, "relocating", global, &columns.relocating},
	{5, "unled", global, &columns.unled},
	{6, "unwhole", global, &columns.unwhole},
	{7, "rebalanced", global, &columns.rebalanced},
	{8, "rebalanced_bytes", global, &columns.rebalancedBytes},
	{9, "rebalanced_until", global, &columns.rebalancedUntil},
	{16, "text_starts", loose, &columns.textStarts},
	{17, "text", loose, &columns.text},
	{32, "node_id", nodes, &columns.nodeID},
	{33, "node_name", nodes, &columns.nodeName},
	{34, "node_host", nodes, &columns.nodeHost},
	{35, "node_address", nodes, &columns.nodeAddress},
	{36, "node_release", nodes, &columns.nodeRelease},
	{37, "node_format", nodes, &columns.nodeFormat},
	{38, "node_epoch", nodes, &columns.nodeEpoch},
	{39, "node_roles", nodes, &columns.nodeRoles},
	{40, "node_flags", nodes, &columns.nodeFlags},
	{41, "node_evidence", nodes, &columns.nodeEvidence},
	{42, "node_since", nodes, &columns.nodeSince},
	{43, "node_held", nodes, &columns.nodeHeld},
	{44, "node_reason", nodes, &columns.nodeReason},
	{45, "node_copies", nodes, &columns.nodeCopies},
	{46, "node_primaries", nodes, &columns.nodePrimaries},
	{47, "node_incoming", nodes, &columns.nodeIncoming},
	{48, "node_outgoing", nodes, &columns.nodeOutgoing},
	{49, "node_capacity_cpu", nodes, &columns.nodeCapacityCPU},
	{50, "node_capacity_memory", nodes, &columns.nodeCapacityMemory},
	{51, "node_capacity_disk", nodes, &columns.nodeCapacityDisk},
	{52, "node_used_cpu", nodes, &columns.nodeUsedCPU},
	{53, "node_used_memory", nodes, &columns.nodeUsedMemory},
	{54, "node_used_disk", nodes, &columns.nodeUsedDisk},
	{55, "node_attributes", nodeOffsets, &columns.nodeAttributes},
	{56, "attribute_name", loose, &columns.attributeName},
	{57, "attribute_value", loose, &columns.attributeValue},
	{58, "node_coming_cpu", nodes, &columns.nodeComingCPU},
	{59, "node_coming_memory", nodes, &columns.nodeComingMemory},
	{60, "node_coming_disk", nodes, &columns.nodeComingDisk},
	{61, "node_leaving_cpu", nodes, &columns.nodeLeavingCPU},
	{62, "node_leaving_memory", nodes, &columns.nodeLeavingMemory},
	{63, "node_leaving_disk", nodes, &columns.nodeLeavingDisk},
	{64, "node_opening", nodes, &columns.nodeOpening},
	{96, "keyspace_name", keyspaces, &columns.keyspaceName},
	{97, "keyspace_shards", keyspaces, &columns.keyspaceShards},
	{98, "keyspace_replicas", keyspaces, &columns.keyspaceReplicas},
	{99, "keyspace_min_in_sync", keyspaces, &columns.keyspaceMinInSync},
	{100, "keyspace_durability", keyspaces, &columns.keyspaceDurability},
	{101, "keyspace_node_copies", nodesInKey, &columns.keyspaceNodeCopies},
	{102, "keyspace_node_primaries", nodesInKey, &columns.keyspaceNodePrimaries},
	{103, "keyspace_rebalanced", keyspaces, &columns.keyspaceRebalanced},
	{104, "keyspace_rebalanced_bytes", keyspaces, &columns.keyspaceRebalancedBytes},
	{105, "keyspace_rebalanced_until", keyspaces, &columns.keyspaceRebalancedUntil},
	{128, "shard_keyspace", shards, &columns.shardKeyspace},
	{129, "shard_number", shards, &columns.shardNumber},
	{130, "shard_primary", shards, &columns.shardPrimary},
	{131, "shard_hand_to", shards, &columns.shardHandTo},
	{132, "shard_failures", shards, &columns.shardFailures},
	{133, "shard_copies", shards, &columns.shardCopies},
	{134, "shard_primary_cpu", shards, &columns.shardPrimaryCPU},
	{135, "shard_primary_memory", shards, &columns.shardPrimaryMemory},
	{136, "shard_primary_disk", shards, &columns.shardPrimaryDisk},
	{137, "shard_replica_cpu", shards, &columns.shardReplicaCPU},
	{138, "shard_replica_memory", shards, &columns.shardReplicaMemory},
	{139, "shard_replica_disk", shards, &columns.shardReplicaDisk},
	{140, "shard_setback", shards, &columns.shardSetback},
	{141, "shard_rebalanced", shards, &columns.shardRebalanced},
	{160, "copy_node", copies, &columns.copyNode},
	{161, "copy_flags", copies, &columns.copyFlags},
	{162, "copy_source", copies, &columns.copySource},
	{163, "copy_id", copies, &columns.copyID},
	// table end
}

// accessors begin

// Now is wall time of the plan in seconds since 1970, UTC; 0: not known.
func Now() int64 { return columns.now[0] }

// Ticks is the placement leader's clock, in ticks.
func Ticks() int64 { return columns.ticks[0] }

// TickLength is length of a tick in milliseconds.
func TickLength() int { return int(columns.tickLength[0]) }

// Relocating is relocations for balance alone that are under way in the cluster.
func Relocating() int { return int(columns.relocating[0]) }

// Unled is shards without a primary.
func Unled() int { return int(columns.unled[0]) }

// Unwhole is shards with fewer copies in sync than their keyspace wants.
func Unwhole() int { return int(columns.unwhole[0]) }

// Rebalanced is copies that began to move for balance alone within cluster.routing.rebalance.budget.window; counted while a budget or a cooldown is set.
func Rebalanced() int { return int(columns.rebalanced[0]) }

// RebalancedBytes is bytes of these copies, as far as their shards had been measured.
func RebalancedBytes() float64 { return columns.rebalancedBytes[0] }

// RebalancedUntil is wall time in seconds since 1970, UTC, at which the oldest of them counts no more; 0: there are none.
func RebalancedUntil() int64 { return columns.rebalancedUntil[0] }

// NodeID is of row i: the node's id, which survives its restarts.
func NodeID(i int) string { return word(columns.nodeID[i]) }

// NodeName is of row i: its name, for people.
func NodeName(i int) string { return word(columns.nodeName[i]) }

// NodeHost is of row i: the machine that it runs on.
func NodeHost(i int) string { return word(columns.nodeHost[i]) }

// NodeAddress is of row i: host:port where other nodes reach it.
func NodeAddress(i int) string { return word(columns.nodeAddress[i]) }

// NodeRelease is of row i: version of the program that it runs, for people.
func NodeRelease(i int) string { return word(columns.nodeRelease[i]) }

// NodeFormat is of row i: version of wire and state that it speaks.
func NodeFormat(i int) int { return int(columns.nodeFormat[i]) }

// NodeEpoch is of row i: number of its life, raised at each start.
func NodeEpoch(i int) int64 { return columns.nodeEpoch[i] }

// NodeRoles is of row i: bits: 1 meta, 2 data, 4 gateway.
func NodeRoles(i int) uint8 { return columns.nodeRoles[i] }

// NodeFlags is of row i: bits: 1 down, 2 draining, 4 maintained, 8 excluded from voting.
func NodeFlags(i int) uint8 { return columns.nodeFlags[i] }

// NodeEvidence is of row i: 0 none, 1 alive, 2 grey, 3 suspect, 4 dead.
func NodeEvidence(i int) uint8 { return columns.nodeEvidence[i] }

// NodeSince is of row i: tick of the last change of node_evidence.
func NodeSince(i int) int64 { return columns.nodeSince[i] }

// NodeHeld is of row i: tick until which it gets no new copies, since it came back too often; 0: not held.
func NodeHeld(i int) int64 { return columns.nodeHeld[i] }

// NodeReason is of row i: the sentence behind node_evidence.
func NodeReason(i int) string { return word(columns.nodeReason[i]) }

// NodeCopies is of row i: copies that it will hold when all relocations have ended.
func NodeCopies(i int) int { return int(columns.nodeCopies[i]) }

// NodePrimaries is of row i: copies that it will lead when all hand-overs have ended.
func NodePrimaries(i int) int { return int(columns.nodePrimaries[i]) }

// NodeIncoming is of row i: recoveries into it.
func NodeIncoming(i int) int { return int(columns.nodeIncoming[i]) }

// NodeOutgoing is of row i: recoveries that it, as a primary, feeds.
func NodeOutgoing(i int) int { return int(columns.nodeOutgoing[i]) }

// NodeCapacityCPU is of row i: cores that it may use; 0: not known, as in all figures of capacity.
func NodeCapacityCPU(i int) float64 { return columns.nodeCapacityCPU[i] }

// NodeCapacityMemory is of row i: bytes of memory that it may use.
func NodeCapacityMemory(i int) float64 { return columns.nodeCapacityMemory[i] }

// NodeCapacityDisk is of row i: bytes of its data folder's disk.
func NodeCapacityDisk(i int) float64 { return columns.nodeCapacityDisk[i] }

// NodeUsedCPU is of row i: cores that are busy, with whatever.
func NodeUsedCPU(i int) float64 { return columns.nodeUsedCPU[i] }

// NodeUsedMemory is of row i: bytes of memory that are taken, by whatever.
func NodeUsedMemory(i int) float64 { return columns.nodeUsedMemory[i] }

// NodeUsedDisk is of row i: bytes of disk that are taken, by whatever.
func NodeUsedDisk(i int) float64 { return columns.nodeUsedDisk[i] }

// NodeComingCPU is of row i: cores that recoveries into it will add to node_used_cpu, as far as their shards have been measured.
func NodeComingCPU(i int) float64 { return columns.nodeComingCPU[i] }

// NodeComingMemory is of row i: bytes of memory that they will add.
func NodeComingMemory(i int) float64 { return columns.nodeComingMemory[i] }

// NodeComingDisk is of row i: bytes of disk that they will add.
func NodeComingDisk(i int) float64 { return columns.nodeComingDisk[i] }

// NodeLeavingCPU is of row i: cores that copies on it free when others have taken their place.
func NodeLeavingCPU(i int) float64 { return columns.nodeLeavingCPU[i] }

// NodeLeavingMemory is of row i: bytes of memory that they free.
func NodeLeavingMemory(i int) float64 { return columns.nodeLeavingMemory[i] }

// NodeLeavingDisk is of row i: bytes of disk that they free.
func NodeLeavingDisk(i int) float64 { return columns.nodeLeavingDisk[i] }

// NodeOpening is of row i: first copies of shards on it that have not said yet that they are open.
func NodeOpening(i int) int { return int(columns.nodeOpening[i]) }

// KeyspaceName is of row i: the keyspace's name.
func KeyspaceName(i int) string { return word(columns.keyspaceName[i]) }

// KeyspaceShards is of row i: its shards.
func KeyspaceShards(i int) int { return int(columns.keyspaceShards[i]) }

// KeyspaceReplicas is of row i: replicas wanted of each, beside the primary.
func KeyspaceReplicas(i int) int { return int(columns.keyspaceReplicas[i]) }

// KeyspaceMinInSync is of row i: copies that must hold a write, the primary among them.
func KeyspaceMinInSync(i int) int { return int(columns.keyspaceMinInSync[i]) }

// KeyspaceDurability is of row i: 0 fsync, 1 interval, 2 memory.
func KeyspaceDurability(i int) uint8 { return columns.keyspaceDurability[i] }

// KeyspaceNodeCopies is of a keyspace on a node: node_copies of this keyspace alone.
func KeyspaceNodeCopies(keyspace, node int) int {
	return int(columns.keyspaceNodeCopies[keyspace*image.nodes+node])
}

// KeyspaceNodePrimaries is of a keyspace on a node: node_primaries of this keyspace alone.
func KeyspaceNodePrimaries(keyspace, node int) int {
	return int(columns.keyspaceNodePrimaries[keyspace*image.nodes+node])
}

// KeyspaceRebalanced is of row i: rebalanced of this keyspace alone, within its own budget.window.
func KeyspaceRebalanced(i int) int { return int(columns.keyspaceRebalanced[i]) }

// KeyspaceRebalancedBytes is of row i: rebalanced_bytes of this keyspace alone.
func KeyspaceRebalancedBytes(i int) float64 { return columns.keyspaceRebalancedBytes[i] }

// KeyspaceRebalancedUntil is of row i: rebalanced_until of this keyspace alone.
func KeyspaceRebalancedUntil(i int) int64 { return columns.keyspaceRebalancedUntil[i] }

// ShardKeyspace is of row i: the shard's keyspace.
func ShardKeyspace(i int) int { return row(columns.shardKeyspace[i]) }

// ShardNumber is of row i: its number in its keyspace.
func ShardNumber(i int) int { return int(columns.shardNumber[i]) }

// ShardPrimary is of row i: the copy that leads; none if none does.
func ShardPrimary(i int) int { return row(columns.shardPrimary[i]) }

// ShardHandTo is of row i: the copy that the primary is asked to hand over to; none if it is not.
func ShardHandTo(i int) int { return row(columns.shardHandTo[i]) }

// ShardFailures is of row i: copies that failed in a row.
func ShardFailures(i int) int { return int(columns.shardFailures[i]) }

// ShardCopies is of row i: copies that exist: slots whose copy_node is not none.
func ShardCopies(i int) int { return int(columns.shardCopies[i]) }

// ShardPrimaryCPU is of row i: cores that the copy which leads takes; 0: not measured, as in all figures of load.
func ShardPrimaryCPU(i int) float64 { return columns.shardPrimaryCPU[i] }

// ShardPrimaryMemory is of row i: bytes of memory that it takes.
func ShardPrimaryMemory(i int) float64 { return columns.shardPrimaryMemory[i] }

// ShardPrimaryDisk is of row i: bytes of disk that it takes.
func ShardPrimaryDisk(i int) float64 { return columns.shardPrimaryDisk[i] }

// ShardReplicaCPU is of row i: cores that a copy which does not lead takes.
func ShardReplicaCPU(i int) float64 { return columns.shardReplicaCPU[i] }

// ShardReplicaMemory is of row i: bytes of memory that it takes.
func ShardReplicaMemory(i int) float64 { return columns.shardReplicaMemory[i] }

// ShardReplicaDisk is of row i: bytes of disk that it takes.
func ShardReplicaDisk(i int) float64 { return columns.shardReplicaDisk[i] }

// ShardSetback is of row i: tick at which a copy was last seen to fail; the least number if none was.
func ShardSetback(i int) int64 { return columns.shardSetback[i] }

// ShardRebalanced is of row i: wall time in seconds since 1970, UTC, at which a copy last began to move for balance; 0: none did, or it is not counted, as with rebalanced.
func ShardRebalanced(i int) int64 { return columns.shardRebalanced[i] }

// CopyNode is of row i: the node that holds the copy; none if the slot is free.
func CopyNode(i int) int { return row(columns.copyNode[i]) }

// CopyFlags is of row i: bits: 1 in sync, 2 started, 4 fresh, 8 failed.
func CopyFlags(i int) uint8 { return columns.copyFlags[i] }

// CopySource is of row i: relocation: the copy whose place it takes; else none.
func CopySource(i int) int { return row(columns.copySource[i]) }

// CopyID is of row i: the copy's number, as people see it in c7: the smaller is the older; 0 if the slot is free.
func CopyID(i int) int64 { return columns.copyID[i] }

// accessors end
