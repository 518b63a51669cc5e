package placement

import (
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/hosted"
)

// One plan that was too large for a policy is told and counts for nothing; what is out in one set is out.
func TestSparedFaultsDoNotCount(t *testing.T) {
	var d docket
	s := &cluster.State{}
	const module = cluster.Digest("ab")
	for range 2 * hosted.Strikes {
		d.enter([]hosted.Fault{{Policy: "p", Digest: "ab", Spared: true, Text: "too much"}})
	}
	d.enter([]hosted.Fault{{Policy: "p", Digest: "ab", Text: "a trap"}})
	if n := d.strikes(s, module); n != 1 || len(d.due(s)) != 0 {
		t.Errorf("%d strikes, due %v", n, d.due(s))
	}
	d.enter([]hosted.Fault{{Policy: "p", Digest: "ab", Count: hosted.Strikes, Out: true, Text: "too much in three plans in a row"}})
	if due := d.due(s); d.strikes(s, module) != hosted.Strikes || len(due) != 1 || due[0].Digest != module {
		t.Errorf("%d strikes, due %v", d.strikes(s, module), due)
	}
}
