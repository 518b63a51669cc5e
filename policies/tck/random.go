package tck

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// Random makes a world that a cluster could be in, of up to 24 nodes: with every kind of node, copy, load and setting in it.
func Random(dice *rand.Rand) *World {
	r := &roller{Rand: dice, World: &World{Name: "random", State: &cluster.State{Cluster: strings.Repeat("0", 40), Version: 1, NextCopy: 1},
		Facts: policies.Facts{TickLength: tickLength, Ticks: 1000 + dice.Int64N(1000), Now: time.Unix(1_700_000_000+dice.Int64N(7*24*3600), 0).UTC()}}}
	if r.one(8) {
		r.Facts.Now = time.Time{}
	}
	r.calm = 1 + r.IntN(8)
	for i := range 1 + r.IntN(24) {
		r.node(i)
	}
	r.State.Voters = []uint64{1}
	for i := range 1 + r.IntN(3) {
		r.keyspace(i)
	}
	r.settings()
	if r.one(2) {
		r.rebalances()
	}
	if err := cluster.Check(r.State); err != nil {
		panic("tck: a random world is none: " + err.Error())
	}
	return r.World
}

// roller is a world in the making. calm is how seldom things are unusual in it.
type roller struct {
	*rand.Rand
	*World
	calm int
}

func (r *roller) one(in int) bool { return r.IntN(in) == 0 }

func (r *roller) odd() bool { return r.one(2 * r.calm) }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func (r *roller) node(i int) {
	m := cluster.Member{ID: shards.NodeID(fmt.Sprintf("id%02d", i)), Name: fmt.Sprintf("N%d", i), Raft: uint64(i + 1), Epoch: shards.Epoch(1 + r.IntN(3)),
		Roles: cluster.DefaultRoles, Host: pick(r.Rand, "", "h1", "h2", "h3", fmt.Sprintf("own%d", i)), Peer: fmt.Sprintf("10.0.%d.%d:7300", r.IntN(3), i),
		Format: pick[uint32](r.Rand, 1, cluster.FormatPolicies, cluster.FormatPolicies), Release: "1.2.3", Down: r.odd(), Draining: r.odd(), Maintained: r.odd()}
	if r.odd() {
		m.Roles = pick(r.Rand, cluster.RoleMeta, cluster.RoleGateway, cluster.RoleData, cluster.RoleMeta|cluster.RoleGateway)
	}
	for _, a := range []string{"rack", "tier", "zone"} {
		if !r.odd() {
			m.Attributes = append(m.Attributes, cluster.Attribute{Name: a, Value: pick(r.Rand, "a", "b", "c", "ab")})
		}
	}
	r.State.Members = append(r.State.Members, m)
	if e := (liveness.Status{Node: m.ID, Name: m.Name, Epoch: m.Epoch, State: liveness.Alive, Since: r.Int64N(1000), Reason: pick(r.Rand, "its heartbeats stopped", "its disk is slow: 2.5s for an fsync")}); !r.odd() {
		if r.odd() {
			e.State = pick(r.Rand, liveness.Grey, liveness.Suspect, liveness.Dead)
		}
		if r.odd() {
			e.Held = r.Facts.Ticks + r.Int64N(200) - 100
		}
		r.Facts.Evidence = append(r.Facts.Evidence, e)
	}
	if !r.one(4) {
		full := float64(1+r.IntN(64)) * (1 << 30)
		r.Facts.Loads.Nodes = append(r.Facts.Loads.Nodes, policies.NodeLoad{Node: m.ID, Epoch: m.Epoch,
			Capacity: policies.Load{CPU: float64(1 + r.IntN(32)), Memory: full / 4, Disk: full},
			Used:     policies.Load{CPU: r.Float64(), Memory: float64(r.Int64N(int64(full/4) + 1)), Disk: float64(r.Int64N(int64(full) + 1))}})
	}
}

func (r *roller) keyspace(i int) {
	k := shards.Keyspace{ID: shards.KeyspaceID(i), Name: pick(r.Rand, "orders", "carts", "a.b") + fmt.Sprint(i), Shards: 1 + r.IntN(8), Replicas: pick(r.Rand, shards.NoReplicas, 1, 1, 2, 2, 3)}
	if err := k.Validate(); err != nil {
		panic(err)
	}
	r.State.NextKeyspace = k.ID + 1
	r.State.Keyspaces = append(r.State.Keyspaces, cluster.Keyspace{Keyspace: k})
	for n := range k.Shards {
		row := cluster.Shard{ID: shards.NewShardID(k.ID, n), Term: 1}
		if !r.odd() {
			r.copies(&row, k.Copies())
		}
		if r.odd() {
			row.Failures = uint32(r.IntN(8))
			if !r.one(3) {
				r.Facts.Setbacks = append(r.Facts.Setbacks, policies.Setback{Shard: row.ID, Ticks: r.Facts.Ticks - r.Int64N(400)})
			}
		}
		if !r.one(3) {
			size := func() policies.Load {
				return policies.Load{CPU: r.Float64(), Memory: float64(r.Int64N(1 << r.IntN(34))), Disk: float64(r.Int64N(1 << r.IntN(36)))}
			}
			r.Facts.Loads.Shards = append(r.Facts.Loads.Shards, policies.ShardLoad{Shard: row.ID, Primary: size(), Replica: size()})
		}
		r.State.Shards = append(r.State.Shards, row)
	}
}

