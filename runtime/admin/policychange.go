package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// Activation is the body of /_policy/{policy}/activate, and without gate and force that of /shadow.
type Activation struct {
	Version  int                `json:"version,omitempty"`  // 0: the newest
	Settings map[string]*string `json:"settings,omitempty"` // changes to those in force; null goes back to the default
	Off      bool               `json:"off,omitempty"`      // of a shadow: end it
	Gate     *Gate              `json:"gate,omitempty"`
	Force    string             `json:"force,omitempty"` // of an activation: why it is to pass over the gate that the cluster requires
}

// activatePolicy puts a version in force.
func (s *Server) activatePolicy(x *exchange, _ *query) error {
	var body Activation
	if err := x.document(&body); err != nil {
		return err
	}
	c, state, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	if body.Off {
		return invalid("off ends a shadow; deactivate ends what is in force")
	}
	command := &cluster.ActivatePolicy{Name: p.Name, At: s.now().Unix()}
	var warnings []string
	if command.Version, command.Settings, warnings, err = body.resolve(state, p); err != nil {
		return err
	}
	if command.Note, err = body.pass(x.r.Context(), c, state, command); err != nil {
		return err
	}
	if err := audition(x.r.Context(), c, state, p, command.Version, command.Settings); err != nil {
		return err
	}
	now := p.Active
	command.If = &now // of two who change settings at once one would undo what the other has set
	if state.Readable(&cluster.Command{Activate: command}) != nil {
		command.If = nil
	}
	return s.propose(x, c, &cluster.Command{Activate: command}, warnings...)
}

// resolve finds the version, and the settings in force with the changes. warnings are what to say of them beside that.
func (a *Activation) resolve(state *cluster.State, p *cluster.Policy) (version uint32, settings string, warnings []string, err error) {
	v, err := versionOf(p, a.Version)
	if err != nil {
		return 0, "", nil, err
	}
	manifest, err := abi.StoredManifest(state.Module(v.Digest).Bytes())
	if err != nil {
		return 0, "", nil, invalid("version %d of policy %s: %v", v.Number, p.Name, err)
	}
	values := settingsIn(p.Active.Settings)
	if p.Active.Version == 0 && p.Shadow.Version == v.Number {
		values = settingsIn(p.Shadow.Settings)
	}
	if warnings, err = a.carry(values, manifest, v, p); err != nil {
		return 0, "", nil, err
	}
	if p.Active.Version == 0 && p.Previous.Version != 0 && len(values) == 0 {
		if left := settingsIn(p.Previous.Settings); len(left) > 0 {
			warnings = append(warnings, fmt.Sprintf("nothing is in force to take settings over from: %s of version %d are left out; --set says them again, or troupe policy rollback %s goes back to both", settingsList(left), p.Previous.Version, p.Name))
		}
	}
	for name, value := range a.Settings {
		switch {
		case strings.HasPrefix(name, "cluster."):
			return 0, "", nil, invalid("%s is a setting of the cluster, and not of a policy: troupe settings set %s=…", clip(name), clip(name))
		case value == nil || *value == "":
			delete(values, name)
			continue
		}
		if err := manifest.CheckSetting(name, *value); err != nil {
			return 0, "", nil, invalid("%v", err)
		}
		values[name] = *value
	}
	warnings = append(warnings, unheard(manifest)...)
	for i := range state.Policies {
		other := &state.Policies[i]
		if u := other.At(other.Active.Version); u != nil && other != p && u.Digest == v.Digest {
			warnings = append(warnings, fmt.Sprintf("policy %s is the same module: explanations and traces call both %s, and three faults of either put both out of force; push it with a name of its own in its manifest", other.Name, manifest.Name))
		}
	}
	warnings = append(warnings, declined(state, p.Name, manifest, state.Settings)...)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, keyspace := abi.SplitSetting(name); keyspace != "" && state.KeyspaceByName(keyspace) == nil {
			warnings = append(warnings, fmt.Sprintf("%s: there is no keyspace %q: it does nothing until there is", name, keyspace))
		}
	}
	return v.Number, settingsText(values), warnings, nil
}

// settingsList is how people read settings, and set them.
func settingsList(values map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		words = append(words, name+"="+clip(values[name]))
	}
	return shorten(words)
}

