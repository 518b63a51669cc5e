package main

import (
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
)

func TestTableSaysWhatMissed(t *testing.T) {
	rows := []row{
		{"in memory", trial{"get", 16, 1, 0}, bench.Figure{A: 200, B: 100, Ratio: 2}, bench.Figure{A: 900, B: 1000, Ratio: .9}, bench.Figure{A: 7000, B: 8000}},
		{"fsync", trial{"set", 1, 1.2, 1}, bench.Figure{A: 90, B: 100, Ratio: .9}, bench.Figure{A: 1300, B: 1000, Ratio: 1.3}, bench.Figure{A: 1, B: 1}},
	}
	var b strings.Builder
	if err := printTable(&b, options{keys: 7, rounds: 3}, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"7 keys", "3 rounds", "0.90     <= 1.00 met", "1.30  <= 1.20 MISSED", "0.90  >= 1.00 MISSED"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestFailedOperationsAreNoMeasurement(t *testing.T) {
	v := &bench.Versus{A: []*bench.Result{{Ops: 1}}, B: []*bench.Result{{Ops: 1, Failed: 1, Error: "ERR no"}}}
	if _, err := summarize("x", trial{}, v); err == nil || !strings.Contains(err.Error(), "ERR no") {
		t.Errorf("got %v", err)
	}
}
