package admin

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/troupe-actors/troupe/runtime/admin/recent"
)

// What is kept of the metrics page: 15 minutes. There are some 200 lines, so some 300 KiB; at most 720 KiB, with their names and texts less than 1 MiB.
const (
	recentEvery   = 5 * time.Second
	recentMoments = 180
	recentLines   = 512
)

// RecentAnswer is the answer of /_metrics/recent: what the metrics of this node were in the last minutes.
type RecentAnswer struct {
	Every   int64 `json:"every_ms"` // from one moment to the next; a longer gap: the node did not run, or its machine was too busy
	MaxKept int   `json:"max_kept"` // moments
	recent.Past
}

// lately is what is kept, and whose turn it is to add to it.
type lately struct {
	turn  chan struct{} // held by the one Serve that keeps it
	mutex sync.Mutex
	ring  *recent.Ring
}

func newLately() lately {
	return lately{turn: make(chan struct{}, 1), ring: recent.New(recentMoments, recentLines)}
}

// keepRecent reads the metrics again and again until ctx ends. Where several serve, one does: if it ends, another goes on.
func (s *Server) keepRecent(ctx context.Context) {
	select {
	case s.lately.turn <- struct{}{}:
		defer func() { <-s.lately.turn }()
	case <-ctx.Done():
		return
	}
	pause := time.NewTicker(recentEvery)
	defer pause.Stop()
	for {
		families, _ := s.registry.Gather() // what could not be read is missing here; why, says the metrics page
		s.lately.take(time.Now(), families)
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func (l *lately) take(at time.Time, families []*dto.MetricFamily) {
	page := condense(families)
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ring.Take(at.UnixMilli(), page)
}

func (l *lately) since(moment int64) recent.Past {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.ring.Since(moment)
}

// condense makes one figure of each metric, whatever labels it has: the sum, or of gauges that are ratios or seconds the largest. A
// histogram is two: how many there were, and their sum.
func condense(families []*dto.MetricFamily) []recent.Figure {
	page := make([]recent.Figure, 0, 2*len(families))
	for _, f := range families {
		name, help := f.GetName(), f.GetHelp()
		largest := strings.HasSuffix(name, "_ratio") || strings.HasSuffix(name, "_seconds")
		value, count := 0.0, 0.0
		for i, m := range f.Metric {
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				value += m.Counter.GetValue()
			case dto.MetricType_HISTOGRAM:
				value, count = value+m.Histogram.GetSampleSum(), count+float64(m.Histogram.GetSampleCount())
			case dto.MetricType_SUMMARY:
				value, count = value+m.Summary.GetSampleSum(), count+float64(m.Summary.GetSampleCount())
			default:
				v := m.Gauge.GetValue() + m.Untyped.GetValue() // it is one of the two
				if i == 0 || largest && v > value {
					value = v
				} else if !largest {
					value += v
				}
			}
		}
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			page = append(page, recent.Figure{Name: name, Kind: recent.Counter, Help: help, Value: value})
		case dto.MetricType_HISTOGRAM, dto.MetricType_SUMMARY:
			page = append(page, recent.Figure{Name: name + "_count", Kind: recent.Counter, Help: help, Value: count},
				recent.Figure{Name: name + "_sum", Kind: recent.Counter, Help: help, Value: value})
		default:
			page = append(page, recent.Figure{Name: name, Kind: recent.Gauge, Help: help, Value: value})
		}
	}
	return page
}

// recent answers what the metrics were, after a moment or as long as it is kept.
func (s *Server) recent(x *exchange, q *query) error {
	after := int64(q.count("after"))
	if q.err != nil {
		return q.err
	}
	x.json(http.StatusOK, RecentAnswer{Every: recentEvery.Milliseconds(), MaxKept: recentMoments, Past: s.lately.since(after)})
	return nil
}
