package integration

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// browser is a headless browser, or none.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no browser is here; on Debian: apt-get install chromium")
	return ""
}

// page opens a view of a member's console and gives what a person would see of it, as markup.
func page(ctx context.Context, browser, profile string, m *harness.Member, view string) (string, error) {
	out, err := exec.CommandContext(ctx, browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+profile, "--virtual-time-budget=5000", "--dump-dom",
		"http://"+m.Config.HTTP+"/_console/#/"+view).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", browser, err)
	}
	return string(out), nil
}

// sees waits until a page has all of these texts.
func (p *town) sees(m *harness.Member, view string, want ...string) {
	p.t.Helper()
	program, profile := browser(p.t), filepath.Join(p.t.TempDir(), "profile")
	var seen string
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) (err error) {
		if seen, err = page(ctx, program, profile, m, view); err != nil {
			return err
		}
		for _, text := range want {
			if !strings.Contains(seen, text) {
				return fmt.Errorf("the page %s does not show %q; it shows\n%s", view, text, seen)
			}
		}
		return nil
	}))
}

// Issue: "Tested in headless Chromium: a failover is provoked and seen in the page".
func TestConsoleShowsAFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	browser(t)
	p := newTown(t, harness.ClusterConfig{})
	victim := p.other(p.leader())
	witness := p.other(victim, p.leader())
	led := p.led(victim)
	p.sees(witness, "map", "all 16 shards served", "3/3 nodes", led[0]+" on "+victim.Name+": primary")
	p.write(1, victim)
	victim.Kill()
	p.yellow()
	p.sees(witness, "map", "2/3 nodes", led[0]+" on "+victim.Name+": on a node that is down", victim.Name+" (dead)")
	p.sees(witness, "map/"+led[0], "May another copy go there?", "same_node", "Move ")
	p.sees(witness, "failovers", victim.Name+"@1", "recovered")
	p.sees(witness, "failovers/"+victim.Name, "failover "+victim.Name, "detect "+victim.Name, "take over "+led[0], "← chosen", "draining")
	p.sees(witness, "nodes", "Forget", "Drain")
	p.sees(witness, "settings", "cluster.routing.allocation.enable", "node_left.delayed_timeout")
	p.sees(witness, "keys", "Write a test key", "default")
	p.sees(witness, "policies", "same_node", "troupe policy push")
	p.sees(witness, "raw", "cluster_uuid")
	p.sees(witness, "metrics", "troupe_node_epoch")
	p.restart(victim)
	p.reckon()
}
