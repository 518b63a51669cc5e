package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// TestConsoleAtWork does with the console what somebody does who runs a cluster, and holds what is seen against what the node answers.
func TestConsoleAtWork(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	browser(t)
	p := newTown(t, harness.ClusterConfig{})
	witness := p.leader()
	full := p.other(witness)
	p.troupe("settings", "set", "cluster.routing.allocation.disk.threshold_enabled=false") // how full this machine is shall not matter
	s := open(t, witness)
	s.comparesAShadow(p, full)
	s.tellsOfVersions(p)
	s.takesASettingBack(p)
	s.writesAKey(p)
	s.view("raw")
	p.waitFor("the page shows the state as it is", func() (same bool) {
		must(t, s.Eval(soon(t), `fetch('/_cluster/state').then((a) => a.json()).then((state) => document.querySelector('pre.tall')?.textContent === JSON.stringify(state, null, 1))`, &same))
		return same
	})
	s.shows(p.Members[0].Config.HTTP, "disk.threshold_enabled")
	s.until(`fetch('/_metrics/recent').then((a) => a.json()).then((a) => a.moments.length > 1)`)
	must(t, s.Open(soon(t), "about:blank")) // what follows is seen by somebody who comes now
	s.view("metrics")
	s.beginsWithThePast()
	s.tellsApart()
	s.findsTheProblem(p, full)
	s.isLegible("map/default/0", "problems", "failovers", "failovers/"+full.Name, "nodes", "policies", "actors", "topics", "settings", "keys", "metrics", "raw")
}

// comparesAShadow puts a policy in the shadow, and holds what the page says of it against the comparison itself.
func (s *screen) comparesAShadow(p *town, spared *harness.Member) {
	s.t.Helper()
	p.rests()
	p.troupe("policy", "push", module(s.t, "one"), "--name", "spare")
	s.sees("policies", "in the shadow: nothing")
	p.troupe("policy", "shadow", "spare", "--version", "1", "--set", "nodes="+spared.Name)
	var seen struct {
		Comparison *admin.Comparison
		Title      string
		Flips      [][]string
		Moves      []string
	}
	const look = `(async (part) => {
		if (!part) return {};
		const number = part.dataset.number, text = (e) => e.innerText.trim();
		const seen = { Title: text(part.querySelector('h4')), Flips: [...part.querySelectorAll('[aria-label="Verdicts that would be others"] tbody tr')].map((r) => [...r.children].map(text)), Moves: [...part.querySelectorAll('.moves li')].map(text) };
		const lines = (await (await fetch('/_policy/spare/comparisons')).text()).trim().split('\n').map((l) => JSON.parse(l));
		return { Comparison: lines.find((c) => c.term + '.' + c.number === number), ...seen };
	})(document.querySelector('[aria-label="What the shadow would do"]'))`
	p.waitFor("the page shows a comparison", func() bool {
		must(s.t, s.Eval(soon(s.t), look, &seen))
		return seen.Comparison != nil
	})
	c := seen.Comparison
	if c.TotalFlips() <= len(c.Flips) || c.TotalMoves() == 0 {
		s.t.Fatalf("nothing is said by this comparison: %+v", c)
	}
	if want := fmt.Sprintf("%d verdicts would be others, of %d of %d shards; %d moves would be made or not", c.TotalFlips(), c.Asked, c.Shards, c.TotalMoves()); seen.Title != want {
		s.t.Errorf("the page says %q, want %q", seen.Title, want)
	}
	var flips [][]string
	for _, f := range c.Flips {
		flips = append(flips, []string{f.Question, f.From, f.To, fmt.Sprint(f.Count), f.Example})
	}
	if !slices.EqualFunc(seen.Flips, flips, slices.Equal) {
		s.t.Errorf("the page shows the verdicts %q, want %q", seen.Flips, flips)
	}
	var moves []string
	for _, m := range c.Added {
		moves = append(moves, "+ only with the shadow: "+m)
	}
	for _, m := range c.Gone {
		moves = append(moves, "− only in force: "+m)
	}
	if c.Unlisted == 0 && !slices.Equal(seen.Moves, moves) {
		s.t.Errorf("the page shows the moves %q, want %q", seen.Moves, moves)
	}
	s.named("policies, with a comparison")
	s.tabTo("End the shadow")
	s.does("Do it", "troupe policy shadow spare --off")
	s.shows("in the shadow: nothing")
}

