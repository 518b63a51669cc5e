package deciders

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// MaxRetries leaves a shard alone for a while after a copy of it failed, twice as long after each further one in a row, and
// after so many altogether until somebody retries it: one that breaks its nodes does not walk through the cluster. Settings
// cluster.routing.allocation.retry_backoff, 1s by default, and cluster.routing.allocation.max_retries, 5; a keyspace may have
// its own. A reroute with retry_failed begins anew.
//
// The state counts failures and does not time them. When the last one was is what the placement leader has seen: a View's
// Setbacks. Without it there is no waiting.
type MaxRetries struct{}

// retries are what a keyspace allows.
type retries struct {
	most    int
	backoff time.Duration
	from    [2]string // the settings
}

var retry = perKeyspace(func(v *policies.View, k *cluster.Keyspace) (r retries) {
	r.most, r.from[0] = number(v, k, cluster.SettingMaxRetries)
	r.backoff, r.from[1] = duration(v, k, cluster.SettingRetryBackoff)
	return r
})

// The codes of its reasons.
const (
	triedRecently = iota + 1
	triedEnough
)

// Name is max_retries.
func (MaxRetries) Name() string { return "max_retries" }

// PerShard is true: each shard counts its own failures.
func (MaxRetries) PerShard() bool { return true }

// Class is how the shard stands: 0, well; else the code of the reason.
func (MaxRetries) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	r := retry.of(v, q.Keyspace)
	switch {
	case q.Shard.Failures == 0:
	case int(q.Shard.Failures) >= r.most:
		return triedEnough, true
	case retryAt(v, q.Shard, r) > v.Ticks:
		return triedRecently, true
	}
	return 0, true
}

// retryAt is the tick from which a shard is tried again, or 0 if it is not known since when it is not.
func retryAt(v *policies.View, s *cluster.Shard, r *retries) int64 {
	failed, known := v.Setback(s.ID)
	if !known || s.Failures == 0 || v.TickLength <= 0 {
		return 0
	}
	const most = 24 * time.Hour
	wait := min(r.backoff<<min(s.Failures-1, 20), most) // 1h<<20 is below 2^63 ns
	return failed + int64((wait+v.TickLength-1)/v.TickLength)
}

// Allocate says THROTTLE everywhere while the shard is left alone, and NO once the failures are too many.
func (d MaxRetries) Allocate(v *policies.View, q *policies.Question, r policies.Row) {
	switch class, _ := d.Class(v, q); class {
	case triedRecently:
		r.RaiseAll(policies.Say(policies.Throttle, triedRecently))
	case triedEnough:
		r.RaiseAll(policies.Say(policies.No, triedEnough))
	}
}

// Next is when the first shard is tried again.
func (MaxRetries) Next(v *policies.View) (tick int64) {
	for _, s := range v.Setbacks() {
		r := v.State.Shard(s.Shard)
		if r == nil {
			continue
		}
		limits := retry.of(v, v.State.Keyspace(r.ID.Keyspace()))
		if at := retryAt(v, r, limits); int(r.Failures) < limits.most && at > v.Ticks && (tick == 0 || at < tick) {
			tick = at
		}
	}
	return tick
}

// Reason names the failures, the setting and the way out.
func (MaxRetries) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	r, name := retry.of(v, q.Keyspace), v.State.ShardName(q.Shard.ID)
	if a.Code() == triedRecently {
		return fmt.Sprintf("shard %s is not tried on node %s for %v more: %d copies failed in a row, and setting %s is %v, twice as long after each",
			name, v.Nodes[node].Name, -v.Ago(retryAt(v, q.Shard, r)), q.Shard.Failures, r.from[1], r.backoff)
	}
	return fmt.Sprintf("shard %s is not tried on node %s: %d copies failed in a row, and setting %s is %d; reroute with retry_failed when the cause is gone",
		name, v.Nodes[node].Name, q.Shard.Failures, r.from[0], r.most)
}
