package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// The tables that people look at most fit into a terminal, and lack nothing that --wide does not add.
func TestTablesFitATerminal(t *testing.T) {
	row := func(name, version string) map[string]string {
		return map[string]string{"name": name, "node.role": "dm", "master": "-", "state": "alive", "shards": "1024", "pri": "512", "docs.count": "12345678", "store.size": "12.3gb", "cpu": "100", "ram.percent": "97",
			"disk.used_percent": "81", "resp": "10.100.100.101:7400", "http": "10.100.100.101:7500", "peer": "10.100.100.101:7300", "voter": "*", "version": version}
	}
	answers := func(versions ...string) map[string][]any {
		var rows []map[string]string
		for i, v := range versions {
			rows = append(rows, row("node-"+string(rune('1'+i)), v))
		}
		return map[string][]any{"GET /_nodes": {[]admin.Node{}}, "GET /_cat/nodes": {rows}, "GET /_cluster/failovers": {admin.FailoverList{Failovers: []admin.FailoverSummary{
			{ID: "relocation@123456", At: 1_700_000_000_000, Kind: "relocation", Outcome: "taken_back", Shards: 10000, Took: 123456.7, Trace: "0123456789abcdef0123456789abcdef"}}}}}
	}
	for _, c := range []struct {
		line          string
		answers       map[string][]any
		has, lacks    string
		widest, least int
	}{
		{"nodes", answers("v1.0.0", "v1.0.0"), "  REDIS                HTTP\n", "RELEASE", 120, 0},
		{"nodes", answers("v1.0.0", "v1.1.0"), "  REDIS                HTTP                 RELEASE\n", "PEER", 130, 0},
		{"nodes --wide", answers("v1.0.0", "v1.0.0"), "  PEER                 VOTES  RELEASE\n", "\nnode-3", 200, 121},
		{"nodes", map[string][]any{"GET /_nodes": {[]admin.Node{}}, "GET /_cat/nodes": {[]map[string]string{}}}, "NODE  ROLES", "RELEASE", 120, 0},
		{"trace", answers(), "  01234567\n", "89abcdef", 110, 0},
		{"trace --wide", answers(), "  0123456789abcdef0123456789abcdef\n", "  01234567\n", 140, 111},
	} {
		addr, _ := record(t, c.answers)
		out, errs, code := invoke(t, nil, "", append(strings.Fields(c.line), "--addr", addr)...)
		widest := 0
		for line := range strings.Lines(out) {
			widest = max(widest, utf8.RuneCountInString(line)-1)
		}
		if code != 0 || !strings.Contains(out, c.has) || strings.Contains(out, c.lacks) || widest > c.widest || widest < c.least {
			t.Errorf("troupe %s: exit code %d, %d columns of %d to %d, %q wanted and %q not\n%s%s", c.line, code, widest, c.least, c.widest, c.has, c.lacks, out, errs)
		}
	}
	for line, want := range map[string]string{"trace n2@7 --wide": "--wide is about the list", "trace --watch --wide": "--wide is about the list", "nodes --wide --round-trips": "none of the others can be"} {
		if _, errs, code := invoke(t, nil, "", strings.Fields(line)...); code != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("troupe %s: exit code %d, %s", line, code, errs)
		}
	}
}
