package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// TestScenarios plays testdata/*.txt: the rows of the failover matrix that need no process, each with the sentence of the
// design that it proves. A line is a comment, or a command:
//
//	cluster nodes=3 data=2 shards=4 replicas=1 min=1 think=20ms seed=1 actors=0     a cluster, green, with a client for each of three keys a shard
//	run 5s                          let time pass
//	let x = leader                  a name for a node: leader, follower, primary a/0, replica a/0, actor a:0, voter-without-copies, or another name
//	kill x | gone x | start x       the process dies; the machine vanishes; another life begins
//	pause x | resume x              SIGSTOP and SIGCONT
//	cut x | deaf x | mute x         all paths of a node: both directions, to it, from it
//	link x y | one-way x y          two nodes: both directions, one
//	firewall x y                    connections that x opens to y are dropped; those that y opens to x are not
//	split x y …                     those nodes on one side, all others on the other
//	heal                            undo all cuts
//	slow x 1000 | clock x 1h | drift x 0.0005 | rot x a/0
//	drain x | undrain x | set name value | keyspace b 2 | replicas a 2 | stale a/0 x      what an operator does
//	readers                         a second client for each key, which only reads: no write without an answer keeps it waiting
//	hold a:0 3s                     the next message takes the actor that long
//	mark                            begin to measure; so does every fault
//	expect writes within 500ms      each shard has acknowledged a write that was sent after the mark
//	expect writes b within 1s       the same of one keyspace
//	expect writes on x within 1s    the same of the shards that have a copy in sync on a node
//	expect acts within 500ms        each actor has changed since the mark
//	expect writable within 10s      one shard after the other has a primary with a lease that takes writes
//	expect refusal of a/0 for 3s    a shard acknowledges nothing
//	expect refusal on x for 3s      nor does any shard whose only copy in sync is on a node; there is one at least
//	expect reads of a/0 within 1s   a shard has answered a read that was sent after the mark
//	expect no reads of a/0 for 3s   it answers none
//	expect pause below 100ms        no operation since the mark took longer
//	expect leader within 800ms      somebody leads who runs, and is not x: expect leader not x within 800ms
//	expect health yellow within 2s  also: green, red
//	expect health red for 10s
//	expect down x within 3s         the table says so; expect not down x
//	expect voters 3 within 5s
//	expect grey x within 5s         the leader takes it for sick; also: drained x
//	expect elections at most 1      since the mark
//	expect promotions at most 0
//	expect allocations at most 4
//	expect repeats at most 0        copies allocated of a shard that had got one before, since the cluster was whole
//	expect deaths at most 0         members declared dead since the mark
//	expect spread 2                 no node leads more than that many shards above its share
//	expect version of x below y     x knows an older table than y
//	end                             all faults end; everything of the random worlds is checked
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			if testing.Short() && strings.Contains(file, "full-restart") {
				t.Skip("a thousand shards take a while")
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			playScript(t, string(text))
		})
	}
}

func playScript(t *testing.T, text string) {
	s := newScript(t)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		s.line = fmt.Sprintf("line %d: %s", i+1, strings.TrimSpace(line))
		s.do(words)
		if s.w != nil && s.w.failure != nil {
			t.Fatalf("%s: %v\n%s", s.line, s.w.failure, s.w.story.last(60))
		}
	}
	if !s.ended {
		t.Fatal("the scenario does not end with: end")
	}
}

// script is a scenario in the playing.
type script struct {
	t     *testing.T
	w     *World
	line  string
	names map[string]*Node
	ended bool

	allocated map[shards.ShardID]int // new copies since the cluster was whole
	marked
}

// marked is what was counted at the last mark, and since.
type marked struct {
	at                              time.Duration
	elections                       uint64
	state                           *cluster.State
	slowest                         time.Duration
	written                         map[shards.ShardID]time.Duration // the first answer to a write that was sent since
	lastRead                        map[shards.ShardID]time.Duration
	lastWrite                       map[shards.ShardID]time.Duration
	missing                         *cluster.Shard    // that has not written yet
	counts                          map[string]uint64 // of actors, then
	promotions, allocations, deaths int
}

func newScript(t *testing.T) *script {
	return &script{t: t, names: map[string]*Node{}, allocated: map[shards.ShardID]int{}}
}

func (s *script) fail(format string, a ...any) {
	s.t.Helper()
	s.t.Fatalf("%v, at %v: %s\n%s", s.line, s.w.now, fmt.Sprintf(format, a...), s.w.story.last(60))
}

