package replica

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata, to be reviewed as a diff")

// TestScenarios plays testdata/*.txt. Each command stands above a line "----", what it prints below. Nodes are counted from
// 0, copies from 1; copy i+1 begins on node i. Messages wait until they are delivered, writes until the disk is synced, rows
// until they are told.
//
//	new copies=3 insync=2 min=1      a world; the first copies are in sync, copy 1 is primary
//	write N text                     node N orders an entry, one transaction for each letter
//	sync N                           the disk of node N does all that it was asked for
//	deliver [to N]                   all messages, and those that follow from them [to node N: once]
//	drop to N                        the messages to node N are lost
//	tick N n                         n ticks on node N
//	hold | release                   proposals of the in-sync set wait | are carried out
//	tell N                           node N hears of all rows
//	crash N | restart N              a life ends | another begins, with its copy's place in the table as Join leaves it
//	down N | promote ID              commands of the placement leader
//	spoil N                          a bit flips in node N's store
//	status                           one line for each node
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			switch {
			case got == string(text):
			case *rewrite:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s prints something else; see the difference with -rewrite:\n%s", file, got)
			}
		})
	}
}

// play runs a scenario and gives the file as it should be.
func play(t *testing.T, text string) string {
	var out strings.Builder
	var w *world
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if i+1 >= len(lines) || lines[i+1] != "----" {
			out.WriteString(line)
			if i+1 < len(lines) {
				out.WriteByte('\n')
			}
			continue
		}
		out.WriteString(line + "\n----\n")
		i++
		for i+1 < len(lines) && lines[i+1] != "" {
			i++
		}
		words := strings.Fields(line)
		if words[0] == "new" {
			w = newScenario(words[1:])
		} else if err := w.command(words); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, note := range w.trace {
			out.WriteString(strings.TrimLeft(note, " ") + "\n")
		}
		if w.wrong != nil {
			t.Errorf("%q: %v", line, w.wrong)
		}
		w.trace = nil
	}
	return out.String()
}

func newScenario(words []string) *world {
	args := map[string]int{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		args[name], _ = strconv.Atoi(value)
	}
	w := newWorld(1, args["copies"], args["min"], false, 0)
	for i := range w.row.Copies {
		w.row.Copies[i].InSync = i < args["insync"]
	}
	w.rough, w.keep, w.mail = false, true, nil
	for _, n := range w.nodes {
		w.start(n)
	}
	w.trace = nil
	return w
}

func (w *world) command(words []string) error {
	number := func(i int) int {
		if i >= len(words) {
			return 0
		}
		n, _ := strconv.Atoi(words[i])
		return n
	}
	n := w.nodes[min(number(1), len(w.nodes)-1)]
	switch words[0] {
	case "write":
		e, err := n.core.Propose(len(words[2]), []byte(words[2]), false)
		if err != nil {
			w.note("refused: %v", err)
			return nil
		}
		w.note("n%d orders %d..%d in term %d", n.at, e.First, e.Last, e.Term)
		w.settle(n)
	case "sync":
		for len(n.queue) > 0 {
			w.sync(n)
		}
	case "deliver":
		w.deliverAll(words, number(2))
	case "drop":
		w.mail = slices.DeleteFunc(w.mail, func(m Message) bool { return w.homes[m.To] == number(2) })
	case "tick":
		for range number(2) {
			n.core.Tick()
			w.settle(n)
		}
	case "tell":
		for len(n.rows) > 0 {
			w.tell(n)
		}
	case "spoil":
		n.store[0] ^= 1
	case "status":
		for _, n := range w.nodes {
			w.note("%s", n.describe())
		}
	default:
		return w.fate(words[0], number(1), n)
	}
	return nil
}

func (w *world) fate(verb string, id int, n *node) error {
	switch verb {
	case "hold":
		w.held = []func(){}
	case "release":
		for _, propose := range w.held {
			propose()
		}
		w.held = nil
	case "crash":
		w.crash(n)
	case "restart":
		w.restart(n)
	case "down":
		w.down(n, false)
	case "promote":
		w.promote(shards.CopyID(id))
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

func (w *world) deliverAll(words []string, to int) {
	if len(words) < 2 {
		for len(w.mail) > 0 {
			w.deliver()
		}
		return
	}
	var rest, now []Message
	for _, m := range w.mail {
		if w.homes[m.To] == to {
			now = append(now, m)
		} else {
			rest = append(rest, m)
		}
	}
	for len(now) > 0 {
		w.mail = now[:1:1]
		w.deliver()
		rest, now = append(rest, w.mail...), now[1:]
	}
	w.mail = rest
}

func (n *node) describe() string {
	if !n.up {
		return fmt.Sprintf("n%d down", n.at)
	}
	s := n.core.Status()
	return fmt.Sprintf("n%d copy %d %v term %d: applied %q, commit %d, persisted %d, last %v", n.at, s.Self, s.Role, s.Term, n.store, s.Commit, s.Persisted, n.core.End())
}
