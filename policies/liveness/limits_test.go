package liveness

import (
	"testing"
	"time"
)

func TestMargin(t *testing.T) {
	for _, c := range []struct {
		lease, ppm int
		want       int64
	}{
		{30, 1000, 3},        // 0.03 ticks of drift, rounded up, and two of counting
		{30, 1, 3},           //
		{1000, 1000, 3},      // exactly one
		{1001, 1000, 4},      // a little more than one
		{2000, 100_000, 202}, // clocks that are off by a tenth
	} {
		if got := margin(c.lease, c.ppm); got != c.want {
			t.Errorf("margin(%d, %d) = %d, want %d", c.lease, c.ppm, got, c.want)
		}
	}
}

func TestLeaseOver(t *testing.T) {
	for now, want := range map[int64]bool{0: false, 100: false, 132: false, 133: true, 1000: true} {
		if got := leaseOver(100, now, 30, 1000); got != want {
			t.Errorf("a lease of 30 granted at 100 is over at %d: %v", now, got)
		}
	}
}

func TestSilence(t *testing.T) {
	for _, c := range []struct {
		health      int
		adapt, want int64
	}{{0, 0, 15}, {0, 7, 22}, {1, 0, 30}, {4, 10, 85}} {
		if got := silence(3, 5, c.health, c.adapt); got != c.want {
			t.Errorf("silence(health %d, adapt %d) = %d, want %d", c.health, c.adapt, got, c.want)
		}
	}
}

func TestAdaptation(t *testing.T) {
	for _, c := range []struct {
		deviation, roundTrip eighths
		want                 int64
	}{
		{0, 0, 0},
		{3, 3, 0},     // less than half a tick is noise
		{8, 0, 4},     // a deviation of one tick
		{9, 8, 9},     // more than one tick is two, times four, and one of round trip
		{0, 32, 4},    // 200 ms of round trip
		{800, 80, 40}, // the bound
	} {
		if got := adaptation(c.deviation, c.roundTrip, 40); got != c.want {
			t.Errorf("adaptation(%d, %d) = %d, want %d", c.deviation, c.roundTrip, got, c.want)
		}
	}
}

func TestSmoothFollowsItsSamples(t *testing.T) {
	var e eighths
	for range 60 {
		e = e.smooth(4)
	}
	if e.ceil() != 4 {
		t.Errorf("after many samples of 4: %d eighths", e)
	}
	for range 60 {
		e = e.smooth(0)
	}
	if e.ceil() > 1 {
		t.Errorf("after many samples of 0: %d eighths", e)
	}
}

func TestDeviationOf(t *testing.T) {
	for gap, want := range map[int64]int64{0: 0, 4: 0, 5: 0, 6: 0, 7: 1, 10: 4, 100: 94} {
		if got := deviationOf(gap, 5); got != want {
			t.Errorf("deviationOf(%d, 5) = %d, want %d", gap, got, want)
		}
	}
}

func TestInTicks(t *testing.T) {
	for measured, want := range map[time.Duration]int64{
		-time.Second: 0, 0: 0, 1: 1, 50 * time.Millisecond: 1, 51 * time.Millisecond: 2, 200 * time.Millisecond: 4, 1 << 62: maxTicks,
	} {
		if got := inTicks(measured, 50*time.Millisecond); got != want {
			t.Errorf("inTicks(%v) = %d, want %d", measured, got, want)
		}
	}
}

func TestWorsen(t *testing.T) {
	for _, c := range []struct {
		health int
		late   int64
		want   int
	}{{0, 0, 0}, {0, 1, 0}, {0, 2, 1}, {1, 5, 3}, {0, 240, 4}, {4, 1 << 40, 4}, {3, 0, 3}} {
		if got := worsen(c.health, c.late, 2, 4); got != c.want {
			t.Errorf("worsen(%d, %d) = %d, want %d", c.health, c.late, got, c.want)
		}
	}
}

