package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/shards"
)

// SettingRule says what a setting is for and which values it takes.
type SettingRule struct {
	Name    string   // may have one part that who sets it chooses, in braces, as in "cluster.routing.replace.{NODE}"
	Default string   // empty: unless it is set it does nothing
	Values  []string // the values it takes; empty for a number, a duration or what Form says
	Min     int64    // of a number, or nanoseconds of a duration
	Max     int64
	Time    bool   // a duration, as in "1m30s"
	Form    string // what it takes, in words, if it is neither of these
	Scoped  bool   // a keyspace may say it for itself: see ScopedName
	Ticks   bool   // no plan reads it: nodes go by it from their next tick on, or when they are asked next
	Doc     string
	check   func(value string) error // of what Form says
	special []string                 // what the chosen part may be that begins with "_"
}

// SettingRules lists the settings that this package knows, sorted by name.
func SettingRules() []SettingRule { return slices.Clone(settingRules) }

// RuleOf is the rule for a name that was set, if this package knows one. A name may be that of a keyspace's own setting.
func RuleOf(name string) (r SettingRule, known bool) {
	if r := ruleOf(name); r != nil {
		return *r, true
	}
	return r, false
}

// ruleOf finds the rule for a name; coverage may carry a keyspace's.
func ruleOf(name string) *SettingRule {
	if _, found := strings.CutPrefix(name, SettingCoverage+"."); found {
		name = SettingCoverage
	}
	if rest, found := strings.CutPrefix(name, "keyspace."); found {
		return scopedRule(rest)
	}
	return plainRule(name)
}

// plainRule finds the rule for a name of the cluster's: by order, for who plans asks for many, or else among those of which a part is chosen.
func plainRule(name string) *SettingRule {
	at, found := slices.BinarySearchFunc(settingRules, name, func(r SettingRule, name string) int { return strings.Compare(r.Name, name) })
	if found {
		return &settingRules[at]
	}
	return first(settingRules, func(r *SettingRule) bool { return r.named(name) })
}

// named says whether the rule is for a name.
func (r *SettingRule) named(name string) bool {
	before, after, chosen := strings.Cut(r.Name, "{")
	if !chosen {
		return r.Name == name
	}
	_, after, _ = strings.Cut(after, "}")
	part, found := strings.CutPrefix(name, before)
	part, closed := strings.CutSuffix(part, after)
	return found && closed && part != "" && (part[0] != '_' || slices.Contains(r.special, part))
}

// scopedRule finds the rule for what follows "keyspace.": the keyspace's name may contain dots.
func scopedRule(rest string) *SettingRule {
	for at := range rest {
		if tail, found := strings.CutPrefix(rest[at:], ".routing."); found && at > 0 {
			if r := plainRule(routing + tail); r != nil && r.Scoped {
				return r
			}
		}
	}
	return nil
}

// CheckSetting refuses a value that nobody could read, with a sentence that says what is taken. The empty value, which
// removes a setting, is always good. known is false for a name that is not of this package: others may know it.
func CheckSetting(name, value string) (known bool, err error) {
	r := ruleOf(name)
	if r == nil {
		return false, nil
	}
	if value == "" {
		return true, nil
	}
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return true, refuse(WhyInvalid, "setting %q is %q; names and values of settings are UTF-8", name, value)
	}
	good, why := true, ""
	switch {
	case len(r.Values) > 0:
		good = slices.Contains(r.Values, value)
	case r.Time:
		v, err := time.ParseDuration(value)
		good = err == nil && r.Min <= int64(v) && int64(v) <= r.Max
	case r.check != nil:
		if err := r.check(value); err != nil {
			good, why = false, err.Error()+"; "
		}
	default:
		v, err := strconv.ParseInt(value, 10, 64)
		good = err == nil && r.Min <= v && v <= r.Max
	}
	if !good {
		return true, refuse(WhyInvalid, "setting %s is %q; %smust be %s", name, value, why, r.Takes())
	}
	return true, nil
}