// tellsOfVersions holds what the page says for and against the versions of a policy against what is so: the gate, golden vectors, faults, quarantine.
func (s *screen) tellsOfVersions(p *town) {
	s.t.Helper()
	s.shows("There is no gate: ")
	fixture, vectored := filepath.Join(s.t.TempDir(), "drain.yaml"), filepath.Join(s.t.TempDir(), "vectored.wasm")
	must(s.t, os.WriteFile(fixture, []byte("nodes: [{name: n1}, {name: n2, draining: true}]\nkeyspaces: [{name: orders, shards: 1}]\n"+
		"cases:\n  - {ask: allocate orders/0, expect: {n1: YES, n2: NO}}\n"), 0o600))
	draining := filepath.Join("..", "policies", "modules", "draining", "draining.wasm")
	p.troupe("policy", "test", fixture, "--policy", draining, "--embed", vectored)
	p.troupe("policy", "push", draining, "--name", "drained")
	p.troupe("policy", "push", vectored, "--name", "drained")
	p.troupe("settings", "set", cluster.SettingPolicyGate+"=vectors=1")
	p.troupe("policy", "quarantine", "spare", "--version", "1", "--reason", "nobody trusts it")
	s.shows("The gate, which a version has to pass to be activated: <code>vectors=1</code>")
	const rows = `[...document.querySelectorAll('[aria-label="Versions of %s"] tbody tr')].map((r) => [...r.children].map((c) => c.innerText.replaceAll(/\s+/g, ' ').trim().replace(/ ?[0-9a-f]{12}$/, '')).join('|')).join(';') === %q`
	s.until(rows, "drained", "2|1.0.0|1|0|;1|1.0.0|0|0|")
	s.until(rows, "spare", "1|1.0.0|0|in quarantine|nobody trusts it")
	must(s.t, s.Eval(soon(s.t), `(() => { // faults come when they come, and the third is a quarantine: the answer is told as if there had been two
		const asked = window.fetch;
		window.fetch = async (...of) => {
			const answer = await asked(...of);
			if (!String(of[0]).endsWith('/_policy')) return answer;
			const all = await answer.json();
			Object.assign(all.policies.find((p) => p.name === 'drained').versions[1], { strikes: 2, fault: 'it ended in a trap' });
			return new Response(JSON.stringify(all), { headers: answer.headers });
		};
	})()`, nil))
	s.view("raw")
	s.view("policies")
	s.until(rows, "drained", "2|1.0.0|1|2|it ended in a trap;1|1.0.0|0|0|")
	s.named("policies, with faults")
	p.troupe("settings", "set", cluster.SettingPolicyGate+"=")
	p.troupe("policy", "quarantine", "spare", "--version", "1", "--lift")
}

// does presses the button that has the focus, holds the command line of the dialog against the one that is wanted, and has it done.
func (s *screen) does(button, command string) {
	s.t.Helper()
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] .command code').textContent === %q`, command)
	s.confirms(button)
	s.press("Escape")
	s.until(`!document.querySelector('dialog[open]')`)
}

// confirms has what an open dialog asks be done.
func (s *screen) confirms(button string) {
	s.t.Helper()
	s.tabTo(button)
	s.press("Enter")
	s.until(`document.querySelector('dialog[open] .go') === null && document.querySelector('dialog[open] [role=status]').className !== 'bad'`)
}