func TestMostSilent(t *testing.T) {
	for _, c := range []struct {
		silent, members int
		want            bool
	}{{0, 0, false}, {1, 1, false}, {0, 2, false}, {1, 2, false}, {2, 2, true}, {2, 4, false}, {3, 4, true}} {
		if got := mostSilent(c.silent, c.members); got != c.want {
			t.Errorf("mostSilent(%d of %d) = %v", c.silent, c.members, got)
		}
	}
}

func TestHold(t *testing.T) {
	for lives, want := range []int64{0, 0, 200, 400, 800, 1600, 3200, 6400, 12000, 12000} {
		if got := hold(lives, 200, 12_000); got != want {
			t.Errorf("hold(%d lives) = %d, want %d", lives, got, want)
		}
	}
	if got := hold(1<<40, maxTicks, maxTicks); got != maxTicks {
		t.Errorf("many lives: %d", got)
	}
}

func TestForgotten(t *testing.T) {
	for _, c := range []struct {
		lives int
		since int64
		now   int64
		left  int
		from  int64
	}{
		{0, 0, 50, 0, 0},
		{3, 10, 109, 3, 10},
		{3, 10, 110, 2, 110},
		{3, 10, 259, 1, 210},
		{3, 10, 999, 0, 999},
	} {
		left, from := forgotten(c.lives, c.since, c.now, 100)
		if left != c.left || left > 0 && from != c.from {
			t.Errorf("forgotten(%d from %d at %d) = %d from %d, want %d from %d", c.lives, c.since, c.now, left, from, c.left, c.from)
		}
	}
}

func TestSickness(t *testing.T) {
	c, err := Config{Self: "n1"}.Validate()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		h    Health
		want int64
	}{
		{Health{}, 0},
		{Health{Fsync: -time.Hour, Queue: -1, Late: -1}, 0},
		{Health{Fsync: 250 * time.Millisecond}, 50},
		{Health{Fsync: 250 * time.Millisecond, Queue: 500 * time.Millisecond}, 100},
		{Health{Late: 2 * time.Second, Fsync: time.Millisecond}, 400},
		{Health{RoundTrip: time.Hour}, 0}, // the network's, not the node's
		{Health{Queue: 1 << 62}, 100_000_000},
	} {
		if got := sickness(k.h, &c); got != k.want {
			t.Errorf("sickness(%+v) = %d, want %d", k.h, got, k.want)
		}
	}
}

func TestConfirmed(t *testing.T) {
	for _, c := range []struct {
		unreachable, answered int
		want                  bool
	}{{0, 0, false}, {0, 1, false}, {1, 1, true}, {1, 2, false}, {2, 2, true}, {1, 3, false}, {2, 3, true}} {
		if got := confirmed(c.unreachable, c.answered); got != c.want {
			t.Errorf("confirmed(%d of %d) = %v", c.unreachable, c.answered, got)
		}
	}
}

func TestConfig(t *testing.T) {
	c, err := Config{Self: "n1"}.Validate()
	if err != nil || c.Heartbeat != 5 || c.Lease != 30 || c.TickLength != 50*time.Millisecond || c.GreyFsync != 500*time.Millisecond {
		t.Fatalf("defaults: %+v, %v", c, err)
	}
	for want, bad := range map[string]Config{
		"liveness: Self is empty; name the node that the detector runs on":                            {},
		"liveness: Misses is -1; it must be from 1 to 1000":                                           {Self: "n1", Misses: -1},
		"liveness: Probers is 17; it must be from 1 to 16":                                            {Self: "n1", Probers: 17},
		"liveness: GreyLate is -1ns; it must be above 0":                                              {Self: "n1", GreyLate: -1},
		"liveness: Lease is 5 ticks and Heartbeat 5; a lease must last for several heartbeats":        {Self: "n1", Lease: 5},
		"liveness: ProbeEvery is 3 ticks and ProbeTimeout 8; a round must end before the next begins": {Self: "n1", ProbeEvery: 3},
		"liveness: HoldMax is 10 ticks and HoldBase 200; the bound must not be below the first hold":  {Self: "n1", HoldMax: 10},
	} {
		if _, err := bad.Validate(); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
		if _, err := New(bad); err == nil {
			t.Errorf("New takes %+v", bad)
		}
	}
}
