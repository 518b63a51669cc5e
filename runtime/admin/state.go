package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// State is the answer of /_cluster/state: what is agreed, with the leader beside it.
type State struct {
	ClusterName string            `json:"cluster_name"`
	ClusterID   string            `json:"cluster_uuid"`
	Version     uint64            `json:"version"`
	Leader      string            `json:"leader"` // name; empty if none is known
	Term        uint64            `json:"term"`   // of its reign
	ReadOnly    bool              `json:"read_only"`
	Voters      []string          `json:"voters"` // names
	Nodes       []Node            `json:"nodes"`
	Keyspaces   []KeyspaceInfo    `json:"keyspaces"`
	Settings    map[string]string `json:"settings"`
	Shards      []Row             `json:"shards"`
}

// Row is one row of the shard table.
type Row struct {
	Shard    string    `json:"shard"` // as in "orders/17"
	ID       uint32    `json:"id"`    // keyspace number in the high 16 bits, index in the low 16
	Term     uint64    `json:"term"`
	Version  uint64    `json:"version"` // of the state at the row's last change
	Primary  string    `json:"primary"` // a copy; empty: none
	HandTo   string    `json:"hand_to,omitempty"`
	Failures uint32    `json:"failures,omitempty"`
	Copies   []RowCopy `json:"copies"`
}

// RowCopy is one copy in a row.
type RowCopy struct {
	Copy    string `json:"copy"` // as in "c31"
	Node    string `json:"node"` // name
	InSync  bool   `json:"in_sync"`
	Started bool   `json:"started"`
	Fresh   bool   `json:"fresh,omitempty"`
	Failed  bool   `json:"failed,omitempty"`
	Source  string `json:"source,omitempty"` // the copy whose place it takes
	Down    bool   `json:"down,omitempty"`   // its node was declared dead; only where a shard is explained
}

func rowOf(s *cluster.State, r *cluster.Shard) Row {
	row := Row{
		Shard: s.ShardName(r.ID), ID: uint32(r.ID), Term: uint64(r.Term), Version: r.Version, Primary: copyName(r.Primary),
		HandTo: copyName(r.HandTo), Failures: r.Failures, Copies: []RowCopy{},
	}
	for _, c := range r.Copies {
		row.Copies = append(row.Copies, RowCopy{
			Copy: copyName(c.ID), Node: s.NodeName(c.Node), InSync: c.InSync, Started: c.Started, Fresh: c.Fresh, Failed: c.Failed, Source: copyName(c.Source),
		})
	}
	return row
}

// state answers with the whole cluster state.
func (s *Server) state(x *exchange, _ *query) error {
	if _, _, err := s.agreed(); err != nil {
		return err
	}
	o := s.overview()
	answer := State{
		ClusterName: o.node.Cluster, ClusterID: o.state.Cluster, Version: o.state.Version, Term: o.evidence.Term, ReadOnly: o.state.ReadOnly,
		Voters: []string{}, Nodes: o.nodes, Keyspaces: keyspaceInfos(o.keyspaces, slices.Values([]Shard(nil))), Settings: map[string]string{}, Shards: []Row{},
	}
	if o.evidence.Leader != "" {
		answer.Leader = o.nodeName(o.evidence.Leader)
	}
	for _, v := range o.state.Voters {
		if m := o.state.MemberByRaft(v); m != nil {
			answer.Voters = append(answer.Voters, m.Name)
		}
	}
	for _, set := range o.state.Settings {
		answer.Settings[set.Name] = set.Value
	}
	for i := range o.state.Shards {
		answer.Shards = append(answer.Shards, rowOf(o.state, &o.state.Shards[i]))
	}
	x.json(http.StatusOK, answer)
	return nil
}

// Settings is the answer of /_cluster/settings.
type Settings struct {
	Version    uint64            `json:"version"` // of the cluster state
	Persistent map[string]string `json:"persistent"`
	Defaults   map[string]string `json:"defaults,omitempty"` // with include_defaults: of those that are not set
	About      map[string]string `json:"about,omitempty"`    // with include_defaults: what each is for
}

