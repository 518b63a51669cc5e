package cluster

import "github.com/troupe-actors/troupe/shards"

// State is the cluster state at one version. It is immutable: nobody writes to it or to what it points to.
//
// Invariants, checked by Check after every Apply in tests and in the simulator:
//
//  1. Members are sorted by ID, and no two share ID, Raft number or Name.
//  2. Keyspaces are sorted by ID; Shards by ID, with one entry for each shard of each keyspace and none besides.
//  3. In one shard, Copies are sorted by ID, no two are on one node, and each is below NextCopy.
//  4. Primary is 0 or the id of a copy that is in sync; its node is a member that is not Down.
//  5. An in-sync copy is Started. A copy with Source names another copy of the shard that is Started.
//  6. Terms, copy ids, epochs and Version never go back from one state to the next (CheckStep).
//  7. A shard that has copies has one that is in sync: the last is never given up, but by an operator's word.
//  8. No two copies have one Source. Fresh and Failed copies are in sync, and a Failed one is the only one in sync, and not primary.
//  9. HandTo is 0 or an in-sync copy beside the primary, on a member that is not Down.
//
// 10. Voters ascend and belong to members; Settings are sorted by Name, without an empty value.
// 11. Modules are sorted by Digest and within their bounds; a whole one has the digest that it is named by; members report on whole ones.
// 12. Policies are sorted by Name, with versions that ascend, each a whole module; what is in use is there and not quarantined.
// 13. Every member reads the format that the state needs: FormatPolicies with a module, a policy, a quarantine or a failover,
// FormatHistory with a drain or an amendment, FormatKinds with a kind of actors, FormatBudget with a relocation for balance that is counted,
// FormatMoves with moves of copies among the drains, FormatStrikes with a module that has failed.
// 14. Failovers are in the order in which they were opened, each life once, within their bounds; the open ones have deposed somebody.
// 15. Drains are in the order in which they were opened, within their bounds.
// 16. Amendments are in order, within their bounds, and each changed something.
// 17. Kinds are sorted by Name, with up to three versions that ascend, each a whole module; what is in use is there.
// 18. Rebalances name shards that exist, within their bounds.
// 19. Struck is sorted by Digest, within its bounds; each has a strike, a reason, and no quarantine.
type State struct {
	Cluster      string        // id of the cluster, 40 hexadecimal digits; empty before Bootstrap
	Version      uint64        // raised by one with each command that changed anything
	Members      []Member      //
	Keyspaces    []Keyspace    //
	Shards       []Shard       //
	Settings     []Setting     // sorted by Name
	Voters       []uint64      // wanted voters of the metadata group, by Raft number, ascending
	NextCopy     shards.CopyID // what the next allocated copy is called
	NextKeyspace shards.KeyspaceID
	ReadOnly     bool // maintenance of the whole cluster: reads only

	// What follows is of FormatPolicies.
	Modules    []Module      // sorted by Digest
	Policies   []Policy      // sorted by Name
	Quarantine []Quarantined // sorted by Digest: modules that must not be in force, built-in ones among them
	PoliciesAt uint64        // Version at the last change of Policies or Quarantine; 0: never
	Failovers  []Failover    // the history: lives that ended while they led, the oldest first

	// What follows is of FormatHistory.
	Amendments []Amendment // the history of settings, the oldest first
	Drains     []Drain     // the history of drains, the oldest first

	// What follows is of FormatKinds.
	Kinds   []ActorKind // sorted by Name
	KindsAt uint64      // Version at the last change of Kinds; 0: never

	// What follows is of FormatBudget.
	Rebalances []Rebalance // relocations for balance alone, in the order in which they were begun; see Budgeted

	// What follows is of FormatStrikes.
	Struck []Struck // sorted by Digest: modules that have failed, and are not in quarantine for it yet
}

// Keyspace is a keyspace with what the cluster has to know of it beside its settings.
type Keyspace struct {
	shards.Keyspace
	Version uint64 // State.Version at its last change
}

// Roles say what a node may do.
type Roles uint8

// The roles. A node has one at least; DefaultRoles are those of a node that does not say.
const (
	RoleMeta    Roles = 1 << iota // may vote in the metadata group, and lead
	RoleData                      // may hold copies
	RoleGateway                   // serves clients, and needs neither of the others

	DefaultRoles = RoleMeta | RoleData
)

// Member is a node that belongs to the cluster. Whether it is alive is evidence that the placement leader has; here is what
// has been agreed about it.
type Member struct {
	ID         shards.NodeID
	Name       string // for people; unique
	Raft       uint64 // its number in the metadata group: random, chosen with ID, never 0 and never reused
	Epoch      shards.Epoch
	Peer       string      // host:port where other nodes reach it
	RESP, HTTP string      // where clients reach it; empty if not served
	Host       string      // the machine that it runs on: two nodes of one host fall together
	Roles      Roles       //
	Attributes []Attribute // sorted by Name; zone, rack and whatever policies ask for
	Release    string      // version of Troupe, for people
	Format     uint32      // version of the wire and of this state that it speaks
	Down       bool        // declared dead in this Epoch; a join with a higher epoch brings it back
	Draining   bool        // its copies shall go elsewhere
	Maintained bool        // may restart: while it is down nothing is allocated in place of its copies
	Excluded   bool        // shall not vote, whatever its roles: an operator's word
}

// Attribute is a name and a value that a node was started with.
type Attribute struct{ Name, Value string }

// Shard is one row of the shard table.
type Shard struct {
	ID       shards.ShardID
	Term     shards.Term   // of the primary's present reign, or of the last one; 0 before the first
	Primary  shards.CopyID // 0: none; nothing is served until one is promoted
	HandTo   shards.CopyID // the in-sync copy that the primary is asked to hand over to (by HandOver, when it can); 0: none
	Version  uint64        // State.Version at the row's last change: what proposals about it are compared with
	Failures uint32        // copies that failed since one last came in sync: see the max_retries setting
	Copies   []Copy
}

// Copy is one node's holding of a shard.
type Copy struct {
	ID      shards.CopyID
	Node    shards.NodeID
	InSync  bool          // holds every acknowledged write: may be promoted
	Started bool          // has been in sync under this id; false while it recovers
	Fresh   bool          // begins empty by decision, and has not said yet that it is open; see Opened
	Failed  bool          // its node cannot open it: it is here because no other copy is in sync, and is not promoted until its node begins another life
	Source  shards.CopyID // relocation: it takes the place of this copy once it is in sync; else 0
}

// Setting is one dynamic setting. Values are text; their meaning is their reader's.
type Setting struct{ Name, Value string }
