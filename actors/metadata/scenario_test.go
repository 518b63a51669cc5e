package metadata

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-actors/troupe/policies/cluster"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios give into their files")

// TestScenarios plays the files of testdata. Each is a play in scenes: commands, a line of dashes, and what the nodes hold
// after them; a line that begins with # is a comment. -rewrite writes the second part anew; the diff is the review.
//
//	nodes 3                 three nodes, the first of which founds; the others are members that learn
//	vote 1 1,2,3            node 1 proposes these voters
//	set 1 a=1               node 1 proposes a setting
//	dead 1 3 / forget 1 3   node 1 proposes that node 3 is dead / is forgotten
//	tick 2 10               node 2 alone lives through ten ticks
//	deliver                 all messages arrive, and what they cause, until there is silence
//	drop                    all messages that are on their way are lost
//	deliver to 2,3          only what goes to these; the rest waits
//	cut 1 / heal 1          nothing more goes from or to node 1 / it does again
//	crash 1 / start 1       with what is not synced; in its next life
//	gone 2 1                node 2 learns that the leader, node 1, is dead
//	campaign 2              node 2 stands for election
//	transfer 1              node 1 hands the lead over
//	read 2                  node 2 begins a round of ReadIndex
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { play(t, file) })
	}
}

func play(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cryptotest.SetGlobalRandom(t, 1)
	s := &stage{t: t, cut: map[uint64]bool{}}
	var out strings.Builder
	for scene := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")), "\n\n") {
		commands, _, _ := strings.Cut(scene, "\n----\n")
		for line := range strings.Lines(commands) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				s.command(strings.Fields(line))
			}
		}
		fmt.Fprintf(&out, "%s\n----\n%s\n", commands, s.describe())
	}
	if *rewrite {
		if err := os.WriteFile(file, []byte(strings.TrimSuffix(out.String(), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got, want := strings.TrimSpace(out.String()), strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")); got != want {
		t.Errorf("%s gives\n%s\n\nrepeat with -rewrite to take it over", file, got)
	}
}

// stage holds the nodes of a play.
type stage struct {
	t      *testing.T
	nodes  []*actor
	flying []*raftpb.Message
	cut    map[uint64]bool
	heard  []string
}

type actor struct {
	number   uint64
	epoch    uint64
	sequence uint64
	log      *memLog
	core     *Core
}

func (s *stage) start(a *actor) {
	a.epoch++
	var err error
	a.core, err = NewCore(CoreConfig{Number: a.number, Epoch: 1, Log: a.log})
	if err != nil {
		s.t.Fatal(err)
	}
	s.run(a)
}

func (s *stage) run(a *actor) {
	for a.core.Pending() {
		s.flying = append(s.flying, a.core.Begin()...)
		out, err := a.core.Finish()
		if err != nil {
			s.t.Fatal(err)
		}
		s.flying = append(s.flying, out.Messages...)
		for _, p := range out.Applied {
			if p.ID.Proposer == a.number {
				s.heard = append(s.heard, fmt.Sprintf("node %d hears that its command %d is at %d", a.number, p.ID.Sequence, p.Index))
			}
		}
		for _, r := range out.Reads {
			s.heard = append(s.heard, fmt.Sprintf("node %d may read as of %d", a.number, r.Index))
		}
	}
	if err := a.core.Check(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) node(word string) *actor {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(s.nodes) {
		s.t.Fatalf("no node %q", word)
	}
	return s.nodes[n-1]
}

func (s *stage) propose(a *actor, command *cluster.Command) {
	a.sequence++
	err := a.core.Propose(Proposal{ID: ProposalID{Proposer: a.number, Epoch: 1, Sequence: a.sequence}, Command: command})
	if err != nil {
		s.heard = append(s.heard, fmt.Sprintf("node %d: %v", a.number, err))
	}
	s.run(a)
}

// deliver lets messages arrive that go to these nodes, or to all.
func (s *stage) deliver(to []uint64) {
	var later []*raftpb.Message
	for len(s.flying) > 0 {
		m := s.flying[0]
		s.flying = s.flying[1:]
		a := s.nodes[m.GetTo()-1]
		switch {
		case to != nil && !slices.Contains(to, m.GetTo()):
			later = append(later, m)
		case a.core != nil && !s.cut[m.GetTo()] && !s.cut[m.GetFrom()]:
			if err := a.core.Step(m); err != nil {
				s.t.Fatal(err)
			}
			s.run(a)
		}
	}
	s.flying = later
}

func (s *stage) command(words []string) {
	switch words[0] {
	case "nodes":
		s.found(words[1])
		return
	case "deliver":
		var to []uint64
		if len(words) == 3 {
			to = numbers(strings.ReplaceAll(words[2], ",", " "))
		}
		s.deliver(to)
		return
	case "drop":
		s.flying = nil
		return
	}
	a := s.node(words[1])
	switch words[0] {
	case "cut", "heal":
		s.cut[a.number] = words[0] == "cut"
		return
	case "crash":
		a.log, a.core = &memLog{now: a.log.history[0], history: a.log.history[:1]}, nil
		return
	case "start":
		s.start(a)
		return
	case "vote":
		s.propose(a, &cluster.Command{Voters: &cluster.VotersChange{Voters: numbers(strings.ReplaceAll(words[2], ",", " "))}})
	case "set":
		name, value, _ := strings.Cut(words[2], "=")
		s.propose(a, setting(name, value))
	case "dead":
		s.propose(a, &cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: memberOf(s.node(words[2]).number, 1).ID, Epoch: 1, Reason: "it is silent"}}}})
	case "forget":
		s.propose(a, &cluster.Command{Member: &cluster.MemberChange{Node: memberOf(s.node(words[2]).number, 1).ID, Forget: true}})
	case "tick":
		for n, _ := strconv.Atoi(words[2]); n > 0; n-- {
			a.core.Tick()
			s.run(a)
		}
	case "gone":
		a.core.LeaderGone(s.node(words[2]).number)
	case "campaign":
		a.core.Campaign()
	case "transfer":
		a.core.Transfer()
	case "read":
		a.core.ReadIndex()
	default:
		s.t.Fatalf("no command %q", words[0])
	}
	s.run(a)
}

