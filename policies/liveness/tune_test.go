package liveness

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func stateWith(settings ...cluster.Setting) *cluster.State { return &cluster.State{Settings: settings} }

// What SETTINGS.md calls the default is what a detector goes by without settings, and each setting changes one number.
func TestSettingsTune(t *testing.T) {
	base, err := Config{Self: "a"}.Validate()
	if err != nil {
		t.Fatal(err)
	}
	for i := range tuned {
		name := tuned[i].setting
		rule, known := cluster.RuleOf(name)
		if !known {
			t.Errorf("%s is no setting", name)
			continue
		}
		if got := base.Tuned(stateWith(cluster.Setting{Name: name, Value: rule.Default})); got != base {
			t.Errorf("%s=%s is not the default", name, rule.Default)
		}
		other := "12"
		if rule.Time {
			other = "11s"
		}
		if got := base.Tuned(stateWith(cluster.Setting{Name: name, Value: other})); got == base {
			t.Errorf("%s=%s changes nothing", name, other)
		} else if _, err := got.Validate(); err != nil {
			t.Errorf("%s=%s: %v", name, other, err)
		}
		if got := base.Tuned(stateWith(cluster.Setting{Name: name, Value: "rubbish"})); got != base {
			t.Errorf("%s=rubbish changes something", name)
		}
	}
	for _, r := range cluster.SettingRules() {
		if strings.HasPrefix(r.Name, "cluster.liveness.") && !strings.Contains(names(), r.Name+" ") {
			t.Errorf("nobody reads %s", r.Name)
		}
	}
	if c := base.Tuned(stateWith(cluster.Setting{Name: cluster.SettingGreyFsync, Value: "2s"})); c.GreyFsync != 2*time.Second || c.GreyQueue != base.GreyQueue {
		t.Errorf("grey.fsync=2s: %+v", c)
	}
	if c := base.Tuned(stateWith(cluster.Setting{Name: cluster.SettingProbeTimeout, Value: "60ms"})); c.ProbeTimeout != 2 {
		t.Errorf("60 ms are %d ticks", c.ProbeTimeout)
	}
}

func names() string {
	var all strings.Builder
	for i := range tuned {
		all.WriteString(tuned[i].setting + " ")
	}
	return all.String()
}

// A reign goes on with other numbers: a node that is slow is grey by the old ones and not by the new ones, and is held for shorter.
func TestReignIsTuned(t *testing.T) {
	d, err := New(Config{Self: "a"})
	if err != nil {
		t.Fatal(err)
	}
	member := func(id string, epoch int) cluster.Member {
		return cluster.Member{ID: shards.NodeID(id), Epoch: shards.Epoch(epoch), Name: id, Peer: id + ":1"}
	}
	lives := func(epoch int) {
		d.Members([]cluster.Member{member("a", 1), member("b", epoch)})
	}
	ticks := func(n, epoch int, h Health) {
		for range n {
			d.Tick(0)
			d.Heard("b", shards.Epoch(epoch), h)
			d.Ready()
			d.check()
		}
	}
	for epoch := 1; epoch <= 8; epoch++ {
		lives(epoch)
		ticks(2, epoch, Health{})
	}
	if s, _ := d.Status("b"); s.Held <= d.Now()+1000 {
		t.Fatalf("after eight lives it is held until %d, and now is %d", s.Held, d.Now())
	}
	base := d.c
	d.Tune(base.Tuned(stateWith(cluster.Setting{Name: cluster.SettingGreyFsync, Value: "2s"}, cluster.Setting{Name: cluster.SettingHoldFirst, Value: "1s"}, cluster.Setting{Name: cluster.SettingHoldMost, Value: "5s"})))
	if s, _ := d.Status("b"); s.Held != d.Now()+100 {
		t.Errorf("held until %d with at most 5 s, and now is %d", s.Held, d.Now())
	}
	ticks(100, 8, Health{Fsync: time.Second})
	if s, _ := d.Status("b"); s.State != Alive {
		t.Errorf("an fsync of 1 s where 2 s are allowed: %v, %s", s.State, s.Reason)
	}
	d.Tune(base)
	ticks(100, 8, Health{Fsync: time.Second})
	if s, _ := d.Status("b"); s.State != Grey {
		t.Errorf("an fsync of 1 s where half a second is allowed: %v", s.State)
	}
}
