package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// lacks says what would be given up by a command that loses writes: where the copy ends that the shard would go on with, or all copies if it
// is to begin empty, how far another that answers goes beyond, and whose end nobody can tell. The nodes have been asked.
//
//	the shard's row:   term 5, c1@n1 in sync and down
//	told by n2:        c2 ends at operation 1041 of term 3    ◄── the shard would go on from here
//	told by n4:        c4 ends at operation 1057 of term 5    ◄── 16 operations and 2 terms later
func (o *overview) lacks(id shards.ShardID, node shards.NodeID, empty bool) string {
	row := o.state.Shard(id)
	if row == nil {
		return ""
	}
	var own, best *Shard
	var ends, unknown []string
	for i := range o.copies {
		x := &o.copies[i]
		if x.ID != id || x.Copy == 0 {
			continue
		}
		if !x.Told {
			if x.InSync || x.Node == node {
				unknown = append(unknown, fmt.Sprintf("%s on node %s%s", copyName(x.Copy), o.nodeName(x.Node), map[bool]string{true: " (in sync)"}[x.InSync]))
			}
			continue
		}
		ends = append(ends, o.ending(x))
		if x.Node == node {
			own = x
		}
		if best == nil || x.LastTerm > best.LastTerm || x.LastTerm == best.LastTerm && x.Last > best.Last {
			best = x
		}
	}
	var text string
	switch {
	case empty && len(ends) > 0:
		text = strings.Join(ends, ", ") + "; all of it is given up"
	case !empty && own != nil:
		text = fmt.Sprintf("%s, and the shard's last term is %d", o.ending(own), row.Term)
		if best != own {
			text += "; " + o.ending(best) + later(own, best)
		}
	}
	if len(unknown) > 0 {
		text = joined(text, "how far "+strings.Join(unknown, " and ")+" goes nobody says: what it has beyond that is given up as well")
	}
	return text
}

// ending is where a copy ends.
func (o *overview) ending(x *Shard) string {
	return fmt.Sprintf("copy %s on node %s ends at operation %d of term %d", copyName(x.Copy), o.nodeName(x.Node), x.Last, x.LastTerm)
}

// later says how much further one copy goes than another.
func later(own, best *Shard) string {
	var parts []string
	if best.Last > own.Last {
		parts = append(parts, counted(best.Last-own.Last, "operation"))
	}
	if best.LastTerm > own.LastTerm {
		parts = append(parts, counted(best.LastTerm-own.LastTerm, "term"))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, " and ") + " later"
}

func counted[N shards.SeqNo | shards.Term](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// losing are the moves of the commands that give up writes.
var losing = map[CommandKind]cluster.MoveKind{CommandAllocateStale: cluster.MoveStale, CommandAllocateEmpty: cluster.MoveEmpty}

// losing says whether a command gives up writes.
func (k CommandKind) losing() bool { return losing[k] != 0 }

// givenUp says of each command that loses writes what those are, and refuses one of which it is not said that this is accepted. A dry run
// loses none.
func (s *Server) givenUp(ctx context.Context, c Cluster, r *Reroute) (gaps []string, err error) {
	var o *overview
	gaps = make([]string, len(r.Commands))
	for i := range r.Commands {
		w := &r.Commands[i]
		if !w.Kind.losing() {
			continue
		}
		if o == nil {
			o = s.overview()
			o.ask(ctx, c)
		}
		gaps[i] = o.lacks(w.Shard, w.To, w.Kind == CommandAllocateEmpty)
		if !w.Accepted && !r.DryRun {
			what := fmt.Sprintf("%s gives up acknowledged writes of shard %s for ever", w.Kind, o.state.ShardName(w.Shard))
			if gaps[i] != "" {
				what += ": " + gaps[i]
			}
			return nil, invalid("command %d: %s. Say that this is accepted with \"accept_data_loss\":true", i, what)
		}
	}
	return gaps, nil
}

// lose adds to an answer what its commands give up. gaps are what was known before they were carried out, by command.
func (a *RerouteAnswer) lose(state *cluster.State, r *Reroute, gaps []string) {
	for i, gap := range gaps {
		w := &r.Commands[i]
		shard, node, move := state.ShardName(w.Shard), state.NodeName(w.To), moveNames[losing[w.Kind]]
		for at := range a.Moves {
			if m := &a.Moves[at]; gap != "" && m.Shard == shard && m.Node == node && m.Move == move {
				m.Lacks = gap
			}
		}
	}
}
