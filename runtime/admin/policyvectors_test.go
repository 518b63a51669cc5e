package admin

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// A gate that asks for golden vectors counts those of the module; a section that nobody can read is refused when it is pushed, in one piece
// or in chunks, with what to do about it.
func TestGateOfVectors(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	if cluster.MaxGateVectors != abi.MaxVectors {
		t.Errorf("a gate asks for %d vectors at most, and a module carries %d", cluster.MaxGateVectors, abi.MaxVectors)
	}
	recorded, err := os.ReadFile("../../wasm/abi/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	bare := keepOff(t, "bare")
	push := func(code []byte) error {
		digest, err := client.PushModule(ctx, code, nil)
		if err == nil {
			_, err = client.RegisterPolicy(ctx, "spare", digest, nil)
		}
		return err
	}
	section := func(text string) []byte {
		code, err := abi.WithCustom(bare, abi.VectorsSection, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	broken := section(strings.Replace(string(recorded), "00c100", "00c1", 1))
	want := "fixture 1 (first.yaml): case 1 (allocate orders/0): a row of 2 bytes; can_allocate gives one for each of 3 nodes, and no points; record them anew with: troupe policy test"
	if err := push(broken); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("pushed in chunks: %v", err)
	}
	if err := client.json(ctx, call{method: "PUT", path: "/_policy/spare", body: broken}, &struct{}{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("pushed in one piece: %v", err)
	}
	for _, code := range [][]byte{bare, section(string(recorded))} {
		if err := push(code); err != nil {
			t.Fatal(err)
		}
	}
	a.ready(t, "")
	p, err := client.Policy(ctx, "spare")
	if err != nil || p.Find(1).Vectors != 0 || p.Find(2).Vectors != 1 {
		t.Errorf("%+v %v", p, err)
	}
	for _, x := range []struct {
		setting string
		ask     Activation
		want    string
	}{
		{"", Activation{Version: 1, Gate: &Gate{Vectors: 1}}, "the gate is closed: version 1 carries 0 golden vectors, and must carry 1: record fixtures with troupe policy test"},
		{"", Activation{Version: 2, Gate: &Gate{Vectors: 1}}, ""},
		{"", Activation{Gate: &Gate{Vectors: -1}}, "-1 golden vectors; say how many, from 1 to 1024"},
		{"", Activation{Gate: &Gate{Vectors: 1025}}, "1025 golden vectors; say how many"},
		{"", Activation{Gate: &Gate{Vectors: 1, MaxMoves: new(3)}}, "0 comparisons; say how many"},
		{"vectors=2", Activation{Version: 2, Settings: map[string]*string{"nodes": text("n1")}}, "the gate is closed that cluster.policies.gate requires: version 2 carries 1 golden vectors, and must carry 2"},
		{"vectors=1", Activation{Version: 2, Settings: map[string]*string{"nodes": text("n1")}}, ""},
		{"vectors=1, plans=1", Activation{Version: 2, Settings: map[string]*string{"nodes": text("n2")}}, "0 of 1 comparisons of version 2"},
		{"vectors=1, plans=1", Activation{Version: 1}, "version 1 carries 0 golden vectors"},
	} {
		if _, err := client.SetSettings(ctx, map[string]*string{"cluster.policies.gate": text(x.setting)}); x.setting != "" && err != nil {
			t.Fatal(err)
		}
		if _, err := client.ActivatePolicy(ctx, "spare", x.ask); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("gate %q, %+v: %v, want %q", x.setting, x.ask, err, x.want)
		}
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: 1, Force: "zone b burns"}); err != nil {
		t.Fatal(err)
	}
	if p, err = client.Policy(ctx, "spare"); err != nil || !strings.HasPrefix(p.Note, "the gate was passed over: zone b burns; version 1 carries 0 golden vectors") {
		t.Errorf("the note is %q, %v", p.Note, err)
	}
	a.ready(t, "drain.yaml:8: allocate orders/0: node N2: expected YES, answered NO")
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: 2, Force: "now"}); err == nil || !strings.Contains(err.Error(), "node n1 cannot run it: drain.yaml:8") {
		t.Errorf("a node answers otherwise, and no force passes over that: %v", err)
	}
}
