package liveness

import (
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
)

// tuned are the numbers that may change in the middle of a reign. None of them touches what makes a death certain: a life ends only with
// proof, or when its lease is over by everybody's clock. What leases are made of (Lease, Heartbeat, DriftPPM, NoProof, TickLength) must be
// known to both sides before the first is granted, and a lease that was granted cannot be shortened: it stays a setting of the node, or is
// fixed. RedialEvery, MaxHealth, LateUnit and HealthDecay are about the leader's own ticks.
var tuned = []struct {
	setting string
	count   func(*Config) *int           // a number, or ticks of a duration
	time    func(*Config) *time.Duration // a duration
}{
	{setting: cluster.SettingMisses, count: func(c *Config) *int { return &c.Misses }},
	{setting: cluster.SettingMaxAdaptation, count: func(c *Config) *int { return &c.MaxAdapt }},
	{setting: cluster.SettingRedialTimeout, count: func(c *Config) *int { return &c.RedialTimeout }},
	{setting: cluster.SettingProbers, count: func(c *Config) *int { return &c.Probers }},
	{setting: cluster.SettingProbeInterval, count: func(c *Config) *int { return &c.ProbeEvery }},
	{setting: cluster.SettingProbeTimeout, count: func(c *Config) *int { return &c.ProbeTimeout }},
	{setting: cluster.SettingHandOnAfter, count: func(c *Config) *int { return &c.HandOnAfter }},
	{setting: cluster.SettingHandOnSettle, count: func(c *Config) *int { return &c.Settle }},
	{setting: cluster.SettingMuteAfter, count: func(c *Config) *int { return &c.MuteAfter }},
	{setting: cluster.SettingHoldFirst, count: func(c *Config) *int { return &c.HoldBase }},
	{setting: cluster.SettingHoldMost, count: func(c *Config) *int { return &c.HoldMax }},
	{setting: cluster.SettingHoldForget, count: func(c *Config) *int { return &c.FlapDecay }},
	{setting: cluster.SettingGreyFsync, time: func(c *Config) *time.Duration { return &c.GreyFsync }},
	{setting: cluster.SettingGreyQueue, time: func(c *Config) *time.Duration { return &c.GreyQueue }},
	{setting: cluster.SettingGreyLate, time: func(c *Config) *time.Duration { return &c.GreyLate }},
	{setting: cluster.SettingGreyAfter, count: func(c *Config) *int { return &c.GreyAfter }},
	{setting: cluster.SettingGreyClear, count: func(c *Config) *int { return &c.GreyClear }},
}

// Tuned is the configuration with what the cluster's settings say in place of its numbers. What is not set stays.
func (c Config) Tuned(s *cluster.State) Config {
	for i := range tuned {
		t := &tuned[i]
		value := s.Setting(t.setting)
		if known, err := cluster.CheckSetting(t.setting, value); value == "" || !known || err != nil {
			continue
		}
		if n, err := strconv.Atoi(value); err == nil {
			*t.count(&c) = n
			continue
		}
		span, err := time.ParseDuration(value)
		switch {
		case err != nil:
		case t.time != nil:
			*t.time(&c) = span
		default:
			*t.count(&c) = int(max(1, (span+c.TickLength-1)/c.TickLength))
		}
	}
	c.ProbeEvery, c.HoldMax = max(c.ProbeEvery, c.ProbeTimeout), max(c.HoldMax, c.HoldBase)
	c.MuteAfter = max(c.MuteAfter, c.Lease)
	return c
}

// Tune has the detector go by other numbers from now on, as Tuned makes them: what they say of leases must be as before.
func (d *Detector) Tune(c Config) {
	if c.Self != d.c.Self || c.TickLength != d.c.TickLength || c.Lease != d.c.Lease || c.Heartbeat != d.c.Heartbeat || c.DriftPPM != d.c.DriftPPM {
		panic("liveness: a detector's leases change in the middle of a reign")
	}
	d.c = c
	for _, n := range d.nodes {
		n.held = min(n.held, d.now+int64(c.HoldMax))
	}
}
