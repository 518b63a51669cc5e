package deciders

import (
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
)

// RebalanceBudget bounds what is moved for balance alone in some time: copies and bytes, of all keyspaces and of one. Settings
// cluster.routing.rebalance.budget.copies and .bytes for the cluster.routing.rebalance.budget.window that ends now, and a keyspace's own
// of each beside them. What counts is what began: the last copy to begin may go beyond the bytes. Hand-overs carry nothing and are free.
// Where there is a budget and the time is not known nothing moves, nor while a member is of a release that cannot read what is counted.
type RebalanceBudget struct{}

// budget is what may move of all keyspaces, or of one that says so itself; below 0: any amount.
type budget struct {
	copies            int
	bytes             float64
	copiesBy, bytesBy string // settings
	bytesText, window string // as they were set
}

// budgetPair is the budget of all keyspaces, and that of one: no own where it does not say so itself.
type budgetPair struct{ all, own budget }

// unread is the first member that cannot read what is counted, or -1: as long as it is there nothing is counted.
var unread = policies.Derive(func(v *policies.View) int {
	return slices.IndexFunc(v.Nodes, func(n policies.Node) bool { return n.Format < cluster.FormatBudget })
})

var budgets = perKeyspace(func(v *policies.View, k *cluster.Keyspace) budgetPair {
	p := budgetPair{all: budgetOf(v, nil), own: budget{copies: -1, bytes: -1}}
	if k == nil {
		return p
	}
	p.own = budgetOf(v, k)
	if p.own.copiesBy == cluster.SettingBudgetCopies {
		p.own.copies = -1
	}
	if p.own.bytesBy == cluster.SettingBudgetBytes {
		p.own.bytes = -1
	}
	return p
})

func budgetOf(v *policies.View, k *cluster.Keyspace) (b budget) {
	b.copies, b.copiesBy = number(v, k, cluster.SettingBudgetCopies)
	b.bytesText, b.bytesBy = v.Setting(k, cluster.SettingBudgetBytes)
	var err error
	if b.bytes, err = cluster.ParseBudget(b.bytesText); err != nil {
		panic("deciders: a budget that CheckSetting let pass cannot be read: " + err.Error())
	}
	b.window, _ = v.Setting(k, cluster.SettingBudgetWindow)
	return b
}

// none says that anything may move.
func (b *budget) none() bool { return b.copies < 0 && b.bytes < 0 }

// The codes of its reasons.
const (
	budgetCopies = iota + 1
	budgetBytes
	budgetOwnCopies
	budgetOwnBytes
	budgetUnknown
	budgetUnread
)

// Name is rebalance_budget.
func (RebalanceBudget) Name() string { return "rebalance_budget" }

// PerShard is true: the answer changes with every relocation.
func (RebalanceBudget) PerShard() bool { return true }

// Silent says that there is no budget.
func (RebalanceBudget) Silent(v *policies.View, _ policies.Capability) bool {
	for _, p := range budgets.all(v) {
		if !p.all.none() || !p.own.none() {
			return false
		}
	}
	return true
}

// Class is the code of the budget that is spent, and 0 while none is.
func (RebalanceBudget) Class(v *policies.View, q *policies.Question) (class uint64, ok bool) {
	p := budgets.of(v, q.Keyspace)
	switch {
	case p.all.none() && p.own.none():
		return 0, true
	case v.Now.IsZero():
		return budgetUnknown, true
	case unread.Of(v) >= 0:
		return budgetUnread, true
	}
	if !p.all.none() {
		switch r := v.Rebalanced(-1); {
		case p.all.copies >= 0 && r.Copies >= p.all.copies:
			return budgetCopies, true
		case p.all.bytes >= 0 && r.Bytes >= p.all.bytes:
			return budgetBytes, true
		}
	}
	if !p.own.none() {
		switch r := v.Rebalanced(v.Keyspace(q.Keyspace.ID)); {
		case p.own.copies >= 0 && r.Copies >= p.own.copies:
			return budgetOwnCopies, true
		case p.own.bytes >= 0 && r.Bytes >= p.own.bytes:
			return budgetOwnBytes, true
		}
	}
	return 0, true
}

// Rebalance says THROTTLE everywhere while a budget is spent.
func (d RebalanceBudget) Rebalance(v *policies.View, q *policies.Question, r policies.Row) {
	if code, _ := d.Class(v, q); code != 0 {
		r.RaiseAll(policies.Say(policies.Throttle, uint8(code)))
	}
}

// Next is when the first of what was moved counts no more.
func (RebalanceBudget) Next(v *policies.View) (tick int64) {
	if v.Now.IsZero() || v.TickLength <= 0 || len(v.State.Rebalances) == 0 || (RebalanceBudget{}).Silent(v, policies.Rebalance) {
		return 0
	}
	for place := -1; place < len(v.State.Keyspaces); place++ {
		if until := v.Rebalanced(place).Until; !until.IsZero() {
			if next := v.Ticks + int64((until.Sub(v.Now)+v.TickLength-1)/v.TickLength); tick == 0 || next < tick {
				tick = next
			}
		}
	}
	return tick
}

// Reason names what has moved, the setting, and when something may move again.
func (RebalanceBudget) Reason(v *policies.View, q *policies.Question, node int, a policies.Answer) string {
	p, place := budgets.of(v, q.Keyspace), -1
	switch a.Code() {
	case budgetUnknown:
		return fmt.Sprintf("nothing leaves node %s for balance: there is a budget of what may, and the time is not known", v.Nodes[node].Name)
	case budgetUnread:
		old := &v.Nodes[unread.Of(v)]
		return fmt.Sprintf("nothing leaves node %s for balance: there is a budget of what may, and node %s runs release %s, which cannot read what is counted; upgrade it first",
			v.Nodes[node].Name, old.Name, old.Release)
	}
	b := &p.all
	if a.Code() >= budgetOwnCopies {
		b, place = &p.own, v.Keyspace(q.Keyspace.ID)
	}
	r := v.Rebalanced(place)
	text := fmt.Sprintf("nothing leaves node %s for balance", v.Nodes[node].Name)
	if place >= 0 {
		text = fmt.Sprintf("nothing of keyspace %s leaves node %s for balance", q.Keyspace.Name, v.Nodes[node].Name)
	}
	if !r.Until.IsZero() {
		text += " before " + r.Until.Add(time.Minute-1).Format("Mon 15:04")
	}
	if a.Code() == budgetCopies || a.Code() == budgetOwnCopies {
		return fmt.Sprintf("%s: %d copies moved within %s, and setting %s is %d", text, r.Copies, b.window, b.copiesBy, b.copies)
	}
	return fmt.Sprintf("%s: copies of %s moved within %s, and setting %s is %s", text, cluster.SizeText(r.Bytes), b.window, b.bytesBy, b.bytesText)
}
