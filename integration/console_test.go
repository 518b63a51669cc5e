package integration

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// browser is a program that shows pages without a window, or none.
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

// screen is a member's console as somebody has it open.
type screen struct {
	*harness.Browser
	t    *testing.T
	host string
}

// open shows a member's console. What goes wrong in it fails the test at its end, and so does whatever it asks others than its node.
func open(t *testing.T, m *harness.Member) *screen {
	t.Helper()
	b, err := harness.OpenBrowser(soon(t), browser(t), filepath.Join(t.TempDir(), "profile"), 1280, 900)
	must(t, err)
	s := &screen{b, t, m.Config.HTTP}
	t.Cleanup(func() {
		if t.Failed() {
			s.keepPicture()
		}
		b.Close()
		for _, problem := range b.Problems() {
			if !strings.Contains(problem, "401 (Unauthorized)") { // a token is asked for after it
				t.Errorf("the browser complains: %s", problem)
			}
		}
		for _, address := range b.Requests() {
			if u, err := url.Parse(address); err != nil || u.Host != s.host && u.Host != "" {
				t.Errorf("the console asks for %s; it shall work without a network", address)
			}
		}
	})
	return s
}

// keepPicture writes what is seen to a file, which stays with go test -artifacts.
func (s *screen) keepPicture() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	png, err := s.Picture(ctx)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.t.ArtifactDir(), "console.png"), png, 0o600)
	}
	if err != nil {
		s.t.Logf("there is no picture of the page: %v", err)
	}
}

// view goes to a view.
func (s *screen) view(name string) {
	s.t.Helper()
	must(s.t, s.Open(soon(s.t), "http://"+s.host+"/_console/#/"+name))
	page, _, _ := strings.Cut(name, "/")
	s.until(`document.querySelector('main h1') && document.querySelector('nav a[aria-current=page]').getAttribute('href') === %q`, "#/"+page) // else it is the one before
}

// sees waits until a view has all of these texts, in words or in labels.
func (s *screen) sees(view string, want ...string) {
	s.t.Helper()
	s.view(view)
	s.shows(want...)
}

func (s *screen) shows(want ...string) {
	s.t.Helper()
	for _, text := range want {
		must(s.t, s.Until(soon(s.t), `document.body.outerHTML.replaceAll('&nbsp;', ' ').includes(`+strconv.Quote(text)+`)`))
	}
}

func (s *screen) until(expression string, args ...any) {
	s.t.Helper()
	must(s.t, s.Until(soon(s.t), fmt.Sprintf(expression, args...)))
}

func (s *screen) press(keys ...string) {
	s.t.Helper()
	must(s.t, s.Press(soon(s.t), keys...))
}

func (s *screen) types(text string) {
	s.t.Helper()
	must(s.t, s.Type(soon(s.t), text))
}

// focus is what has it: its label, or its text.
func (s *screen) focus() (name string) {
	s.t.Helper()
	must(s.t, s.Eval(soon(s.t), `(e => e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || e.id)(document.activeElement).trim()`, &name))
	return name
}

// tabTo presses Tab until something of that name has the focus, and says how often that took.
func (s *screen) tabTo(name string) int {
	s.t.Helper()
	for i := range 200 {
		if s.focus() == name {
			return i
		}
		s.press("Tab")
	}
	s.t.Fatalf("Tab does not lead to %q; it led to %q", name, s.focus())
	return 0
}

// controls are the roles of what somebody works with: a screen reader must have a name for each.
var controls = []string{"button", "link", "textbox", "searchbox", "combobox", "slider", "checkbox", "dialog", "image", "table", "meter", "group", "navigation"}

// named fails the test if a screen reader could not say what something is.
func (s *screen) named(view string) {
	s.t.Helper()
	parts, err := s.Spoken(soon(s.t))
	must(s.t, err)
	headings, focusable := 0, 0
	for _, p := range parts {
		if p.Role == "heading" {
			headings++
		}
		if p.Focusable {
			focusable++
		}
		if strings.TrimSpace(p.Name) == "" && (slices.Contains(controls, p.Role) || p.Focusable && p.Role != "main") {
			s.t.Errorf("the view %s has a %s without a name", view, p.Role)
		}
	}
	if headings == 0 || focusable < 3 {
		s.t.Errorf("the view %s has %d headings and %d parts that can have the focus", view, headings, focusable)
	}
}

