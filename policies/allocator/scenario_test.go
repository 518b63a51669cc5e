package allocator

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata")

// TestScenarios plays each file of testdata in a world of its own. A file is blocks: comment lines that quote the sentence
// that the block proves, commands, "----", and what they print. -rewrite writes the last part anew: the diff is the review.
//
//	join N [host=H] [roles=R]            a member, alive; or its next life
//	keyspace NAME shards=N replicas=N    made, or changed; replicas=0 for none
//	set NAME VALUE
//	member N [draining=B] [maintained=B] [+forget]
//	dead N… | suspect N | grey N | alive N | silent N    what the evidence says
//	compiles N KEYSPACE, ready N KEYSPACE  the node is not ready yet for the actors of a keyspace, or is
//	wait TICKS                           time goes by
//	fail N SHARD                         the copy there is given up
//	plan                                 plans once, commits, and prints deaths, moves, what waits, and when to look again
//	work                                 nodes do what the table says
//	settle                               plans and works until nothing is left to do; prints the rounds and how many moves of each kind
//	table, spread, health                the shard table; "node copies/primaries"; colours and reasons
//	explain SHARD
//	power N… cpu=C memory=G disk=G       what nodes can bear: cores, and gigabytes
//	weigh WHAT cpu=C memory=G disk=G [lead=C]  what each copy of a shard, or of a keyspace's shards, costs; cores more for the primary
//	use                                  what is used of each node's cores, memory and disk, in per cent
//	desire                               what plans lead to
//	burden                               the shard that is too large for any node's share
//	lose                                 what the death of each node that is there would come to
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := playAll(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			got, want := strings.Split(played, "\n"), strings.Split(string(text), "\n")
			for i := range min(len(got), len(want)) {
				if got[i] != want[i] {
					t.Fatalf("%s:%d: got  %s\nwant %s", file, i+1, got[i], want[i])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%s: %d lines, want %d", file, len(got), len(want))
			}
		})
	}
}

func playAll(t *testing.T, text string) string {
	p := &player{world: newWorld(t, 1)}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		head, _, runs := strings.Cut(block+"\n", "----\n")
		out = append(out, strings.TrimRight(head, "\n"))
		p.out = nil
		for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
			if !strings.HasPrefix(line, "#") {
				p.play(line)
			}
		}
		if runs {
			out[len(out)-1] += "\n----\n" + cmp.Or(strings.Join(p.out, "\n"), "nothing")
		}
	}
	return strings.Join(out, "\n\n") + "\n"
}

type player struct {
	*world
	out []string
}

func (p *player) say(format string, args ...any) { p.out = append(p.out, fmt.Sprintf(format, args...)) }

func (p *player) index(name string) int { return p.number(strings.TrimPrefix(name, "N"), 0) }

func (p *player) shard(name string) shards.ShardID {
	keyspace, index, _ := strings.Cut(name, "/")
	return shards.NewShardID(p.state.KeyspaceByName(keyspace).ID, p.number(index, 0))
}

