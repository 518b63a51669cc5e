package deciders

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Filter says by name or attribute which nodes hold copies. Settings, for each ATTRIBUTE of nodes and for _name, _id, _host
// and _ip:
//
//	cluster.routing.allocation.include.ATTRIBUTE   a,b*   a node needs one of the values of one of the includes
//	cluster.routing.allocation.require.ATTRIBUTE   a,b*   a node needs all of the values of all of the requires
//	cluster.routing.allocation.exclude.ATTRIBUTE   a,b*   a node has none of the values of any of the excludes
//
// A keyspace may say its own beside them, which holds for it in addition. In values * stands for any text. Copies leave the
// nodes that are refused.
type Filter struct{}

// pattern is one filter.
type pattern struct {
	kind   uint8 // a code of its reasons
	what   string
	values []string
	name   string // of the setting
	value  string
}

// The codes of its reasons, and the order in which the kinds are looked at.
const (
	filterRequire = iota + 1
	filterInclude
	filterExclude
)

var kinds = []struct {
	code   uint8
	prefix string
}{{filterRequire, cluster.SettingRequire}, {filterInclude, cluster.SettingInclude}, {filterExclude, cluster.SettingExclude}}

// level is the filters of the cluster, or those of a keyspace, in the order of their names.
type level []pattern

// filters are those of the whole cluster.
var filters = policies.Derive(func(v *policies.View) level { return readFilters(v, "") })

// levels lists the filters that hold for a keyspace, those of the cluster first.
func levels(v *policies.View, k *cluster.Keyspace) []level {
	all := []level{filters.Of(v)}
	if v.State.HasScoped() {
		all = append(all, readFilters(v, k.Name))
	}
	return all
}

// readFilters reads those of a keyspace, or with no name those of the cluster.
func readFilters(v *policies.View, keyspace string) (l level) {
	for _, kind := range kinds {
		prefix := kind.prefix
		if keyspace != "" {
			prefix = cluster.ScopedName(keyspace, prefix)
		}
		for _, s := range v.State.SettingsUnder(prefix) {
			if known, err := cluster.CheckSetting(s.Name, s.Value); known && err == nil {
				l = append(l, pattern{kind.code, strings.TrimPrefix(s.Name, prefix), cluster.Names(s.Value), s.Name, s.Value})
			}
		}
	}
	return l
}

// Name is filter.
func (Filter) Name() string { return "filter" }

// PerShard is false.
func (Filter) PerShard() bool { return false }

// Allocate says NO on the nodes that a filter refuses.
func (Filter) Allocate(v *policies.View, q *policies.Question, r policies.Row) { filtered(v, q, r) }

// Remain says NO on them too: what is there moves.
func (Filter) Remain(v *policies.View, q *policies.Question, r policies.Row) { filtered(v, q, r) }

func filtered(v *policies.View, q *policies.Question, r policies.Row) {
	for _, l := range levels(v, q.Keyspace) {
		if len(l) == 0 {
			continue
		}
		for n, code := range refusals.Of(v).of(v, l) {
			if code != 0 {
				r.Raise(n, policies.Say(policies.No, code))
			}
		}
	}
}

// known are the codes by node of the levels that have been looked at: what several keyspaces say is looked at once.
type known map[string][]uint8 // only asked, never visited

var refusals = policies.Derive(func(*policies.View) known { return known{} })

// of gives the codes of a level.
func (k known) of(v *policies.View, l level) []uint8 {
	var text strings.Builder
	for i := range l {
		text.WriteByte(l[i].kind)
		text.WriteString(l[i].what)
		text.WriteByte(0)
		text.WriteString(l[i].value)
		text.WriteByte(0)
	}
	codes, found := k[text.String()]
	if !found {
		codes = make([]uint8, len(v.Nodes))
		for n := range v.Nodes {
			codes[n], _ = l.refuses(&v.Nodes[n])
		}
		k[text.String()] = codes
	}
	return codes
}

// refuses gives the code for the first reason against a node, or 0, and the filter: for an include the first of them.
func (l level) refuses(n *policies.Node) (code uint8, by *pattern) {
	var include *pattern
	included := false
	for i := range l {
		p := &l[i]
		switch p.kind {
		case filterRequire:
			if !p.all(n) {
				return p.kind, p
			}
		case filterInclude:
			if include == nil {
				include = p
			}
			included = included || p.any(n)
		case filterExclude:
			if include != nil && !included {
				return filterInclude, include
			}
			if p.any(n) {
				return p.kind, p
			}
		}
	}
	if include != nil && !included {
		return filterInclude, include
	}
	return 0, nil
}

func (p *pattern) any(n *policies.Node) bool {
	return slices.ContainsFunc(p.values, func(value string) bool { return p.fits(value, n) })
}

func (p *pattern) all(n *policies.Node) bool {
	return !slices.ContainsFunc(p.values, func(value string) bool { return !p.fits(value, n) })
}

func (p *pattern) fits(value string, n *policies.Node) bool {
	text := n.Says(p.what)
	return text != "" && cluster.Wild(value, text)
}

// Reason names the filter, its value and what the node says.
func (Filter) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	n := &v.Nodes[node]
	for _, l := range levels(v, q.Keyspace) {
		code, by := l.refuses(n)
		if code != a.Code() {
			continue
		}
		says := fmt.Sprintf("node %s has %s %q", n.Name, strings.TrimPrefix(by.what, "_"), n.Says(by.what))
		switch code {
		case filterExclude:
			return fmt.Sprintf("%s, and setting %s is %s", says, by.name, by.value)
		case filterInclude:
			return fmt.Sprintf("%s, which no include names: setting %s is %s", says, by.name, by.value)
		}
		return fmt.Sprintf("%s, and setting %s requires %s", says, by.name, by.value)
	}
	panic("deciders: nothing speaks against node " + n.Name)
}
