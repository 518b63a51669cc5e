package cluster

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata")

// TestScenarios plays each file of testdata on a cluster of its own. A file is blocks: comment lines that quote the sentence
// that the block proves, commands, "----", and what they print: refusals, then each row that changed. -rewrite writes the
// last part anew: the diff is the review.
//
//	cluster N1                                           bootstrap
//	join N2 [epoch=E] [+clean] [+awake] [roles=R] [loose=K,…]     a member, or its next life
//	keyspace NAME [shards=N] [replicas=N] [durability=D]
//	down N1 N2 [epoch=E]                                 declare members dead, in one reroute
//	move SHARD KIND [cN] [on=N] [for=cN]; KIND …         moves of one row; +stale plans them on an older version
//	insync SHARD [add=cN] [remove=cN] [term=T]           as the present primary
//	handover SHARD cN
//	opened N2 SHARD cN, failed N2 SHARD cN               [epoch=E]
//	member N2 [+forget] [draining=B] [maintained=B] [excluded=B]
//	set NAME VALUE, readonly B
//	health, serves KEYSPACE, members
//	and those about policies: see line.policies
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
	p := &player{T: t, state: &State{}}
	var out []string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		head, _, runs := strings.Cut(block+"\n", "----\n")
		out = append(out, strings.TrimRight(head, "\n"))
		if !runs {
			continue
		}
		before := p.state
		p.out = nil
		for line := range strings.SplitSeq(strings.TrimSpace(head), "\n") {
			if !strings.HasPrefix(line, "#") {
				p.play(line)
			}
		}
		for i := range p.state.Shards {
			if r := &p.state.Shards[i]; before.Shard(r.ID) == nil || before.Shard(r.ID).Version != r.Version {
				p.out = append(p.out, p.state.Describe(r))
			}
		}
		out[len(out)-1] += "\n----\n" + cmp.Or(strings.Join(p.out, "\n"), "nothing changed")
	}
	return strings.Join(out, "\n\n") + "\n"
}

type player struct {
	*testing.T
	state *State
	out   []string
}

func (p *player) say(format string, args ...any) { p.out = append(p.out, fmt.Sprintf(format, args...)) }

func (p *player) apply(c *Command) {
	after, o := p.state.Apply(c)
	if err := Check(after); err != nil {
		p.Fatal(err)
	}
	if err := CheckStep(p.state, after); err != nil {
		p.Fatal(err)
	}
	if o.Err != nil {
		p.say("refused: %v", o.Err)
	}
	for _, r := range o.Rows {
		p.say("left out: %v", r.Err)
	}
	p.state = after
}

// line is a command cut into words and settings.
type line struct {
	*player
	words []string
	set   map[string]string
}

func (p *player) cut(text string) line {
	l := line{player: p, set: map[string]string{}}
	for word := range strings.FieldsSeq(text) {
		if name, value, found := strings.Cut(word, "="); found {
			l.set[name] = value
		} else if flag, found := strings.CutPrefix(word, "+"); found {
			l.set[flag] = "true"
		} else {
			l.words = append(l.words, word)
		}
	}
	return l
}

