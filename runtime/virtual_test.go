package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/shards"
)

// account counts, and remembers which requests it has counted: one that is counted twice shows.
type account struct {
	Balance int
	Counted map[string]int
}

type deposit struct {
	Request string
	Amount  int
}

type transfer struct {
	To     string
	Amount int
}

// accounts makes the kind, anew for each node: that is what processes do.
func accounts(options ...virtual.Option) *virtual.Kind {
	k := virtual.NewKind[account]("account", options...)
	virtual.Handle(k, "deposit", func(c *virtual.Context[account], d deposit) (int, error) {
		if c.State.Counted == nil {
			c.State.Counted = map[string]int{}
		}
		if d.Request != "" {
			c.State.Counted[d.Request]++
		}
		c.State.Balance += d.Amount
		return c.State.Balance, nil
	})
	virtual.Handle(k, "look", func(c *virtual.Context[account], _ struct{}) (account, error) { return *c.State, nil })
	virtual.Handle(k, "transfer", func(c *virtual.Context[account], t transfer) (int, error) {
		c.State.Balance -= t.Amount
		if err := c.Tell(virtual.ID{Kind: "account", Name: t.To}, "deposit", deposit{Amount: t.Amount}); err != nil {
			return 0, err
		}
		if c.State.Balance < 0 {
			return 0, virtual.Fail("insufficient-funds", "only %d are there", c.State.Balance+t.Amount)
		}
		return c.State.Balance, nil
	})
	virtual.Handle(k, "break", func(c *virtual.Context[account], _ struct{}) (int, error) {
		c.State.Balance = -1
		c.Set("broken", nil)
		panic("on purpose")
	})
	virtual.Handle(k, "note", func(c *virtual.Context[account], notes map[string]string) (list []string, err error) {
		for key, text := range notes {
			if text == "" {
				c.Delete(key)
			} else {
				c.Set(key, []byte(text))
			}
		}
		for e, err := range c.Scan("") {
			if err != nil {
				return nil, err
			}
			list = append(list, e.Key+"="+string(e.Value))
		}
		return list, nil
	})
	virtual.Handle(k, "remind", func(c *virtual.Context[account], after time.Duration) (int, error) {
		return 0, c.Remind("bell", after, 0, "deposit", deposit{Amount: 1000})
	})
	return k.Kind
}

func registered(t *testing.T, c *troop, options ...virtual.Option) {
	t.Helper()
	for _, n := range c.nodes {
		if err := n.Register(t.Context(), accounts(options...)); err != nil {
			t.Fatal(err)
		}
	}
	c.whole()
}

func anAccount(name string) virtual.ID { return virtual.ID{Kind: "account", Name: name} }

func look(t *testing.T, n *Node, name string) account {
	t.Helper()
	a, err := virtual.Call[struct{}, account](t.Context(), n.Actors(), anAccount(name), "look", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// DESIGN.md section 6: "commits its state changes and outgoing messages atomically …; an error or a trap changes nothing".
func TestActorsAnswerFromAnyNode(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	registered(t, c)
	for i := range 30 {
		id := anAccount(fmt.Sprintf("{odd}/%d%%", i%10))
		if got, err := virtual.Call[deposit, int](t.Context(), c.nodes[i%3].Actors(), id, "deposit", deposit{Amount: 5}); err != nil || got != 5*(i/10+1) {
			t.Fatalf("deposit %d: %d, %v", i, got, err)
		}
	}
	id := anAccount("a")
	for n := range c.nodes {
		h := c.nodes[n].Actors()
		for _, call := range []struct {
			method string
			code   virtual.Code
			text   string
		}{{"transfer", virtual.CodeFailed, "only 0 are there"}, {"break", virtual.CodePanicked, "on purpose"}, {"no", virtual.CodeUnknown, "no such method"}} {
			_, err := h.Call(t.Context(), id, call.method, []byte(`{"To":"b","Amount":7}`))
			if virtual.CodeOf(err) != call.code || !strings.Contains(err.Error(), call.text) || !strings.Contains(err.Error(), "account/a") {
				t.Errorf("%s through %s: %v", call.method, c.nodes[n].Name(), err)
			}
		}
		if _, err := h.Call(t.Context(), id, "deposit", []byte(`[]`)); virtual.CodeOf(err) != virtual.CodeBadRequest {
			t.Errorf("a list for a struct: %v", err)
		}
		if _, err := h.Call(t.Context(), virtual.ID{Kind: "ghost", Name: "x"}, "m", nil); virtual.CodeOf(err) != virtual.CodeNoKind || !strings.Contains(err.Error(), " on node n") {
			t.Errorf("a kind that nobody knows: %v", err)
		}
		if a := look(t, c.nodes[n], "a"); a.Balance != 0 || a.Counted != nil {
			t.Errorf("after failures the account is %+v", a)
		}
	}
	list, err := virtual.Call[map[string]string, []string](t.Context(), c.nodes[0].Actors(), id, "note", map[string]string{"b": "2", "a": "1", "c": "3"})
	if err != nil || fmt.Sprint(list) != "[a=1 b=2 c=3]" {
		t.Errorf("notes %v, %v", list, err)
	}
	list, err = virtual.Call[map[string]string, []string](t.Context(), c.nodes[1].Actors(), id, "note", map[string]string{"b": "", "aa": "4"})
	if err != nil || fmt.Sprint(list) != "[a=1 aa=4 c=3]" {
		t.Errorf("notes %v, %v", list, err)
	}
}

// A node knows the keyspace of its actors when Register returns, whoever leads the cluster.
func TestRegisterKnowsItsKeyspace(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1))
	for i := range 9 {
		name := fmt.Sprint("kind", i/3)
		k := virtual.NewKind[int](name, virtual.InKeyspace(name))
		virtual.Handle(k, "add", func(c *virtual.Context[int], n int) (int, error) { *c.State += n; return *c.State, nil })
		n := c.nodes[(i/3+i)%3] // each is the first for one kind
		if err := n.Register(t.Context(), k.Kind); err != nil {
			t.Fatal(err)
		}
		if n.state().KeyspaceByName(name) == nil {
			t.Errorf("node %s does not know keyspace %s", n.Name(), name)
		}
	}
	if n := c.nodes[0]; !n.Actors().Uses("kind1") || n.Actors().Uses("default") {
		t.Error("the keyspaces of actors are not what kinds say")
	}
}

