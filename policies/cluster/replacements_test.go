package cluster

import (
	"strings"
	"testing"
)

func TestNodesDoNotReplaceEachOther(t *testing.T) {
	replace := func(node, by string) Setting { return Setting{SettingReplace + node, by} }
	s := &State{
		Members:  []Member{{ID: "a", Name: "n1"}, {ID: "b", Name: "n2"}, {ID: "c", Name: "n3"}, {ID: "d", Name: "n4"}},
		Settings: []Setting{replace("n1", "n2"), replace("n9", "n9")},
	}
	for _, c := range []struct {
		set  []Setting
		want string
	}{
		{[]Setting{replace("n2", "n1")}, "n2 is replaced by n1 is replaced by n2"},
		{[]Setting{replace("n2", "a")}, "n2 is replaced by n1 is replaced by n2"},
		{[]Setting{replace("b", "n3"), replace("n3", "n1")}, "n2 is replaced by n3 is replaced by n1 is replaced by n2"},
		{[]Setting{replace("n3", "n3")}, "n3 is replaced by n3"},
		{[]Setting{replace("n3", "c")}, "n3 is replaced by n3"},
		{[]Setting{replace("later", "later")}, "later is replaced by later"},
		{[]Setting{replace("n2", "n3")}, ""},
		{[]Setting{replace("n2", "n9")}, ""}, // a circle that was there before, and is not closed by this
		{[]Setting{replace("n1", ""), replace("n2", "n1")}, ""},
		{[]Setting{replace("n1", "n3"), replace("n2", "n1")}, ""},
		{[]Setting{replace("n9", "")}, ""},
		{[]Setting{{SettingMaxRetries, "7"}}, ""},
	} {
		err := s.CheckReplacements(c.set)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), ": "+c.want) {
			t.Errorf("%v: %v, want %q", c.set, err, c.want)
		}
	}
}

// A node that is replaced takes nobody's copies: a chain is told of as long as there are some.
func TestChainsOfReplacementsAreToldOf(t *testing.T) {
	s := &State{
		Members:  []Member{{ID: "a", Name: "n1"}, {ID: "b", Name: "n2"}, {ID: "c", Name: "n3"}, {ID: "d", Name: "n4"}},
		Settings: []Setting{{SettingReplace + "n1", "b"}},
		Shards:   []Shard{{Copies: []Copy{{ID: 1, Node: "a"}}}},
	}
	for _, c := range []struct{ node, by, want string }{
		{"n2", "n3", "node n2 was to take the copies of node n1, and takes none"},
		{"n3", "n1", ""}, // it has none
		{"n4", "n3", ""},
		{"n1", "n4", ""},
	} {
		if got := s.Unmet(Setting{SettingReplace + c.node, c.by}); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s by %s: %q, want %q", c.node, c.by, got, c.want)
		}
	}
	s.Settings = []Setting{{SettingReplace + "n2", "n3"}}
	if got := s.Unmet(Setting{SettingReplace + "n1", "n2"}); !strings.Contains(got, "node n2 is itself replaced by node n3") {
		t.Errorf("to one that is replaced: %q", got)
	}
}
