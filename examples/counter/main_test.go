package main

import (
	"strings"
	"testing"
)

func TestCounter(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	const want = "1 -> 1 <nil>\n2 -> 3 <nil>\n-9 -> 0 actor counter/page-7, method add: failed: counter/page-7 would be below zero\n"
	if out.String() != want {
		t.Errorf("it printed\n%snot\n%s", out.String(), want)
	}
}
