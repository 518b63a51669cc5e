package hosted

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// inForce is what a policy's settings are at the moment. A setting whose name begins with "cluster." is the cluster's, and may
// be a keyspace's own under the name that cluster.ScopedName gives it; all others were given when the policy was activated.
type inForce struct {
	own      map[string]string
	settings []cluster.Setting // that text was made from
	spaces   int               // keyspaces there were then
	text     []byte
}

// of is the JSON for pol_configure. What nobody has set is what the cluster makes of it, else the manifest's default. A value that the manifest's schema does not take stands for the default: whoever set it
// has been told, if the name is the cluster's, and was refused, if it is the policy's own.
func (f *inForce) of(v *Version, s *cluster.State) ([]byte, *Fault) {
	if f.text != nil && f.spaces == len(s.Keyspaces) && slices.Equal(f.settings, s.Settings) {
		return f.text, nil
	}
	values, spaces := map[string]string{}, map[string]map[string]string{}
	for name, value := range f.own {
		values[name] = value
	}
	for i := range v.Manifest.Settings {
		rule := &v.Manifest.Settings[i]
		if !strings.HasPrefix(rule.Name, "cluster.") {
			continue
		}
		if known, set := cluster.RuleOf(rule.Name); set && !rule.Prefix {
			values[rule.Name] = s.DefaultOf(known.Name)
		}
		gather(rule, rule.Name, s, values)
		for k := range s.Keyspaces {
			own := map[string]string{}
			if scoped := cluster.ScopedName(s.Keyspaces[k].Name, rule.Name); rule.Keyspace && scoped != "" {
				gather(rule, scoped, s, own)
			}
			if name := s.Keyspaces[k].Name; len(own) > 0 {
				if spaces[name] == nil {
					spaces[name] = map[string]string{}
				}
				maps.Copy(spaces[name], own)
			}
		}
	}
	text, err := v.Manifest.Configuration(values, spaces)
	if err != nil {
		return nil, v.faulty(abi.ExportConfigure, Refused, "%v", err)
	}
	f.text, f.settings, f.spaces = text, s.Settings, len(s.Keyspaces)
	return text, nil
}

// Told says whether a module with settings of its own is given others in one state than in another.
func (v *Version) Told(own map[string]string, before, after *cluster.State) bool {
	var texts [2][]byte
	for i, s := range []*cluster.State{before, after} {
		f := inForce{own: own}
		texts[i], _ = f.of(v, s) // nil where they cannot be given: it is asked with neither
	}
	return !bytes.Equal(texts[0], texts[1])
}

// gather finds what is set under a rule's name, or, of a prefix, under all names that begin with it. The names that the guest
// hears are the cluster's, whatever they are set by.
func gather(rule *abi.Setting, name string, s *cluster.State, into map[string]string) {
	at, _ := slices.BinarySearchFunc(s.Settings, name, func(x cluster.Setting, name string) int { return strings.Compare(x.Name, name) })
	for ; at < len(s.Settings) && strings.HasPrefix(s.Settings[at].Name, name); at++ {
		x := &s.Settings[at]
		if x.Name != name && !rule.Prefix || x.Name == name && rule.Prefix {
			continue
		}
		if _, err := cluster.CheckSetting(x.Name, x.Value); err != nil {
			continue
		}
		if _, err := rule.Parse(x.Value); err == nil {
			into[rule.Name+x.Name[len(name):]] = x.Value
		}
	}
}
