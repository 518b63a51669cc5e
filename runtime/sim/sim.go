package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/activation"
	"github.com/troupe-actors/troupe/shards/replica"
)

// Options of a world. Seed fixes all that is left zero.
type Options struct {
	Seed    uint64
	Length  time.Duration // of the time in which things go wrong; what comes before and after is added. Default 60 s
	Nodes   int           // default 3 to 5, by the seed
	Clients int           // default 2 to 6
	Think   time.Duration // a client's pause between two operations, at most; default 20 to 200 ms
	Spaces  []shards.Keyspace
	PerKey  bool          // in place of Clients: one for each key, which does nothing else
	Actors  int           // of each keyspace; default 2 to 5, by the seed, and none with PerKey; below 0: none
	Lenders int           // clients of keys that expire; default 2 in one of four worlds, and none with PerKey; below 0: none
	Hold    bool          // the first actor holds messages off while it waits for an answer
	Deeds   []deed        // what callers ask of actors, the more often the more often it stands here; default: everything
	Data    int           // how many nodes may hold copies, the last ones; default all
	Heal    time.Duration // how long a healed cluster may take to turn green; default 3 minutes
	Drift   float64       // of clocks, either way; default up to 500 ppm
	Calm    bool          // the network neither loses nor delays, but for faults
	Faults  []Fault       // nil: Faults invents them
	Temper  []FaultKind   // kinds that come much more often than others; nil: three, by the seed
	Only    []int         // of the faults, these alone; nil: all
	Pebble  bool          // the nodes' logs are the real ones, on a file system that crashes; else in one world of 16
	Bugs    Bugs
	Replica replica.Bug
	Rules   activation.Bug
	Panics  bool                         // let a core's panic through, for a debugger
	Tell    func(string)                 // is told each note of the world as it comes
	disks   func(*Node) (disk, raftDisk) // makes the real ones, with Pebble
}

// fill derives what is not given from the seed.
func (o *Options) fill() {
	chance := stream(o.Seed, streamWorld, 1)
	nodes := []int{3, 3, 3, 3, 4, 5, 5}[chance.IntN(7)]
	clients, think := 2+chance.IntN(5), time.Duration(20+chance.IntN(180))*time.Millisecond
	spaces := inventSpaces(chance)
	drift := []float64{0, 0.00005, 0.0005}[chance.IntN(3)]
	calmly := chance.IntN(3) == 0
	setDefault(&o.Length, 60*time.Second)
	setDefault(&o.Nodes, nodes)
	setDefault(&o.Heal, healTime)
	setDefault(&o.Clients, clients)
	setDefault(&o.Think, think)
	if actors := 2 + stream(o.Seed, streamActors, 0).IntN(4); !o.PerKey {
		setDefault(&o.Actors, actors)
	}
	if !o.PerKey && lends(o.Seed) {
		setDefault(&o.Lenders, lenders)
	}
	setDefault(&o.Drift, drift)
	o.Calm = o.Calm || calmly
	o.Pebble = o.Pebble || o.disks != nil && chance.IntN(16) == 0
	if o.Spaces == nil {
		o.Spaces = spaces
	}
	if o.Deeds == nil {
		o.Deeds = calls
	}
	if o.Faults == nil {
		o.Faults = Faults(*o)
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// inventSpaces makes one keyspace that fsyncs, and in a third of the worlds another one of any durability. Now and then a
// keyspace has no replicas: then its primaries move by relocation alone.
func inventSpaces(chance *rand.Rand) []shards.Keyspace {
	replicas := func() int { return []int{1, 1, 1, 2, 2, shards.NoReplicas}[chance.IntN(6)] }
	first := shards.Keyspace{Name: "a", ID: 1, Shards: 1 + chance.IntN(4), Replicas: replicas()}
	if chance.IntN(4) == 0 {
		first.MinInSync = 1 + chance.IntN(first.Copies())
	}
	spaces := []shards.Keyspace{first}
	if chance.IntN(3) == 0 {
		spaces = append(spaces, shards.Keyspace{
			Name: "b", ID: 2, Shards: 1 + chance.IntN(2), Replicas: replicas(), Durability: shards.Durability(chance.IntN(3)),
		})
	}
	return spaces
}

// New makes a world whose nodes are up and have not met yet.
func New(o Options) *World {
	o.fill()
	w := &World{o: o, chance: stream(o.Seed, streamWorld, 0), watch: newWatch(), acts: newActs(), lastRead: map[string]string{}}
	w.story.tell = o.Tell
	w.net = newNetwork(o)
	for _, k := range o.Spaces {
		for i := range 3 * k.Shards {
			w.keys = append(w.keys, fmt.Sprintf("%s:%d", k.Name, i))
		}
		for i := range max(0, o.Actors) {
			w.acts.add(fmt.Sprintf("%s:%d", k.Name, i))
		}
	}
	for range o.Nodes {
		w.AddNode()
	}
	if err := metadata.Found(w.nodes[0].raft, w.nodes[0].raftNumber()); err != nil {
		w.Fail(0, "found the cluster: %v", err)
	}
	w.nodes[0].raft.sync()
	for _, n := range w.nodes {
		if o.Data > 0 && n.number < o.Nodes-o.Data {
			n.roles = cluster.RoleMeta
		}
		n.start()
	}
	if o.PerKey {
		for _, key := range w.keys {
			w.addClient(key)
		}
	} else {
		for range o.Clients {
			w.addClient("")
		}
	}
	w.lendAll()
	w.plan(o.Faults)
	return w
}

// clusterID is the id of every simulated cluster.
var clusterID = strings.Repeat("5", 40)

func (n *Node) raftNumber() uint64 { return uint64(n.number) + 101 }

func (w *World) nodeByRaft(number uint64) *Node {
	if number < 101 || number >= uint64(101+len(w.nodes)) {
		return nil
	}
	return w.nodes[number-101]
}

// asMember is what the node says of itself when it joins.
func (n *Node) asMember() cluster.Member {
	return cluster.Member{
		ID: n.ID, Name: string(n.ID), Raft: n.raftNumber(), Epoch: n.epoch, Peer: string(n.ID) + ":1", Host: string(n.ID),
		Roles: n.roles, Release: "sim", Format: 1,
	}
}

// leader is the node that leads the metadata group and knows it; nil if there is none, or it does not run.
func (w *World) leader() *Node {
	var found *Node
	term := uint64(0)
	for _, n := range w.nodes {
		if n.alive && n.proc.meta != nil {
			if l := n.proc.meta.core.Lead(); l.Number == n.raftNumber() && l.Won && l.Term > term {
				found, term = n, l.Term
			}
		}
	}
	return found
}

// digestOf stands for a state's bytes.
func digestOf(s *cluster.State) uint64 {
	h := fnv.New64a()
	h.Write(s.Encode())
	return h.Sum64()
}
