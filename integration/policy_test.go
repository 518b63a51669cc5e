package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// module writes a policy to a file: that of the placement's own tests, with a section behind it that nobody reads, so that each
// name gives another module.
func module(t *testing.T, name string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join("..", "actors", "placement", "testdata", "keep_off.wasm"))
	must(t, err)
	section := append([]byte{byte(len(name))}, name...)
	path := filepath.Join(t.TempDir(), name+".wasm")
	must(t, os.WriteFile(path, append(append(code, 0, byte(len(section))), section...), 0o600))
	return path
}

// policy is what the cluster says of a policy.
func (p *town) policy(name string) (info admin.PolicyInfo) {
	p.t.Helper()
	must(p.t, json.Unmarshal([]byte(p.troupe("policy", "inspect", name, "--json")), &info))
	return info
}

// denied runs a verb that must be refused, with exit code 4, and returns what it printed.
func (p *town) denied(args ...string) string {
	p.t.Helper()
	cmd := p.run(soon(p.t), args...)
	out, _ := cmd.CombinedOutput() // how it ended is in ProcessState
	if code := cmd.ProcessState.ExitCode(); code != 4 {
		p.t.Fatalf("troupe %q: exit code %d, want 4\n%s", args, code, out)
	}
	return string(out)
}

func (p *town) empty(m *harness.Member) {
	p.t.Helper()
	p.becomes(m, "empty", func(r harness.NodeRow) bool { return r.Copies == 0 })
	p.green()
}

func (p *town) used(m *harness.Member) {
	p.t.Helper()
	p.becomes(m, "used", func(r harness.NodeRow) bool { return r.Copies > 0 })
	p.green()
}

// TestPolicyFromOutside: a module is pushed, shadowed, activated and taken back, and the leader dies in between. Placement does
// what it says, and clients lose nothing.
func TestPolicyFromOutside(t *testing.T) {
	p := newTown(t, harness.ClusterConfig{Nodes: 4})
	leader := p.leader()
	spared, next := p.other(leader), p.other(leader, p.other(leader))
	p.write(2, spared)
	if out := p.troupe("policy", "push", module(t, "one"), "--name", "spare"); !strings.Contains(out, "version 1 (1.0.0)") || !strings.Contains(out, "4/4 nodes are ready") {
		t.Errorf("pushed: %s", out)
	}
	p.troupe("policy", "push", module(t, "two"), "--name", "spare")
	if out := p.denied("policy", "diff", "spare", "1", "2"); !strings.Contains(out, "module") || strings.Contains(out, "reason") {
		t.Errorf("they differ in their module and in nothing that they say: %s", out)
	}

	before, err := p.Shards(soon(t))
	must(t, err)
	p.troupe("policy", "shadow", "spare", "--version", "1", "--set", "nodes="+spared.Name)
	var seen admin.Comparison
	p.waitFor("a plan is compared", func() bool {
		for line := range strings.Lines(p.troupe("policy", "shadow", "spare", "--show", "--json")) {
			must(t, json.Unmarshal([]byte(line), &seen))
		}
		return seen.Number > 0
	})
	held := len(slices.DeleteFunc(slices.Clone(before), func(r harness.ShardRow) bool { return r.Node != spared.Name }))
	if seen.TotalMoves() < held || seen.TotalFlips() == 0 || seen.Policies[0].Absent != "" || len(seen.Faults) > 0 {
		t.Errorf("%s holds %d copies, and the shadow would change %+v", spared.Name, held, seen)
	}
	if out := p.denied("policy", "activate", "spare", "--version", "1", "--set", "nodes="+spared.Name, "--require-shadow", "1", "--max-moves", "0"); !strings.Contains(out, "the gate is closed") {
		t.Errorf("the gate let it through: %s", out)
	}
	if row, err := p.Node(soon(t), spared.Name); err != nil || row.Copies == 0 {
		t.Errorf("the shadow moved something: %d copies, then %+v: %v", held, row, err)
	}

	p.troupe("policy", "activate", "spare", "--version", "1", "--set", "nodes="+spared.Name, "--require-shadow", "1")
	p.empty(spared)
	p.unnoticed()
	p.goesOn(crashLimit, leader.Kill)
	p.restart(leader)
	p.troupe("keyspace", "create", "more:shards=8,replicas=1") // what comes now is placed by the new leader
	p.empty(spared)

	p.troupe("policy", "activate", "spare", "--version", "2", "--set", "nodes="+next.Name)
	p.empty(next)
	p.used(spared)
	p.troupe("policy", "rollback", "spare")
	p.empty(spared)
	p.used(next)
	if info := p.policy("spare"); info.Active == nil || info.Active.Version != 1 || info.Active.Settings["nodes"] != spared.Name || info.Previous.Version != 2 {
		t.Errorf("after the rollback: %+v", info)
	}
	if !testing.Short() {
		for _, m := range p.Members {
			m.Kill()
		}
		p.restart(p.Members...) // whoever leads now has to make the policy ready before it moves anything
		p.empty(spared)
	}
	p.troupe("policy", "deactivate", "spare")
	p.used(spared)
	p.reckon()
}

