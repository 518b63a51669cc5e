package liveness

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
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios print into testdata")

// TestScenarios plays each file of testdata in a world of its own. A file is blocks: comment lines that quote the sentence that
// the block proves, commands, "----", and what happened, with the time. -rewrite writes the last part anew: the diff is the
// review.
//
//	world N [seed=S] [lease=TICKS] [noproof]   N nodes, n1 leads
//	run D                    time passes: 1.5s
//	crash NODE               the process ends, its connections break, its machine refuses
//	stop NODE, cont NODE     SIGSTOP and SIGCONT
//	vanish NODE              the machine is gone: no answer of any kind
//	cut A B, heal            drops what A sends to B; heals all
//	filter A B               a firewall lets B open connections to A, and not A to B: drops what A sends to B, asks and dials, but for the
//	                         rounds of the metadata group, which has its own view of who leads
//	old NODE                 it is of a release that does not say for how long it has had no answer
//	network latency=D jitter=D loss=P
//	restart NODE             another life, which joins
//	set NAME=VALUE           a setting of the cluster, for who leads and for those who lead later
//	elect NODE               it leads from now on; who led does not hear of it if he cannot
//	drift NODE PPM           how fast its clock runs from now on
//	figures NODE fsync=D queue=D late=D
//	status                   what the leader knows, and who holds a lease
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

type player struct {
	*testing.T
	w   *world
	out []string
}

func playAll(t *testing.T, text string) string {
	p := &player{T: t}
	var out []string
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		head, _, runs := strings.Cut(block+"\n", "----\n")
		out = append(out, strings.TrimRight(head, "\n"))
		if !runs {
			continue
		}
		p.out = nil
		for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
			if !strings.HasPrefix(line, "#") {
				p.play(strings.Fields(line))
			}
		}
		out[len(out)-1] += "\n----\n" + cmp.Or(strings.Join(p.out, "\n"), "nothing")
	}
	return strings.Join(out, "\n\n") + "\n"
}

func (p *player) print(format string, args ...any) {
	p.out = append(p.out, fmt.Sprintf("%v  ", time.Duration(p.w.now))+fmt.Sprintf(format, args...))
}

func (p *player) play(words []string) {
	w := p.w
	switch words[0] {
	case "world":
		p.begin(words[1:])
	case "run":
		w.run(p.duration(words[1]))
	case "crash":
		w.crash(w.machine(words[1]))
	case "stop":
		w.machine(words[1]).stopped = true
	case "cont":
		w.machine(words[1]).stopped = false
	case "vanish":
		w.machine(words[1]).vanished = true
	case "cut":
		w.cuts[[2]shards.NodeID{w.machine(words[1]).id, w.machine(words[2]).id}] = true
	case "filter":
		w.filters[[2]shards.NodeID{w.machine(words[1]).id, w.machine(words[2]).id}] = true
	case "old":
		w.machine(words[1]).old = true
	case "heal":
		clear(w.cuts)
		clear(w.filters)
	case "network":
		w.latency, w.jitter = p.duration(p.value(words, "latency")), p.duration(p.value(words, "jitter"))
		w.loss, _ = strconv.ParseFloat(p.value(words, "loss"), 64)
	case "restart":
		w.begin(w.machine(words[1]))
	case "elect":
		if !w.elect(w.machine(words[1])) {
			p.print("%s gets no majority", words[1])
		}
	case "set":
		name, value, _ := strings.Cut(words[1], "=")
		w.settings = append(slices.DeleteFunc(w.settings, func(s cluster.Setting) bool { return s.Name == name }), cluster.Setting{Name: name, Value: value})
		w.tune(w.leader)
	case "drift":
		p.drift(w.machine(words[1]), p.number(words[2]))
	case "figures":
		w.machine(words[1]).health = Health{Fsync: p.duration(p.value(words, "fsync")), Queue: p.duration(p.value(words, "queue")), Late: p.duration(p.value(words, "late"))}
	case "status":
		p.status()
	default:
		p.Fatalf("unknown command %q", words)
	}
}

func (p *player) begin(words []string) {
	c := Config{NoProof: strings.Contains(strings.Join(words, " "), "noproof")}
	if lease := p.value(words, "lease"); lease != "" {
		c.Lease = int(p.number(lease))
	}
	p.w = &world{}
	*p.w = *newWorld(p.T, int(p.number(words[0])), c, uint64(p.number(cmp.Or(p.value(words, "seed"), "1"))), func(string, ...any) {})
	p.w.print, p.w.beats = p.print, true
}

// drift keeps the clock's time and changes its pace.
func (p *player) drift(m *machine, ppm int64) {
	if p.w.now != 0 {
		p.Fatal("a clock drifts from the beginning of its world, or not")
	}
	m.ppm = ppm
}

func (p *player) status() {
	for _, s := range p.w.leader.detector.All() {
		line := fmt.Sprintf("%s epoch %d %v: %s", s.Node, s.Epoch, s.State, s.Reason)
		if s.Held != 0 {
			line += " (held)"
		}
		p.out = append(p.out, line)
	}
	var holders []string
	for _, m := range p.w.nodes {
		if m.up && m.holder.Valid(p.w.clock(m)) {
			holders = append(holders, string(m.id))
		}
	}
	p.out = append(p.out, "leases: "+cmp.Or(strings.Join(holders, " "), "none"))
}

func (p *player) value(words []string, key string) string {
	for _, word := range words {
		if v, ok := strings.CutPrefix(word, key+"="); ok {
			return v
		}
	}
	return ""
}

func (p *player) duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		p.Fatal(err)
	}
	return d
}

func (p *player) number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.Fatal(err)
	}
	return n
}
