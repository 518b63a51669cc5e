package cluster

import (
	"fmt"
	"slices"
	"strings"
)

// Unmet says of a setting that is good in itself why nothing in the cluster is as it asks, as a sentence; empty if something is. It may
// be set for what is still to come: whoever sets it is told, and not refused.
func (s *State) Unmet(x Setting) string {
	if x.Value == "" {
		return ""
	}
	name := x.Name
	if rest, is := strings.CutPrefix(name, "keyspace."); is {
		keyspace, tail, found := strings.Cut(rest, ".routing.")
		if !found {
			return ""
		}
		if s.KeyspaceByName(keyspace) == nil {
			return fmt.Sprintf("there is no keyspace %q: it does nothing until there is", keyspace)
		}
		name = routing + tail
	}
	if keyspace, is := strings.CutPrefix(name, SettingCoverage+"."); is && s.KeyspaceByName(keyspace) == nil {
		return fmt.Sprintf("there is no keyspace %q: it does nothing until there is", keyspace)
	}
	if node, is := strings.CutPrefix(name, SettingReplace); is {
		return s.unmetReplacement(node, x.Value)
	}
	if name == SettingAwareness {
		return s.unmetAwareness(x.Value)
	}
	for _, prefix := range []string{SettingRequire, SettingInclude, SettingExclude} {
		if what, is := strings.CutPrefix(name, prefix); is {
			return s.unmetFilter(prefix, what, Names(x.Value))
		}
	}
	return ""
}

func (s *State) unmetAwareness(value string) string {
	for _, name := range Names(value) {
		if !s.holds(func(m *Member) bool { return m.Attribute(name) != "" }) {
			return fmt.Sprintf("no node that holds data has an attribute %s", name)
		}
	}
	return ""
}

func (s *State) unmetFilter(prefix, what string, values []string) string {
	says := func(m *Member, value string) bool { return m.Says(what) != "" && Wild(value, m.Says(what)) }
	list := what + "=" + strings.Join(values, ",")
	switch {
	case prefix == SettingRequire && s.holds(func(m *Member) bool { return !slices.ContainsFunc(values, func(v string) bool { return !says(m, v) }) }):
	case prefix != SettingRequire && s.holds(func(m *Member) bool { return slices.ContainsFunc(values, func(v string) bool { return says(m, v) }) }):
	case prefix == SettingExclude:
		return fmt.Sprintf("no node that holds data has %s: it keeps nothing away", list)
	default:
		return fmt.Sprintf("no node that holds data has %s: no copy can be allocated or moved while none has", list)
	}
	return ""
}

// holds says whether a member that holds data is as asked for.
func (s *State) holds(as func(*Member) bool) bool {
	return first(s.Members, func(m *Member) bool { return m.Has(RoleData) && as(m) }) != nil
}

// Says is what a member says of itself: an attribute, or one of FilterName, FilterID, FilterHost and FilterIP. Empty: nothing.
func (m *Member) Says(what string) string {
	switch what {
	case FilterName:
		return m.Name
	case FilterID:
		return string(m.ID)
	case FilterHost:
		return m.Host
	case FilterIP:
		if at := strings.LastIndexByte(m.Peer, ':'); at >= 0 {
			return strings.Trim(m.Peer[:at], "[]")
		}
		return m.Peer
	}
	return m.Attribute(what)
}

// Wild says whether text is what a pattern describes, in which * stands for any text.
func Wild(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == text
	}
	rest, found := strings.CutPrefix(text, parts[0])
	if !found {
		return false
	}
	for _, part := range parts[1:last] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[last])
}