func (p *player) play(line string) {
	set := map[string]string{}
	var words []string
	for word := range strings.FieldsSeq(line) {
		if name, value, found := strings.Cut(word, "="); found {
			set[name] = value
		} else if flag, found := strings.CutPrefix(word, "+"); found {
			set[flag] = "true"
		} else {
			words = append(words, word)
		}
	}
	switch words[0] {
	case "join":
		roles, err := cluster.ParseRoles(set["roles"])
		if err != nil {
			p.Fatal(err)
		}
		p.join(p.index(words[1]), set["host"], roles)
	case "keyspace":
		p.keyspace(words[1], p.number(set["shards"], 0), p.number(set["replicas"], 1))
	case "set":
		if known, err := cluster.CheckSetting(words[1], words[2]); !known || err != nil {
			p.Fatalf("%s: %v", words[1], err)
		}
		p.must(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: words[1], Value: words[2]}}}})
	case "member":
		c := &cluster.MemberChange{Node: nodeID(p.index(words[1])), Forget: set["forget"] != ""}
		for name, to := range map[string]**bool{"draining": &c.Draining, "maintained": &c.Maintained} {
			if set[name] != "" {
				yes := set[name] == "true"
				*to = &yes
			}
		}
		if o := p.apply(&cluster.Command{Member: c}); o.Err != nil {
			p.say("refused: %v", o.Err)
		}
	case "dead", "suspect", "grey", "alive", "silent":
		states := map[string]liveness.State{"dead": liveness.Dead, "suspect": liveness.Suspect, "grey": liveness.Grey, "alive": liveness.Alive}
		for _, name := range words[1:] {
			p.judge(nodeID(p.index(name)), states[words[0]], words[0]+" by this scenario")
		}
	case "compiles", "ready":
		p.compiles(nodeID(p.index(words[1])), p.state.KeyspaceByName(words[2]).ID, words[0] == "compiles")
	case "wait":
		p.ticks += int64(p.number(words[1], 0))
	case "fail":
		id := nodeID(p.index(words[1]))
		r := p.state.Shard(p.shard(words[2]))
		if r.CopyOn(id) == nil {
			p.Fatalf("%s: no copy there: %s", line, p.state.Describe(r))
		}
		p.must(&cluster.Command{Failed: &cluster.Failed{Node: id, Epoch: p.state.Member(id).Epoch, Reason: "damaged",
			Copies: []cluster.ShardCopy{{Shard: r.ID, Copy: r.CopyOn(id).ID}}}})
	case "power", "weigh":
		p.measured(words, set)
	default:
		p.ask(words)
	}
}

func (p *player) float(text string) float64 {
	x, err := strconv.ParseFloat(cmp.Or(text, "0"), 64)
	if err != nil {
		p.Fatal(err)
	}
	return x
}

// measured says what nodes can bear, or what shards cost.
func (p *player) measured(words []string, set map[string]string) {
	l := policies.Load{CPU: p.float(set["cpu"]), Memory: p.float(set["memory"]) * (1 << 30), Disk: p.float(set["disk"]) * (1 << 30)}
	if words[0] == "power" {
		for _, name := range words[1:] {
			if p.power == nil {
				p.power = map[shards.NodeID]policies.Load{}
			}
			p.power[nodeID(p.index(name))] = l
		}
		return
	}
	for i := range p.state.Shards {
		id := p.state.Shards[i].ID
		name := p.state.ShardName(id)
		if keyspace, _, _ := strings.Cut(name, "/"); words[1] != name && words[1] != keyspace {
			continue
		}
		at, known := slices.BinarySearchFunc(p.weights, id, func(l policies.ShardLoad, id shards.ShardID) int { return cmp.Compare(l.Shard, id) })
		if !known {
			p.weights = slices.Insert(p.weights, at, policies.ShardLoad{})
		}
		p.weights[at] = policies.ShardLoad{Shard: id, Primary: l.Plus(policies.Load{CPU: p.float(set["lead"])}), Replica: l}
	}
}

func (p *player) used() {
	var out []string
	for i, n := range p.measure().Nodes {
		per := func(used, capacity float64) string { return fmt.Sprintf("%.0f", 100*used/capacity) }
		out = append(out, fmt.Sprintf("%s %s/%s/%s", p.state.Members[i].Name, per(n.Used.CPU, n.Capacity.CPU), per(n.Used.Memory, n.Capacity.Memory), per(n.Used.Disk, n.Capacity.Disk)))
	}
	p.say("%s", strings.Join(out, ", "))
}

func (p *player) losses() (out []string) {
	for i := range p.state.Members {
		m := &p.state.Members[i]
		if l, err := Lose(p.input(), m.ID, nil); err != nil {
			out = append(out, err.Error())
		} else {
			out = append(out, fmt.Sprintf("%s, %d copies: %s", m.Name, l.Copies, l.String()))
		}
	}
	return out
}

// lose tells of all losses, and looks whether asking has changed anything.
func (p *player) lose() {
	version, out := p.state.Version, p.losses()
	if again := p.losses(); !slices.Equal(again, out) || p.state.Version != version {
		p.Errorf("asked again it is %q, and was %q", again, out)
	}
	p.out = append(p.out, out...)
}