// copies gives a shard some, of which one is in sync.
func (r *roller) copies(row *cluster.Shard, wanted int) {
	s := r.State
	var started []int // places in row.Copies of copies that nothing replaces yet
	for _, n := range r.Perm(len(s.Members))[:min(len(s.Members), 1+r.IntN(wanted+2))] {
		m := &s.Members[n]
		c := cluster.Copy{ID: s.NextCopy, Node: m.ID, InSync: len(row.Copies) == 0 || !r.odd()}
		c.Started = c.InSync || r.odd()
		s.NextCopy++
		if len(started) > 0 && r.one(3) {
			at := r.IntN(len(started))
			c.Source = row.Copies[started[at]].ID
			started = slices.Delete(started, at, at+1)
		}
		row.Copies = append(row.Copies, c)
		if c.Started && c.Source == 0 {
			started = append(started, len(row.Copies)-1)
		}
	}
	var heirs []*cluster.Copy
	for i := range row.Copies {
		if c := &row.Copies[i]; c.InSync && !s.Member(c.Node).Down {
			heirs = append(heirs, c)
		}
	}
	if len(heirs) == 0 || r.odd() {
		return
	}
	at := r.IntN(len(heirs))
	row.Primary = heirs[at].ID
	if heirs[at].Source == 0 {
		heirs[at].Fresh = r.odd()
	}
	if to := heirs[r.IntN(len(heirs))]; to.ID != row.Primary && r.odd() {
		row.HandTo = to.ID
	}
}

// settings sets some of those that placement reads, of the cluster and of keyspaces.
func (r *roller) settings() {
	for _, rule := range cluster.SettingRules() {
		if rule.Ticks {
			continue
		}
		for range 2 {
			if !r.one(3) {
				continue
			}
			name, ok := r.name(rule.Name)
			if !ok {
				continue
			}
			if k := r.State.Keyspaces[r.IntN(len(r.State.Keyspaces))].Name; rule.Scoped && r.one(2) {
				name = cluster.ScopedName(k, name)
			}
			r.set(name, r.value(&rule))
		}
	}
}

// rebalances are relocations for balance that have begun, most of them lately. All members can read of them.
func (r *roller) rebalances() {
	for i := range r.State.Members {
		r.State.Members[i].Format = cluster.FormatBudget
	}
	now := r.Facts.Now
	if now.IsZero() {
		now = time.Unix(1_700_000_000, 0)
	}
	for range r.IntN(8) {
		r.State.Rebalances = append(r.State.Rebalances, cluster.Rebalance{Shard: r.State.Shards[r.IntN(len(r.State.Shards))].ID,
			At: now.UnixMilli() - pick(r.Rand, r.Int64N(2000), r.Int64N(100_000), r.Int64N(4_000_000), -r.Int64N(100_000)), Bytes: uint64(r.Int64N(1 << r.IntN(34)))})
	}
}

func (r *roller) set(name, value string) {
	if known, err := cluster.CheckSetting(name, value); !known || err != nil {
		panic(fmt.Sprintf("tck: setting %s has no value %q: %v", name, value, err))
	}
	at, found := slices.BinarySearchFunc(r.State.Settings, name, func(s cluster.Setting, name string) int { return strings.Compare(s.Name, name) })
	if !found {
		r.State.Settings = slices.Insert(r.State.Settings, at, cluster.Setting{})
	}
	r.State.Settings[at] = cluster.Setting{Name: name, Value: value}
}

// name completes the name of a rule that is one for many.
func (r *roller) name(rule string) (string, bool) {
	before, after, family := strings.Cut(rule, "{")
	if !family {
		return rule, true
	}
	what, after, _ := strings.Cut(after, "}")
	if what == "NODE" {
		return before + pick(r.Rand, r.State.Members...).Name + after, true
	}
	name := pick(r.Rand, "zone", "rack", "tier", "none")
	if after == "" && r.one(3) {
		name = pick(r.Rand, cluster.FilterName, cluster.FilterID, cluster.FilterHost, cluster.FilterIP)
	}
	return before + name + after, true
}

