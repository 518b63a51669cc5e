package tracing

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// away is a collector that nobody listens for until a time.
type away struct {
	pile
	back  time.Time
	tries int
}

func (a *away) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if a.tries++; time.Now().Before(a.back) {
		return &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	return a.pile.ExportSpans(ctx, spans)
}

func died() *Failover {
	return &Failover{Kind: KindFailover, Cluster: "berlin", Node: "id2", Name: "n2", Epoch: 1, Declared: 1, Done: 2, Outcome: OutcomeRecovered}
}

// A collector that starts again while a node dies has the trace all the same; one that stays away costs the trace, and ends of nodes do not
// wait for it.
func TestCollectorThatIsAway(t *testing.T) {
	for _, c := range []struct {
		what    string
		away    time.Duration
		close   time.Duration
		dropped uint64
	}{
		{"for a moment", 5 * time.Second, time.Minute, 0},
		{"for long", time.Hour, time.Minute, 1},
		{"while the node ends", 5 * time.Second, 0, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &away{back: time.Now().Add(c.away)}
				told := 0
				e := &Exporter{out: out, failed: func(error) { told++ }}
				e.start()
				e.Export(died())
				<-time.After(c.close)
				synctest.Wait()
				begun := time.Now()
				if err := e.Close(t.Context()); err != nil || !time.Now().Equal(begun) {
					t.Errorf("Close after %v: %v", time.Since(begun), err)
				}
				if d := e.Dropped(); d != c.dropped || told != int(d) || len(out.all()) != 1-int(d) || out.tries > 20 {
					t.Errorf("%d dropped, told of %d, sent %v, tried %d times", d, told, out.all(), out.tries)
				}
			})
		})
	}
}

// The exporters of OpenTelemetry say that nobody was reached in a way that is understood here.
func TestUnreached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := dial(t.Context(), "http/protobuf", "http://"+l.Addr().String()+tracesPath)
	if err != nil {
		t.Fatal(err)
	}
	f := died()
	if err := out.ExportSpans(t.Context(), snapshots(Origin{}, f.Spans())); !unreached(err) {
		t.Errorf("nobody listens: %v", err)
	}
	if unreached(context.DeadlineExceeded) || unreached(nil) {
		t.Error("of what took too long nobody knows whether it arrived")
	}
}
