package tracing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// pile takes spans when it is let, and notes how many came together.
type pile struct {
	mu   sync.Mutex
	came []int
	last string
	hold chan struct{} // not nil: each export waits until it gives something, or is closed
	err  error
}

func (p *pile) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if p.hold != nil {
		select {
		case <-p.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.came, p.last = append(p.came, len(spans)), spans[len(spans)-1].Name()
	return p.err
}

func (p *pile) Shutdown(context.Context) error { return nil }

func (p *pile) all() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.came)
}

// spooled is a spool of 10 spans at most, sent by fours, that wait for a second. It is running.
func spooled(out *pile) (p *spool, give func(n int)) {
	p = newSpool(Origin{Service: "troupe"}, 10, 4, time.Second, out, func(error) {})
	named := 0
	return p, func(n int) {
		for range n {
			named++
			p.take(&Span{Name: fmt.Sprint("s", named), Start: 1, End: 2})
		}
		synctest.Wait()
	}
}

func TestSpoolSendsBatchesAtOnceAndTheRestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pile{}
		p, give := spooled(out)
		for _, step := range []struct {
			give int
			wait time.Duration
			want []int
		}{
			{3, 0, nil},
			{0, time.Second, []int{3}},
			{4, 0, []int{3, 4}},
			{2, 0, []int{3, 4}},
			{1, 999 * time.Millisecond, []int{3, 4}},
			{0, time.Millisecond, []int{3, 4, 3}},
			{0, time.Hour, []int{3, 4, 3}},
			{5, 0, []int{3, 4, 3, 4}},
			{0, time.Second, []int{3, 4, 3, 4, 1}},
			{1, 0, []int{3, 4, 3, 4, 1}},
		} {
			give(step.give)
			<-time.After(step.wait)
			synctest.Wait()
			if came := out.all(); !slices.Equal(came, step.want) {
				t.Fatalf("after %+v came %v", step, came)
			}
		}
		if err := p.close(t.Context()); err != nil || p.dropped.Load() != 0 {
			t.Fatalf("%v, %d dropped", err, p.dropped.Load())
		}
		if came := out.all(); came[len(came)-1] != 1 || out.last != "s16" {
			t.Errorf("at the end came %v, the last was %s", came, out.last)
		}
		if give(1); p.dropped.Load() != 1 {
			t.Error("a span that ends after the end is not counted as dropped")
		}
	})
}

// While the collector hangs as many wait as may, and the others are dropped and counted; what waits is sent when it goes on.
func TestSpoolIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pile{hold: make(chan struct{})}
		p, give := spooled(out)
		give(4) // is being sent
		if give(13); p.dropped.Load() != 3 {
			t.Fatalf("%d dropped", p.dropped.Load())
		}
		close(out.hold)
		synctest.Wait()
		if came := out.all(); !slices.Equal(came, []int{4, 4, 4}) {
			t.Fatalf("came %v", came)
		}
		if err := p.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if came := out.all(); !slices.Equal(came, []int{4, 4, 4, 2}) || out.last != "s14" {
			t.Errorf("came %v, the last was %s", came, out.last)
		}
	})
}

// What could not be sent by the time that the end is patient for counts as dropped, and nothing waits for ever.
func TestSpoolEndsThoughTheCollectorHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pile{hold: make(chan struct{})}
		p, give := spooled(out)
		give(9)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.close(ctx); !errors.Is(err, context.DeadlineExceeded) || p.dropped.Load() != 9 {
			t.Errorf("%v, %d dropped", err, p.dropped.Load())
		}
	})
}
