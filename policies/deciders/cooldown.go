package deciders

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Cooldown leaves a shard alone of which a copy has just begun to move for balance: none comes back to a node that it left a moment ago
// because what was measured has changed again. Setting cluster.routing.rebalance.cooldown, or a keyspace's own; 0s, the default, for
// none. Hand-overs carry nothing and go on. Where the time is not known it does not hold, nor while a member
// is of a release that cannot read what is counted.
type Cooldown struct{}

// rest is how long shards of a keyspace are left alone.
type rest struct {
	time time.Duration
	by   string // the setting
}

var rests = perValue(cluster.SettingCooldown, func(v *policies.View, k *cluster.Keyspace) (r rest) {
	r.time, r.by = duration(v, k, cluster.SettingCooldown)
	r.time = r.time.Truncate(time.Millisecond) // as guests know durations
	return r
})

// Name is cooldown.
func (Cooldown) Name() string { return "cooldown" }

// PerShard is true: it depends on when the shard moved.
func (Cooldown) PerShard() bool { return true }

// Silent says that no keyspace leaves shards alone, or that the time is not known.
func (Cooldown) Silent(v *policies.View, _ policies.Capability) bool {
	for _, r := range rests.all(v) {
		if r.time > 0 {
			return v.Now.IsZero()
		}
	}
	return true
}

// until is when the shard may move again, and moved when it did: both in whole seconds, as guests know the time. zero: now.
func (Cooldown) until(v *policies.View, q *policies.Question) (until, moved time.Time) {
	r := rests.of(v, q.Keyspace)
	if r.time == 0 || v.Now.IsZero() {
		return until, moved
	}
	at := v.Moved(q.Shard.ID)
	if at.IsZero() {
		return until, moved
	}
	now, at := v.Now.Truncate(time.Second), at.Add(time.Second-1).Truncate(time.Second)
	if now.Sub(at) < r.time && at.Sub(now) < r.time {
		return at.Add(r.time + time.Second - 1).Truncate(time.Second), at
	}
	return until, moved
}

// Class is 1 for shards that are left alone.
func (d Cooldown) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	if until, _ := d.until(v, q); until.IsZero() {
		return 0, true
	}
	return 1, true
}

// Rebalance says THROTTLE everywhere for a shard that is left alone.
func (d Cooldown) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	if class, _ := d.Class(v, q); class == 1 {
		r.RaiseAll(policies.Say(policies.Throttle, 1))
	}
}

// Next is when the first of the shards that moved may move again.
func (d Cooldown) Next(v *policies.View) (tick int64) {
	if v.TickLength <= 0 || len(v.State.Rebalances) == 0 || d.Silent(v, policies.Rebalance) {
		return 0
	}
	for _, x := range v.State.Rebalances {
		q := policies.Question{Keyspace: v.State.Keyspace(x.Shard.Keyspace()), Shard: v.State.Shard(x.Shard)}
		if until, _ := d.until(v, &q); !until.IsZero() {
			if next := v.Ticks + int64((until.Sub(v.Now)+v.TickLength-1)/v.TickLength); tick == 0 || next < tick {
				tick = next
			}
		}
	}
	return tick
}

// Reason names the shard, when it moved and may move again, and the setting.
func (d Cooldown) Reason(v *policies.View, q *policies.Question, node int, _ policies.Answer) string {
	r := rests.of(v, q.Keyspace)
	until, moved := d.until(v, q)
	return fmt.Sprintf("shard %s does not leave node %s for balance before %s: it moved at %s, and setting %s is %s", v.State.ShardName(q.Shard.ID), v.Nodes[node].Name,
		until.Add(time.Minute-1).Format("Mon 15:04"), moved.Format("Mon 15:04"), r.by, r.time)
}