// Promised: "Tested in headless Chromium: a failover is provoked and seen in the page", "playback of the committed shard table along a time
// line beside the waterfall of a failover".
func TestConsoleShowsAFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	browser(t)
	p := newTown(t, harness.ClusterConfig{})
	must(t, p.Set(soon(t), cluster.SettingNodeLeftDelay, "1h")) // the copies of the dead are still there, however long one looks
	p.rests()                                                   // else what is led may be handed over before it is looked at
	victim := p.other(p.leader())
	witness := p.other(victim, p.leader())
	led := p.led(victim)
	s := open(t, witness)
	s.sees("map", "all 16 shards served", "3/3 nodes", led[0]+" on "+victim.Name+": primary")
	p.write(1, victim)
	victim.Kill()
	p.yellow()
	s.sees("map", "2/3 nodes", led[0]+" on "+victim.Name+": on a node that is down", victim.Name+": dead")
	s.sees("map/"+led[0], "May a copy go there, or stay?", "has a copy", "same_node", "Move ")
	s.sees("failovers", victim.Name+"@1", "recovered")
	s.sees("failovers/"+victim.Name, "failover "+victim.Name, "detect "+victim.Name, "take over "+led[0], "← chosen", "draining")
	s.playsBack(led[0], victim.Name)
	s.sees("metrics", "Upright lines are failovers", victim.Name+"@1")
	s.until(`document.querySelector('.sparks svg[aria-label^="troupe_cluster_status: "] .death')`)
	s.looksBack(led[0], victim.Name)
	for view, want := range map[string][]string{
		"nodes": {"Forget", "Drain"}, "settings": {"cluster.routing.allocation.enable", "node_left.delayed_timeout"}, "keys": {"Write a test key", "default"},
		"policies": {"same_node", "troupe policy push"}, "raw": {"cluster_uuid"}, "topics": {"no node knows actors of kind topic", "recipes.Kinds()"}, "metrics": {"troupe_node_epoch"},
	} {
		s.sees(view, want...)
		s.named(view)
	}
	s.usesKind(p, witness)
	s.view("nodes")
	s.until(`document.querySelectorAll('.rtt td').length === 4 && /^[0-9.]+ [µm]s$/.test(document.querySelector('.rtt td:not(.self)').innerText.replace(/\s/g, ' ').replace('⚠ ', ''))`)
	p.restart(victim)
	p.reckon()
}

// usesKind has a version of a kind that was pushed be used, by keyboard alone, and sees where its actors are.
func (s *screen) usesKind(p *town, m *harness.Member) {
	s.t.Helper()
	s.sees("actors", "None yet.", "No node knows a kind")
	p.troupe("actor", "push", guestModule("counter.wasm"), "--hold")
	s.shows("No version is in use", "✓ on all 2: ", "1.0.0")
	s.named("actors")
	s.tabTo("Use version 1 of counter")
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] .command code').innerText === 'troupe actor use counter --version 1'`)
	s.named("actors, with the dialog open")
	s.tabTo("Use it")
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] [role=status]').innerText === 'Done.'`)
	s.press("Escape")
	s.shows("In use: version 1 (1.0.0)")
	p.troupe("actor", "call", "counter/page-7", "add", "1")
	s.view("raw")
	s.view("actors") // asked anew, and not in ten seconds
	s.until(`document.querySelector('[aria-label="Actors in memory"] tbody').innerText.includes('version 1')`)
	s.shows(" 1 in memory")
}

// playsBack looks at the table before and after a failover, and lets it play, by keyboard alone.
func (s *screen) playsBack(shard, victim string) {
	s.t.Helper()
	s.until(`document.querySelector('.meanwhile [role=group][aria-label="Time line"] input[type=range]')`)
	label := func(words string) string {
		return fmt.Sprintf(`document.querySelector('.meanwhile .grid [aria-label^=%q]')`, shard+" on "+victim+": "+words)
	}
	s.named("failovers/" + victim)
	s.tabTo("Time")
	s.press("End")
	s.until("%s", label("on a node that is down"))
	s.press("Home")
	s.until("%s", label("primary"))
	s.until(`document.querySelectorAll('.waterfall .now').length > 4`)
	s.tabTo("Pace")
	s.press("ArrowUp")
	s.tabTo("Play")
	s.press("Enter")
	s.until(`document.querySelector('.play').getAttribute('aria-label') === 'Pause'`)
	s.until("%s", label("on a node that is down"))
	s.until(`document.querySelector('.play').getAttribute('aria-label') === 'Play'`)
	s.tabTo("One change back")
	s.press("Enter", "Enter", "Enter", "Enter", "Enter", "Enter")
	s.until("%s", label("primary"))
	must(s.t, s.Eval(soon(s.t), label("primary")+".focus()", nil)) // the grid is one stop of Tab; arrows lead to this cell
	s.press("Enter")
	s.until(`location.hash.endsWith(%q) && document.querySelector('[aria-label="Why there"] select').value === %q`, "/"+shard, shard)
	s.until(`/^(alive|draining)/.test(document.querySelector('[aria-label="Why there"] .who').innerText)`)
	if at := s.focus(); !strings.HasPrefix(at, shard+" on "+victim) {
		s.t.Errorf("the cell was chosen, and the focus went to %q", at)
	}
}

