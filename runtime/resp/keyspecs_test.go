package resp

import (
	"slices"
	"strings"
	"testing"
)

// elements are the replies that an aggregate reply consists of.
func elements(reply string) (parts []string) {
	_, rest, _ := strings.Cut(reply, "\r\n")
	for rest != "" {
		n := replyLength([]byte(rest))
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return parts
}

// keySpecs are the key specifications of commands as a server tells them, without its notes, and the specification that each
// key among the arguments is said to belong to.
func keySpecs(c *client, names []string) (specs, indexes []string) {
	for _, info := range elements(c.do(append([]string{"COMMAND", "INFO"}, names...)...)) {
		if info[0] == '*' && info[1] != '-' {
			info = elements(info)[8]
		}
		var kept []string
		for _, spec := range elements(info) {
			pairs := elements(spec)
			if strings.HasSuffix(pairs[0], "notes\r\n") {
				pairs = pairs[2:]
			}
			kept = append(kept, strings.Join(pairs, ""))
		}
		specs = append(specs, strings.Join(kept, "; "))
	}
	for _, name := range names {
		docs, found := c.do("COMMAND", "DOCS", name), ""
		for _, part := range strings.Split(docs, "key_spec_index\r\n")[1:] {
			index, _, _ := strings.Cut(part, "\r\n")
			found += index
		}
		indexes = append(indexes, found)
	}
	return specs, indexes
}

// TestKeySpecsAreThoseOfRedis holds what COMMAND says of keys against a real server.
func TestKeySpecsAreThoseOfRedis(t *testing.T) {
	var names []string
	for _, cmd := range table {
		for _, cmd := range append(slices.Clone(cmd.subs), cmd) {
			if cmd.first > 0 && cmd.name != "msetex" { // which Redis 7.0 does not have
				names = append(names, cmd.name)
			}
		}
	}
	slices.Sort(names)
	_, addr := startServer(t, newLocalBackend(16, "default"), Config{})
	have, haveIndexes := keySpecs(dial(t, addr), names)
	want, wantIndexes := keySpecs(dial(t, startRedis(t, false)), names)
	for i, name := range names {
		if have[i] != want[i] {
			t.Errorf("%s\nhave %q\nwant %q", name, have[i], want[i])
		}
		if haveIndexes[i] != wantIndexes[i] {
			t.Errorf("%s: keys belong to specifications %s, want %s", name, haveIndexes[i], wantIndexes[i])
		}
	}
}

// Clients of a cluster find the node for a shard channel by the place that COMMAND gives.
func TestShardChannelsHaveAPlace(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(16, "default"), Config{})
	c := dial(t, addr)
	for name, want := range map[string]string{"spublish": ":1\r\n:1\r\n:1\r\n", "ssubscribe": ":1\r\n:-1\r\n:1\r\n", "sunsubscribe": ":1\r\n:-1\r\n:1\r\n"} {
		info := elements(elements(c.do("COMMAND", "INFO", name))[0])
		if got := strings.Join(info[3:6], ""); got != want {
			t.Errorf("%s: places %q, want %q", name, got, want)
		}
		c.expect("-ERR The command has no key arguments", "COMMAND", "GETKEYS", name, "channel", "message")
	}
}
