package cluster

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Names of the dynamic settings that placement reads. They are Elasticsearch's where the thing is the same.
const (
	SettingAllocationEnable     = "cluster.routing.allocation.enable"
	SettingRebalanceEnable      = "cluster.routing.rebalance.enable"
	SettingConcurrentRecoveries = "cluster.routing.allocation.node_concurrent_recoveries"
	SettingConcurrentRebalance  = "cluster.routing.allocation.cluster_concurrent_rebalance"
	SettingSameHost             = "cluster.routing.allocation.same_shard.host"
	SettingMaxRetries           = "cluster.routing.allocation.max_retries"
	SettingNodeLeftDelay        = "cluster.routing.allocation.node_left.delayed_timeout"
	SettingVoterGrace           = "cluster.voters.grace"
	SettingCoverage             = "cluster.coverage" // followed by "." and a keyspace's name: for that keyspace alone
)

// Values of the settings that choose.
const (
	EnableAll          = "all"
	EnablePrimaries    = "primaries"
	EnableNewPrimaries = "new_primaries"
	EnableReplicas     = "replicas"
	EnableNone         = "none"
	CoveragePartial    = "partial" // a keyspace serves the shards that it has
	CoverageFull       = "full"    // a keyspace serves nothing while one of its shards is red
)

// SettingRule says what a setting is for and which values it takes.
type SettingRule struct {
	Name    string
	Default string
	Values  []string // the values it takes; empty for a number or a duration
	Min     int64    // of a number, or nanoseconds of a duration
	Max     int64
	Time    bool // a duration, as in "1m30s"
	Scoped  bool // a keyspace may say otherwise for itself: see ScopedName
	Doc     string
}

// settingRules are sorted by name.
var settingRules = []SettingRule{
	{Name: SettingCoverage, Default: CoveragePartial, Values: []string{CoveragePartial, CoverageFull},
		Doc: "what a keyspace serves while one of its shards is red: partial, the others; full, nothing"},
	{Name: SettingConcurrentRebalance, Default: "4", Min: 0, Max: 1000,
		Doc: "relocations for balance alone that may go on in the whole cluster at a time"},
	{Name: SettingAllocationEnable, Default: EnableAll, Values: []string{EnableAll, EnablePrimaries, EnableNewPrimaries, EnableNone}, Scoped: true,
		Doc: "which copies may be allocated; an in-sync copy is promoted whatever it says"},
	{Name: SettingMaxRetries, Default: "5", Min: 1, Max: 1000,
		Doc: "failed copies of a shard in a row after which it is left alone until somebody retries it"},
	{Name: SettingConcurrentRecoveries, Default: "16", Min: 1, Max: 1000,
		Doc: "recoveries into a node, and out of one, at a time; shards are smaller here than where the name comes from, whose default is 2"},
	{Name: SettingNodeLeftDelay, Default: "1m", Max: int64(24 * time.Hour), Time: true,
		Doc: "how long the copies of a dead node are waited for before they are replaced"},
	{Name: SettingSameHost, Default: "false", Values: []string{"false", "true"},
		Doc: "whether two copies of a shard are kept off one host, not only off one node"},
	{Name: SettingRebalanceEnable, Default: EnableAll, Values: []string{EnableAll, EnablePrimaries, EnableReplicas, EnableNone}, Scoped: true,
		Doc: "which copies may be moved for balance alone"},
	{Name: SettingVoterGrace, Default: "3s", Max: int64(24 * time.Hour), Time: true,
		Doc: "how long a dead voter is waited for before another votes in its place"},
}

// SettingRules lists the settings that this package knows, sorted by name.
func SettingRules() []SettingRule { return slices.Clone(settingRules) }

// ruleOf finds the rule for a name; coverage may carry a keyspace's.
func ruleOf(name string) *SettingRule {
	if _, found := strings.CutPrefix(name, SettingCoverage+"."); found {
		name = SettingCoverage
	}
	if rest, found := strings.CutPrefix(name, "keyspace."); found {
		return scopedRule(rest)
	}
	return first(settingRules, func(r *SettingRule) bool { return r.Name == name })
}

// scopedRule finds the rule for what follows "keyspace.": the keyspace's name may contain dots.
func scopedRule(rest string) *SettingRule {
	for at := range rest {
		if tail, found := strings.CutPrefix(rest[at:], ".routing."); found && at > 0 {
			if r := first(settingRules, func(r *SettingRule) bool { return r.Scoped && r.Name == routing+tail }); r != nil {
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
	switch {
	case len(r.Values) > 0:
		if !slices.Contains(r.Values, value) {
			return true, refuse(WhyInvalid, "setting %s is %q; must be one of %s", name, value, strings.Join(r.Values, ", "))
		}
	case r.Time:
		v, err := time.ParseDuration(value)
		if err != nil || int64(v) < r.Min || int64(v) > r.Max {
			return true, refuse(WhyInvalid, "setting %s is %q; must be a duration from %v to %v, as in %q", name, value, time.Duration(r.Min), time.Duration(r.Max), r.Default)
		}
	default:
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil || v < r.Min || v > r.Max {
			return true, refuse(WhyInvalid, "setting %s is %q; must be a number from %d to %d", name, value, r.Min, r.Max)
		}
	}
	return true, nil
}

// Value is a setting's value in force: what was set, or the default if nothing was or nobody can read it.
func (s *State) Value(name string) string {
	r := ruleOf(name)
	if r == nil {
		return s.Setting(name)
	}
	set := s.Setting(name)
	if _, err := CheckSetting(name, set); set == "" || err != nil {
		return r.Default
	}
	return set
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
