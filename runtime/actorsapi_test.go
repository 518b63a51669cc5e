package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// What HTTP says of a message that was not handled is the same through every node.
func TestActorsOverHTTP(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	for _, n := range (actorsAPI{c.nodes[0]}).List(t.Context()).Nodes {
		if text, err := json.Marshal(n); err != nil || !strings.Contains(string(text), `"kinds":[]`) {
			t.Errorf("a node without kinds: %s, %v", text, err)
		}
	}
	registered(t, c)
	a := admin.ActorName{Kind: "account", Name: "a/b"}
	for _, n := range c.nodes {
		for _, call := range []struct {
			to           admin.ActorName
			method, body string
			status       int
		}{
			{a, "transfer", `{"To":"b","Amount":700}`, 422}, {a, "break", "", 500}, {a, "no", "", 404}, {a, "deposit", "[]", 400},
			{admin.ActorName{Kind: "ghost", Name: "x"}, "m", "", 404}, {a, "deposit", fmt.Sprintf("%q", make([]byte, virtual.MaxPayload)), 413},
		} {
			_, err := actorsAPI{n}.Call(t.Context(), call.to, "", call.method, []byte(call.body))
			var e *admin.Error
			if !errors.As(err, &e) || e.Status != call.status || (e.Code == "insufficient-funds") != (call.status == 422) {
				t.Errorf("%s of %v through %s: %v", call.method, call.to, n.Name(), err)
			}
		}
		if _, err := (actorsAPI{n}).Call(t.Context(), admin.ActorName{Kind: "account", Name: "once"}, "order-1", "deposit", []byte(`{"Amount":5}`)); err != nil {
			t.Error(err)
		}
		if err := (actorsAPI{n}).Tell(a, "deposit", []byte(`{"Amount":5}`)); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "what was told is there", func() bool { return look(t, c.nodes[0], "a/b").Balance == 15 })
	if got := look(t, c.nodes[0], "once").Balance; got != 5 {
		t.Errorf("a request with an id, sent through three nodes, has left %d", got)
	}
	for _, n := range c.nodes {
		eventually(t, n.Name()+" counts two actors in memory", func() bool { // if its shard has moved it is in memory elsewhere, once it is called
			look(t, n, "a/b")
			look(t, n, "once")
			active := 0
			for _, node := range (actorsAPI{n}).List(t.Context()).Nodes {
				if node.Error != "" { // a busy node does not answer in time
					return false
				}
				if len(node.Kinds) != 1 || node.Kinds[0].Kind != "account" {
					t.Fatalf("%+v", node)
				}
				active += node.Kinds[0].Active
			}
			return active == 2
		})
	}
}

