package cluster

import (
	"fmt"
	"strings"
)

// CheckReplacements refuses settings by which nodes would take each other's place, or one its own: all of them would be left by their copies, which
// no other node may have. What was set before and is not touched is no matter to it.
//
//	n1 ──► n2 ──► n1      refused
//	n1 ──► n2 ──► n3      taken: n1 may be empty by now. Where it is not, Unmet says so
func (s *State) CheckReplacements(set []Setting) error {
	next := s.replacements()
	for _, x := range set { // of one that is set twice the last is in force
		if node, is := strings.CutPrefix(x.Name, SettingReplace); is {
			next[s.called(node)] = s.called(x.Value) // of none if it is removed: s.called("") is ""
		}
	}
	for _, x := range set {
		node, is := strings.CutPrefix(x.Name, SettingReplace)
		if !is || x.Value == "" {
			continue
		}
		first := s.called(node)
		path := []string{first}
		for at := next[first]; at != ""; at = next[at] {
			path = append(path, at)
			if at == first {
				return refuse(WhyInvalid, "setting %s is %q; a node cannot take the place of one that takes its own: %s", x.Name, x.Value, strings.Join(path, " is replaced by "))
			}
			if len(path) > len(next)+1 { // a circle further on, which was there before
				break
			}
		}
	}
	return nil
}

// replacements are the nodes that are replaced, each with the one that takes its place; what is no member goes by what it is called.
func (s *State) replacements() map[string]string {
	list := map[string]string{}
	for _, x := range s.SettingsUnder(SettingReplace) {
		list[s.called(strings.TrimPrefix(x.Name, SettingReplace))] = s.called(x.Value)
	}
	return list
}

// called is the name of a member that is named by name or id, or the text itself.
func (s *State) called(node string) string {
	if m := s.MemberByName(node); m != nil {
		return m.Name
	}
	return node
}

func (s *State) unmetReplacement(node, by string) string {
	from, to := s.MemberByName(node), s.MemberByName(by)
	switch {
	case from == nil:
		return fmt.Sprintf("there is no node %q", node)
	case to == nil:
		return fmt.Sprintf("there is no node %q yet: copies stay where they are until there is", by)
	}
	if next := s.MemberByName(s.replacements()[to.Name]); next != nil && s.copiesOn(from) {
		return fmt.Sprintf("node %s is itself replaced by node %s, and takes no copies: those of node %s stay where they are", to.Name, next.Name, from.Name)
	}
	for _, x := range s.SettingsUnder(SettingReplace) {
		before := s.MemberByName(strings.TrimPrefix(x.Name, SettingReplace))
		if before != nil && s.called(x.Value) == from.Name && s.copiesOn(before) {
			return fmt.Sprintf("node %s was to take the copies of node %s, and takes none from now on: those stay where they are", from.Name, before.Name)
		}
	}
	return ""
}

func (s *State) copiesOn(m *Member) bool {
	return first(s.Shards, func(r *Shard) bool { return r.CopyOn(m.ID) != nil }) != nil
}
