package cluster

import (
	"fmt"
	"strings"
)

// Describe prints one row of the shard table on a line, with the members' names, as in
//
//	orders/17 term 4: c31@n1 primary, c44@n2 in sync, c57@n3 initializing for c44
func (s *State) Describe(r *Shard) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s term %d:", s.ShardName(r.ID), r.Term)
	for i, c := range r.Copies {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " c%d@%s %s", c.ID, s.NodeName(c.Node), r.role(&c))
		if m := s.Member(c.Node); m != nil && m.Down {
			b.WriteString(" down")
		}
	}
	if len(r.Copies) == 0 {
		b.WriteString(" no copy")
	}
	if r.HandTo != 0 {
		fmt.Fprintf(&b, "; to hand over to c%d", r.HandTo)
	}
	if r.Failures > 0 {
		fmt.Fprintf(&b, "; %d failed", r.Failures)
	}
	return b.String()
}

func (r *Shard) role(c *Copy) string {
	var words []string
	switch {
	case c.ID == r.Primary:
		words = append(words, "primary")
	case c.InSync:
		words = append(words, "in sync")
	default:
		words = append(words, "initializing")
	}
	if c.Fresh {
		words = append(words, "fresh")
	}
	if c.Failed {
		words = append(words, "failed")
	}
	if c.Source != 0 {
		words = append(words, fmt.Sprintf("for c%d", c.Source))
	}
	return strings.Join(words, " ")
}
