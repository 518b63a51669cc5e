package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/runtime"
)

// gate holds handlers up, in the middle of their messages, while it is shut.
type gate struct {
	mu   sync.Mutex
	shut chan struct{} // nil: it is open
	held int
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	if shut != nil {
		g.held++
	}
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.held = make(chan struct{}), 0
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.shut)
	g.shut = nil
}

func (g *gate) waiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// ledgers are actors that keep a list of names. A handler passes the gate when it has seen the state.
func ledgers(g *gate) *virtual.Kind {
	k := virtual.NewKind[[]string]("ledger")
	virtual.Handle(k, "add", func(c *virtual.Context[[]string], name string) ([]string, error) {
		*c.State = append(*c.State, name)
		g.pass()
		return *c.State, nil
	})
	virtual.Handle(k, "list", func(c *virtual.Context[[]string], _ string) ([]string, error) {
		g.pass()
		return *c.State, nil
	})
	return k.Kind
}

// ledgerNode says what one process of TestOldActivationIsSilent or TestActorsSurviveKills is.
type ledgerNode struct {
	Name, Listen, Admin, Peer, Data string
	Initial                         []string
}

// TestLedgerNode is a process of those tests, and nothing else. It ends when it is killed.
func TestLedgerNode(t *testing.T) {
	var c ledgerNode
	if text := os.Getenv("TROUPE_LEDGER"); text == "" {
		t.Skip("another test runs this one in processes of its own")
	} else {
		must(t, json.Unmarshal([]byte(text), &c))
	}
	node, err := runtime.Start(t.Context(), runtime.Config{Name: c.Name, Peer: c.Peer, HTTP: c.Admin, Initial: c.Initial, Data: c.Data})
	must(t, err)
	g := &gate{}
	must(t, node.Register(t.Context(), ledgers(g)))
	must(t, node.Register(t.Context(), tallies()))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ledger/{name}/{method}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var list []string
		if err == nil {
			list, err = virtual.Call[string, []string](r.Context(), node.Actors(), virtual.ID{Kind: "ledger", Name: r.PathValue("name")}, r.PathValue("method"), string(body))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, strings.Join(list, " "))
	})
	mux.HandleFunc("POST /shut", func(http.ResponseWriter, *http.Request) { g.close() })
	mux.HandleFunc("POST /open", func(http.ResponseWriter, *http.Request) { g.open() })
	mux.HandleFunc("GET /held", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, g.waiting()) })
	l, err := net.Listen("tcp", c.Listen)
	must(t, err)
	t.Fatal(http.Serve(l, mux))
}

// startLedgers runs three processes whose gates are open.
func startLedgers(t *testing.T) (list []*polling) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	var peers []string
	for range 3 {
		peer, err := harness.FreeAddress()
		must(t, err)
		peers = append(peers, peer)
	}
	for i, peer := range peers {
		c := ledgerNode{Name: fmt.Sprint("n", i+1), Peer: peer, Initial: peers, Data: t.TempDir()}
		c.Listen, err = harness.FreeAddress()
		must(t, err)
		c.Admin, err = harness.FreeAddress()
		must(t, err)
		text, err := json.Marshal(c)
		must(t, err)
		p := &polling{
			program: program, args: []string{"-test.run", "^TestLedgerNode$", "-test.timeout", "0"},
			env: append(os.Environ(), "TROUPE_LEDGER="+string(text), "TMPDIR="+t.TempDir()), url: "http://" + c.Listen, admin: "http://" + c.Admin,
		}
		p.start(t)
		t.Cleanup(func() {
			p.process.Load().Kill()
			if t.Failed() {
				t.Logf("the last words of %s:\n%s", c.Name, p.process.Load().Output())
			}
		})
		list = append(list, p)
	}
	return list
}

// rests waits until no copy and no lead is on its way, and placement wants nothing else.
func (p *polling) rests(t *testing.T, client *http.Client) {
	t.Helper()
	p.until(t, "placement is at rest", func(ctx context.Context) bool {
		status, state := get(ctx, client, p.admin+"/_cluster/state")
		if status != http.StatusOK {
			return false
		}
		status, plan := ask(ctx, client, http.MethodPost, p.admin+"/_cluster/reroute?dry_run", nil, http.Header{})
		return status == http.StatusOK && atRest([]byte(state), []byte(plan)) == nil
	})
}

// until asks a process until what it answers is right.
func (p *polling) until(t *testing.T, what string, right func(ctx context.Context) bool) {
	t.Helper()
	must(t, p.process.Load().Until(soon(t), func(ctx context.Context) error {
		if right(ctx) {
			return nil
		}
		return errors.New(what)
	}))
}

// book is what the test knows of a ledger.
type book struct {
	actor string
	acked []string // names that were acknowledged
	sent  []string
}

// name is one that nobody has sent yet.
func (b *book) name() string {
	b.sent = append(b.sent, b.actor+"."+strconv.Itoa(len(b.sent)))
	return b.sent[len(b.sent)-1]
}

// lacks is what was acknowledged and is not in a list.
func (b *book) lacks(list string) []string {
	there := strings.Fields(list)
	return slices.DeleteFunc(slices.Clone(b.acked), func(name string) bool { return slices.Contains(there, name) })
}