// Kinds of the configuration are known when Start returns, with their keyspaces; and where a node leads shards again that it had before, so that
// what its actors had to do goes on by itself.
func TestKindsOfTheConfiguration(t *testing.T) {
	rang := make(chan int, 10)
	c := func(folder string) Config {
		k := virtual.NewKind[int]("bell", virtual.InKeyspace("tower"))
		virtual.Handle(k, "set", func(c *virtual.Context[int], n int) (int, error) {
			*c.State = n
			return n, c.Remind("ring", time.Second, 0, "ring", 1)
		})
		virtual.Handle(k, "ring", func(c *virtual.Context[int], n int) (int, error) {
			rang <- n + *c.State
			return n, nil
		})
		return Config{Data: folder, Replicas: shards.NoReplicas, Kinds: []*virtual.Kind{k.Kind, accounts()}}
	}
	folder, bell := t.TempDir(), virtual.ID{Kind: "bell", Name: "b"}
	n := must[*Node](t)(Start(t.Context(), c(folder)))
	open(t, n, "tower")
	if _, err := virtual.Call[int, int](t.Context(), n.Actors(), bell, "set", 41); err != nil {
		t.Fatal(err)
	}
	if a := look(t, n, "a"); a.Balance != 0 {
		t.Errorf("%+v", a)
	}
	if err := n.Register(t.Context(), accounts()); !errors.Is(err, ErrConfig) {
		t.Errorf("one that is there: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, c(folder))
	if got := <-rang; got != 42 {
		t.Errorf("the bell says %d", got)
	}
	for what, kinds := range map[string][]*virtual.Kind{"nil": {nil}, "two of one name": {accounts(), accounts()}} {
		n, err := Start(t.Context(), Config{Kinds: kinds})
		if !errors.Is(err, ErrConfig) || n != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What is nil is refused, or asks for nothing. What is asked of a node after its Close has an error, also where there would be an empty list.
func TestNilAndClosed(t *testing.T) {
	n := start(t, Config{})
	if err := n.Register(t.Context(), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("no kind is registered: %v", err)
	}
	if err := n.Actors().Register(nil); err == nil {
		t.Error("no kind is registered with the host")
	}
	if _, err := open(t, n, "default").Put(t.Context(), "key", nil, nil, TTL(time.Hour)); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if list, _, err := n.Actors().Aside(t.Context(), 0, virtual.AsidePage{Limit: 10}); !errors.Is(err, ErrClosed) {
		t.Errorf("set aside on a node that is closed: %v, %v", list, err)
	}
	if list, err := n.Failovers(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("failovers, says a node that is closed: %v, %v", list, err)
	}
}

// Promised: "100 failovers under call load: no acknowledged effect lost, none applied twice (each call carries a unique id …)".
func TestCallsSurviveFailovers(t *testing.T) {
	c := newTroop(t, true, volatileSpace("default", 1), volatileSpace("actors", 2))
	registered(t, c)
	const actorsCount = 6
	var stop atomic.Bool
	var acked [actorsCount]sync.Map
	var calls, unknown atomic.Int64
	var callers sync.WaitGroup
	for caller := range 6 {
		h := c.nodes[0].Actors() // it lives through all
		callers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				at := (caller + i) % actorsCount
				request := fmt.Sprintf("%d-%d", caller, i)
				_, err := virtual.Call[deposit, int](t.Context(), h, anAccount(fmt.Sprint(at)), "deposit", deposit{Request: request, Amount: 1})
				var known *shards.Error
				switch {
				case err == nil:
					acked[at].Store(request, true)
					calls.Add(1)
				case errors.As(err, &known):
					unknown.Add(1) // it may have happened, once
				default:
					t.Errorf("call %s: %v", request, err)
					return
				}
			}
		})
	}
	more := func(n int64) {
		from := calls.Load()
		eventually(t, "calls go on", func() bool { return calls.Load() >= from+n })
	}
	for round := range 4 {
		more(50)
		c.stop(1 + round%2)
		more(50)
		c.startAll()
		if err := c.nodes[1+round%2].Register(t.Context(), accounts()); err != nil {
			t.Fatal(err)
		}
	}
	more(50)
	c.kill(1)
	more(50)
	stop.Store(true)
	callers.Wait()
	for at := range actorsCount {
		a := look(t, c.nodes[0], fmt.Sprint(at))
		sum := 0
		for request, times := range a.Counted {
			sum += times
			if times != 1 {
				t.Errorf("request %s was counted %d times", request, times)
			}
		}
		if sum != a.Balance {
			t.Errorf("account %d: balance %d, %d requests", at, a.Balance, sum)
		}
		acked[at].Range(func(request, _ any) bool {
			if a.Counted[request.(string)] != 1 {
				t.Errorf("request %s was acknowledged and is not there", request)
			}
			return true
		})
	}
	t.Logf("%d calls acknowledged, %d of unknown outcome", calls.Load(), unknown.Load())
}

// What actors send each other arrives once, whoever dies.
func TestTransfersAddUp(t *testing.T) {
	c := newTroop(t, true, volatileSpace("default", 1), volatileSpace("actors", 2))
	registered(t, c)
	const n, begin = 8, 1000
	h := c.nodes[0].Actors()
	for i := range n {
		if _, err := virtual.Call[deposit, int](t.Context(), h, anAccount(fmt.Sprint(i)), "deposit", deposit{Amount: begin}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 120 {
		if i == 40 {
			c.stop(1)
		}
		if i == 80 {
			c.startAll()
			if err := c.nodes[1].Register(t.Context(), accounts()); err != nil {
				t.Fatal(err)
			}
		}
		from, to := i%n, (i*5+3)%n
		if _, err := virtual.Call[transfer, int](t.Context(), h, anAccount(fmt.Sprint(from)), "transfer", transfer{To: fmt.Sprint(to), Amount: 1}); err != nil {
			t.Fatalf("transfer %d: %v", i, err)
		}
	}
	eventually(t, "all messages have arrived", func() bool {
		sum := 0
		for i := range n {
			sum += look(t, c.nodes[0], fmt.Sprint(i)).Balance
		}
		return sum == n*begin
	})
}

// A reminder comes although the node that took it is gone.
func TestReminderSurvives(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	registered(t, c)
	id := anAccount("sleeper")
	_, owner, err := actorStorage{c.nodes[0]}.Locate("actors", "s/{account/sleeper}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := virtual.Call[time.Duration, int](t.Context(), c.nodes[0].Actors(), id, "remind", 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for i, n := range c.nodes {
		if n.id.Node == owner {
			c.kill(i)
		}
	}
	eventually(t, "the bell rings", func() bool { return look(t, c.running()[0], "sleeper").Balance == 1000 })
	if b := look(t, c.running()[1], "sleeper").Balance; b != 1000 {
		t.Errorf("it rang %d times", b/1000)
	}
}

// A flood is refused with a word that says so, and others go on.
func TestMailboxIsBounded(t *testing.T) {
	n := start(t, Config{Keyspaces: []shards.Keyspace{volatileSpace("actors", 0)}})
	gate := make(chan struct{})
	k := virtual.NewKind[struct{}]("slow", virtual.Mailbox(2))
	virtual.Handle(k, "wait", func(c *virtual.Context[struct{}], _ int) (int, error) {
		select {
		case <-gate:
		case <-c.Context().Done():
		}
		return 0, nil
	})
	if err := errors.Join(n.Register(t.Context(), k.Kind), n.Register(t.Context(), accounts())); err != nil {
		t.Fatal(err)
	}
	var busy atomic.Int64
	var callers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 10 {
		callers.Go(func() {
			if _, err := n.Actors().Call(ctx, virtual.ID{Kind: "slow", Name: "one"}, "wait", json.RawMessage("1")); virtual.CodeOf(err) == virtual.CodeBusy {
				busy.Add(1)
			}
		})
	}
	eventually(t, "the flood is refused", func() bool { return busy.Load() >= 7 }) // one is handled, or still waits with the two others
	if _, err := virtual.Call[deposit, int](t.Context(), n.Actors(), anAccount("x"), "deposit", deposit{Amount: 1}); err != nil {
		t.Errorf("another actor: %v", err)
	}
	close(gate)
	callers.Wait()
	cancel()
}
