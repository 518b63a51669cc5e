package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// A policy that an older release let have a dot in its name stays one of the cluster, and can have versions and be put in force.
func TestDottedPolicy(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	a.apply(t, &cluster.Command{Register: &cluster.RegisterPolicy{Name: "a.b", Digest: a.state.Policy("spare").At(1).Digest}})
	digest, err := client.PushModule(ctx, keepOff(t, "two"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if pushed, err := client.RegisterPolicy(ctx, "a.b", digest, nil); err != nil || pushed.Number != 2 {
		t.Errorf("%+v %v", pushed, err)
	}
	if _, err := client.ActivatePolicy(ctx, "a.b", Activation{Version: 1}); err != nil {
		t.Error(err)
	}
}

// Settings go over to another version: those that it has no more are told of, and a value that it does not take is refused until somebody says what to
// have instead. Nothing of them is lost without a word.
func TestSettingsGoOver(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	const manifest = `{"name":"nolead","version":"1","abi":1,"kind":"hard","per":"shard","needs":["node_name","copy_node"],"reasons":["","no"],"settings":[%s]}`
	for i, settings := range []string{
		`{"name":"from","type":"number"},{"name":"to","type":"number","max":24,"default":6,"keyspace":true}`,
		`{"name":"begin","type":"number"},{"name":"to","type":"number","max":23,"default":6,"keyspace":true}`,
	} {
		code, err := abi.WithManifest(keepOff(t, fmt.Sprint(i)), fmt.Appendf(nil, manifest, settings))
		if err != nil {
			t.Fatal(err)
		}
		digest, err := client.PushModule(ctx, code, nil)
		if err == nil {
			_, err = client.RegisterPolicy(ctx, "nolead", digest, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	a.ready(t, "")
	set := func(pairs ...string) (out map[string]*string) {
		out = map[string]*string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = text(pairs[i+1])
		}
		return out
	}
	done, err := client.ActivatePolicy(ctx, "nolead", Activation{Version: 1, Settings: set("from", "0", "to", "24", "to@default", "3", "to@nope", "3")})
	if err != nil || len(done.Warnings) != 1 || done.Warnings[0] != `to@nope: there is no keyspace "nope": it does nothing until there is` {
		t.Errorf("a keyspace that there is not: %q %v", done.Warnings, err)
	}
	for _, keyspace := range []string{"", "orders@x"} {
		if _, err := client.ActivatePolicy(ctx, "nolead", Activation{Version: 1, Settings: set("to@"+keyspace, "3")}); err == nil || !strings.Contains(err.Error(), "as no keyspace can be called") {
			t.Errorf("for keyspace %q: %v", keyspace, err)
		}
	}
	before := a.state
	for verb, use := range map[string]func(context.Context, string, Activation) (Acknowledged, error){"activate": client.ActivatePolicy, "shadow": client.ShadowPolicy} {
		if _, err := use(ctx, "nolead", Activation{}); err == nil || a.state != before ||
			!strings.Contains(err.Error(), "version 2 of policy nolead does not take to=24 of before: ") || !strings.Contains(err.Error(), "at most 23; give it another value, --set to=VALUE, or its default, --set to=") {
			t.Errorf("%s with a value that is too large now: %v", verb, err)
		}
	}
	done, err = client.ActivatePolicy(ctx, "nolead", Activation{Settings: set("to", "23", "to@nope", "")})
	if err != nil || len(done.Warnings) != 1 || done.Warnings[0] != "version 2 of policy nolead has no setting from any more: from=0 is left out" {
		t.Errorf("%q %v", done.Warnings, err)
	}
	if p := a.state.Policy("nolead"); p.Active.Version != 2 || p.Active.Settings != `{"to":"23","to@default":"3"}` {
		t.Errorf("in force is %+v", p.Active)
	}
}

// What a module does not take, or fails at, is refused in its own words, and nothing is committed: neither in force nor in the shadow.
func TestAuditionBeforeUse(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	n3 := Activation{Settings: map[string]*string{"nodes": text("n3")}}
	if _, err := client.ActivatePolicy(ctx, "spare", n3); err != nil {
		t.Fatal(err)
	}
	bad := Activation{Settings: map[string]*string{"nodes": text("22:00-6")}}
	for _, x := range []struct {
		found  Audition
		status int
		want   string
	}{
		{Audition{Problem: "it refuses the state with 1: nodes is 22:00-6", Refused: true}, 400, "version 1 of policy spare does not take these settings, and nothing was changed: it refuses the state with 1: nodes is 22:00-6"},
		{Audition{Problem: "export can_allocate: unreachable"}, 409, "version 1 of policy spare fails when it is asked, and nothing was changed: export can_allocate: unreachable"},
	} {
		before := a.state
		a.audition = func(digest cluster.Digest, settings string) Audition {
			if digest != before.Policy("spare").At(1).Digest || settings != `{"nodes":"22:00-6"}` {
				t.Errorf("tried is %s with %s", digest.Short(), settings)
			}
			return x.found
		}
		for verb, use := range map[string]func(context.Context, string, Activation) (Acknowledged, error){"activate": client.ActivatePolicy, "shadow": client.ShadowPolicy} {
			_, err := use(ctx, "spare", bad)
			var e *Error
			if !errors.As(err, &e) || e.Status != x.status || !strings.Contains(e.Reason, x.want) || a.state != before {
				t.Errorf("%s: %v, want %d %s", verb, err, x.status, x.want)
			}
		}
	}
	a.audition = func(cluster.Digest, string) Audition {
		t.Error("tried, although it must not be in force")
		return Audition{}
	}
	a.apply(t, &cluster.Command{Quarantine: &cluster.QuarantineModule{Digest: a.state.Policy("spare").At(1).Digest, Policy: "spare", Reason: "it is not liked", At: 1}})
	if _, err := client.ActivatePolicy(ctx, "spare", n3); err == nil || !strings.Contains(err.Error(), "is quarantined: it is not liked") {
		t.Errorf("in quarantine: %v", err)
	}
}

// Of two who change different settings at once the second does not undo what the first has set, of which it knows nothing.
func TestTwoActivateAtOnce(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	a.audition = func(cluster.Digest, string) Audition {
		a.audition = nil // the other one comes between the look and the command
		if _, err := client.ActivatePolicy(ctx, "spare", Activation{Settings: map[string]*string{"nodes": text("n3")}}); err != nil {
			t.Error(err)
		}
		return Audition{}
	}
	_, err := client.ActivatePolicy(ctx, "spare", Activation{})
	var e *Error
	if !errors.As(err, &e) || e.Status != 409 || !strings.Contains(e.Reason, `policy spare has been changed meanwhile, and nothing was done: in force is version 1 with {"nodes":"n3"}`) {
		t.Errorf("the second: %v", err)
	}
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{}); err != nil || a.state.Policy("spare").Active.Settings != `{"nodes":"n3"}` {
		t.Errorf("again: %v, %+v", err, a.state.Policy("spare").Active)
	}
	old := a.state.Members[0]
	old.Epoch, old.Format = old.Epoch+1, cluster.FormatStrikes
	a.apply(t, &cluster.Command{Join: &cluster.Join{Member: old}})
	a.apply(t, &cluster.Command{Stage: &cluster.StageReport{Node: old.ID, Epoch: old.Epoch, Modules: []cluster.StagedModule{{Digest: a.state.Policy("spare").At(1).Digest}}}})
	if _, err := client.ActivatePolicy(ctx, "spare", Activation{Settings: map[string]*string{"nodes": text("n2")}}); err != nil {
		t.Errorf("beside a node of a release that cannot read it: %v", err)
	}
}

// Settings that are not taken over, since nothing is in force, and those that go with a quarantine, are told of.
func TestSettingsThatAreLeft(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	n3 := Activation{Settings: map[string]*string{"nodes": text("n3")}}
	if _, err := client.ActivatePolicy(ctx, "spare", n3); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RetirePolicy(ctx, "spare", "deactivate"); err != nil {
		t.Fatal(err)
	}
	done, err := client.ActivatePolicy(ctx, "spare", Activation{})
	if err != nil || len(done.Warnings) != 1 || !strings.HasPrefix(done.Warnings[0], "nothing is in force to take settings over from: nodes=n3 of version 1 are left out; ") || a.state.Policy("spare").Active.Settings != "" {
		t.Errorf("%q %v", done.Warnings, err)
	}
	if done, err = client.ActivatePolicy(ctx, "spare", n3); err != nil || len(done.Warnings) > 0 {
		t.Errorf("%q %v", done.Warnings, err)
	}
	done, err = client.QuarantinePolicy(ctx, "spare", 0, "it is odd")
	if err != nil || len(done.Warnings) != 1 || !strings.HasPrefix(done.Warnings[0], "version 1 was in force with nodes=n3, which go with it") {
		t.Errorf("%q %v", done.Warnings, err)
	}
}

// Settings of the cluster are tried on what is in force before they are set, and told of where a policy is not given them.
func TestSettingsOfTheClusterAreTried(t *testing.T) {
	_, a, client := gather(t, ServerConfig{})
	ctx := context.Background()
	const manifest = `{"name":"racks","version":"1","abi":1,"kind":"hard","per":"shard","needs":["node_name","copy_node"],"reasons":["","no"],"settings":[
		{"name":"cluster.routing.allocation.awareness.attributes","type":"string","values":["rack"],"keyspace":true},{"name":"cluster.routing.allocation.exclude.","type":"string","prefix":true},
		{"name":"cluster.routing.alocation.enable","type":"string"}]}`
	code, err := abi.WithManifest(keepOff(t, "one"), []byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := client.PushModule(ctx, code, nil)
	if err != nil {
		t.Fatal(err)
	}
	const typo = "cluster.routing.alocation.enable is no setting of the cluster: policy racks will always find its default; nearest are cluster.routing.allocation.enable, "
	pushed, err := client.RegisterPolicy(ctx, "racks", digest, nil)
	if err != nil || len(pushed.Warnings) != 1 || !strings.HasPrefix(pushed.Warnings[0], typo) {
		t.Errorf("%q %v", pushed.Warnings, err)
	}
	a.ready(t, "")
	if done, err := client.ActivatePolicy(ctx, "racks", Activation{}); err != nil || len(done.Warnings) != 1 || !strings.HasPrefix(done.Warnings[0], typo) {
		t.Errorf("%q %v", done.Warnings, err)
	}
	const aware, own = cluster.SettingAwareness, "keyspace.default.routing.allocation.awareness.attributes"
	var tried []cluster.Setting
	a.tried = func(set []cluster.Setting) (Audition, error) { tried = set; return Audition{}, nil }
	done, err := client.SetSettings(ctx, map[string]*string{aware: text("zone"), own: text("zone"), "cluster.routing.allocation.exclude.zone": text("a")})
	var told []string
	for _, w := range done.Warnings {
		if strings.HasPrefix(w, "policy racks ") {
			told = append(told, w)
		}
	}
	if err != nil || len(tried) != 3 || len(told) != 2 || !strings.HasPrefix(told[0], "policy racks is not told of "+aware+"=zone, and goes by its default: ") || !strings.HasPrefix(told[1], "policy racks is not told of "+own) {
		t.Errorf("tried %v, told %q %v", tried, told, err)
	}
	for _, x := range []struct {
		found  Audition
		err    error
		status int
	}{
		{Audition{Problem: "it refuses the state with 1: nobody has shelves", Refused: true}, nil, 400}, {Audition{Problem: "export can_allocate: unreachable"}, nil, 409},
		{Audition{}, unavailable("nobody leads"), 0},
	} {
		before := a.state
		a.tried = func([]cluster.Setting) (Audition, error) { return x.found, x.err }
		_, err := client.SetSettings(ctx, map[string]*string{aware: text("rack"), "cluster.routing.allocation.enable": text("primaries")})
		var e *Error
		if errors.As(err, &e) != (x.status != 0) || e != nil && (e.Status != x.status || !strings.Contains(e.Reason, x.found.Problem)) || (a.state == before) != (x.status != 0) {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

// One module as two policies is allowed, and told of: what explanations say of one is said of both.
func TestOneModuleAsTwoPolicies(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	a.apply(t, &cluster.Command{Register: &cluster.RegisterPolicy{Name: "other", Digest: a.state.Policy("spare").At(1).Digest}})
	if done, err := client.ActivatePolicy(ctx, "spare", Activation{}); err != nil || len(done.Warnings) > 0 {
		t.Errorf("alone: %q %v", done.Warnings, err)
	}
	done, err := client.ActivatePolicy(ctx, "other", Activation{Settings: map[string]*string{"nodes": text("n3")}})
	if err != nil || len(done.Warnings) != 1 || !strings.HasPrefix(done.Warnings[0], "policy spare is the same module: explanations and traces call both keep_off") {
		t.Errorf("%q %v", done.Warnings, err)
	}
}

// Who rolls back leaves what was in force for him, and not the settings that somebody else has given the same version a moment before.
func TestRollbackOfWhatSomebodyElseHasSet(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	for _, nodes := range []string{"n1", "n2"} {
		if _, err := client.ActivatePolicy(ctx, "spare", Activation{Settings: map[string]*string{"nodes": text(nodes)}}); err != nil {
			t.Fatal(err)
		}
	}
	theirs := &cluster.ActivatePolicy{Name: "spare", Version: 1, Settings: `{"nodes":"n3"}`}
	a.quicker = &cluster.Command{Activate: theirs}
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); !Conflict(err) || !strings.Contains(err.Error(), `has been changed meanwhile, and nothing was done: in force is version 1 with {"nodes":"n3"}`) {
		t.Errorf("rolled back: %v", err)
	}
	if p := a.state.Policy("spare"); p.Active.Settings != theirs.Settings {
		t.Errorf("in force is %+v", p.Active)
	}
	if _, err := client.RetirePolicy(ctx, "spare", "rollback"); err != nil || a.state.Policy("spare").Active.Settings != `{"nodes":"n2"}` {
		t.Errorf("asked again: %v, in force is %+v", err, a.state.Policy("spare").Active)
	}
}

// A rollback that undoes another one says so: it was to go back, and goes forth.
func TestRollbackThatGoesForthSaysSo(t *testing.T) {
	a, client := withSpare(t)
	ctx := context.Background()
	digest, err := client.PushModule(ctx, keepOff(t, "two"), nil)
	if err == nil {
		_, err = client.RegisterPolicy(ctx, "spare", digest, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	a.ready(t, "")
	rollback := func(want uint32, says string) {
		t.Helper()
		done, err := client.RetirePolicy(ctx, "spare", "rollback")
		if now := a.state.Policy("spare").Active.Version; err != nil || now != want || strings.Join(done.Warnings, "") != "" != (says != "") || !strings.Contains(strings.Join(done.Warnings, ""), says) {
			t.Errorf("in force is version %d, want %d; %q, want %q; %v", now, want, done.Warnings, says, err)
		}
	}
	for version := range 2 {
		if _, err := client.ActivatePolicy(ctx, "spare", Activation{Version: version + 1}); err != nil {
			t.Fatal(err)
		}
	}
	rollback(1, "")
	rollback(2, "the rollback has gone forth again. If somebody has just gone back to version 1, put it in force again: troupe policy activate spare --version 1")
	if _, err := client.RetirePolicy(ctx, "spare", "deactivate"); err != nil {
		t.Fatal(err)
	}
	rollback(2, "no version of policy spare was in force")
	for _, nodes := range []string{"n2", "n3"} { // other settings of one version have no order: the note tells
		if _, err := client.ActivatePolicy(ctx, "spare", Activation{Settings: map[string]*string{"nodes": &nodes}}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		rollback(2, "")
		rollback(2, `policy spare was rolled back by hand, from version 2 with {"nodes":"n3"}, and no other change came since: the rollback has gone forth again. If somebody has just gone back to version 2 with nodes=n2, `)
	}
}