// What was set aside anywhere is listed, sent again and dropped through every node.
func TestAsideThroughEveryNode(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 4))
	var closed atomic.Bool
	closed.Store(true)
	for _, n := range c.nodes {
		k := virtual.NewKind[int]("door")
		virtual.Handle(k, "knock", func(c *virtual.Context[int], n int) (int, error) {
			if closed.Load() {
				return 0, &virtual.Error{Code: virtual.CodeBadRequest, Text: "closed"} // which is not tried again
			}
			*c.State += n
			return *c.State, nil
		})
		virtual.Handle(k, "send", func(c *virtual.Context[int], to string) (int, error) {
			return 0, c.Tell(virtual.ID{Kind: "door", Name: to}, "knock", 1)
		})
		if err := n.Register(t.Context(), k.Kind); err != nil {
			t.Fatal(err)
		}
	}
	c.whole()
	const doors = 8
	id := func(i int) virtual.ID { return virtual.ID{Kind: "door", Name: fmt.Sprint(i)} }
	for i := range doors {
		if _, err := virtual.Call[string, int](t.Context(), c.nodes[i%3].Actors(), id(i), "send", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	var list admin.AsideList
	for _, n := range c.nodes {
		eventually(t, "all are listed through "+n.Name(), func() bool {
			var err error
			if list, err = (actorsAPI{n}).Aside(t.Context(), admin.AsideQuery{To: "door", Page: admin.Page{Limit: doors}}); err != nil {
				t.Fatal(err)
			}
			return len(list.Aside) == doors && !list.More && len(list.Unseen) == 0
		})
	}
	closed.Store(false)
	for i := range list.Aside {
		m := &list.Aside[i]
		for _, n := range c.nodes { // the first that can does it
			eventually(t, m.ID+" is gone", func() bool {
				told := actorsAPI{n}.Mend(t.Context(), []string{m.ID}, m.To == "door/0")
				return told[0].Problem == "" || told[0].Gone
			})
		}
	}
	for i := range doors {
		want := min(i, 1) // one was dropped
		eventually(t, fmt.Sprint(id(i), " has its message"), func() bool {
			got, err := virtual.Call[int, int](t.Context(), c.nodes[0].Actors(), id(i), "knock", 0)
			return err == nil && got == want
		})
	}
	if told := (actorsAPI{c.nodes[0]}).Mend(t.Context(), []string{list.Aside[0].ID, "nonsense"}, false); !told[0].Gone || told[1].Gone || told[1].Problem == "" {
		t.Errorf("in the end: %+v", told)
	}
}

// Whatever is asked of a kind that nobody knows is answered alike, through every node.
func TestAnActorOfAnUnknownKindIsNotFound(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 4))
	registered(t, c)
	for _, n := range c.nodes {
		for i := range 4 { // in different shards
			_, err := actorsAPI{n}.Inspect(t.Context(), admin.ActorName{Kind: "nope", Name: fmt.Sprint(i)})
			if e, is := errors.AsType[*admin.Error](err); !is || e.Status != 404 || e.Reason != "no node knows actors of kind nope" {
				t.Errorf("through %s: %v", n.Name(), err)
			}
			inside, err := actorsAPI{n}.Inspect(t.Context(), admin.ActorName{Kind: "account", Name: "never called"})
			if err != nil || inside.Active || inside.State != nil {
				t.Errorf("an actor of a known kind that nobody has called, through %s: %+v, %v", n.Name(), inside, err)
			}
		}
		if _, err := (actorsAPI{n}).Inspect(t.Context(), admin.ActorName{Kind: "a/b", Name: "c"}); !invalidKind(err) {
			t.Errorf("what is no name: %v", err)
		}
	}
}

// A node that runs no actors of a kind reaches them wherever they live: in a keyspace that only other nodes can name.
func TestCallsOfAKindThatIsElsewhere(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
	bank := func(n *Node) {
		if err := n.Register(t.Context(), accounts(virtual.InKeyspace("bank"))); err != nil {
			t.Fatal(err)
		}
	}
	bank(c.nodes[0])
	bank(c.nodes[1])
	caller, served := c.nodes[2], 0
	for i := range 40 { // those that live on the caller, which knows no such kind, are refused by name
		got, err := virtual.Call[deposit, int](t.Context(), caller.Actors(), anAccount(fmt.Sprint(i)), "deposit", deposit{Amount: 5})
		if virtual.CodeOf(err) == virtual.CodeNoKind && strings.Contains(err.Error(), "not registered on node n3") {
			continue
		}
		if served++; err != nil || got != 5 {
			t.Fatalf("account %d: %d, %v", i, got, err)
		}
		eventually(t, fmt.Sprintf("account %d is inspected through a node that does not know its kind", i), func() bool {
			inside, err := actorsAPI{caller}.Inspect(t.Context(), admin.ActorName{Kind: "account", Name: fmt.Sprint(i)})
			return err == nil && inside.State != nil && strings.HasPrefix(inside.Shard, "bank/")
		})
	}
	if served == 0 {
		t.Error("all of them live on the node that does not know their kind")
	}
}

// Kinds that come with programs are named with the nodes that lack them and may lead their shards. Modules are not, nor are nodes without copies, or of which nothing is known.
func TestKindsThatNodesLack(t *testing.T) {
	kinds := func(names ...string) (list []admin.ActorKind) {
		for _, name := range names {
			list = append(list, admin.ActorKind{Kind: name})
		}
		return list
	}
	nodes := []admin.ActorNode{
		{Node: "n1", Kinds: append(kinds("account", "audit", "cart"), admin.ActorKind{Kind: "pushed", Version: 2})}, {Node: "n2", Kinds: kinds("account", "cart")},
		{Node: "n3", Kinds: kinds("account")}, {Node: "gateway"},
	}
	got := fmt.Sprint(lacking(nodes, func(i int) bool { return i < 3 }))
	if got != "[{audit [n2 n3]} {cart [n3]}]" {
		t.Error(got)
	}
}