// carry takes settings over to a version: those that it has no more are left out, which is told, and a value that it does not take is refused, unless
// it is changed anyway.
func (a *Activation) carry(values map[string]string, manifest *abi.Manifest, v *cluster.PolicyVersion, p *cluster.Policy) (warnings []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		_, changed := a.Settings[name]
		if !manifest.HasSetting(name) {
			if delete(values, name); changed {
				continue
			}
			warnings = append(warnings, fmt.Sprintf("version %d of policy %s has no setting %s any more: %s=%s is left out", v.Number, p.Name, name, name, value))
			continue
		}
		if err := manifest.CheckSetting(name, value); err != nil && !changed {
			return nil, invalid("version %d of policy %s does not take %s=%s of before: %v; give it another value, --set %s=VALUE, or its default, --set %s=", v.Number, p.Name, name, clip(value), err, name, name)
		}
	}
	return warnings, nil
}

// Audition is how a module does with settings that it is to have.
type Audition struct {
	Problem string // how it fails, as a sentence; empty: it does not
	Refused bool   // it takes the settings not, or the state with them
}

// audition refuses what would fail as soon as it is asked: that costs the settings which are in force, and the module a quarantine. What must not be
// in force anyway is the state's to refuse, in words of its own.
func audition(ctx context.Context, c Cluster, state *cluster.State, p *cluster.Policy, version uint32, settings string) error {
	digest := p.At(version).Digest
	if state.Quarantined(digest) != nil || len(state.Unready(state.Module(digest))) > 0 {
		return nil
	}
	switch found, err := c.Audition(ctx, digest, settings); {
	case err != nil:
		return err
	case found.Refused:
		return invalid("version %d of policy %s does not take these settings, and nothing was changed: %s", version, p.Name, found.Problem)
	case found.Problem != "":
		return conflict("version %d of policy %s fails when it is asked, and nothing was changed: %s", version, p.Name, found.Problem)
	}
	return nil
}

// shadowPolicy begins or ends a shadow.
func (s *Server) shadowPolicy(x *exchange, _ *query) error {
	var body Activation
	if err := x.document(&body); err != nil {
		return err
	}
	c, state, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	if body.Gate != nil || body.Force != "" || body.Off && (body.Version != 0 || body.Settings != nil) {
		return invalid("a shadow takes version and settings, or off; it has no gate to pass")
	}
	command := &cluster.ShadowPolicy{Name: p.Name}
	var warnings []string
	if !body.Off {
		if command.Version, command.Settings, warnings, err = body.resolve(state, p); err != nil {
			return err
		}
		if err := audition(x.r.Context(), c, state, p, command.Version, command.Settings); err != nil {
			return err
		}
	}
	return s.propose(x, c, &cluster.Command{Shadow: command}, warnings...)
}

// retirePolicy takes a policy back.
func retirePolicy(how cluster.Retreat) handler {
	return func(s *Server, x *exchange, _ *query) error {
		c, state, p, err := s.namedPolicy(x)
		if err != nil {
			return err
		}
		command := cluster.RetirePolicy{Name: p.Name, How: how, At: s.now().Unix()}
		if how != cluster.RetreatRollback {
			return s.propose(x, c, &cluster.Command{Retire: &command})
		}
		if err := canRollBack(p); err != nil {
			return err
		}
		back := state.RetireCommand(command)             // and not what came since: that somebody has activated who knew of what is to be left
		if back.Retire.Leave != nil && !p.RolledBack() { // else it goes forth; and members of older releases take every note for the cluster's own
			back.Retire.Note = cluster.HandNote(p.Active)
		}
		return s.propose(x, c, back, forth(p)...)
	}
}

// forth says of a rollback that it goes forth: to what somebody else may have gone back from a moment ago.
func forth(p *cluster.Policy) (warnings []string) {
	was, other := p.Active, p.Previous
	switch {
	case was.Version == 0 && other.Version != 0:
		return []string{fmt.Sprintf("no version of policy %s was in force: the rollback has put version %d in force again. If it was rolled back, and not taken out of force to come again, take it out: troupe policy deactivate %s",
			p.Name, other.Version, p.Name)}
	case was.Version != 0 && other.Version > was.Version:
		return []string{fmt.Sprintf("version %d of policy %s was in force, and version %d before it: the rollback has gone forth again. If somebody has just gone back to version %d, put it in force again: troupe policy activate %s --version %d",
			was.Version, p.Name, other.Version, was.Version, p.Name, was.Version)}
	case was.Version != 0 && other.Version == was.Version && p.RolledBack():
		return []string{fmt.Sprintf("policy %s was %s, and no other change came since: the rollback has gone forth again. If somebody has just gone back to version %d with %s, put that in force again: troupe policy rollback %s",
			p.Name, p.Note, was.Version, cmp.Or(settingsList(settingsIn(was.Settings)), "all settings at their defaults"), p.Name)}
	}
	return nil
}

