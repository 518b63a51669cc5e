package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/tracing"
)

// A life may have been suspected, drained and lost: each has a name of its own, and a name that several have is answered with all of them.
func TestNamesOfFailovers(t *testing.T) {
	const s = int64(1e9)
	of := func(kind tracing.Kind, epoch, since uint64, at int64) *tracing.Failover {
		return &tracing.Failover{Kind: kind, Cluster: "c", Node: "id2", Name: "n2", Epoch: epoch, Since: since, Declared: at}
	}
	first, second := of(tracing.KindSuspicion, 1, 5, 1*s), of(tracing.KindSuspicion, 1, 6, 2*s)
	drain, death := of(tracing.KindDrain, 1, 41, 3*s), of(tracing.KindFailover, 1, 0, 4*s)
	later, newest := of(tracing.KindDrain, 2, 57, 5*s), of(tracing.KindSuspicion, 3, 7, 6*s)
	_, c, _ := serve(t, ServerConfig{Stories: func(context.Context) ([]*tracing.Failover, error) {
		return []*tracing.Failover{first, second, drain, death, later, newest}, errors.New("the leader is away")
	}})
	for name, want := range map[string]*tracing.Failover{
		"n2@1": death, "drain-n2@41": drain, "n2@2": later, "drain-n2@57": later, "n2": newest, "n2@3": newest,
		first.Trace().String(): first, strings.ToUpper(second.Trace().String()): second, second.Trace().String()[:8]: second,
	} {
		got, err := c.Failover(t.Context(), name)
		if err != nil || got.Trace() != want.Trace() {
			t.Errorf("%s is %s of trace %s, %v; want %s", name, got.ID(), got.Trace(), err, want.ID())
		}
	}
	_, err := c.Failover(t.Context(), "suspicion-n2@1")
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusConflict || !strings.Contains(e.Reason, first.Trace().String()) || !strings.Contains(e.Reason, second.Trace().String()+"  1970-01-01 00:00:02  suspicion") {
		t.Errorf("two of one name: %v", err)
	}
	if _, err := c.Failover(t.Context(), "n2@9"); !NotFound(err) || !strings.Contains(err.Error(), "the leader is away") {
		t.Errorf("none of a name: %v", err)
	}
}

// While a shard takes no writes, nothing is said of when they all were back.
func TestFailoverThatIsNotBack(t *testing.T) {
	f := &tracing.Failover{Kind: tracing.KindFailover, Node: "id2", Name: "n2", Epoch: 1, Heard: 1e9, Declared: 2e9, Done: 9e9, Outcome: tracing.OutcomeGivenUp, Shards: []tracing.Shard{
		{Name: "orders/1", Attempts: []tracing.Attempt{{To: "n1", Told: 2e9, Served: 3e9}}}, {Name: "orders/2", Attempts: []tracing.Attempt{{To: "n1", Told: 2e9}}}}}
	_, c, _ := serve(t, ServerConfig{Stories: func(context.Context) ([]*tracing.Failover, error) { return []*tracing.Failover{f}, nil }})
	for _, want := range []float64{0, 3000} {
		list, err := c.Failovers(t.Context())
		if err != nil || len(list.Failovers) != 1 || list.Failovers[0].Unavailable != want {
			t.Errorf("%+v, %v; want %v ms", list, err, want)
		}
		f.Shards[1].Attempts[0].Served = 4e9
	}
}
