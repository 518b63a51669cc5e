package cluster

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Rebalance is a relocation that was begun for balance alone: what a budget counts. The list of them is in the cluster state, so that
// whoever leads next goes on with what is left of the budget.
type Rebalance struct {
	Shard shards.ShardID
	At    int64  // Unix milliseconds, by the calendar of the leader that began it
	Bytes uint64 // that a copy of the shard held, as far as it had been measured
}

// Bounds of what is kept of relocations for balance: the newest, and none that is older than the longest window when another is begun.
const (
	MaxRebalances   = 16384
	MaxBudgetWindow = 24 * time.Hour
)

// counting are the settings that need relocations counted, unless they have their defaults.
var counting = [...]string{SettingBudgetCopies, SettingBudgetBytes, SettingCooldown}

// Budgeted says whether relocations for balance are counted: some budget or a cooldown is set, and every member reads what is written of
// them: until then budgets let nothing move for balance, and cooldowns do not hold. Nothing is added where nobody asks;
// what was counted before stays until another is begun, so that a budget that is set again within its window knows of it.
func (s *State) Budgeted() bool {
	for _, name := range counting {
		if s.Value(name) != ruleOf(name).Default {
			return s.allRead(FormatBudget) == nil
		}
	}
	for _, x := range s.SettingsUnder("keyspace.") {
		if r := ruleOf(x.Name); r != nil && slices.Contains(counting[:], r.Name) && x.Value != r.Default {
			return s.allRead(FormatBudget) == nil
		}
	}
	return false
}

// rebalance notes what was begun, but for the rows that were left out.
func (d *draft) rebalance(c *Reroute) error {
	if len(c.Rebalances) == 0 {
		return nil
	}
	if err := d.allRead(FormatBudget); err != nil {
		return err
	}
	rows, left, list := c.Rows, d.left, d.Rebalances[:len(d.Rebalances):len(d.Rebalances)]
	for i, x := range c.Rebalances {
		if i > 0 && x.Shard < c.Rebalances[i-1].Shard || x.At <= 0 {
			return refuse(WhyInvalid, "the relocations for balance of a reroute ascend by shard and have a time; that of shard %v does not", x.Shard)
		}
		for len(rows) > 0 && rows[0].Shard < x.Shard {
			rows = rows[1:]
		}
		for len(left) > 0 && left[0].Shard < x.Shard {
			left = left[1:]
		}
		switch {
		case len(rows) == 0 || rows[0].Shard != x.Shard:
			return refuse(WhyInvalid, "a reroute that relocates shard %v for balance has no row of it", x.Shard)
		case len(left) == 0 || left[0].Shard != x.Shard:
			list, d.changed = append(list, x), true
		}
	}
	newest := c.Rebalances[0].At
	for len(list) > MaxRebalances || len(list) > 0 && newest-list[0].At > MaxBudgetWindow.Milliseconds() {
		list = list[1:]
	}
	d.Rebalances = list
	return nil
}

// checkRebalances is invariant 18.
func (s *State) checkRebalances() error {
	for _, x := range s.Rebalances {
		if k := s.Keyspace(x.Shard.Keyspace()); k == nil || x.Shard.Index() >= k.Shards || x.At <= 0 {
			return refuse(WhyInvalid, "invariant 18: shard %v, relocated for balance at %d, is none", x.Shard, x.At)
		}
	}
	if len(s.Rebalances) > MaxRebalances {
		return refuse(WhyInvalid, "invariant 18: %d relocations for balance", len(s.Rebalances))
	}
	return nil
}

// Rebalance notes a relocation that has been tried, as Apply will.
func (t *Trial) Rebalance(x Rebalance) {
	t.d.Rebalances = append(t.d.Rebalances[:len(t.d.Rebalances):len(t.d.Rebalances)], x)
}

// NoBudget is the value of a budget's setting that sets none.
const NoBudget = "-1"

// ParseBudget reads a budget of bytes: a size, or -1 for none.
func ParseBudget(text string) (float64, error) {
	if text == NoBudget {
		return -1, nil
	}
	return ParseSize(text)
}