func (s *script) mark() {
	s.marked = marked{
		at: s.w.now, state: s.w.watch.newest, written: map[shards.ShardID]time.Duration{},
		lastRead: map[shards.ShardID]time.Duration{}, lastWrite: map[shards.ShardID]time.Duration{},
	}
	s.elections = s.w.highestTerm()
	s.counts = map[string]uint64{}
	for _, name := range s.w.acts.names {
		s.counts[name] = s.w.acts.lines[name].now().count
	}
}

// finished is told each operation of each client.
func (s *script) finished(c *client) {
	if c.call.got.unknown {
		s.slowest = max(s.slowest, clientPatience)
		return
	}
	s.slowest = max(s.slowest, s.w.now-max(s.at, c.until-clientPatience))
	if c.sent < s.at {
		return
	}
	if c.call.action == Get {
		s.lastRead[c.shard] = s.w.now
		return
	}
	s.lastWrite[c.shard] = s.w.now
	if _, known := s.written[c.shard]; !known {
		s.written[c.shard] = s.w.now
	}
}

// changed counts what one new state brought.
func (s *script) changed(before, after *cluster.State) {
	for i := range after.Shards {
		row := &after.Shards[i]
		old := before.Shard(row.ID)
		if old == nil {
			continue
		}
		if row.Term > old.Term {
			s.promotions++
		}
		for _, c := range row.Copies {
			if old.CopyOn(c.Node) == nil {
				s.allocations++
				s.allocated[row.ID]++
			}
		}
	}
	for i := range after.Members {
		if old := before.Member(after.Members[i].ID); old != nil && after.Members[i].Down && !old.Down {
			s.deaths++
		}
	}
}

func (s *script) do(words []string) {
	arg := func(i int) string {
		if i >= len(words) {
			s.t.Fatalf("%s: a word is missing", s.line)
		}
		return words[i]
	}
	switch words[0] {
	case "cluster":
		s.cluster(words[1:])
	case "run":
		s.w.Run(s.w.now + s.span(arg(1)))
	case "let":
		s.names[arg(1)] = s.node(words[3:]...)
	case "readers":
		for _, key := range s.w.keys {
			s.w.addClient(key)
			s.w.clients[len(s.w.clients)-1].reads = true
		}
	case "hold":
		s.w.acts.slow[arg(1)] = s.span(arg(2))
	case "mark":
		s.mark()
	case "expect":
		s.expect(words[1:])
	case "end":
		s.end()
	case "drain", "undrain", "set", "keyspace", "replicas", "stale":
		s.operate(words)
	default:
		s.fault(words, arg)
		if words[0] != "heal" && words[0] != "start" && words[0] != "resume" {
			s.mark()
		}
	}
}

func (s *script) fault(words []string, arg func(int) string) {
	w := s.w
	switch words[0] {
	case "kill", "gone":
		var victims []*Node
		for _, name := range words[1:] {
			victims = append(victims, s.node(name))
		}
		for _, n := range victims {
			n.crash(words[0] == "gone")
		}
	case "start":
		for i := range words[1:] {
			s.node(arg(i + 1)).start()
		}
	case "pause":
		s.node(arg(1)).pause()
	case "resume":
		s.node(arg(1)).resume()
	case "cut", "deaf", "mute":
		kind := map[string]FaultKind{"cut": FaultCut, "deaf": FaultDeaf, "mute": FaultMute}[words[0]]
		w.isolate(Fault{Kind: kind, For: time.Hour}, s.node(arg(1)), nil)
	case "link":
		w.isolate(Fault{Kind: FaultLink, For: time.Hour}, s.node(arg(1)), s.node(arg(2)))
	case "one-way":
		w.isolate(Fault{Kind: FaultOneWay, For: time.Hour}, s.node(arg(1)), s.node(arg(2)))
	case "split":
		side := 0
		for i := range words[1:] {
			side |= 1 << s.node(arg(i+1)).number
		}
		w.isolate(Fault{Kind: FaultSplit, For: time.Hour, Other: side}, nil, nil)
	case "firewall":
		w.fence(Fault{Kind: FaultFirewall, For: time.Hour}, s.node(arg(1)), s.node(arg(2)))
	case "heal":
		clear(w.net.cuts)
		clear(w.net.walls)
		w.relink()
	case "slow":
		s.node(arg(1)).slow = s.number(arg(2))
	case "clock":
		s.node(arg(1)).skew(s.span(arg(2)))
	case "drift":
		drift, err := strconv.ParseFloat(arg(2), 64)
		if err != nil {
			s.fail("%v", err)
		}
		s.node(arg(1)).drift = drift
	case "rot":
		n, id := s.node(arg(1)), s.shard(arg(2))
		if !n.disk.rot(id, n.chance) {
			s.fail("%s has no log of that shard", n.ID)
		}
	default:
		s.t.Fatalf("%s: unknown command", s.line)
	}
}

