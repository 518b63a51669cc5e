package cluster

import (
	"cmp"
	"fmt"
	"strings"
)

// policies plays the commands about policies. A module is called by a word, which is all that it holds.
//
//	push WORD [register=POLICY] [label=L] [order=N]   a module, as a version of a policy
//	ready N1 WORD [problem=P]                         what a node says of it; _ is a space
//	activate POLICY [version=N] [settings=JSON] [if=N [was=JSON]]
//	shadow POLICY [version=N]
//	rollback POLICY [if=N], deactivate POLICY, reset POLICY
//	strike WORD n=N last=L                            how often a module has failed by now
//	quarantine WORD reason=R, lift WORD
//	forget POLICY [version=N]
//	policies                                          what is there
//	kind NAME WORD [data=N] [keyspace=K]              a module, as a version of a kind of actors
//	use NAME [version=N] [if=N] [older=yes]
//	unkind NAME                                       forgets it
//	kinds                                             what is there
//	behind                                            who had better lead no shards of which keyspace, and why
func (l line) policies() {
	p := l.player
	spaced := func(name string) string { return strings.ReplaceAll(l.set[name], "_", " ") }
	version := uint32(l.number(l.set["version"], 0))
	retreats := map[string]Retreat{"rollback": RetreatRollback, "deactivate": RetreatDeactivate, "reset": RetreatReset}
	switch verb := l.words[0]; verb {
	case "push":
		for _, c := range pushes([]byte(l.words[1])) {
			p.apply(c)
		}
		if name := l.set["register"]; name != "" {
			p.apply(&Command{Register: &RegisterPolicy{Name: name, Digest: DigestOf([]byte(l.words[1])), Label: l.set["label"], Order: int(l.number(l.set["order"], 0)), At: 1}})
		}
	case "ready":
		n := p.state.Member(l.node(l.words[1]))
		p.apply(&Command{Stage: &StageReport{Node: n.ID, Epoch: n.Epoch, Modules: []StagedModule{{DigestOf([]byte(l.words[2])), spaced("problem")}}}})
	case "activate":
		c := &ActivatePolicy{Name: l.words[1], Version: version, Settings: l.set["settings"]}
		if was := uint32(l.number(l.set["if"], 0)); was > 0 {
			c.If = &PolicyUse{was, l.set["was"]}
		}
		p.apply(&Command{Activate: c})
	case "shadow":
		p.apply(&Command{Shadow: &ShadowPolicy{Name: l.words[1], Version: version}})
	case "rollback", "deactivate", "reset":
		p.apply(&Command{Retire: &RetirePolicy{Name: l.words[1], How: retreats[verb], If: uint32(l.number(l.set["if"], 0))}})
	case "strike":
		p.apply(&Command{Strike: &StrikeModule{Digest: DigestOf([]byte(l.words[1])), Policy: "?", Strikes: uint32(l.number(l.set["n"], 0)), Last: spaced("last"), At: 1}})
	case "quarantine", "lift":
		p.apply(&Command{Quarantine: &QuarantineModule{Digest: DigestOf([]byte(l.words[1])), Policy: "?", Reason: spaced("reason"), At: 1, Lift: verb == "lift"}})
	case "forget":
		c := &ForgetPolicies{Name: l.words[1]}
		if version != 0 {
			c.Versions = []uint32{version}
		}
		p.apply(&Command{Forget: c})
	case "policies":
		l.listPolicies()
	case "kind":
		for _, c := range pushes([]byte(l.words[2])) {
			p.apply(c)
		}
		p.apply(&Command{RegisterKind: &RegisterKind{Name: l.words[1], Keyspace: cmp.Or(l.set["keyspace"], "actors"), Digest: DigestOf([]byte(l.words[2])), Data: int(l.number(l.set["data"], 1)), At: 1}})
	case "use":
		p.apply(&Command{UseKind: &UseKind{Name: l.words[1], Number: version, If: uint32(l.number(l.set["if"], 0)), Older: l.set["older"] != ""}})
	case "unkind":
		p.apply(&Command{ForgetKind: &ForgetKind{Name: l.words[1]}})
	case "kinds":
		l.listKinds()
	case "behind":
		for _, b := range p.state.Behind() {
			p.say("%s, %s: %s", p.state.Keyspace(b.Keyspace).Name, p.state.NodeName(b.Node), b.Reason)
		}
	default:
		p.Fatalf("unknown command %q", verb)
	}
}

func (l line) listKinds() {
	for _, k := range l.state.Kinds {
		text := k.Name + " in " + k.Keyspace
		for _, v := range k.Versions {
			text += fmt.Sprintf(" %d=%s(data %d)", v.Number, l.state.Module(v.Digest).Bytes(), v.Data)
		}
		l.say("%s, active %d, previous %d", text, k.Active, k.Previous)
	}
	for i := range l.state.Modules {
		if m := &l.state.Modules[i]; !l.state.Used(m.Digest) {
			l.say("module %s belongs to nobody", m.Bytes())
		}
	}
}

func (l line) listPolicies() {
	s := l.state
	for _, p := range s.Policies {
		text := p.Name
		for _, v := range p.Versions {
			text += fmt.Sprintf(" %d=%s", v.Number, s.Module(v.Digest).Bytes())
			if v.Label != "" {
				text += "(" + v.Label + ")"
			}
		}
		for _, use := range []struct {
			what string
			PolicyUse
		}{{"active", p.Active}, {"previous", p.Previous}, {"earlier", p.Earlier}, {"shadow", p.Shadow}} {
			if use.Version != 0 {
				text += fmt.Sprintf(", %s %d%s", use.what, use.Version, use.Settings)
			}
		}
		if p.Note != "" {
			text += "; " + p.Note
		}
		l.say("%s", text)
	}
	for _, x := range s.Struck {
		l.say("failed %d times %s: %s", x.Strikes, x.Digest.Short(), x.Last)
	}
	for _, q := range s.Quarantine {
		l.say("quarantined %s: %s", q.Digest.Short(), q.Reason)
	}
	for i := range s.Modules {
		if m := &s.Modules[i]; !s.Used(m.Digest) {
			l.say("module %s belongs to no policy", m.Bytes())
		}
	}
}