func (s *Server) getSettings(x *exchange, q *query) error {
	all := q.flag("include_defaults")
	if q.err != nil {
		return q.err
	}
	_, state, err := s.agreed()
	if err != nil {
		return err
	}
	answer := Settings{Version: state.Version, Persistent: map[string]string{}}
	for _, set := range state.Settings {
		answer.Persistent[set.Name] = set.Value
	}
	if all {
		answer.Defaults, answer.About = map[string]string{}, map[string]string{}
		for _, set := range state.Settings { // also of those whose names somebody completed
			if r, known := cluster.RuleOf(set.Name); known {
				answer.About[set.Name] = r.Doc
			}
		}
		for _, r := range cluster.SettingRules() {
			answer.About[r.Name] = r.Doc
			if state.Setting(r.Name) == "" {
				answer.Defaults[r.Name] = state.DefaultOf(r.Name)
			}
		}
	}
	x.json(http.StatusOK, answer)
	return nil
}

// putSettings sets settings; null takes one back to its default. All are set, or none.
func (s *Server) putSettings(x *exchange, _ *query) error {
	var body struct {
		Persistent map[string]any `json:"persistent"`
	}
	if err := x.document(&body); err != nil {
		return err
	}
	if len(body.Persistent) == 0 {
		return invalid(`no setting is given; the body is {"persistent":{"NAME":"VALUE"}}, with null for the default`)
	}
	set, err := flatten(nil, "", body.Persistent, 0)
	if err != nil {
		return err
	}
	named := map[string]bool{}
	for _, one := range set {
		if named[one.Name] {
			return invalid("setting %q is there twice, as one name and as an object in another", clip(one.Name))
		}
		named[one.Name] = true
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	if err := CheckSettings(state, set); err != nil {
		return err
	}
	var warnings []string
	for _, one := range set {
		if why := state.Unmet(one); why != "" {
			warnings = append(warnings, one.Name+": "+why)
		}
	}
	if err := TrySettings(x.r.Context(), c, set); err != nil {
		return err
	}
	warnings = append(warnings, declinedByAll(state, set)...)
	return s.propose(x, c, s.signed(x, state, cluster.SettingsChange{Set: set}), warnings...)
}

// CheckSettings refuses settings that there are not, and values that they do not take; an empty one stands for the default.
func CheckSettings(state *cluster.State, set []cluster.Setting) error {
	for _, one := range set {
		known, err := cluster.CheckSetting(one.Name, one.Value)
		if err != nil {
			return err
		}
		if !known && (one.Value != "" || state.Setting(one.Name) == "") { // what an earlier version has set can still be removed
			var names []string
			for _, r := range cluster.SettingRules() {
				names = append(names, r.Name)
			}
			return invalid("no setting %q; nearest are %s; troupe settings get --all lists all", clip(one.Name), strings.Join(near(one.Name, names), ", "))
		}
	}
	return cmp.Or(state.CheckPolicyGate(set), state.CheckWatermarks(set), state.CheckReplacements(set))
}

// maxDepth bounds the nesting of settings: "a.b.c" may be written as {"a":{"b":{"c":…}}}, as in Elasticsearch.
const maxDepth = 10

func flatten(set []cluster.Setting, prefix string, values map[string]any, depth int) ([]cluster.Setting, error) {
	if depth > maxDepth {
		return nil, invalid("settings are nested more than %d deep", maxDepth)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		full := prefix + name
		switch v := values[name].(type) {
		case map[string]any:
			var err error
			if set, err = flatten(set, full+".", v, depth+1); err != nil {
				return nil, err
			}
		case nil:
			set = append(set, cluster.Setting{Name: full})
		case string:
			if v == "" {
				return nil, invalid("setting %q is empty; null takes it back to its default", clip(full))
			}
			set = append(set, cluster.Setting{Name: full, Value: v})
		case json.Number, bool:
			set = append(set, cluster.Setting{Name: full, Value: fmt.Sprint(v)})
		default:
			return nil, invalid("setting %q must be a text, a number, true, false or null", clip(full))
		}
	}
	return set, nil
}