// cluster makes the world, and waits until it is green and has served.
func (s *script) cluster(words []string) {
	o := Options{Seed: 1, Length: time.Hour, Nodes: 3, PerKey: true, Think: 20 * time.Millisecond, Calm: true, Drift: 1e-9, Only: []int{}, Faults: []Fault{}}
	space := shards.Keyspace{Name: "a", ID: 1, Shards: 4, Replicas: 1}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "seed":
			o.Seed = uint64(s.number(value))
		case "nodes":
			o.Nodes = s.number(value)
		case "data":
			o.Data = s.number(value)
		case "shards":
			space.Shards = s.number(value)
		case "replicas":
			space.Replicas = s.number(value)
		case "min":
			space.MinInSync = s.number(value)
		case "think":
			o.Think = s.span(value)
		case "actors":
			o.Actors = s.number(value)
		case "clients":
			o.PerKey, o.Clients = false, s.number(value)
		default:
			s.t.Fatalf("%s: unknown setting %s", s.line, name)
		}
	}
	o.Spaces = []shards.Keyspace{space}
	if *flagTell {
		o.Tell = func(line string) { fmt.Println(line) }
	}
	cryptotest.SetGlobalRandom(s.t, o.Seed)
	s.w = New(o)
	s.mark()
	s.w.finished = s.finished
	s.w.stepped = s.changed
	if _, ok := s.w.Until(20*time.Second, s.w.whole); !ok {
		s.fail("the cluster does not form: %s", s.w.unwell())
	}
	s.w.Run(s.w.now + 2*time.Second)
	clear(s.allocated)
	s.mark()
}

func (s *script) end() {
	s.ended = true
	s.w.finished, s.w.stepped = nil, nil
	took := s.w.recover()
	if s.w.failure == nil {
		s.w.judge()
	}
	if s.w.failure == nil {
		s.t.Logf("whole again %v after the end; %d operations", took, len(s.w.history.calls))
	}
}

// node finds a node by a name, its own or a given one, or by what it is.
func (s *script) node(words ...string) *Node {
	if n, ok := s.names[words[0]]; ok {
		return n
	}
	if n := s.w.nodeByID(shards.NodeID(words[0])); n != nil {
		return n
	}
	leader := s.w.leader()
	holds := func(n *Node) bool {
		return slices.ContainsFunc(s.w.watch.newest.Shards, func(r cluster.Shard) bool { return r.CopyOn(n.ID) != nil })
	}
	switch words[0] {
	case "leader":
		if leader == nil {
			s.fail("nobody leads")
		}
		return leader
	case "follower", "voter-without-copies":
		for _, n := range s.w.nodes {
			free := n.running() && n != leader && !slices.ContainsFunc(sorted(s.names), func(o *Node) bool { return o == n })
			if free && (words[0] == "follower" || !holds(n)) {
				return n
			}
		}
	case "actor":
		return s.w.nodeByID(s.w.rowOf(keyOf('s', words[1], "")).PrimaryCopy().Node)
	case "primary", "replica":
		row := s.w.row(s.shard(words[1]))
		for _, c := range row.Copies {
			if (c.ID == row.Primary) == (words[0] == "primary") {
				return s.w.nodeByID(c.Node)
			}
		}
	}
	s.fail("there is no node %v", words)
	return nil
}

func sorted(names map[string]*Node) []*Node {
	var all []*Node
	for _, n := range names {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *Node) int { return a.number - b.number })
	return all
}

func (s *script) shard(name string) shards.ShardID {
	space, index, _ := strings.Cut(name, "/")
	k := s.w.watch.newest.KeyspaceByName(space)
	if k == nil {
		s.fail("there is no keyspace %s", space)
	}
	return shards.NewShardID(k.ID, s.number(index))
}

func (s *script) span(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		s.t.Fatalf("%s: %v", s.line, err)
	}
	return d
}

func (s *script) number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		s.t.Fatalf("%s: %v", s.line, err)
	}
	return n
}
