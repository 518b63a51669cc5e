package hosted_test

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// leads lets nobody lead on one node. Of anything else it has no word.
type leads struct{ node int }

func (leads) Name() string   { return "leads" }
func (leads) PerShard() bool { return false }
func (l leads) Promote(_ *policies.View, q *policies.Question, r policies.Row) {
	if q.Primary {
		r.Raise(l.node, policies.Say(policies.No, 1))
	}
}
func (leads) Reason(*policies.View, *policies.Question, int, policies.Answer) string {
	return "nobody leads here"
}

// Two sets are asked all that plans ask: a rule that is about leads alone makes a difference, as much whether a copy leads or follows.
func TestContrastAsksAboutLeads(t *testing.T) {
	w := parse(t, "node N1\nnode N2\nnode N3\nkeyspace k shards=4 replicas=1\nshard k/0 primary@N1 sync@N2\nshard k/1 primary@N2 sync@N3\nshard k/2 primary@N3 sync@N1\nshard k/3 primary@N1 sync@N3\n")
	view := w.View()
	none, some := hosted.NewSet(nil, nil), hosted.NewSet([]policies.Decider{leads{view.Node(w.State.Members[1].ID)}}, nil)
	got := hosted.Contrast(view, none, some)
	want := "promote YES would be NO: shard k/0, node N2: [leads] nobody leads here"
	// Of each shard: a copy more on 3 nodes, and its start there, and 3 questions about each of 2 copies.
	if got.Asked != 4 || got.Answers != 4*(2*3+3*2) || got.Stricter != 2 || got.Milder != 0 || got.First != want || len(got.Flips) != 1 || got.Flips[0].Count != 2 {
		t.Errorf("%+v", got)
	}
	if back := hosted.Contrast(view, some, none); back.Milder != 2 || back.Stricter != 0 || fmt.Sprint(back.Flips[0]) != "{promote NO YES 2 shard k/0, node N2: [leads] nobody leads here}" {
		t.Errorf("the other way round: %+v", back)
	}
}
