package main

import (
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// problemLines are the problems of shards, those that have one cause in one line.
func problemLines(problems []admin.ShardCheck) (lines []string) {
	type cause struct {
		text   string // as the first shard has it
		shards []string
	}
	var causes []*cause
	known := map[string]*cause{}
	for _, p := range problems {
		key := admin.Alike(strings.ReplaceAll(p.Problem, p.Shard, ""))
		c := known[key]
		if c == nil {
			c = &cause{text: p.Problem}
			known[key], causes = c, append(causes, c)
		}
		c.shards = append(c.shards, p.Shard)
	}
	for _, c := range causes {
		if len(c.shards) == 1 {
			lines = append(lines, fmt.Sprintf("shard %s: %s", c.shards[0], c.text))
			continue
		}
		lines = append(lines, fmt.Sprintf("%d shards: %s\n  %s", len(c.shards), c.text, shorten(c.shards)))
	}
	return lines
}
