package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// printExplanation prints how a shard stands, and of each node who objects: those that hold a copy are not asked about another one.
// all: whatever was said.
func (r *remote) printExplanation(a *admin.ExplainAnswer, all bool) error {
	what := a.Summary
	if strings.HasPrefix(what, a.Shard.Shard+" ") { // the row, which is printed already, and what is to be said about it
		_, what, _ = strings.Cut(what, "; ")
	}
	if a.Refuses != "" {
		what = strings.TrimSuffix("writes that grow are refused: "+a.Refuses+"\n"+what, "\n")
	}
	if what == "" {
		what = "it has what it needs, and the next plan does nothing with it"
	}
	if _, err := fmt.Fprintf(r.c.out, "%s\n%s\n", rowText(&a.Shard), what); err != nil {
		return err
	}
	return r.printVerdicts(a.Nodes, all)
}

// printVerdicts prints what was said of each node.
func (r *remote) printVerdicts(nodes []admin.ExplainedNode, all bool) error {
	rows := [][]string{}
	silent := 0
	for i := range nodes {
		n := &nodes[i]
		copied, verdict := "-", strings.ToUpper(n.Decision)
		if n.Copy != nil {
			copied, verdict = n.Copy.Copy, holding(n.Copy)
		}
		rows = append(rows, []string{n.Node, copied, "", verdict, ""})
		for _, v := range n.Verdicts {
			switch another := v.Question == "allocate" || v.Question == "start"; {
			case !all && another && n.Copy != nil:
				continue // the copy that is there says why there is no other
			case !all && v.Decision == "yes" && v.Reason == "":
				silent++
				continue
			}
			rows = append(rows, []string{"", "", v.Question, v.Decision, strings.TrimSuffix(v.Decider+": "+v.Reason, ": ")})
		}
		rows = append(rows, scoreRows(n.Scores)...)
	}
	if err := writeTable(r.c.out, []string{"NODE", "COPY", "MAY", "VERDICT", "DECIDER AND REASON"}, rows); err != nil || silent == 0 {
		return err
	}
	_, err := fmt.Fprintf(r.c.out, "%s %s a plain yes; --all prints %s\n", plural(silent, "answer"), verb(silent, "is", "are"), verb(silent, "it", "them"))
	return err
}

// holding says what a node has of a shard.
func holding(c *admin.RowCopy) string {
	switch {
	case c.Failed:
		return "holds a failed copy"
	case c.Down:
		return "is down with a copy"
	case !c.InSync:
		return "holds a copy that is coming"
	}
	return "holds a copy"
}

// scoreRows are what soft policies say of a node.
func scoreRows(scores []admin.NodeScore) (rows [][]string) {
	for _, s := range scores {
		rows = append(rows, []string{"", "", "score", strconv.FormatFloat(s.Score, 'f', 2, 64), s.Scorer + " (in copies; the lowest is preferred)"})
	}
	return rows
}
