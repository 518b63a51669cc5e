package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-actors/troupe/runtime/admin/recent"
)

// measured are metrics of each type.
func measured() (*prometheus.Registry, *prometheus.CounterVec) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "done_total", Help: "What was done."}, []string{"by"})
	gauges := func(name string, values ...float64) prometheus.Collector {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: "Of " + name}, []string{"of"})
		for i, v := range values {
			g.WithLabelValues(fmt.Sprint(i)).Set(v)
		}
		return g
	}
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took_seconds", Help: "How long."}, []string{"by"})
	histogram.WithLabelValues("a").Observe(1)
	histogram.WithLabelValues("b").Observe(.5)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "paused_seconds", Help: "For how long.", Objectives: map[float64]float64{.5: .1}})
	summary.Observe(2)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(counter, gauges("held", 2, 3), gauges("used_ratio", .2, .7, .1), gauges("ahead_seconds", -3, -2, -5), histogram, summary,
		prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "other", Help: "Of no type."}, func() float64 { return 9 }))
	counter.WithLabelValues("a").Add(4)
	counter.WithLabelValues("b").Add(5)
	return r, counter
}

// What has labels is one figure: the sum, or the largest, below zero as well.
func TestCondense(t *testing.T) {
	r, _ := measured()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range condense(families) {
		got = append(got, fmt.Sprintf("%s %s %v %s", f.Name, f.Kind, f.Value, f.Help))
	}
	want := []string{
		"ahead_seconds gauge -2 Of ahead_seconds", "done_total counter 9 What was done.", "held gauge 5 Of held", "other gauge 9 Of no type.",
		"paused_seconds_count counter 1 For how long.", "paused_seconds_sum counter 2 For how long.",
		"took_seconds_count counter 2 How long.", "took_seconds_sum counter 1.5 How long.", "used_ratio gauge 0.7 Of used_ratio",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// kept is the answer as somebody reads it.
type kept struct {
	Moments []int64
	LeftOut int `json:"left_out"`
	Lines   []struct {
		Name   string
		Values []*float64
	}
}

// pastAfter asks for what has been after a moment.
func pastAfter(t *testing.T, s *Server, moment int64) (p kept) {
	t.Helper()
	w := ask(s, http.MethodGet, fmt.Sprintf("/_metrics/recent?after=%d", moment), "")
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v: %s", w.Code, err, w.Body)
	}
	return p
}

// line is a line as text.
func (p *kept) line(name string) string {
	for _, l := range p.Lines {
		if l.Name == name {
			text, _ := json.Marshal(l.Values) // numbers and null
			return string(text)
		}
	}
	return "none"
}

// A node keeps its last 15 minutes, whether somebody looks or not, and one of those who serve does it.
func TestRecentIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now().UnixMilli()
		_, counter := measured()
		s := NewServer(newMemory(), ServerConfig{Collectors: []prometheus.Collector{counter}})
		first, endFirst := context.WithCancel(t.Context())
		second, endSecond := context.WithCancel(t.Context())
		ended := make(chan string)
		go func() { s.keepRecent(first); ended <- "first" }()
		synctest.Wait()
		go func() { s.keepRecent(second); ended <- "second" }()
		at := func(after time.Duration) { // of the beginning
			<-time.After(time.Until(time.UnixMilli(began).Add(after)))
			synctest.Wait()
		}
		at(time.Second)
		counter.WithLabelValues("a").Add(7)
		at(11 * time.Second)
		p := pastAfter(t, s, 0)
		if want := []int64{began, began + 5000, began + 10000}; !slices.Equal(p.Moments, want) {
			t.Errorf("moments %d, want %d", p.Moments, want)
		}
		if l := p.line("done_total"); l != "[9,16,16]" {
			t.Errorf("the counter was %s", l)
		}
		if p := pastAfter(t, s, began+5000); !slices.Equal(p.Moments, []int64{began + 10000}) {
			t.Errorf("after the second there are %d", p.Moments)
		}
		endFirst()
		if who := <-ended; who != "first" {
			t.Errorf("the %s has ended", who)
		}
		at(16 * time.Minute)
		p = pastAfter(t, s, 0)
		if n := len(p.Moments); n != 180 || p.Moments[n-1] < began+(16*time.Minute-recentEvery).Milliseconds() {
			t.Errorf("there are %d moments, the last %d after the first", n, p.Moments[n-1]-began)
		}
		if l := p.line("done_total"); l != "["+strings.Repeat("16,", 179)+"16]" {
			t.Errorf("of the counter is kept %s", l)
		}
		endSecond()
		<-ended
	})
}

// What a node serves finds room, with what its users' names add.
func TestRecentHasRoom(t *testing.T) {
	backend := newMemory()
	backend.cluster = newAgreed(t)
	s := NewServer(backend, ServerConfig{})
	families, err := s.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	s.lately.take(time.UnixMilli(testNow), families)
	if p := pastAfter(t, s, 0); p.LeftOut > 0 || len(p.Lines) < 60 || len(p.Lines) > recentLines/2 {
		t.Errorf("%d lines, %d left out", len(p.Lines), p.LeftOut)
	}
	if w := ask(s, http.MethodGet, "/_metrics/recent?after=yesterday", ""); w.Code != http.StatusBadRequest {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
	many := make([]recent.Figure, 2*recentLines)
	for i := range many {
		many[i].Name = strings.Repeat("x", i+1)
	}
	for i := range 2 * recentMoments {
		s.lately.ring.Take(testNow+int64(i+1), many)
	}
	if p := s.lately.since(0); len(p.Lines) != recentLines || len(p.Moments) != recentMoments || p.LeftOut == 0 {
		t.Errorf("%d lines of %d moments, %d left out", len(p.Lines), len(p.Moments), p.LeftOut)
	}
}
