package runtime

import (
	"errors"
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// What HTTP says of a message that was not handled is the same through every node.
func TestActorsOverHTTP(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 1), volatileSpace("actors", 1))
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
			_, err := actorsAPI{n}.Call(t.Context(), call.to, call.method, []byte(call.body))
			var e *admin.Error
			if !errors.As(err, &e) || e.Status != call.status || (e.Code == "insufficient-funds") != (call.status == 422) {
				t.Errorf("%s of %v through %s: %v", call.method, call.to, n.Name(), err)
			}
		}
		if err := (actorsAPI{n}).Tell(a, "deposit", []byte(`{"Amount":5}`)); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "what was told is there", func() bool { return look(t, c.nodes[0], "a/b").Balance == 15 })
	for _, n := range c.nodes {
		eventually(t, n.Name()+" counts one actor in memory", func() bool { // if its shard has moved it is in memory elsewhere, once it is called
			look(t, n, "a/b")
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
			return active == 1
		})
	}
}