// keyspaces are the numbers of some, by name.
func (l line) keyspaces(names string) (ids []shards.KeyspaceID) {
	for name := range strings.SplitSeq(names, ",") {
		if k := l.state.KeyspaceByName(name); k != nil {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func (l line) number(text string, otherwise uint64) uint64 {
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "c"), 10, 64)
	if err != nil {
		l.Fatal(err)
	}
	return n
}

func (l line) copyID(text string) shards.CopyID { return shards.CopyID(l.number(text, 0)) }

func (l line) copies(text string) []shards.CopyID {
	if text == "" {
		return nil
	}
	return []shards.CopyID{l.copyID(text)}
}

func (l line) bool(name string) *bool {
	if l.set[name] == "" {
		return nil
	}
	b := l.set[name] == "true"
	return &b
}

func (l line) node(name string) shards.NodeID {
	if m := l.state.MemberByName(name); m != nil {
		return m.ID
	}
	return shards.NodeID(strings.ToLower(name))
}

func (l line) row(name string) *Shard {
	keyspace, index, _ := strings.Cut(name, "/")
	k := l.state.KeyspaceByName(keyspace)
	if k == nil {
		l.Fatalf("no keyspace %s", keyspace)
	}
	return l.state.Shard(shards.NewShardID(k.ID, int(l.number(index, 0))))
}

func (l line) member(name string) Member {
	i := int(l.number(name[1:], 0))
	m := testMember(i, shards.Epoch(l.number(l.set["epoch"], 1)))
	if l.set["roles"] != "" {
		roles, err := ParseRoles(l.set["roles"])
		if err != nil {
			l.Fatal(err)
		}
		m.Roles = roles
	}
	m.Name = cmp.Or(l.set["name"], m.Name)
	return m
}

var moveKinds = map[string]MoveKind{"allocate": MoveAllocate, "create": MoveCreate, "promote": MovePromote, "drop": MoveDrop,
	"stale": MoveStale, "empty": MoveEmpty, "handto": MoveHandTo, "retry": MoveRetry}

func (l line) moves() *Reroute {
	r := l.row(l.words[1])
	change := RowChange{Shard: r.ID, Base: r.Version}
	if l.set["stale"] != "" {
		change.Base--
	}
	text := strings.Join(l.words[2:], " ")
	for _, name := range []string{"on", "for"} {
		if l.set[name] != "" {
			text += " " + name + "=" + l.set[name]
		}
	}
	m := Move{Kind: moveKinds[l.words[2]], Node: l.node(l.set["on"]), Source: l.copyID(l.set["for"]), Reason: text}
	if len(l.words) > 3 {
		m.Copy = l.copyID(l.words[3])
	}
	change.Moves = []Move{m}
	return &Reroute{Rows: []RowChange{change}}
}

func (p *player) play(text string) {
	l := p.cut(text)
	switch l.words[0] {
	case "cluster":
		p.apply(&Command{Bootstrap: &Bootstrap{Cluster: testCluster, Member: l.member(l.words[1])}})
	case "join":
		p.apply(&Command{Join: &Join{Member: l.member(l.words[1]), Clean: l.set["clean"] != "", Awake: l.set["awake"] != "", Loose: l.keyspaces(l.set["loose"])}})
	case "keyspace":
		k := shards.Keyspace{Name: l.words[1], Shards: int(l.number(l.set["shards"], 0)), Replicas: int(l.number(l.set["replicas"], 0))}
		if l.set["durability"] != "" {
			if err := k.Durability.UnmarshalText([]byte(l.set["durability"])); err != nil {
				p.Fatal(err)
			}
		}
		p.apply(&Command{Keyspace: &KeyspaceChange{Keyspace: k}})
	case "down":
		c := &Reroute{}
		for _, name := range l.words[1:] {
			c.Down = append(c.Down, Death{Node: l.node(name), Epoch: shards.Epoch(l.number(l.set["epoch"], uint64(p.state.Member(l.node(name)).Epoch))), Reason: "killed"})
		}
		p.apply(&Command{Reroute: c})
	case "move":
		p.apply(&Command{Reroute: l.moves()})
	case "insync":
		r := l.row(l.words[1])
		p.apply(&Command{InSync: &InSync{Shard: r.ID, Term: shards.Term(l.number(l.set["term"], uint64(r.Term))), Primary: r.Primary,
			Add: l.copies(l.set["add"]), Remove: l.copies(l.set["remove"])}})
	case "handover":
		r := l.row(l.words[1])
		p.apply(&Command{HandOver: &HandOver{Shard: r.ID, Term: r.Term, From: r.Primary, To: l.copyID(l.words[2])}})
	default:
		l.report()
	}
}

// report plays what members say and what operators ask.
func (l line) report() {
	p := l.player
	switch l.words[0] {
	case "opened", "failed":
		n := l.node(l.words[1])
		epoch := shards.Epoch(l.number(l.set["epoch"], uint64(p.state.Member(n).Epoch)))
		list := []ShardCopy{{l.row(l.words[2]).ID, l.copyID(l.words[3])}}
		if l.words[0] == "opened" {
			p.apply(&Command{Opened: &Opened{Node: n, Epoch: epoch, Copies: list}})
			return
		}
		p.apply(&Command{Failed: &Failed{Node: n, Epoch: epoch, Copies: list, Reason: "damaged"}})
	case "member":
		p.apply(&Command{Member: &MemberChange{Node: l.node(l.words[1]), Forget: l.set["forget"] != "",
			Draining: l.bool("draining"), Maintained: l.bool("maintained"), Excluded: l.bool("excluded")}})
	case "set":
		if _, err := CheckSetting(l.words[1], l.words[2]); err != nil {
			p.say("not proposed: %v", err)
			return
		}
		p.apply(&Command{Settings: &SettingsChange{Set: []Setting{{l.words[1], l.words[2]}}}})
	case "readonly":
		yes := l.words[1] == "true"
		p.apply(&Command{Settings: &SettingsChange{ReadOnly: &yes}})
	case "health":
		h := HealthOf(p.state)
		p.say("%v: %d/%d primaries, %d copies, %d initializing, %d relocating, %d missing, %d/%d members down",
			h.Status, h.Primaries, h.Shards, h.Copies, h.Initializing, h.Relocating, h.Missing, h.Down, h.Members)
		for _, r := range h.Reasons {
			p.say("%v %s: %s", r.Status, r.Name, r.Reason)
		}
	case "serves":
		if err := p.state.Serves(p.state.KeyspaceByName(l.words[1]).ID); err != nil {
			p.say("no: %v", err)
			return
		}
		p.say("yes")
	case "members":
		for _, m := range p.state.Members {
			p.say("%s epoch %d %v down=%t draining=%t maintained=%t excluded=%t", m.Name, m.Epoch, m.Roles, m.Down, m.Draining, m.Maintained, m.Excluded)
		}
		p.say("voters %v", p.state.Voters)
	default:
		l.policies()
	}
}
