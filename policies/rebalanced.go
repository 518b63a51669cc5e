package policies

import (
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Rebalanced is what has begun to move for balance alone within the time that budgets are for. Only what the cluster counts is in it:
// see cluster.State.Budgeted.
type Rebalanced struct {
	Copies int
	Bytes  float64   // as far as the shards had been measured
	Until  time.Time // when the oldest of them counts no more; zero: there are none
}

// window is what is counted in one time, as far as the list has been read.
type window struct {
	Rebalanced
	length time.Duration // 0: not known yet
}

// Rebalanced is that of all keyspaces, or with a place of one in State.Keyspaces that of its own, in its own time. Where the time is
// not known all that is kept counts.
func (v *View) Rebalanced(place int) Rebalanced {
	if len(v.State.Rebalances) == 0 {
		return Rebalanced{}
	}
	if v.windows == nil {
		v.windows = make([]window, 1+len(v.State.Keyspaces))
	}
	for _, x := range v.State.Rebalances[v.windowed:] {
		v.windows[0].add(v, -1, &x)
		own := v.Keyspace(x.Shard.Keyspace())
		v.windows[1+own].add(v, own, &x)
	}
	v.windowed = len(v.State.Rebalances)
	return v.windows[1+place].Rebalanced
}

func (w *window) add(v *View, place int, x *cluster.Rebalance) {
	if w.length == 0 {
		var k *cluster.Keyspace
		if place >= 0 {
			k = &v.State.Keyspaces[place]
		}
		text, from := v.Setting(k, cluster.SettingBudgetWindow)
		length, err := time.ParseDuration(text)
		if err != nil {
			panic("policies: setting " + from + " is no duration") // CheckSetting has seen it, or the default stands
		}
		w.length = length
	}
	at := time.UnixMilli(x.At).UTC()
	if age := v.Now.Sub(at); !v.Now.IsZero() && (age >= w.length || age <= -w.length) { // a clock that is ahead by more would block for ever
		return
	}
	w.Copies++
	w.Bytes += float64(x.Bytes)
	if until := at.Add(w.length); w.Until.IsZero() || until.Before(w.Until) {
		w.Until = until
	}
}

// Moved is when a copy of the shard last began to move for balance, as far as the cluster counts; the zero time if none did.
func (v *View) Moved(id shards.ShardID) time.Time {
	list := v.State.Rebalances
	if len(list) == 0 {
		return time.Time{}
	}
	if v.moved == nil {
		v.moved = make(map[shards.ShardID]int64, len(list))
	}
	for _, x := range list[v.movedBy:] {
		v.moved[x.Shard] = max(x.At, v.moved[x.Shard])
	}
	v.movedBy = len(list)
	if at := v.moved[id]; at > 0 {
		return time.UnixMilli(at).UTC()
	}
	return time.Time{}
}

// Weight is how many bytes a copy of a shard holds, as far as it has been measured: what is carried when it is moved.
func (v *View) Weight(id shards.ShardID) float64 {
	if l := v.ShardLoad(id); l != nil {
		return max(l.Replica.Disk, l.Replica.Memory)
	}
	return 0
}
