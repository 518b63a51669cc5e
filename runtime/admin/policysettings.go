package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// What modules read of the cluster's settings: those whose names begin with "cluster.".

// TrySettings refuses settings of the cluster that a module in force does not take, or with which it would fail: three faults would put it out of force.
// While nobody leads they cannot be tried, and wait to be ordered as ever.
func TrySettings(ctx context.Context, c Cluster, set []cluster.Setting) error {
	found, err := c.AuditionSettings(ctx, set)
	var e interface{ ErrorKind() shards.ErrorKind }
	switch {
	case errors.As(err, &e) && e.ErrorKind() == shards.KindUnavailable:
		return nil
	case err != nil:
		return err
	case found.Refused:
		return invalid("a policy in force does not take this, and nothing was changed: %s", found.Problem)
	case found.Problem != "":
		return conflict("a policy in force would fail with this, and nothing was changed: %s", found.Problem)
	}
	return nil
}

// unheard tells of settings that a module reads and that nobody can set.
func unheard(m *abi.Manifest) (warnings []string) {
	for i := range m.Settings {
		name := m.Settings[i].Name
		if !strings.HasPrefix(name, "cluster.") {
			continue
		}
		if m.Settings[i].Prefix {
			name += "x" // whatever comes after it
		}
		if _, known := cluster.RuleOf(name); known {
			continue
		}
		var names []string
		for _, r := range cluster.SettingRules() {
			names = append(names, r.Name)
		}
		warnings = append(warnings, fmt.Sprintf("%s is no setting of the cluster: policy %s will always find its default; nearest are %s", m.Settings[i].Name, m.Name, strings.Join(near(m.Settings[i].Name, names), ", ")))
	}
	return warnings
}

// declined tells of the cluster's settings that a policy is not given, since its manifest takes no such values: it goes by its defaults.
func declined(state *cluster.State, policy string, m *abi.Manifest, set []cluster.Setting) (warnings []string) {
	for _, x := range set {
		for i := range m.Settings {
			r := &m.Settings[i]
			if x.Value == "" || !strings.HasPrefix(r.Name, "cluster.") || !reads(state, r, x.Name) {
				continue
			}
			if _, err := r.Parse(x.Value); err != nil {
				warnings = append(warnings, fmt.Sprintf("policy %s is not told of %s=%s, and goes by its default: %v", policy, x.Name, clip(x.Value), err))
			}
		}
	}
	return warnings
}

// reads says whether a rule of a manifest is about a setting by this name: the cluster's, or a keyspace's own.
func reads(state *cluster.State, r *abi.Setting, name string) bool {
	is := func(of string) bool { return of != "" && (name == of || r.Prefix && strings.HasPrefix(name, of)) }
	if is(r.Name) {
		return true
	}
	for i := range state.Keyspaces {
		if r.Keyspace && is(cluster.ScopedName(state.Keyspaces[i].Name, r.Name)) {
			return true
		}
	}
	return false
}

// declinedByAll is what policies in force are not told of.
func declinedByAll(state *cluster.State, set []cluster.Setting) (warnings []string) {
	for i := range state.Policies {
		p := &state.Policies[i]
		v := p.At(p.Active.Version)
		if v == nil {
			continue
		}
		if m, err := abi.StoredManifest(state.Module(v.Digest).Bytes()); err == nil { // else it is not asked, which is told elsewhere
			warnings = append(warnings, declined(state, p.Name, m, set)...)
		}
	}
	return warnings
}
