package admin

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// ticket is the example of ACT.md with a manifest: kind ticket, with what else it says.
func ticket(t *testing.T, more string) []byte {
	t.Helper()
	code, err := os.ReadFile("../../wasm/abi/act/testdata/ticket.wasm")
	if err == nil {
		code, err = act.WithManifest(code, []byte(`{"kind": "ticket", "abi": 1, "methods": {"next": "gives the next number"}, `+more+`}`))
	}
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestKindLife(t *testing.T) {
	p := &parrot{}
	_, a, client := gather(t, ServerConfig{Actors: p})
	ctx := t.Context()
	one, two := ticket(t, `"version": "1.0.0", "keyspace": "desk"`), ticket(t, `"version": "2.0.0", "keyspace": "desk", "data": 2`)
	push := func(code []byte) KindPushed {
		t.Helper()
		digest, err := client.PushModule(ctx, code, nil)
		if err != nil {
			t.Fatal(err)
		}
		pushed, err := client.RegisterKind(ctx, "ticket", digest)
		if err != nil {
			t.Fatal(err)
		}
		return pushed
	}
	fails := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v; should say %s", err, what)
		}
	}
	if pushed := push(one); pushed.Number != 1 || pushed.Label != "1.0.0" || !pushed.Changed || len(p.told) != 1 || p.told[0] != "keyspace desk" {
		t.Errorf("%+v, told %v", pushed, p.told)
	}
	_, err := client.UseKind(ctx, "ticket", KindUse{})
	fails("node n1 has not made it ready yet", err)
	_, err = client.RollbackKind(ctx, "ticket", KindUse{})
	fails("no version before", err)
	a.ready(t, "")
	if _, err := client.UseKind(ctx, "ticket", KindUse{}); err != nil {
		t.Fatal(err)
	}
	var pushed KindPushed
	if err := client.json(ctx, call{method: "PUT", path: "/_kind/ticket", body: two}, &pushed); err != nil || pushed.Number != 2 {
		t.Fatalf("a module as the body: %+v %v", pushed, err)
	}
	a.ready(t, "")
	if _, err := client.UseKind(ctx, "ticket", KindUse{Version: 2, If: 1}); err != nil {
		t.Fatal(err)
	}
	_, err = client.RollbackKind(ctx, "ticket", KindUse{})
	fails("would refuse all messages", err)
	if _, err := client.RollbackKind(ctx, "ticket", KindUse{Older: true, If: 2}); err != nil {
		t.Fatal(err)
	}
	_, err = client.RollbackKind(ctx, "ticket", KindUse{Older: true, If: 2}) // once more, by a client that has not heard the answer
	fails("not active any more", err)
	k, err := client.Kind(ctx, "ticket")
	if err != nil || k.Active != 1 || k.Previous != 2 || k.Keyspace != "desk" || k.Find(0).Data != 2 || len(k.Find(1).Ready) != 3 || k.Find(1).Manifest.Methods["next"] == "" {
		t.Errorf("%+v, %v", k, err)
	}
	if cannot, waiting := k.Find(1).Unready(); len(cannot) != 0 || waiting != 0 {
		t.Errorf("cannot %v, waiting %d", cannot, waiting)
	}
	if code, err := client.KindModule(ctx, "ticket", 2); err != nil || !bytes.Equal(code, two) {
		t.Errorf("the module came back as %d bytes: %v", len(code), err)
	}
	if l, err := client.Kinds(ctx); err != nil || len(l.Kinds) != 1 || l.Bytes != len(one)+len(two) || l.Kinds[0].Versions[0].Manifest != nil {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := client.ForgetKind(ctx, "ticket"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Kind(ctx, "ticket"); !NotFound(err) || len(a.state.Modules) != 0 {
		t.Errorf("forgotten: %v, %d modules", err, len(a.state.Modules))
	}
}

func TestKindIsRefused(t *testing.T) {
	_, _, client := gather(t, ServerConfig{Actors: &parrot{}})
	ctx := t.Context()
	put := func(path string, body []byte) error {
		return client.json(ctx, call{method: "PUT", path: path, body: body}, &KindPushed{})
	}
	for what, err := range map[string]error{
		"has no section troupe.actor":     put("/_kind/ticket", []byte("\x00asm\x01\x00\x00\x00")),
		"its kind is ticket, and":         put("/_kind/tickets", ticket(t, `"version": "1"`)),
		"one of both":                     put("/_kind/ticket", nil),
		"no whole module":                 put("/_kind/ticket?digest="+string(cluster.DigestOf(nil)), nil),
		`no kind "ticket" was pushed`:     func() error { _, err := client.UseKind(ctx, "ticket", KindUse{}); return err }(),
		`unknown field "versions"`:        client.json(ctx, call{method: "POST", path: "/_kind/ticket/use", body: []byte(`{"versions":1}`)}, &struct{}{}),
		"write KIND/NAME":                 client.json(ctx, call{method: "GET", path: "/_actors/inspect"}, &struct{}{}),
		`parameter "name" is not`:         client.json(ctx, call{method: "GET", path: "/_actors/inspect?name=x"}, &struct{}{}),
		"cannot be a kind of actors: abi": put("/_kind/spare", keepOff(t, "x")),
		"version 4294967297; must be":     client.json(ctx, call{method: "GET", path: "/_kind/ticket/module?version=4294967297"}, &struct{}{}),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v; should say %s", err, what)
		}
	}
}

func TestInspectActor(t *testing.T) {
	_, client, _ := serve(t, ServerConfig{Actors: &parrot{}})
	i, err := client.Actor(t.Context(), ActorName{"page", "docs/../ä ?"})
	if err != nil || i.Actor != "page/docs/../ä ?" || len(i.Data) != 2 || i.Data[0] != (ActorDatum{Key: "k", Value: "v", Size: 1}) || i.Data[1] != (ActorDatum{Key64: "/w==", Value64: "/wE=", Size: 2}) {
		t.Errorf("%+v, %v", i, err)
	}
	if d := NewActorDatum("k", []byte(strings.Repeat("ä", 1000))); d.Size != 2000 || len(d.Value) != 1024 {
		t.Errorf("of 2000 bytes %d are shown", len(d.Value))
	}
	if d := NewActorDatum("k", []byte("x"+strings.Repeat("ä", 1000))); len(d.Value) != 1023 {
		t.Errorf("the cut goes through a letter: %d bytes", len(d.Value))
	}
}