// add has a name added by way of a process, until one is.
func (b *book) add(t *testing.T, client *http.Client, p *polling) {
	t.Helper()
	p.until(t, "a name is added to ledger "+b.actor, func(ctx context.Context) bool {
		name := b.name()
		status, list := p.do(ctx, client, "POST", "/ledger/"+b.actor+"/add", []byte(name))
		if status != http.StatusOK {
			return false
		}
		if missing := b.lacks(list); len(missing) > 0 {
			t.Errorf("ledger %s answers %q, without %q", b.actor, list, missing)
		}
		b.acked = append(b.acked, name)
		return true
	})
}

// livesAt is the process where a ledger lives, by the word of another one.
func (b *book) livesAt(t *testing.T, client *http.Client, list []*polling, ask *polling) (home *polling) {
	t.Helper()
	ask.until(t, "it is known where ledger "+b.actor+" lives", func(ctx context.Context) bool {
		var inside struct{ Node string }
		status, text := get(ctx, client, ask.admin+"/_actors/inspect?actor=ledger/"+b.actor)
		if status != http.StatusOK || json.Unmarshal([]byte(text), &inside) != nil {
			return false
		}
		i := slices.Index([]string{"n1", "n2", "n3"}, inside.Node)
		if i >= 0 {
			home = list[i]
		}
		return i >= 0
	})
	return home
}

// TestOldActivationIsSilent stops a process (SIGSTOP) while two of its actors are in the middle of a message, until both live elsewhere and have
// handled others there. Then it goes on, and the handlers end on a state of old. What they have changed is committed only as what the actors
// have become since, and what they answer is that as well, or nothing.
func TestOldActivationIsSilent(t *testing.T) {
	onceIsEnough(t)
	list := startLedgers(t)
	client := &http.Client{Timeout: patience}
	for _, p := range list {
		p.until(t, "the cluster is green", func(ctx context.Context) bool {
			status, text := get(ctx, client, p.admin+"/_cluster/health")
			return status == http.StatusOK && strings.Contains(text, `"status":"green"`)
		})
	}
	list[0].rests(t, client) // an actor whose shard is handed over meanwhile is asked elsewhere
	books := map[*polling][]*book{}
	var old, other *polling
	for i := 0; old == nil; i++ {
		b := &book{actor: strconv.Itoa(i)}
		b.add(t, client, list[i%len(list)])
		home := b.livesAt(t, client, list, list[0])
		if books[home] = append(books[home], b); len(books[home]) == 2 {
			old = home
		}
	}
	other = list[(slices.Index(list, old)+1)%len(list)]
	changed, asked := books[old][0], books[old][1]

	old.do(t.Context(), client, "POST", "/shut", nil)
	name := changed.name()
	var running sync.WaitGroup
	var added, listed int
	var addedTo, answer string
	running.Go(func() {
		added, addedTo = old.do(t.Context(), client, "POST", "/ledger/"+changed.actor+"/add", []byte(name))
	})
	running.Go(func() { listed, answer = old.do(t.Context(), client, "POST", "/ledger/"+asked.actor+"/list", nil) })
	old.until(t, "both actors are in the middle of a message", func(ctx context.Context) bool {
		_, text := get(ctx, client, old.url+"/held")
		return text == "2"
	})
	must(t, old.process.Load().Pause())
	for range 3 {
		changed.add(t, client, other)
		asked.add(t, client, other)
	}
	if changed.livesAt(t, client, list, other) == old || asked.livesAt(t, client, list, other) == old {
		t.Fatal("the process that stands still has the actors")
	}
	must(t, old.process.Load().Resume())
	old.do(t.Context(), client, "POST", "/open", nil)
	running.Wait()

	t.Logf("the change is answered with %d %q, the question with %d %q", added, addedTo, listed, answer)
	if missing := asked.lacks(answer); listed == http.StatusOK && len(missing) > 0 {
		t.Errorf("the old activation answers without %q, which were acknowledged before", missing)
	}
	if missing := changed.lacks(addedTo); added == http.StatusOK && len(missing) > 0 {
		t.Errorf("the old activation has committed without %q, which were acknowledged before", missing)
	}
	if added == http.StatusOK {
		changed.acked = append(changed.acked, name)
	}
	for _, b := range []*book{changed, asked} {
		b.reckon(t, client, other)
	}
}

// reckon compares a ledger with what is known of it, when all is over.
func (b *book) reckon(t *testing.T, client *http.Client, p *polling) {
	t.Helper()
	last := ""
	p.until(t, "ledger "+b.actor+" answers", func(ctx context.Context) bool {
		status, list := p.do(ctx, client, "POST", "/ledger/"+b.actor+"/list", nil)
		last = list
		return status == http.StatusOK
	})
	there := strings.Fields(last)
	if missing := b.lacks(last); len(missing) > 0 {
		t.Errorf("ledger %s has lost %q, which were acknowledged: %q", b.actor, missing, there)
	}
	slices.Sort(there)
	if len(slices.Compact(slices.Clone(there))) != len(there) {
		t.Errorf("ledger %s has a name twice: %q", b.actor, there)
	}
}