func (p *player) desire() {
	d := Desire(p.input())
	p.say("%d placed, %d moved, %d handed over; the hottest node is %s at %.2f of its share of %s, and will be %s at %.2f of %s",
		d.Placed, d.Moves, d.Hands, d.Before.Node, d.Before.Heat, d.Before.Dimension, d.After.Node, d.After.Heat, d.After.Dimension)
	for _, name := range d.Unplaced {
		p.say("no place for a copy of %s", name)
	}
	if d.Bound.Shard != "" {
		p.say("%s alone makes a node as hot as %.2f of %s: it would have to be split", d.Bound.Shard, d.Bound.Heat, d.Bound.Dimension)
	}
}

func (p *player) ask(words []string) {
	switch words[0] {
	case "plan":
		p.tell(p.reroute())
	case "work":
		p.work()
	case "settle":
		p.moves = nil
		rounds := p.settle()
		kinds := map[cluster.MoveKind]int{}
		for _, m := range p.moves {
			kinds[m.Kind]++
		}
		p.say("settled in %d rounds: %d created, %d allocated, %d promoted, %d handed over, %d dropped", rounds, kinds[cluster.MoveCreate],
			kinds[cluster.MoveAllocate], kinds[cluster.MovePromote], kinds[cluster.MoveHandTo], kinds[cluster.MoveDrop])
	case "table":
		for i := range p.state.Shards {
			p.say("%s", p.state.Describe(&p.state.Shards[i]))
		}
	case "spread":
		p.say("%s", p.spread())
	case "health":
		h := cluster.HealthOf(p.state)
		p.say("%v", h.Status)
		for _, r := range h.Reasons {
			p.say("%v %s: %s", r.Status, r.Name, r.Reason)
		}
	case "use":
		p.used()
	case "desire":
		p.desire()
	case "burden":
		p.say("%v", Heaviest(p.input(), nil))
	case "lose":
		p.lose()
	case "explain":
		p.explain(p.shard(words[1]))
	default:
		p.Fatalf("unknown command %q", words[0])
	}
}

func (p *player) tell(plan *Plan) {
	for _, d := range plan.Down {
		p.say("down %s: %s", d.Node, d.Reason)
	}
	kinds := map[cluster.MoveKind]string{cluster.MoveAllocate: "allocate", cluster.MoveCreate: "create", cluster.MovePromote: "promote",
		cluster.MoveDrop: "drop", cluster.MoveHandTo: "hand to"}
	for _, d := range plan.Decisions {
		what := cmp.Or(kinds[d.Move.Kind], "wait")
		if d.Move.Copy != 0 {
			what += fmt.Sprintf(" c%d", d.Move.Copy)
		}
		p.say("%v %v %s: %s", d.Lane, d.Verdict, what, d.Reason)
		if d.Lane == Emergency {
			for _, c := range d.Candidates {
				p.say("    %s", c.String())
			}
		}
	}
	if plan.Next != 0 {
		p.say("look again in %d ticks", plan.Next-p.ticks)
	}
	if plan.Again {
		p.say("look again at once")
	}
	if plan.Command() == nil {
		p.say("nothing to change")
	}
}

func (p *player) explain(id shards.ShardID) {
	e, err := Explain(p.input(), id)
	if err != nil {
		p.Fatal(err)
	}
	p.say("%s", e.Row)
	if e.Health.Status != cluster.Green {
		p.say("%v: %s", e.Health.Status, e.Health.Reason)
	}
	for _, c := range e.Copies {
		p.say("c%d: %s", c.Copy, c.Remain.String())
		if c.Rebalance.Verdict != policies.Yes {
			p.say("c%d: %s", c.Copy, c.Rebalance.String())
		}
		p.say("c%d: %s", c.Copy, c.Promote.String())
	}
	for n := range e.Nodes {
		p.say("%s", e.Nodes[n].String())
		if e.Starts[n].Verdict != policies.Yes {
			p.say("%s", e.Starts[n].String())
		}
	}
	for _, d := range e.Decisions {
		p.say("next: %v %v: %s", d.Lane, d.Verdict, d.Reason)
	}
	for i := range e.Conflict {
		p.say("conflict: %s", e.Conflict[i].String())
	}
}