// looksBack asks the map about a moment before a failover and about one after it.
func (s *screen) looksBack(shard, victim string) {
	s.t.Helper()
	const then = `document.querySelector('[aria-label$=" as it was"]')`
	told := fmt.Sprintf(`[...%s.querySelectorAll('h3')].some((h) => h.innerText.startsWith('Decided last until then: failover %s@1'))`, then, victim)
	s.sees("map/"+shard, "May a copy go there, or stay?")
	s.tabTo("Time")
	s.press("Home", "End") // where it is live it is at the end, and stays so
	s.until(`%s?.innerText.includes('troupe explain %s --at 20')`, then, shard)
	s.until("%s", told)
	s.shows("← chosen")
	s.named("map, in the past")
	s.tabTo("One change back")
	for before := false; !before; { // the last changes may be about other copies
		const moment = `document.querySelector('.timeline output').innerText`
		var was string
		must(s.t, s.Eval(soon(s.t), moment, &was))
		s.press("Enter")
		s.until("%s !== %q", moment, was)
		must(s.t, s.Eval(soon(s.t), fmt.Sprintf(`%s.innerText.includes(' on %s: primary')`, then, victim), &before))
	}
	s.until("!%s", told)
}

// Promised: "keyboard and screen reader usable", "each write action asks, needs the token, and shows its command line".
func TestConsoleByKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	browser(t)
	p := newTown(t, harness.ClusterConfig{})
	guarded := p.Members[2]
	guarded.Kill()
	guarded.Config.Env = append(guarded.Config.Env, "TROUPE_TOKEN=open-sesame") // from now on nobody but the page can ask it
	must(t, guarded.Start())
	n := guarded.Node()
	must(t, n.Until(soon(t), func(ctx context.Context) error {
		if err := n.Healthy(ctx); err == nil || !strings.Contains(err.Error(), "401") {
			return fmt.Errorf("without a token: %w", err)
		}
		return nil
	}))
	s := open(t, guarded)
	must(t, s.Open(soon(t), "http://"+guarded.Config.HTTP+"/_console/"))
	s.until(`document.querySelector('dialog[open] h2')?.innerText === 'This node asks for a token'`)
	s.named("map, with the dialog open")
	s.types("open-sesame")
	s.press("Enter")
	s.until(`!document.querySelector('dialog[open]')`)
	s.shows("all 16 shards served")
	s.named("map")

	if s.press("Tab"); s.focus() != "Skip to the page" {
		t.Errorf("the first Tab leads to %q, and not past the navigation", s.focus())
	}
	s.press("Enter")
	if s.focus() != "main" && !strings.HasPrefix(s.focus(), "Map") {
		t.Errorf("the link to the page leads to %q", s.focus())
	}
	s.press("Tab")
	first := s.focus()
	s.press("ArrowRight", "ArrowDown")
	if at := s.focus(); at == first || !strings.Contains(at, " on n2: ") {
		t.Errorf("arrows lead from %q to %q in the map", first, at)
	}
	s.press("Enter")
	s.shows("May a copy go there, or stay?")

	s.view("nodes")
	s.drain(p, "n2")
}

// drain asks for a drain and thinks better of it, and then drains a node and lets it hold copies again.
func (s *screen) drain(p *town, node string) {
	s.t.Helper()
	draining := func() bool {
		nodes, err := p.Members[0].Node().Fetch(soon(s.t), "/_nodes")
		must(s.t, err)
		return strings.Contains(string(nodes), `"draining":true`)
	}
	s.tabTo("Drain " + node)
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] .command code').innerText === 'troupe drain %s'`, node)
	s.named("nodes, with the dialog open")
	s.press("Escape")
	s.until(`!document.querySelector('dialog[open]')`)
	if s.focus() != "Drain "+node || draining() {
		s.t.Errorf("after Escape the focus is on %q, and the node drains: %v", s.focus(), draining())
	}
	s.press("Enter")
	s.until(`document.querySelector('dialog[open]')`)
	s.tabTo("Drain it")
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] [role=status]').innerText === 'Done.'`)
	s.tabTo("Close")
	s.press("Enter")
	s.until(`document.querySelector('[aria-label="End the drain of %s"]')`, node)
	if !draining() {
		s.t.Error("the page says that the node drains, and it does not")
	}
	s.tabTo("End the drain of " + node)
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] .command code').innerText === 'troupe drain %s --cancel'`, node)
	s.tabTo("End the drain")
	s.press("Enter")
	s.until(`document.querySelector('[aria-label="Drain %s"]')`, node)
}