// TestBadPolicyFromOutside: a module that traps, or never ends, is quarantined by itself; placement and failovers go on.
func TestBadPolicyFromOutside(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{})
	moods := []string{"trap", "spin"}
	if testing.Short() {
		moods = moods[:1]
	}
	for i, mood := range moods {
		p.writeEverywhere(1)
		name := mood + "ping"
		p.troupe("policy", "push", module(t, mood), "--name", name)
		if out := p.denied("policy", "activate", name, "--set", "mood="+mood); !strings.Contains(out, "fails when it is asked, and nothing was changed: ") {
			t.Errorf("what fails at its first answer was not found out: %s", out)
		}
		p.troupe("policy", "activate", name, "--set", "mood=newly_"+mood) // which nobody can know before there is another keyspace
		p.troupe("keyspace", "create", mood+":shards=8,replicas=1")
		p.waitFor("it is quarantined", func() bool {
			info := p.policy(name)
			return info.Active == nil && strings.Contains(info.Versions[0].Quarantined, "it failed 3 times")
		})
		p.green()
		if out := p.denied("policy", "activate", name); !strings.Contains(out, "is quarantined: it failed 3 times") {
			t.Errorf("it could be activated again: %s", out)
		}
		if out := p.troupe("policy", "logs", name); !strings.Contains(out, "fault") {
			t.Errorf("its log says nothing of how it failed: %s", out)
		}
		if i == 0 {
			leader := p.leader()
			p.goesOn(crashLimit, leader.Kill)
			p.restart(leader)
			if info := p.policy(name); info.Active != nil || info.Versions[0].Quarantined == "" {
				t.Errorf("another leader believes it: %+v", info)
			}
		}
	}
	p.reckon()
}

// TestNodeThatCannotRunPolicies: as long as a node that may lead cannot run a module, its cluster does not activate it, and says
// which node and why.
func TestNodeThatCannotRunPolicies(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{}, func(c *harness.Cluster) {
		c.Members[2].Config.Args = append(c.Members[2].Config.Args, "--guests", "off")
	})
	for _, out := range []string{p.denied("policy", "push", module(t, "one"), "--name", "spare"), p.denied("policy", "activate", "spare")} {
		if !strings.Contains(out, "node n3 cannot run it") || strings.Contains(out, "node n1") {
			t.Errorf("refused with: %s", out)
		}
	}
	if info := p.policy("spare"); info.Active != nil {
		t.Errorf("it is in force: %+v", info)
	}
	stubborn := p.Members[2]
	must(t, stubborn.Stop(soon(t)))
	stubborn.Config.Args = slices.DeleteFunc(stubborn.Config.Args, func(arg string) bool { return arg == "--guests" || arg == "off" })
	p.restart(stubborn)
	p.troupe("policy", "push", module(t, "one"), "--name", "spare")
	p.troupe("policy", "activate", "spare", "--set", "nodes=n1")
	p.empty(p.Members[0])
}