// found makes the cluster: node 1 founds, the others join.
func (s *stage) found(count string) {
	n, _ := strconv.Atoi(count)
	for i := range n {
		s.nodes = append(s.nodes, &actor{number: uint64(i + 1), log: newMemLog()})
	}
	if err := Found(s.nodes[0].log, 1); err != nil {
		s.t.Fatal(err)
	}
	for _, a := range s.nodes {
		s.start(a)
	}
	first := s.nodes[0]
	first.core.Campaign()
	s.run(first)
	s.propose(first, &cluster.Command{Bootstrap: &cluster.Bootstrap{Cluster: worldCluster, Member: memberOf(1, 1)}})
	for _, a := range s.nodes[1:] {
		s.propose(first, &cluster.Command{Join: &cluster.Join{Member: memberOf(a.number, 1)}})
		s.deliver(nil)
	}
	for range 20 {
		first.core.Tick()
		s.run(first)
		s.deliver(nil)
	}
	s.heard = nil
}

func (s *stage) describe() string {
	var out strings.Builder
	for _, line := range s.heard {
		fmt.Fprintln(&out, line)
	}
	s.heard = nil
	for _, a := range s.nodes {
		if a.core == nil {
			fmt.Fprintf(&out, "node %d is down, its log ends at %d\n", a.number, a.log.Last())
			continue
		}
		lead, conf := a.core.Lead(), a.core.Voters()
		follows := fmt.Sprintf("follows %d", lead.Number)
		switch {
		case lead.Won:
			follows = "leads"
		case lead.Number == a.number:
			follows = "leads, not won"
		case lead.Number == 0:
			follows = "no leader"
		}
		voters := fmt.Sprint(sorted(slices.Clone(conf.GetVoters())))
		if len(conf.GetVotersOutgoing()) > 0 {
			voters += fmt.Sprint(" and ", sorted(slices.Clone(conf.GetVotersOutgoing())))
		}
		fmt.Fprintf(&out, "node %d  term %d  %-14s applied %-3d log ends at %-3d voters %v\n", a.number, lead.Term, follows, a.core.Applied(), a.log.Last(), voters)
	}
	return out.String()
}
