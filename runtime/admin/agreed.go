package admin

import (
	"context"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Cluster is what the server needs of the cluster that its node belongs to. All methods may be called concurrently, and
// answer on any member: what only the leader can do is forwarded to it. Errors are answered like those of Backend;
// *cluster.Refusal is an error of KindInvalid or KindConflict.
type Cluster interface {
	// State is the newest committed state that this node has applied, and a channel that is closed as soon as there is a
	// newer one or Evidence has changed.
	State() (s *cluster.State, newer <-chan struct{})

	// Evidence is what is known beside what is agreed: who leads, and who is alive.
	Evidence() Evidence

	// View asks a member what it knows, this node included; with its copies if they are wanted. An error says, in a
	// sentence with its name, that the member does not answer.
	View(ctx context.Context, node shards.NodeID, copies bool) (View, error)

	// Past asks a member, this node included, for the table as it was in a span of time. An error says that it does not answer.
	Past(ctx context.Context, node shards.NodeID, span Span) (History, error)

	// RoundTrips has a member, this node included, measure how long each other member that is up takes to answer it; it takes a second at
	// most. An error says that it does not answer itself.
	RoundTrips(ctx context.Context, node shards.NodeID) ([]RoundTrip, error)

	// Propose has the metadata group order a command. What the state refuses stands in the outcome.
	Propose(ctx context.Context, c *cluster.Command) (cluster.Outcome, error)

	// Reroute has the placement leader plan now, an operator's commands first, and commit the plan unless it is a dry run.
	Reroute(ctx context.Context, r Reroute) (Rerouted, error)

	// Explain has the placement leader ask its deciders about a shard: for every node, or only for one if node is not empty.
	Explain(ctx context.Context, shard shards.ShardID, node shards.NodeID) (Explanation, error)

	// Losses has the placement leader say what the death of each node would come to.
	Losses(ctx context.Context) (LossAnswer, error)

	// PolicyNews has the placement leader say what is new about policies.
	PolicyNews(ctx context.Context, q PolicyQuestion) (PolicyNews, error)

	// Audition has the placement leader give a module the settings that it is to have, and the state, before that is committed.
	Audition(ctx context.Context, digest cluster.Digest, settings string) (Audition, error)

	// AuditionSettings has it try settings of the cluster on what is in force, before they are committed.
	AuditionSettings(ctx context.Context, set []cluster.Setting) (Audition, error)

	// Transfer makes another member the leader of the metadata group, and so the placement leader. It returns when that leads.
	Transfer(ctx context.Context, to shards.NodeID) error

	// Isolate makes this node drop all that comes from these members, and with both all that goes to them as well, until the
	// next call. It is for fault injection.
	Isolate(nodes []shards.NodeID, both bool) error
}

// Evidence is what a node knows of the cluster beside the state.
type Evidence struct {
	Leader  shards.NodeID // the placement leader; empty if none is known
	Term    uint64        // of its reign in the metadata group
	Voters  []uint64      // members by Raft number that vote there now; nil: those that the state wants
	Members map[shards.NodeID]Liveness

	// Leaderless is for how long this node has known no leader and had no lease. It is 0 in an election, which a lease outlasts: else
	// no majority is reached from here, and what this node knows of the cluster may be old.
	Leaderless time.Duration

	// Full are the nodes that take no writes that grow, each with a sentence that says why.
	Full map[shards.NodeID]string

	// Short are those of them that lack memory; the others lack only room on their disk, of which keyspaces in memory need none.
	Short map[shards.NodeID]bool
}

// Liveness is what the placement leader thinks of a member. One of which nothing is known is the zero value.
type Liveness struct {
	State  LivenessState
	Reason string // a sentence: why it is not alive; empty if it is
	Heard  int64  // Unix milliseconds of its last heartbeat; 0: not known
	Load   *Load  `json:",omitempty"` // nil: not known
	Held   int64  `json:",omitempty"` // Unix milliseconds until which no new copies and no primaries go there, since it came back too often; 0: they do

	Silence float64 `json:"-"` // of the silence that makes it suspect: 1 and more does; on the leader, 0 elsewhere
}

// Load is what a member measured of itself a few seconds ago. A capacity of 0 is not known.
type Load struct {
	CPU            float64 `json:"cpu"` // cores that its process took lately
	CPUCapacity    float64 `json:"cpu_capacity"`
	Memory         int64   `json:"memory"` // bytes used on its machine, or in its control group, by whomever
	MemoryCapacity int64   `json:"memory_capacity"`
	Disk           int64   `json:"disk"` // bytes used on the data folder's disk, by whomever
	DiskCapacity   int64   `json:"disk_capacity"`
}

// LivenessState sums up evidence about a member.
type LivenessState string

// The states. A dead member is one that the cluster state says is down; until then it is suspect at worst.
const (
	Alive   LivenessState = "alive"
	Grey    LivenessState = "grey"    // alive, and slow: primaries leave it
	Suspect LivenessState = "suspect" // not heard of as it should be
	Dead    LivenessState = "dead"
	Unknown LivenessState = "unknown" // no placement leader is heard of, and nobody else judges
)

// View is what one member knows. It may cross the wire as JSON.
type View struct {
	ClusterName string `json:"cluster_name,omitempty"` // as it was started with

	Leader  shards.NodeID `json:"leader"` // whom it takes for the leader; empty if nobody
	Term    uint64        `json:"term"`   // of the metadata group
	Version uint64        `json:"version"`
	Applied uint64        `json:"applied"`          // the last entry of the metadata group's log that it has carried out
	Digest  uint64        `json:"digest"`           // of all entries up to Applied: equal on all members that have the same Applied; 0 if it has none
	Lease   int64         `json:"lease"`            // milliseconds for which its lease is still good; 0 or less: it serves no reads
	Past    int64         `json:"past"`             // Unix milliseconds from which on it remembers the shard table
	Copies  []Shard       `json:"copies,omitempty"` // on that member

	Clock int64 `json:"clock,omitempty"` // Unix nanoseconds when it answered; 0: it is of a release that does not tell

	Folderless bool `json:"folderless,omitempty"` // it may hold copies, and keeps them in memory only

	Arriving []Arriving `json:"arriving,omitempty"` // with Copies: those on other members that come in sync with a primary on that one
}

// Arriving is a copy that comes in sync.
type Arriving struct {
	Shard    shards.ShardID `json:"shard"`
	Copy     shards.CopyID  `json:"copy"`
	Recovery Recovery       `json:"recovery"`
}

// Recovery is how far a copy is that comes in sync.
type Recovery struct {
	Source     shards.NodeID `json:"source"` // where it recovers from
	Stage      string        `json:"stage"`  // "snapshot", "operations", or "hand-over"
	Bytes      int64         `json:"bytes"`  // received
	Total      int64         `json:"total"`  // of Bytes, if it is known; else 0
	Operations int64         `json:"operations"`
	Began      int64         `json:"began"` // Unix milliseconds
}

// Reroute asks for a run of the allocator.
type Reroute struct {
	Commands    []RerouteCommand
	DryRun      bool // plan and commit nothing
	Explain     bool // tell of each refused command what every decider said
	RetryFailed bool // forget how often copies have failed, so that shards which were given up are tried again
}

// CommandKind is what an operator wants of a reroute.
type CommandKind string

// The kinds. The last two lose acknowledged writes, and are carried out only if the request says that this is accepted.
const (
	CommandMove            CommandKind = "move"             // the copy on From goes to To
	CommandCancel          CommandKind = "cancel"           // the copy on From, which is not in sync or relocates, is dropped
	CommandPromote         CommandKind = "promote"          // the in-sync copy on To becomes primary
	CommandAllocateReplica CommandKind = "allocate_replica" // a new copy on To
	CommandAllocateStale   CommandKind = "allocate_stale"   // the copy on To, which is not in sync, becomes the only one in sync
	CommandAllocateEmpty   CommandKind = "allocate_empty"   // the shard begins empty on To
)

// RerouteCommand is one wish of an operator.
type RerouteCommand struct {
	Kind     CommandKind
	Shard    shards.ShardID
	From, To shards.NodeID
	Accepted bool // that it loses writes
}

// Rerouted is what a run of the allocator gave.
type Rerouted struct {
	Version uint64              // of the state that the plan was made on, or after it if it was committed
	Rows    []cluster.RowChange // the plan
	Refused []RefusedCommand    // commands that cannot be carried out
	Waiting []WaitingCopy       // copies that are missing and for which the plan does nothing yet
}

// RefusedCommand says why a command is not carried out.
type RefusedCommand struct {
	Command  int // index in Reroute.Commands
	Reason   string
	Verdicts []Verdict // with Reroute.Explain
}

// WaitingCopy says what a missing copy waits for.
type WaitingCopy struct {
	Shard  shards.ShardID
	Reason string
}
