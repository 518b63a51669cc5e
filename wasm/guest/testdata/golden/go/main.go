// The rule that all SDKs are held equal by, in Go; see ../manifest.json.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"

	troupe "github.com/troupe-actors/troupe/wasm/guest/go"
)

//go:embed manifest.json
var manifest string

func init() { troupe.Use(&golden{}, manifest) }

func main() {}

type golden struct {
	limits                []float64 // by keyspace; 0: none
	heard, ofCopies, last int
}

func (g *golden) Changed(column, row int) {
	g.heard, g.last = g.heard+1, row
	if column == troupe.Column("node_copies") {
		g.ofCopies++
	}
}

func (g *golden) Prepare() error {
	if troupe.SettingNamed("patience").Number() > 3600e3 {
		return errors.New("patience is more than an hour")
	}
	g.limits = make([]float64, troupe.Keyspaces())
	for name, s := range troupe.SettingsBelow("limit.") {
		for k := range g.limits {
			if troupe.KeyspaceName(k) == strings.TrimPrefix(name, "limit.") {
				g.limits[k] = s.Number()
			}
		}
	}
	return nil
}

func share(n int) float64 {
	if troupe.NodeCapacityDisk(n) > 0 {
		return troupe.NodeUsedDisk(n) / troupe.NodeCapacityDisk(n)
	}
	return 0
}

func avoided(keyspace, value string) bool {
	for _, pattern := range troupe.SettingOf(keyspace, "avoid").List() {
		if troupe.Matches(pattern, value) {
			return true
		}
	}
	return false
}

func (g *golden) Allocate(q troupe.Question, r troupe.Row) {
	k := troupe.ShardKeyspace(q.Shard)
	keyspace := troupe.KeyspaceName(k)
	full, verdict := troupe.SettingOf(keyspace, "full").Number(), troupe.NotPreferred
	if troupe.SettingNamed("strict").Flag() {
		verdict = troupe.No
	}
	for n := range troupe.Nodes() {
		if avoided(keyspace, troupe.Attribute(n, troupe.SettingNamed("attribute").Text())) {
			r.Say(n, troupe.No, 1)
		}
		if share(n) >= full {
			r.Say(n, verdict, 2)
		}
		if q.New && troupe.NodeHeld(n) > troupe.Ticks() {
			r.Say(n, troupe.Throttle, 3)
		}
		if g.limits[k] > 0 && float64(troupe.KeyspaceNodeCopies(k, n)) >= g.limits[k] {
			r.Say(n, troupe.No, 5)
		}
	}
}

func (g *golden) Remain(q troupe.Question, r troupe.Row) {
	for c := range troupe.Copies(q.Shard) {
		if c == q.Copy || troupe.CopyFlags(c)&troupe.CopyInSync == 0 {
			continue
		}
		for n := range troupe.Nodes() {
			if troupe.NodeHost(n) == troupe.NodeHost(troupe.CopyNode(c)) {
				r.Say(n, troupe.No, 4)
			}
		}
	}
}

func (g *golden) Promote(q troupe.Question, r troupe.Row) {
	if troupe.ShardPrimary(q.Shard) != troupe.None {
		r.SayAll(troupe.Throttle, 3)
	}
	for n := range troupe.Nodes() {
		if troupe.NodeFlags(n)&(troupe.NodeDraining|troupe.NodeDown) != 0 {
			r.Say(n, troupe.NotPreferred, 3)
		}
	}
}

func (g *golden) Meter(c troupe.Capability, q troupe.Question, n int) troupe.Answer {
	var a troupe.Answer
	if c != troupe.ToPromote {
		return a
	}
	if troupe.ShardPrimary(q.Shard) != troupe.None {
		a = max(a, troupe.AnswerOf(troupe.Throttle, 3))
	}
	if troupe.NodeFlags(n)&(troupe.NodeDraining|troupe.NodeDown) != 0 {
		a = max(a, troupe.AnswerOf(troupe.NotPreferred, 3))
	}
	return a
}

func (g *golden) Score(q troupe.Question, points []float64) {
	for n := range points {
		points[n] = share(n) + 0.25*float64(troupe.NodeCopies(n))
		if q.Primary {
			points[n] += 0.5
		}
	}
}

func (g *golden) Explain(c troupe.Capability, q troupe.Question, n int, a troupe.Answer) string {
	k := troupe.ShardKeyspace(q.Shard)
	keyspace, number, name := troupe.KeyspaceName(k), troupe.ShardNumber(q.Shard), troupe.NodeName(n)
	switch a.Reason() {
	case 1:
		attribute := troupe.SettingNamed("attribute").Text()
		return fmt.Sprintf("node %s has attribute %s %s, which setting avoid of keyspace %s keeps shard %d off", name, attribute, troupe.Attribute(n, attribute), keyspace, number)
	case 2:
		strict := "not strict"
		if troupe.SettingNamed("strict").Flag() {
			strict = "strict"
		}
		return fmt.Sprintf("node %s has used %s of %s, %s of its disk, and setting full is %s (%s)", name, troupe.Bytes(troupe.NodeUsedDisk(n)), troupe.Bytes(troupe.NodeCapacityDisk(n)),
			troupe.Percent(share(n)), troupe.Number(troupe.SettingOf(keyspace, "full").Number(), 2), strict)
	case 3:
		return fmt.Sprintf("node %s is held for %d ticks more, and setting patience is %s", name, troupe.NodeHeld(n)-troupe.Ticks(), troupe.Milliseconds(int64(troupe.SettingNamed("patience").Number())))
	case 4:
		return fmt.Sprintf("copy %d of shard %s/%d shares host %s; asked to %d", q.Copy, keyspace, number, troupe.NodeHost(n), c)
	case 6:
		return fmt.Sprintf("heard of %d changes, %d of them of node_copies; the last of row %d", g.heard, g.ofCopies, g.last)
	case 5:
		return fmt.Sprintf("node %s has %d copies of %s: 100%% of %s", name, troupe.KeyspaceNodeCopies(k, n), keyspace, troupe.Number(g.limits[k], 2))
	}
	return ""
}
