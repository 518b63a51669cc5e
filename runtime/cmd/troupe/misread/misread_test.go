package misread

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestTabsAreFound(t *testing.T) {
	const tab = ": a tab indents this line, and YAML wants spaces"
	for _, c := range []struct {
		text string
		line int
		want string // the end of the reason
	}{
		{"name: a\nkeyspace:\n\t- b\n", 3, tab},
		{"name: a\n\tresp: b\n", 2, tab},
		{"\tname: a\n", 1, tab},
		{"name: a\n \t resp: b\n", 2, tab},
		{"keyspace:\n  - name: a\n\t  shards: 3\n", 3, tab},
		{"name: @a\n", 0, "a tab, @ or `; indent by spaces, and put a text that begins so in quotes"},
		{"\n\nname: `a\n", 3, "put a text that begins so in quotes"},
		{"name: a\nresp: [\n", 2, "did not find expected node content"},
		{"a: b: c\n", 0, "mapping values are not allowed in this context"},
	} {
		var node yaml.Node
		err := yaml.Unmarshal([]byte(c.text), &node)
		if err == nil {
			t.Errorf("%q can be read", c.text)
			continue
		}
		if line, reason := Of(err.Error(), []byte(c.text)); line != c.line || !strings.HasSuffix(reason, c.want) || strings.HasPrefix(reason, "yaml") {
			t.Errorf("%q: line %d, %q; want line %d, %q (%v)", c.text, line, reason, c.line, c.want, err)
		}
	}
}