// value makes one that a rule takes.
func (r *roller) value(rule *cluster.SettingRule) string {
	switch {
	case len(rule.Values) > 0:
		return pick(r.Rand, rule.Values...)
	case rule.Time && rule.Min > 0:
		return pick(r.Rand, "1s", "1.001s", "10s", "1m30s", "1h")
	case rule.Time:
		return pick(r.Rand, "0s", "250ms", "1s", "1.001s", "1.5s", "10s", "1m30s", "1h")
	case rule.Name == cluster.SettingAwareness:
		return pick(r.Rand, "zone", "rack", "zone,rack", "rack, zone ,tier", "none")
	case rule.Name == cluster.SettingRebalanceWindows:
		return pick(r.Rand, "Mon-Fri 22:00-06:00, Sun 00:00-24:00", "mon-sun 00:00-24:00", "Sat 12:00-13:00", "Wed-Tue 08:30-18:00")
	case strings.Contains(rule.Name, "watermark") && strings.HasSuffix(rule.Name, "headroom"):
		return pick(r.Rand, "-1", "1gb", "2.5gb", "100mb")
	case strings.Contains(rule.Name, "watermark"):
		return pick(r.Rand, "50%", "85%", "0%", "100%", "33.3%", "512mb", "20gb", "1.5gb")
	case rule.Name == cluster.SettingBudgetBytes:
		return pick(r.Rand, "-1", "0b", "1gb", "2.5gb", "100mb")
	case strings.HasPrefix(rule.Name, cluster.SettingReplace):
		return pick(r.Rand, "N0", "N1", "N2", "N3", "nobody")
	case rule.Min < 0:
		return pick(r.Rand, "-1", "1", "2", "3", "5")
	case rule.Form == "":
		return fmt.Sprint(max(rule.Min, r.Int64N(4)))
	case strings.HasPrefix(rule.Form, "a number"):
		return fmt.Sprint(1 + r.IntN(3))
	}
	return pick(r.Rand, "a", "b", "a,c", "*", "a*", "*b", "N1*", "N*2,N3", "10.0.1.*", "h1,h2", "id*1", "a*b*", "x")
}

// Ask makes a question about a world that is looked at through v.
func Ask(dice *rand.Rand, v *policies.View) *policies.Question {
	place := dice.IntN(len(v.State.Shards))
	r := &v.State.Shards[place]
	q := &policies.Question{Capability: policies.Capability(dice.IntN(5)), Shard: r, Keyspace: v.State.Keyspace(r.ID.Keyspace()), Place: place}
	about := func() *cluster.Copy {
		if len(r.Copies) == 0 {
			return nil
		}
		return &r.Copies[dice.IntN(len(r.Copies))]
	}
	if len(r.Copies) == 0 && (q.Capability == policies.Remain || q.Capability == policies.Rebalance) {
		q.Capability = policies.Allocate
	}
	switch q.Capability {
	case policies.Remain, policies.Rebalance:
		q.Copy = about()
		q.Primary = q.Copy.ID == r.Primary
	case policies.Promote:
		q.Primary = true
		if dice.IntN(2) == 0 {
			q.Copy = about()
		}
	default:
		if dice.IntN(2) == 0 {
			q.Copy = about()
		}
		q.Primary = dice.IntN(2) == 0
		q.New = q.Copy == nil && q.Primary && dice.IntN(2) == 0
	}
	return q
}

// Stir makes moves of the kind that planners try, through a trial, with the sums kept: what moves is what guests are poked
// with. It says which rows it changed.
func Stir(dice *rand.Rand, t *cluster.Trial, v *policies.View, moves int, changed func(place int)) {
	for range moves {
		s := t.State()
		place := dice.IntN(len(s.Shards))
		r := &s.Shards[place]
		m := cluster.Move{Kind: cluster.MoveKind(1 + dice.IntN(8)), Node: s.Members[dice.IntN(len(s.Members))].ID, Reason: "stirred"}
		if len(r.Copies) > 0 {
			m.Copy = r.Copies[dice.IntN(len(r.Copies))].ID
			if dice.IntN(2) == 0 {
				m.Source = m.Copy
			}
		}
		v.Count(r, -1)
		err := t.Move(r.ID, &m)
		if err == nil && m.Source != 0 && len(s.Rebalances) > 0 {
			t.Rebalance(cluster.Rebalance{Shard: r.ID, At: s.Rebalances[0].At + dice.Int64N(200_000), Bytes: uint64(v.Weight(r.ID))})
		}
		v.Count(&t.State().Shards[place], 1)
		if err == nil {
			changed(place)
		}
	}
}