// takesASettingBack changes a setting, finds the change in the history, and takes it back from there.
func (s *screen) takesASettingBack(p *town) {
	s.t.Helper()
	const name = "cluster.routing.allocation.node_left.delayed_timeout"
	set := func() string {
		var all struct{ Persistent map[string]string }
		answer, err := p.Members[0].Node().Fetch(soon(s.t), "/_cluster/settings")
		must(s.t, err)
		must(s.t, json.Unmarshal(answer, &all))
		return all.Persistent[name]
	}
	before := set()
	s.view("settings")
	s.tabTo("Only those with")
	s.types("delayed_timeout")
	s.tabTo("Change " + name)
	s.press("Enter")
	s.until(`document.activeElement.name === 'value'`)
	must(s.t, s.Eval(soon(s.t), `document.activeElement.select()`, nil))
	s.types("77s")
	s.until(`document.querySelector('dialog[open] .command code').textContent === 'troupe settings set %s=77s'`, name)
	s.confirms("Do it")
	s.press("Escape")
	s.until(`document.querySelector('[aria-label="Changes"] tbody tr ins').innerText === '77s'`)
	if now := set(); now != "77s" {
		s.t.Errorf("the setting was changed to 77s, and is %q", now)
	}
	s.tabTo("Take back")
	s.does("Do it", "troupe settings set "+name+"="+before)
	s.until(`document.querySelector('[aria-label="Changes"] tbody tr del').innerText === '77s'`)
	if now := set(); now != before {
		s.t.Errorf("the change was taken back, and the setting is %q; it was %q", now, before)
	}
}

// writesAKey writes a key whose name and value a shell would take for something else: first by the command line that the dialog shows, then by
// the dialog.
func (s *screen) writesAKey(p *town) {
	s.t.Helper()
	const key, value = "it's a key", "-n \"$HOME\"\nand more"
	s.view("keys")
	s.tabTo("Write a test key")
	s.press("Enter")
	s.until(`document.querySelector('dialog[open]')`)
	for _, field := range []struct{ name, text string }{{"Key", key}, {"Value", value}} {
		s.tabTo(field.name)
		must(s.t, s.Eval(soon(s.t), `document.activeElement.select()`, nil))
		s.types(field.text)
	}
	s.until(`document.querySelector('dialog[open] .command code').textContent.includes('and more')`)
	var line string
	must(s.t, s.Eval(soon(s.t), `document.querySelector('dialog[open] .command code').textContent`, &line))
	verb := p.run(soon(s.t), "version")
	shell := exec.CommandContext(soon(s.t), "sh", "-c", `troupe() { "$PROGRAM" "$@"; }`+"\n"+line)
	shell.Env = append(verb.Env, "PROGRAM="+verb.Path)
	if out, err := shell.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	if got := p.troupe("get", key); got != value {
		s.t.Errorf("%s\nwrites %q, want %q", line, got, value)
	}
	p.troupe("del", key)
	s.confirms("Do it")
	s.shows("Written and read back; the write took ")
	if got := p.troupe("get", key); got != value {
		s.t.Errorf("the dialog writes %q, want %q", got, value)
	}
	s.press("Escape")
	s.until(`document.querySelector('[aria-label="Value"] pre').textContent === %q`, value)
}

// findsTheProblem lets a node die, and come back with no room, and finds out from any page, by keyboard alone, what is wrong.
func (s *screen) findsTheProblem(p *town, full *harness.Member) {
	s.t.Helper()
	const cause = `document.querySelector('header a.cause')`
	s.view("keys")
	s.until("!%s", cause)
	full.Kill()
	s.until(`%s?.innerText.startsWith('Why: node %s: it is down: ')`, cause, full.Name)
	full.Config.Args = append(slices.Clone(full.Config.Args), "--disk-reserve", "1000tb", "--skip-preflight")
	must(s.t, full.Start())
	s.until(`%s?.innerText.startsWith('Why: node %s: the disk of node ') && document.querySelector('header [role=status] b').innerText === 'YELLOW'`, cause, full.Name)
	must(s.t, s.Open(soon(s.t), "http://"+s.host+"/_console/?anew#/keys")) // as somebody opens it
	s.until("%s", cause)
	s.press("Tab", "Tab") // past the link to the page
	if at := s.focus(); !strings.HasPrefix(at, "Why: node "+full.Name) {
		s.t.Fatalf("the second Tab leads to %q, and not to why the cluster is not green", at)
	}
	s.press("Enter")
	s.until(`document.querySelector('main h1').innerText === 'Problems' && document.activeElement.id === 'main'`)
	s.shows("writes that grow are refused", " shards have a copy there.", "If a node died")
	s.until(`document.querySelectorAll('[aria-label="What the death of each node would come to"] tbody tr').length > 0`)
	s.named("problems")
	p.waitFor("a shard with a copy there says that it refuses writes", func() (says bool) {
		rows, err := p.Shards(soon(s.t))
		must(s.t, err)
		if i := slices.IndexFunc(rows, func(r harness.ShardRow) bool { return r.Node == full.Name }); i >= 0 {
			s.view("map/" + rows[i].Keyspace + "/" + rows[i].Shard)
			must(s.t, s.Eval(soon(s.t), fmt.Sprintf(`document.querySelector('main').innerText.includes('Writes that grow are refused: the disk of node %s')`, full.Name), &says))
		}
		return says
	})
}

