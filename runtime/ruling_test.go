package runtime

import (
	"context"
	"errors"
	"testing"

	"github.com/troupe-actors/troupe/actors/metadata"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// TestRuling: a hand-over is asked for until it is known what became of it, and what is in nobody's log never will be applied.
func TestRuling(t *testing.T) {
	handOver := &cluster.Command{HandOver: &cluster.HandOver{Term: 3, From: 1, To: 2}}
	inSync := &cluster.Command{InSync: &cluster.InSync{Term: 3, Primary: 1}}
	stale := &cluster.Refusal{}
	unavailable := &shards.Error{Kind: shards.KindUnavailable, Err: errors.New("no leader")}
	unknown := &shards.Error{Kind: shards.KindOutcomeUnknown, Err: errors.New("no leader")}
	invalid := &shards.Error{Kind: shards.KindInvalid, Err: errors.New("an older member cannot read it")}
	for _, x := range []struct {
		name    string
		command *cluster.Command
		errs    []error          // of one try after another
		outcome *cluster.Refusal // of the last try, if it has no error
		refused bool
		err     error
	}{
		{"applied", inSync, []error{nil}, nil, false, nil},
		{"refused", inSync, []error{nil}, stale, true, stale},
		{"in nobody's log", inSync, []error{unavailable}, nil, true, unavailable},
		{"not readable", handOver, []error{invalid}, nil, true, invalid},
		{"not known", inSync, []error{unknown}, nil, false, unknown},
		{"forgotten", inSync, []error{metadata.ErrForgotten}, nil, false, metadata.ErrForgotten},
		{"the node ends", handOver, []error{metadata.ErrClosed}, nil, false, metadata.ErrClosed},
		{"a hand-over, forgotten, and not applied", handOver, []error{metadata.ErrForgotten, nil}, nil, false, nil},
		{"a hand-over, forgotten twice, and applied before", handOver, []error{metadata.ErrForgotten, metadata.ErrForgotten, nil}, stale, true, stale},
	} {
		t.Run(x.name, func(t *testing.T) {
			tries := 0
			refused, err := ruling(t.Context(), x.command, func(_ context.Context, c *cluster.Command) (cluster.Outcome, error) {
				if c != x.command {
					t.Errorf("proposed %+v", c)
				}
				tries++
				if err := x.errs[tries-1]; err != nil {
					return cluster.Outcome{}, err
				}
				return cluster.Outcome{Err: x.outcome}, nil
			})
			if refused != x.refused || !errors.Is(err, x.err) || tries != len(x.errs) {
				t.Errorf("refused %v, %v after %d tries", refused, err, tries)
			}
		})
	}
}
