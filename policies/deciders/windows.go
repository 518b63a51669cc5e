package deciders

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// Windows lets copies move for balance at certain times of the week alone. Setting cluster.routing.rebalance.windows, in UTC, as
// in "Mon-Fri 22:00-06:00, Sun 00:00-24:00"; a keyspace may have its own. Without it copies move at any time. What has begun in
// a window ends after it. If the time is not known no window is open.
type Windows struct{}

var windows = perValue(cluster.SettingRebalanceWindows, func(v *policies.View, k *cluster.Keyspace) []cluster.Window {
	text, _ := v.Setting(k, cluster.SettingRebalanceWindows)
	if text == "" {
		return nil
	}
	list, err := cluster.ParseWindows(text)
	if err != nil {
		panic("deciders: windows that CheckSetting let pass cannot be read: " + err.Error())
	}
	return list
})

// The codes of its reasons.
const (
	windowsClosed = iota + 1
	windowsUnknown
)

// Name is windows.
func (Windows) Name() string { return "windows" }

// PerShard is false.
func (Windows) PerShard() bool { return false }

// Rebalance says NO everywhere outside the windows.
func (Windows) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	list := *windows.of(v, q.Keyspace)
	switch {
	case len(list) == 0:
	case v.Now.IsZero():
		r.RaiseAll(policies.Say(policies.No, windowsUnknown))
	case !slices.ContainsFunc(list, func(w cluster.Window) bool { return w.In(v.Now) }):
		r.RaiseAll(policies.Say(policies.No, windowsClosed))
	}
}

// Next is when the first window opens or closes.
func (Windows) Next(v *policies.View) (tick int64) {
	if v.Now.IsZero() || v.TickLength <= 0 {
		return 0
	}
	for _, list := range windows.all(v) {
		if change := cluster.NextChange(*list, v.Now); !change.IsZero() {
			wait := change.Sub(v.Now)
			if next := v.Ticks + int64((wait+v.TickLength-1)/v.TickLength); tick == 0 || next < tick {
				tick = next
			}
		}
	}
	return tick
}

// Reason names the setting, its value, the time, and when a window opens.
func (Windows) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	text, from := v.Setting(q.Keyspace, cluster.SettingRebalanceWindows)
	if a.Code() == windowsUnknown {
		return fmt.Sprintf("nothing leaves node %s for balance: the time is not known, and setting %s is %s", v.Nodes[node].Name, from, text)
	}
	const layout = "Mon 15:04"
	return fmt.Sprintf("nothing leaves node %s for balance before %s: it is %s UTC, and setting %s is %s",
		v.Nodes[node].Name, cluster.NextChange(*windows.of(v, q.Keyspace), v.Now).Format(layout), v.Now.UTC().Format(layout), from, text)
}