// faint lists the words of a page that stand out from their ground by less than the Web Content Accessibility Guidelines ask for (1.4.3, level AA):
// 4.5 to 1, and 3 to 1 where they are large. What cannot be used at the moment is no part of it.
const faint = `(() => {
	const parts = (c) => { const m = c.match(/[\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
	const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
	const luminance = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ground = (e) => { const layers = []; for (; e; e = e.parentElement) layers.push(parts(getComputedStyle(e).backgroundColor)); return layers.reduceRight((below, c) => over(c, below), [255, 255, 255, 1]); };
	const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	let seen = 0;
	for (let n; (n = walk.nextNode());) {
		const e = n.parentElement;
		if (!n.data.trim() || e.closest('.away, .skip, option, :disabled, noscript, title') || !e.checkVisibility()) continue;
		const style = getComputedStyle(e), back = ground(e), size = parseFloat(style.fontSize);
		const [high, low] = [luminance(over(parts(style.color), back)), luminance(back)].sort((a, b) => b - a);
		const ratio = (high + 0.05) / (low + 0.05), wanted = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700) ? 3 : 4.5;
		seen++;
		if (ratio < wanted) found.push(ratio.toFixed(2) + ' to 1: ' + n.data.trim().slice(0, 60));
	}
	return { Seen: seen, Dark: luminance(ground(document.body)) < 0.2, Found: [...new Set(found)] };
})()`

// tellsApart asks the page's own code for what clusters are seldom like: a shard of two decisions in one failover, and nodes that are called as copies are.
func (s *screen) tellsApart() {
	s.t.Helper()
	var said, why string
	must(s.t, s.Eval(soon(s.t), `import('/_console/then.js').then(({ decidedUntil }) => {
		const record = { plans: [{ began: 100e6, took_ns: 2e6 }, { began: 300e6, took_ns: 4e6 }], earlier: [{ shard: 1, plan: 0, reason: 'first' }, { shard: 2, plan: 1, reason: 'of another' }],
			shards: [{ id: 1, name: 'default/1', plan: 1, decided: 102e6, reason: 'second' }] };
		return [90, 150, 310].map((until) => decidedUntil(record, 'default/1', until)).map((d) => (d ? d.s.reason + ' at ' + d.at : 'nothing')).join(', ');
	})`, &said))
	same(s.t, said, "nothing, first at 102, second at 304")
	must(s.t, s.Eval(soon(s.t), `import('/_console/problems.js').then(({ problemsOf }) => problemsOf({ nodes: [], health: { reasons: ['c4 recovers on node c1', 'c5 recovers on node c1', 'c4 recovers on node c2',
		'its last in-sync copy c5 cannot be opened on node c1; …', 'its last in-sync copy c6 cannot be opened on node c1; …'].map((reason, i) => ({ shard: 'default/' + i, status: 'yellow', reason })) } }).map((p) => p.what.length + ': ' + p.reason).join(', '))`, &why))
	same(s.t, why, "2: a copy recovers on node c1, 1: c4 recovers on node c2, 2: its last in-sync copy cannot be opened on node c1; …")
}