// Takes says in words which values a setting takes.
func (r *SettingRule) Takes() string {
	switch {
	case len(r.Values) > 0:
		return "one of " + strings.Join(r.Values, ", ")
	case r.Time:
		return fmt.Sprintf("a duration from %v to %v, as in %q", time.Duration(r.Min), time.Duration(r.Max), r.Default)
	case r.check != nil:
		return r.Form
	}
	return fmt.Sprintf("a number from %d to %d", r.Min, r.Max)
}

// Value is a setting's value in force: what was set, or the default if nothing was or nobody can read it.
func (s *State) Value(name string) string {
	r := ruleOf(name)
	if r == nil {
		return s.Setting(name)
	}
	set := s.Setting(name)
	if _, err := CheckSetting(name, set); set == "" || err != nil {
		return s.defaultOf(name, r)
	}
	return set
}

// DefaultOf is what is in force for a name of this package that is not set.
func (s *State) DefaultOf(name string) string { return s.defaultOf(name, ruleOf(name)) }

// defaultOf is the rule's. Only what a watermark leaves at most depends on another setting: whoever says how much may be used means
// that, and the headroom that is made for the default part falls away, as in Elasticsearch.
func (s *State) defaultOf(name string, r *SettingRule) string {
	mark, is := strings.CutSuffix(name, maxHeadroom)
	if !is {
		return r.Default
	}
	set := s.Setting(mark)
	if _, err := CheckSetting(mark, set); set == "" || err != nil {
		return r.Default
	}
	return "-1"
}

// routing begins the names of the settings that a keyspace may say for itself, as "keyspace.NAME.routing." and so on.
const routing = "cluster.routing."

// ScopedName is the name under which a keyspace says a setting of the cluster for itself, or "" if it cannot.
func ScopedName(keyspace, name string) string {
	rest, found := strings.CutPrefix(name, routing)
	if !found {
		return ""
	}
	return "keyspace." + keyspace + ".routing." + rest
}

// SettingsUnder are those that were set whose names begin with a prefix: a part of Settings.
func (s *State) SettingsUnder(prefix string) []Setting {
	from, _ := slices.BinarySearchFunc(s.Settings, prefix, func(x Setting, name string) int { return strings.Compare(x.Name, name) })
	to := from
	for to < len(s.Settings) && strings.HasPrefix(s.Settings[to].Name, prefix) {
		to++
	}
	return s.Settings[from:to]
}

// HasScoped says whether any keyspace says a setting for itself.
func (s *State) HasScoped() bool { return len(s.SettingsUnder("keyspace.")) > 0 }

// Scoped is the value in force of a setting for a keyspace: what was set for it, else for the cluster, else the default. from
// is the name that it was set by.
func (s *State) Scoped(keyspace, name string) (value, from string) {
	if scoped := ScopedName(keyspace, name); scoped != "" {
		if set := s.Setting(scoped); set != "" {
			if known, err := CheckSetting(scoped, set); known && err == nil {
				return set, scoped
			}
		}
	}
	return s.Value(name), name
}

// Number is the value in force of a setting that is a number.
func (s *State) Number(name string) int {
	n, err := strconv.Atoi(s.Value(name))
	if err != nil {
		panic(fmt.Sprintf("cluster: setting %s is no number", name))
	}
	return n
}

// Duration is the value in force of a setting that is a duration.
func (s *State) Duration(name string) time.Duration {
	v, err := time.ParseDuration(s.Value(name))
	if err != nil {
		panic(fmt.Sprintf("cluster: setting %s is no duration", name))
	}
	return v
}

// Serves says whether a keyspace serves at all, and else why not: with full coverage it serves nothing while one of its
// shards has no primary.
func (s *State) Serves(id shards.KeyspaceID) error {
	k := s.Keyspace(id)
	if k == nil {
		return refuse(WhyUnknown, "there is no keyspace %d", id)
	}
	name := SettingCoverage + "." + k.Name
	if s.Setting(name) == "" {
		name = SettingCoverage
	}
	if s.Value(name) != CoverageFull {
		return nil
	}
	for _, r := range s.ShardsOf(id) {
		if r.Primary == 0 {
			return refuse(WhyStale, "shard %s has no primary, and setting %s is %s", s.ShardName(r.ID), name, CoverageFull)
		}
	}
	return nil
}
