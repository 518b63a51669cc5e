package store

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
	"github.com/troupe-actors/troupe/shards/radix"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata")

// TestScenarios plays each file of testdata on a store of its own. A file is blocks: comment lines that quote the sentence
// that the block proves, a command, its lines, "----", and what it prints. -rewrite writes the last part anew: the diff is
// the review.
//
//	txn [time=N] [+atomic]     lines: "guard KEY if=…", or an operation as "set KEY VALUE expire=N +keepttl +old if=…
//	                           version=N compare=…"; prints seq and one result per operation
//	read [time=N] KEY...       prints what is visible; "" is the empty key
//	scan [time=N] [prefix=P]   prints the visible keys
//	len                        keys in the tree, expired ones included
//	due time=N                 says whether an OpExpireDue is called for
//	watch NAME prefix=P [from=N] [capacity=N], next NAME, close NAME
//	victim policy=P time=N     prints the keys that 200 random numbers choose, with how often rounded to tens
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
	p := &player{T: t, s: New(Options{Access: true, Eviction: shards.EvictAllKeysLRU}), watchers: map[string]*Watcher{}}
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		head, _, runs := strings.Cut(block+"\n", "----\n")
		out = append(out, strings.TrimRight(head, "\n"))
		if runs {
			out[len(out)-1] += "\n----\n" + cmp.Or(p.play(commands(head)), "nothing")
		}
	}
	return strings.Join(out, "\n\n") + "\n"
}

func commands(head string) (lines []string) {
	for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

type player struct {
	*testing.T
	s        *Store
	watchers map[string]*Watcher
}

// cutLine splits a line into its words and its settings, name=value or +name.
func cutLine(line string) (bare []string, set map[string]string) {
	set = map[string]string{}
	for _, word := range strings.Fields(line) {
		if name, value, found := strings.Cut(word, "="); found {
			set[name] = value
			continue
		}
		if flag, found := strings.CutPrefix(word, "+"); found {
			set[flag] = "yes"
			continue
		}
		if word == `""` {
			word = ""
		}
		bare = append(bare, word)
	}
	return bare, set
}

func (p *player) number(text string) int64 {
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

func (p *player) play(lines []string) string {
	bare, set := cutLine(lines[0])
	now := p.number(set["time"])
	switch bare[0] {
	case "txn":
		return p.txn(now, set["atomic"] != "", lines[1:])
	case "read":
		return p.read(now, bare[1:])
	case "scan":
		var out []string
		p.s.Scan(now, nil, []byte(set["prefix"]), 1000, func(key []byte, it radix.Item) bool {
			out = append(out, fmt.Sprintf("%s=%s", key, it.Value))
			return true
		})
		return strings.Join(out, " ")
	case "len":
		return strconv.Itoa(p.s.Len())
	case "due":
		return strconv.FormatBool(p.s.Due(now))
	case "watch":
		p.watchers[bare[1]] = p.s.Watch([]byte(set["prefix"]), shards.SeqNo(p.number(set["from"])), int(p.number(set["capacity"])))
		return "ok"
	case "next":
		return told(p.watchers[bare[1]])
	case "close":
		p.watchers[bare[1]].Close()
		return "ok"
	case "victim":
		return p.victim(set["policy"], now)
	}
	p.Fatalf("no command %q", lines[0])
	return ""
}

func (p *player) read(now int64, keys []string) string {
	var out []string
	for _, key := range keys {
		var r Result
		p.s.Read(now, &Op{Kind: OpGet, Key: []byte(key)}, &r)
		if !r.Found {
			out = append(out, key+": absent")
			continue
		}
		out = append(out, fmt.Sprintf("%s: %q version %d expires %d", key, r.Value, r.Version, r.ExpireAt))
	}
	return strings.Join(out, "\n")
}

func (p *player) victim(policy string, now int64) string {
	var e shards.Eviction
	if err := e.UnmarshalText([]byte(policy)); err != nil {
		p.Fatal(err)
	}
	chosen := map[string]int{}
	for i := range uint64(200) {
		if key, _, ok := p.s.Victim(e, now, i); ok {
			chosen[string(key)]++
		}
	}
	var out []string
	p.s.Scan(0, nil, nil, 1000, func(key []byte, _ radix.Item) bool {
		if n := chosen[string(key)]; n > 0 {
			out = append(out, fmt.Sprintf("%s %d", key, (n+5)/10*10))
		}
		return true
	})
	return strings.Join(out, "\n")
}

var kindNames = []string{
	"", "get", "set", "delete", "deleteprefix", "increment", "incrementfloat", "append", "setrange", "expire", "rename", "copy",
	"expiredue", "evict",
}

var conditionNames = []string{"", "absent", "present", "version", "equal", "noexpiry", "hasexpiry", "later", "sooner"}

func (p *player) place(names []string, name string) int {
	for i := range names {
		if names[i] == name {
			return i
		}
	}
	p.Fatalf("%q is none of %q", name, names)
	return 0
}

func (p *player) op(line string) (o Op) {
	bare, set := cutLine(line)
	argument := func(i int) string {
		if i < len(bare) {
			return bare[i]
		}
		return ""
	}
	o.Kind = OpKind(p.place(kindNames, bare[0]))
	o.Key, o.Value = []byte(argument(1)), []byte(argument(2))
	switch o.Kind {
	case OpIncrement:
		o.Int, o.Value = p.number(argument(2)), nil
	case OpIncrementFloat:
		o.Float, _ = strconv.ParseFloat(argument(2), 64)
		o.Value = nil
	case OpSetRange:
		o.Int, o.Value = p.number(argument(2)), []byte(argument(3))
	case OpExpireDue:
		o.Int, o.Key = p.number(argument(1)), nil
	}
	o.If = Condition(p.place(conditionNames, set["if"]))
	o.KeepTTL, o.WantOld = set["keepttl"] != "", set["old"] != ""
	o.ExpireAt, o.Version, o.Compare = p.number(set["expire"]), uint64(p.number(set["version"])), []byte(set["compare"])
	return o
}

func (p *player) txn(now int64, atomic bool, lines []string) string {
	t := Txn{Time: now, Atomic: atomic}
	for _, line := range lines {
		if rest, found := strings.CutPrefix(line, "guard "); found {
			o := p.op("get " + rest)
			t.Guards = append(t.Guards, Guard{If: o.If, Key: o.Key, Version: o.Version, Compare: o.Compare})
			continue
		}
		t.Ops = append(t.Ops, p.op(line))
	}
	out := []string{""}
	for i, r := range p.s.do(&t) {
		line := kindNames[t.Ops[i].Kind] + ":"
		if r.Err != nil {
			line += " " + strings.TrimPrefix(r.Err.Error(), "store: ") + ";"
		}
		line += fmt.Sprintf(" found %v changed %v", r.Found, r.Changed)
		if r.Value != nil {
			line += fmt.Sprintf(" value %q", r.Value)
		}
		line += fmt.Sprintf(" version %d expires %d int %d", r.Version, r.ExpireAt, r.Int)
		out = append(out, line)
	}
	out[0] = fmt.Sprintf("seq %d at %d", p.s.Applied(), p.s.Now())
	return strings.Join(out, "\n")
}