// beginsWithThePast holds the lines of the metrics to what the node has kept, of which at least two moments were before the page was opened: at most the
// newest is not shown yet.
func (s *screen) beginsWithThePast() {
	s.t.Helper()
	s.until(`[...document.querySelectorAll('.sparks path')].filter((p) => p.getAttribute('d').includes('L')).length > 20`)
	s.until(`fetch('/_metrics/recent').then((a) => a.json()).then((a) => document.querySelector('.sparks svg[aria-label^="troupe_node_epoch: "] path')?.getAttribute('d').split('L').length >= a.moments.length - 1)`)
	var said string
	must(s.t, s.Eval(soon(s.t), `import('/_console/metrics.js').then(({ grown, shown, short }) => {
		const answer = (moments, ...lines) => ({ every_ms: 5, max_kept: 4, moments, lines: lines.map(([name, kind, ...values]) => ({ name, kind, help: '', values })) });
		const text = (known) => shown(known).map((l) => l.name + l.unit + ' ' + JSON.stringify(l.values)).join('; ');
		let known = grown({ moments: [], lines: new Map() }, answer([1000, 2000], ['g', 'gauge', 1, null], ['h_sum', 'counter', 0, 6], ['h_count', 'counter', 0, 3], ['n', 'counter', 5, 7]));
		const said = [text(known)];
		known = grown(known, answer([3000, 5000], ['n', 'counter', 2, 12], ['z', 'gauge', 8, 9]));
		said.push(text(known));
		known = grown(known, answer([6000], ['n', 'counter', 12]));
		said.push(known.moments + ': ' + text({ ...known, lines: new Map([...known.lines].filter(([name]) => name === 'n' || name === 'g')) }));
		said.push(text(grown(known, answer([500], ['n', 'counter', 1]))));
		return [...said, [short('a_seconds', .0213), short('a_seconds', 0), short('a_bytes', 77.31e9), short('a_ratio', .0241), short('a', 1234)].join(', ')].join('\n');
	})`, &said))
	same(s.t, said, `g [1,null]; h mean [null,2]; h_count/s [null,3]; n/s [null,2]
g [1,null,null,null]; h mean [null,2,null,null]; h_count/s [null,3,null,null]; n/s [null,2,0,5]; z [null,null,8,9]
2000,3000,5000,6000: g [null,null,null,null]; n/s [null,0,5,0]
n/s [null]
21.3 ms, 0 s, 77.3 GB, 0.0241, 1.23 k`)
}

// isLegible looks at views in both colour schemes.
func (s *screen) isLegible(views ...string) {
	s.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		must(s.t, s.Scheme(soon(s.t), scheme))
		for _, view := range views {
			s.view(view)
			s.until(`document.querySelector('main :is(h2, table, pre, figure)') && !/(Asking|Reading|Waiting|Measuring)[^.]*…/.test(document.querySelector('main').innerText)`)
			if strings.HasPrefix(view, "failovers/") { // to a moment that lacks copies
				s.until(`document.querySelector('.state.yellow') || ((line) => {
					if (line.dataset.was !== line.value) {
						line.dataset.was = line.value;
						document.querySelector('[aria-label="One change on"]').click();
						return;
					}
					line.dataset.was = ''; // it was the last: once more from the beginning
					line.value = line.min;
					line.dispatchEvent(new Event('input', { bubbles: true }));
				})(document.querySelector('.timeline input[type=range]'))`)
			}
			var page struct {
				Seen  int
				Dark  bool
				Found []string
			}
			must(s.t, s.Eval(soon(s.t), faint, &page))
			if page.Seen < 20 || page.Dark != (scheme == "dark") {
				s.t.Errorf("%s, %s: %d words, dark: %v", view, scheme, page.Seen, page.Dark)
			}
			for _, words := range page.Found {
				s.t.Errorf("%s, %s: %s", view, scheme, words)
			}
		}
	}
}
