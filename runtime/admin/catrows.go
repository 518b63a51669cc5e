package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

func number[T ~int | ~int64 | ~uint64](n T) string { return fmt.Sprint(n) }

func healthRows(o *overview) [][]string {
	h := o.health()
	now := time.UnixMilli(o.now).UTC()
	return [][]string{{
		number(now.Unix()), now.Format(time.TimeOnly), h.ClusterName, h.Status, number(h.Nodes), number(h.DataNodes),
		number(h.ActiveShards), number(h.ActivePrimaryShards), number(h.RelocatingShards), number(h.InitializingShards),
		number(h.UnassignedShards), fmt.Sprintf("%.1f%%", h.ActivePercent), dash(h.Leader), strconv.FormatBool(h.ReadOnly),
	}}
}

func keyspaceRows(o *overview) (rows [][]string) {
	copies := map[int][]Shard{}
	for _, c := range o.copies {
		id := int(c.ID.Keyspace())
		copies[id] = append(copies[id], c)
	}
	for _, k := range keyspaceInfos(o.keyspaces, slices.Values(o.copies)) {
		rows = append(rows, []string{
			healthOf("", nil, copies[k.ID]).Status, k.Name, number(k.ID), number(k.Shards), number(k.Replicas), k.Durability, k.Eviction,
			number(k.MaxMemory), number(k.Keys), number(k.Bytes), number(k.MinInSync),
		})
	}
	return rows
}

// holding adds up the copies of one node.
type holding struct{ copies, primaries, initializing, keys, bytes int64 }

func (o *overview) holdings() map[shards.NodeID]holding {
	sums := map[shards.NodeID]holding{}
	for i := range o.copies {
		c := &o.copies[i]
		s := sums[c.Node]
		s.copies++
		s.keys += c.Keys
		s.bytes += c.Bytes
		if c.Primary {
			s.primaries++
		}
		if c.State == ShardInitializing {
			s.initializing++
		}
		sums[c.Node] = s
	}
	return sums
}

func allocationRows(o *overview) (rows [][]string) {
	sums := o.holdings()
	row := func(s holding, l *Load, host, name, roles, state string) {
		l = cmp.Or(l, &Load{})
		rows = append(rows, []string{
			number(s.copies), number(s.primaries), number(s.initializing), number(s.keys), number(s.bytes),
			percent(float64(l.Disk), float64(l.DiskCapacity)), host, name, roles, state,
			known(l.Disk, l.DiskCapacity), known(l.DiskCapacity-l.Disk, l.DiskCapacity), known(l.DiskCapacity, l.DiskCapacity),
		})
	}
	for i := range o.nodes {
		n := &o.nodes[i]
		row(sums[n.ID], n.Load, dash(n.Host), n.Name, roleLetters(n.Roles), n.condition())
	}
	if lost := sums[""]; lost.copies > 0 {
		row(lost, nil, "-", "UNASSIGNED", "-", "-")
	}
	return rows
}

// percent is a share without fractions; a dash if it is not known of what.
func percent(used, of float64) string {
	if of <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", 100*used/of)
}

// known is a figure, or a dash if what it belongs to is not known.
func known(figure, capacity int64) string {
	if capacity <= 0 {
		return "-"
	}
	return number(figure)
}

// condition is the state of a member in one word, or several with commas.
func (n *Node) condition() string {
	words := []string{string(cmp.Or(n.State, Alive))}
	if n.Draining {
		words = append(words, "draining")
	}
	if n.Maintenance {
		words = append(words, "maintenance")
	}
	return strings.Join(words, ",")
}

func leaderRows(o *overview) [][]string {
	version := uint64(0)
	if o.state != nil {
		version = o.state.Version
	}
	for i := range o.nodes {
		if n := &o.nodes[i]; n.ID == o.evidence.Leader {
			return [][]string{{string(n.ID), dash(n.Host), dash(n.Peer), n.Name, number(o.evidence.Term), number(version)}}
		}
	}
	return [][]string{{"-", "-", "-", "-", number(o.evidence.Term), number(version)}}
}

