package topics

import (
	"maps"
	"slices"
)

// share is one partition in a group.
//
//	Owner == Target      it works on it
//	Owner != Target      it is to give it up: at its next heartbeat that does not hold it, it becomes Target's
//	Owner == ""          nobody does, and it becomes Target's at once
type share struct {
	Owner      string `json:"o,omitempty"`
	Target     string `json:"t,omitempty"`
	Generation uint64 `json:"g,omitempty"` // the group's, when Owner got it
}

// retarget says anew who is to work on what: each topic's partitions evenly over the members that want it, within one, and as many as
// can stay where they are. Which member gets one more is balanced over the topics. The same input gives the same targets.
func (g *group) retarget() {
	total := map[string]int{}
	for _, topic := range slices.Sorted(maps.Keys(g.Topics)) {
		g.spread(g.Topics[topic], g.wanting(topic), total)
	}
}

// wanting lists the members that want a topic, in order.
func (g *group) wanting(topic string) (list []string) {
	for name, m := range g.Members {
		if _, wants := slices.BinarySearch(m.Topics, topic); wants {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

func (g *group) spread(parts []share, members []string, total map[string]int) {
	if len(members) == 0 {
		for i := range parts {
			parts[i].Target = ""
		}
		return
	}
	least, extra := len(parts)/len(members), len(parts)%len(members)
	count := map[string]int{}
	for _, m := range members {
		count[m] = 0
	}
	var free []int
	for i := range parts {
		had, there := count[parts[i].Target]
		switch {
		case there && had < least:
		case there && had == least && extra > 0:
			extra--
		default:
			free = append(free, i)
			continue
		}
		count[parts[i].Target]++
		total[parts[i].Target]++
	}
	for _, i := range free {
		to := ""
		for _, m := range members {
			switch {
			case to == "", count[m] < count[to], count[m] == count[to] && total[m] < total[to]:
				to = m
			}
		}
		parts[i].Target = to
		count[to]++
		total[to]++
	}
}

// give hands partitions that nobody works on to those that are to.
func (g *group) give() {
	for topic, parts := range g.Topics {
		for i := range parts {
			if _, there := g.Members[parts[i].Owner]; !there {
				parts[i].Owner = ""
			}
			if parts[i].Owner == "" && parts[i].Target != "" {
				g.Topics[topic][i].Owner, g.Topics[topic][i].Generation = parts[i].Target, g.Generation
			}
		}
	}
}

// rebalance is called when members, topics or partitions have changed.
func (g *group) rebalance() {
	g.Generation++
	g.retarget()
	g.give()
}
