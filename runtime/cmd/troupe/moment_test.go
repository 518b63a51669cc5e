package main

import (
	"testing"
	"time"
)

// A time of day is the last that there was, in the zone of who asks: shortly after midnight 23:55 is yesterday's.
func TestMoments(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	now := time.Date(2026, 3, 1, 0, 10, 30, 0, zone)
	for text, want := range map[string]string{
		"23:55":                "2026-02-28T23:55:00+02:00",
		"00:10":                "2026-03-01T00:10:00+02:00",
		"00:10:30":             "2026-03-01T00:10:30+02:00",
		"00:10:31":             "2026-02-28T00:10:31+02:00",
		"10m":                  "2026-03-01T00:00:30+02:00",
		"2026-03-01T12:00:00Z": "2026-03-01T12:00:00Z",
	} {
		if at, err := parseMoment(text, now); err != nil || at.Format(time.RFC3339) != want {
			t.Errorf("%s is %s, %v; want %s", text, at.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"yesterday", "-10m", "25:00"} {
		if at, err := parseMoment(text, now); err == nil {
			t.Errorf("%s is %s", text, at)
		}
	}
}
