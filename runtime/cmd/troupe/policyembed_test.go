package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi"
)

const drainingModule = "../../../policies/modules/draining/draining.wasm"

// Fixtures that pass become golden vectors of the module, which is the same in all else; what fails, or asks what the module has no word on,
// does not.
func TestPolicyTestEmbeds(t *testing.T) {
	folder := t.TempDir()
	fixtures, out := filepath.Join(folder, "drain.yaml"), filepath.Join(folder, "out.wasm")
	write(t, folder, "drain.yaml", drainFixture+"  - {ask: start orders/0, expect: {n1: YES}}\n")
	text, errs, code := invoke(t, nil, "", "policy", "test", fixtures, "--policy", drainingModule, "--embed", out)
	for _, want := range []string{"drain.yaml:12: start orders/0: the module has no word on it, and it is no vector\n", out + ": 2 golden vectors of 1 fixture in ", "; module "} {
		if code != 0 || !strings.Contains(text, want) {
			t.Errorf("exit code %d: %q is not in %s%s", code, want, text, errs)
		}
	}
	bare, err := os.ReadFile(drainingModule)
	if err != nil {
		t.Fatal(err)
	}
	with, err := os.ReadFile(out)
	if err != nil || !bytes.HasPrefix(with, bare) {
		t.Errorf("all but the vectors is not what it was: %v", err)
	}
	v, err := abi.FindVectors(with)
	if err != nil || v.Count() != 2 || v.Fixtures[0].Label(&v.Fixtures[0].Cases[1]) != "drain.yaml:9: remain orders/0 copy on n2, leading" {
		t.Errorf("%+v, %v", v, err)
	}
	if text, errs, code = invoke(t, nil, "", "policy", "inspect", out); code != 0 || !strings.Contains(text, "carries 2 golden vectors, and answers as recorded\n") {
		t.Errorf("inspected: exit code %d: %s%s", code, text, errs)
	}
	if text, errs, code = invoke(t, nil, "", "policy", "test", fixtures, "--policy", out, "--embed", out, "--json"); code != 0 {
		t.Errorf("again, in place: exit code %d: %s%s", code, text, errs)
	}
	var e embedded
	if err := json.Unmarshal([]byte(text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]), &e); err != nil || e.Vectors != 2 || e.Size != len(with) || len(e.Left) != 1 {
		t.Errorf("%+v, %v: %s", e, err, text)
	}
	if again, err := os.ReadFile(out); err != nil || !bytes.Equal(again, with) {
		t.Errorf("recorded a second time they are others: %v", err)
	}
	lost := filepath.Join(folder, "lost.wasm")
	write(t, folder, "wrong.yaml", strings.Replace(drainFixture, "{n2: NO}", "{n2: YES}", 1))
	write(t, folder, "start.yaml", drainFixture[:strings.Index(drainFixture, "cases")]+"cases: [{ask: start orders/0, expect: {n1: YES}}]\n")
	for _, x := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{filepath.Join(folder, "wrong.yaml"), "--policy", drainingModule}, exitDifferent, "1 of 2 cases is not as expected"},
		{[]string{filepath.Join(folder, "start.yaml"), "--policy", drainingModule}, exitUsage, "no case asks what module"},
		{[]string{fixtures}, exitUsage, "--embed takes a file to write, and the file of a module"},
		{[]string{fixtures, "--policy", "draining"}, exitUsage, "--embed takes a file to write, and the file of a module"},
		{[]string{"--policy", drainingModule, "--conform", "3"}, exitUsage, "--conform takes"},
	} {
		if _, errs, code := invoke(t, nil, "", append([]string{"policy", "test", "--embed", lost}, x.args...)...); code != x.code || !strings.Contains(errs, x.want) {
			t.Errorf("%v: exit code %d: %s", x.args, code, errs)
		}
	}
	if _, err := os.Stat(lost); err == nil {
		t.Error("something was written")
	}
}

// TestVectorsOnANode takes modules with golden vectors through push, staging and activation: what answers otherwise than recorded never gets
// in force, nor, where the gate asks for vectors, what carries none.
func TestVectorsOnANode(t *testing.T) {
	node := startNode(t, t.TempDir(), "--name", "n1")
	folder := t.TempDir()
	fixture, right := write(t, folder, "drain.yaml", drainFixture), filepath.Join(folder, "right.wasm")
	node.at(t, 0, "", "policy", "test", fixture, "--policy", drainingModule, "--embed", right)
	code, err := os.ReadFile(right)
	if err != nil {
		t.Fatal(err)
	}
	spoil := func(f func(*abi.Vectors)) []byte {
		v, err := abi.FindVectors(code)
		if err != nil {
			t.Fatal(err)
		}
		f(v)
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		module, err := abi.WithCustom(code, abi.VectorsSection, text)
		if err != nil {
			t.Fatal(err)
		}
		return module
	}
	wrong := spoil(func(v *abi.Vectors) { v.Fixtures[0].Cases[0].Row[1] = 0 })
	broken := spoil(func(v *abi.Vectors) { v.Fixtures[0].Cases[0].Shard = 7 })
	sentence := "a golden vector is not answered as recorded: drain.yaml:7: allocate orders/1, leading, new: node n2: expected YES, answered NO (node n2 is draining)"

	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{node.addr}})
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{string(wrong): "", string(broken): "fixture 1 (drain.yaml): case 1 (allocate orders/1, leading, new): shard 7, and there are 2; record them anew with: troupe policy test"} {
		digest, err := client.PushModule(t.Context(), []byte(module), nil)
		if err == nil {
			_, err = client.RegisterPolicy(t.Context(), "drain", digest, nil)
		}
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("pushed past the checks of the verb: %v, want %q", err, want)
		}
	}
	write(t, folder, "wrong.wasm", string(wrong))
	for _, step := range []struct {
		line string
		code int
		want []string
	}{
		{"policy push " + folder + "/wrong.wasm", 1, []string{"wrong.wasm: ", sentence}},
		{"policy push " + right + " --name drain --force", 0, []string{"policy drain version 2 (", "1/1 nodes are ready"}},
		{"policy inspect drain", 0, []string{"0/1; n1: hosted: " + sentence, "version 2:\ncarries 2 golden vectors\n"}},
		{"policy diff drain 1 2", 4, []string{"module", "1 difference between 1 and 2"}},
		{"policy diff drain 2 " + drainingModule, 4, []string{"golden vectors  2"}},
		{"policy activate drain --version 1", 4, []string{"version 1 of policy drain", "cannot be activated: every node that may lead must be ready for it, and node n1 cannot run it: hosted: " + sentence}},
		{"policy activate drain --require-vectors 3", 4, []string{"the gate is closed: version 2 carries 2 golden vectors, and must carry 3"}},
		{"policy activate drain --require-vectors 3 --force-gate haste", 2, []string{"force-gate"}},
		{"settings set cluster.policies.gate=vectors=2", 0, []string{"1 setting changed"}},
		{"policy push " + drainingModule + " --name drain", 0, []string{"policy drain version 3"}},
		{"policy activate drain", 4, []string{"the gate is closed that cluster.policies.gate requires: version 3 carries 0 golden vectors, and must carry 2", "--force-gate REASON"}},
		{"policy activate drain --version 2", 0, []string{"in force is version 2"}},
	} {
		out, errs := node.at(t, step.code, "", strings.Fields(step.line)...)
		for _, want := range step.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("troupe %s: %q is not in\n%s%s", step.line, want, out, errs)
			}
		}
	}
}