func nodeRows(o *overview) (rows [][]string) {
	sums := o.holdings()
	for i := range o.nodes {
		n := &o.nodes[i]
		s := sums[n.ID]
		l, uptime := cmp.Or(n.Load, &Load{}), "-"
		if n.Started > 0 {
			uptime = (time.Duration(max(0, o.now-n.Started)) * time.Millisecond).Truncate(time.Second).String()
		}
		rows = append(rows, []string{
			n.Name, string(n.ID[:min(8, len(n.ID))]), roleLetters(n.Roles), mark(n.Leader), n.condition(), number(s.copies), number(s.keys), number(s.bytes),
			dash(n.RESP), dash(n.HTTP), dash(n.Peer), n.Version, number(uint64(n.Epoch)), uptime, string(n.ID), number(s.primaries),
			voterMark(n), dash(n.Host), attributeText(n.Attributes), dash(n.Reason), number(o.views[n.ID].Applied), hashText(o.views[n.ID].Digest),
			percent(l.CPU, l.CPUCapacity), percent(float64(l.Memory), float64(l.MemoryCapacity)), percent(float64(l.Disk), float64(l.DiskCapacity)),
		})
	}
	return rows
}

// hashText is a hash as all tables show it.
func hashText(hash uint64) string { return fmt.Sprintf("%016x", hash) }

func voterMark(n *Node) string {
	if n.Excluded {
		return "x"
	}
	return mark(n.Voter)
}

func attributeText(attributes map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		pairs = append(pairs, name+"="+attributes[name])
	}
	return dash(strings.Join(pairs, ","))
}

func recoveryRows(o *overview) (rows [][]string) {
	for i := range o.copies {
		c := &o.copies[i]
		if c.State != ShardInitializing {
			continue
		}
		r, kind := Recovery{Stage: "waiting"}, "copy"
		if c.Recovery != nil {
			r = *c.Recovery
		}
		if o.relocates(c) {
			kind = "relocation"
		}
		since, percent := "-", "-"
		if r.Began > 0 {
			since = (time.Duration(max(0, o.now-r.Began)) * time.Millisecond).String()
		}
		if r.Total > 0 {
			percent = fmt.Sprintf("%.1f%%", 100*float64(r.Bytes)/float64(r.Total))
		}
		rows = append(rows, []string{
			c.Keyspace, number(c.ID.Index()), dash(copyName(c.Copy)), kind, r.Stage, since, o.nodeName(r.Source), o.nodeName(c.Node),
			number(r.Bytes), number(r.Total), percent, number(r.Operations),
		})
	}
	return rows
}

// relocates says whether a copy is to take another's place.
func (o *overview) relocates(c *Shard) bool {
	if o.state == nil {
		return false
	}
	agreed := o.state.Shard(c.ID).Copy(c.Copy)
	return agreed != nil && agreed.Source != 0
}

func shardRows(o *overview) (rows [][]string) {
	spaces := map[shards.KeyspaceID]shards.Keyspace{}
	for _, k := range o.keyspaces {
		spaces[k.ID] = k
	}
	names := map[shards.NodeID]string{"": "-"}
	for i := range o.nodes {
		names[o.nodes[i].ID] = o.nodes[i].Name
	}
	for i := range o.copies {
		c := &o.copies[i]
		role := "r"
		if c.Primary {
			role = "p"
		}
		slots := "-"
		if k := spaces[c.ID.Keyspace()]; k.Shards > c.ID.Index() {
			first, last := k.SlotRange(c.ID.Index())
			slots = fmt.Sprintf("%d-%d", first, last)
		}
		rows = append(rows, []string{
			c.Keyspace, number(c.ID.Index()), role, strings.ToUpper(string(c.State)), number(c.Keys), number(c.Bytes),
			number(uint64(c.Applied)), number(c.LogBytes), dash(cmp.Or(names[c.Node], string(c.Node))), number(uint64(c.Term)), c.Durability.String(),
			dash(c.Reason), slots, dash(copyName(c.Copy)), mark(c.InSync), hashText(c.Rolling),
		})
	}
	return rows
}
