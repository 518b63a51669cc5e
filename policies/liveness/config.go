package liveness

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Config sets a Detector. A zero field takes its default; times are in ticks, and the defaults are made for ticks of 50 ms.
type Config struct {
	Self shards.NodeID // the placement leader, which does not suspect itself. Required

	TickLength time.Duration // how long a tick is: turns measured times into ticks, and ticks into sentences. Default 50 ms
	Heartbeat  int           // ticks between two heartbeats of a member. Default 5 (250 ms)
	Lease      int           // ticks that a granted lease lasts. Default 30 (1.5 s); more than Heartbeat
	DriftPPM   int           // how far two nodes' clocks may run apart, in millionths. Default 1000: 500 fast here and 500 slow there

	Misses   int // heartbeats that may be missed: silence of more than Misses·Heartbeat·(1+ill health) + adaptation is suspect. Default 3
	MaxAdapt int // bound of the adaptation to an uneven network, which is 4·(mean deviation of arrivals) + round trip, in ticks. Default 40 (2 s)

	NoProof       bool // a refused redial proves nothing here, since proxies or filters refuse in the node's stead
	RedialEvery   int  // ticks between redials of a suspect. Default 1 (50 ms)
	RedialTimeout int  // ticks after which a redial is unanswered. Default 8 (400 ms)

	Probers      int // other members asked to probe a suspect in each round. Default 3
	ProbeEvery   int // ticks from one round of probes to the next. Default 10 (500 ms); not less than ProbeTimeout
	ProbeTimeout int // ticks that a prober has, adaptation not counted. Default 8 (400 ms)

	HandOnAfter int // ticks for which others reach a member that the leader does not before a better placed voter is looked for; and from one such search to the next. Default: Lease
	MuteAfter   int // ticks without one heartbeat after which a member that answers redials is taken for dead all the same, and without one answer, as its heartbeats say, after which one is whose heartbeats come. Default: 4 leases; not less than Lease
	Settle      int // ticks that a reign lasts before it hands the lead on if the one before was shorter, and at most the pause before a voter that did not take the lead is offered it again. Default 600 (30 s)

	MaxHealth   int // bound of the detector's own ill health, which multiplies limits by up to 1+MaxHealth. Default 4
	LateUnit    int // ticks of its own lateness that count as one of ill health. Default 2 (100 ms)
	HealthDecay int // punctual ticks that heal one. Default 20 (1 s)

	HoldBase  int // ticks that a node is kept from new copies after its second life in short order; doubled with each further one. Default 200 (10 s)
	HoldMax   int // bound of that. Default 12000 (10 min)
	FlapDecay int // ticks of undisturbed life that make one life forgotten. Default 6000 (5 min)

	GreyFsync time.Duration // 99th percentile of fsync from which a node is sick. Default 500 ms
	GreyQueue time.Duration // time that work waits in queues. Default 500 ms
	GreyLate  time.Duration // lateness of the node's own ticker. Default 500 ms
	GreyAfter int           // ticks that a node must be sick before it is grey. Default 40 (2 s)
	GreyClear int           // ticks that it must stay below half of each limit before it is not. Default 200 (10 s)
}

// Probers and ill health are counted, and looped over: they stay small.
const (
	maxProbers = 16
	maxHealth  = 16
	maxTicks   = 1 << 30
)

// standardLease is 1.5 s.
const standardLease = 30

// Validate gives the configuration with its defaults filled in, or says which field cannot be.
func (c Config) Validate() (Config, error) {
	if c.Self == "" {
		return c, fmt.Errorf("liveness: Self is empty; name the node that the detector runs on")
	}
	for _, f := range c.durations() {
		if *f.value == 0 {
			*f.value = f.standard
		}
		if *f.value < 0 {
			return c, fmt.Errorf("liveness: %s is %v; it must be above 0", f.name, *f.value)
		}
	}
	if c.Lease == 0 {
		c.Lease = standardLease // others follow from it
	}
	for _, f := range c.counts() {
		if *f.value == 0 {
			*f.value = f.standard
		}
		if *f.value < 1 || *f.value > f.most {
			return c, fmt.Errorf("liveness: %s is %d; it must be from 1 to %d", f.name, *f.value, f.most)
		}
	}
	switch {
	case c.Lease <= c.Heartbeat:
		return c, fmt.Errorf("liveness: Lease is %d ticks and Heartbeat %d; a lease must last for several heartbeats", c.Lease, c.Heartbeat)
	case c.MuteAfter < c.Lease:
		return c, fmt.Errorf("liveness: MuteAfter is %d ticks and Lease %d; who answers redials keeps its lease", c.MuteAfter, c.Lease)
	case c.ProbeEvery < c.ProbeTimeout:
		return c, fmt.Errorf("liveness: ProbeEvery is %d ticks and ProbeTimeout %d; a round must end before the next begins", c.ProbeEvery, c.ProbeTimeout)
	case c.HoldMax < c.HoldBase:
		return c, fmt.Errorf("liveness: HoldMax is %d ticks and HoldBase %d; the bound must not be below the first hold", c.HoldMax, c.HoldBase)
	}
	return c, nil
}

type countField struct {
	name           string
	value          *int
	standard, most int
}

func (c *Config) counts() []countField {
	return []countField{
		{"Heartbeat", &c.Heartbeat, 5, maxTicks},
		{"Lease", &c.Lease, standardLease, maxTicks},
		{"DriftPPM", &c.DriftPPM, 1000, 100_000},
		{"Misses", &c.Misses, 3, 1000},
		{"MaxAdapt", &c.MaxAdapt, 40, maxTicks},
		{"RedialEvery", &c.RedialEvery, 1, maxTicks},
		{"RedialTimeout", &c.RedialTimeout, 8, maxTicks},
		{"Probers", &c.Probers, 3, maxProbers},
		{"ProbeEvery", &c.ProbeEvery, 10, maxTicks},
		{"ProbeTimeout", &c.ProbeTimeout, 8, maxTicks},
		{"HandOnAfter", &c.HandOnAfter, c.Lease, maxTicks},
		{"MuteAfter", &c.MuteAfter, min(4*c.Lease, maxTicks), maxTicks},
		{"Settle", &c.Settle, 600, maxTicks},
		{"MaxHealth", &c.MaxHealth, 4, maxHealth},
		{"LateUnit", &c.LateUnit, 2, maxTicks},
		{"HealthDecay", &c.HealthDecay, 20, maxTicks},
		{"HoldBase", &c.HoldBase, 200, maxTicks},
		{"HoldMax", &c.HoldMax, 12_000, maxTicks},
		{"FlapDecay", &c.FlapDecay, 6_000, maxTicks},
		{"GreyAfter", &c.GreyAfter, 40, maxTicks},
		{"GreyClear", &c.GreyClear, 200, maxTicks},
	}
}

type durationField struct {
	name     string
	value    *time.Duration
	standard time.Duration
}

func (c *Config) durations() []durationField {
	return []durationField{
		{"TickLength", &c.TickLength, 50 * time.Millisecond},
		{"GreyFsync", &c.GreyFsync, 500 * time.Millisecond},
		{"GreyQueue", &c.GreyQueue, 500 * time.Millisecond},
		{"GreyLate", &c.GreyLate, 500 * time.Millisecond},
	}
}