// canRollBack refuses to leave what is in force for what the cluster took back by itself, or, since that is nothing to go back to, for nothing.
func canRollBack(p *cluster.Policy) error {
	note := ""
	if p.TakenBack() {
		note = strings.TrimSuffix(p.Note, ".")
	}
	switch {
	case note != "" && p.Previous.Version != 0:
		return conflict("policy %s has nothing good to go back to: %s. To put that in force all the same: troupe policy activate %s --version %d", p.Name, note, p.Name, p.Previous.Version)
	case note != "" && p.Active.Version != 0:
		return conflict("policy %s went back already: %s. In force is version %d, and nothing is known of what was before; to take that out of force, too: troupe policy deactivate %s",
			p.Name, note, p.Active.Version, p.Name)
	case p.Active.Version != 0 && p.Active == p.Previous:
		return conflict("policy %s has nothing to go back to: what was in force before version %d is the same version with the same settings. To take it out of force: troupe policy deactivate %s",
			p.Name, p.Active.Version, p.Name)
	}
	return nil
}

// quarantinePolicy takes a version out of force for good, or lifts that.
func (s *Server) quarantinePolicy(x *exchange, _ *query) error {
	var body struct {
		Version int    `json:"version"` // 0: the active one
		Reason  string `json:"reason"`
		Lift    bool   `json:"lift"`
	}
	if err := x.document(&body); err != nil {
		return err
	}
	c, state, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	if body.Lift != (body.Reason == "") {
		return invalid("a quarantine has a reason, which people read who wonder why it is not in force; to lift one takes none")
	}
	if body.Version == 0 && !body.Lift {
		if body.Version = int(p.Active.Version); body.Version == 0 {
			return invalid("no version of policy %s is in force; say which one is meant with version", p.Name)
		}
	}
	v, err := versionOf(p, body.Version)
	if err != nil {
		return err
	}
	if body.Lift && body.Version == 0 {
		for _, held := range []func(cluster.Digest) bool{
			func(d cluster.Digest) bool { return state.Strikes(d) > 0 },
			func(d cluster.Digest) bool { return state.Quarantined(d) != nil },
		} {
			for i := range p.Versions {
				if held(p.Versions[i].Digest) {
					v = &p.Versions[i]
				}
			}
		}
	}
	var warnings []string
	if values := settingsIn(p.Active.Settings); !body.Lift && p.Active.Version == v.Number && len(values) > 0 {
		warnings = append(warnings, fmt.Sprintf("version %d was in force with %s, which go with it: they are to be set again when a version is activated", v.Number, settingsList(values)))
	}
	return s.propose(x, c, &cluster.Command{Quarantine: &cluster.QuarantineModule{Digest: v.Digest, Policy: p.Name, Reason: body.Reason, At: s.now().Unix(), Lift: body.Lift}}, warnings...)
}

// forgetPolicy drops versions that are not in use.
func (s *Server) forgetPolicy(x *exchange, q *query) error {
	if err := q.only("version"); err != nil {
		return err
	}
	number := q.count("version")
	if q.err != nil {
		return q.err
	}
	c, _, p, err := s.namedPolicy(x)
	if err != nil {
		return err
	}
	command := &cluster.ForgetPolicies{Name: p.Name}
	if number != 0 {
		v, err := versionOf(p, number)
		if err != nil {
			return err
		}
		command.Versions = []uint32{v.Number}
	}
	if unused := func(v cluster.PolicyVersion) bool {
		return !p.Uses(v.Number) && (number == 0 || int(v.Number) == number)
	}; !slices.ContainsFunc(p.Versions, unused) {
		what := fmt.Sprintf("version %d", number)
		if number == 0 {
			what = "every version"
		}
		return conflict("%s of policy %s is in use, as active, previous or shadow: deactivate or reset the policy first", what, p.Name)
	}
	return s.propose(x, c, &cluster.Command{Forget: command})
}
