package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestVoteReadme follows examples/vote/README.md as a reader would, on real processes, up to where it waits for time to pass; then the node dies that
// the ballot lives on, and its tally stands. What comes of time is tested there, on a stage.
func TestVoteReadme(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{Keyspaces: []string{"actors:shards=8,replicas=1"}})
	must(t, p.WaitVoters(soon(t)))
	binary, err := program()
	must(t, err)
	bin := t.TempDir()
	must(t, os.Symlink(binary, filepath.Join(bin, "troupe")))
	shell := func(line string) string {
		cmd := p.run(soon(t))
		cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", line}
		cmd.Dir, cmd.Env = filepath.Join("..", "examples", "vote"), append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
		out, _ := cmd.CombinedOutput() // a refusal is in what it prints
		return strings.TrimSpace(string(out))
	}
	text, err := os.ReadFile(filepath.Join("..", "examples", "vote", "README.md"))
	must(t, err)
	before, _, found := strings.Cut(string(text), "\n# half a minute later")
	if !found {
		t.Fatal("README.md waits for nothing")
	}
	last, want, checked := "", "", 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)(?:```|$)").FindAllStringSubmatch(before, -1) {
		for _, command := range strings.Split("\n"+strings.TrimSpace(block[1]), "\n$ ")[1:] {
			line, output, _ := strings.Cut(command, "\n")
			switch {
			case line == "troupe dev &":
			case strings.Contains(line, " tally") || strings.Contains(line, " account"): // which messages between actors may not have reached yet
				last, want = line, output
				got := ""
				p.waitFor(line, func() bool { got = shell(line); return got == want })
				checked++
			default:
				if got := shell(line); output != "" && got != output || output == "" && !strings.Contains(got, "in use") {
					t.Fatalf("%s\n%s\nnot\n%s", line, got, output)
				}
				checked++
			}
		}
	}
	if checked < 14 || !strings.Contains(last, "ballot/lunch tally") {
		t.Fatalf("%d commands were followed; the last that tells is %s", checked, last)
	}
	victim, err := p.Primary(soon(t), "actors", "s/{ballot/lunch}")
	must(t, err)
	victim.Kill()
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("after its node has died, %s says\n%s\nnot\n%s", last, got, want)
		}
	}()
	p.waitFor(last, func() bool { got = shell(last); return got == want }) // a failover may take longer than nodes are patient
}
