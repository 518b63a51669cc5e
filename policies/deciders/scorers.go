package deciders

import "github.com/troupe-actors/troupe/policies"

// Load prefers nodes that are less used, for what they can bear: a large node takes more than a small one. Its figure is the
// part of the capacity that is used in the dimension where that is most, with what is coming, without what is leaving, and
// with the copy in question, which is not counted twice where it is. A dimension of which the capacity is not known is not looked at.
type Load struct{}

// Name is load.
func (Load) Name() string { return "load" }

// Scale is the part of a node's capacity that one copy is worth.
func (Load) Scale() float64 { return 0.02 }

// Score gives the part of the capacity that would be used.
func (Load) Score(v *policies.View, q *policies.Question, scores []float64) {
	var own [policies.Dimensions]float64
	if load := v.ShardLoad(q.Shard.ID); load != nil && q.Primary {
		own = load.Primary.Vector()
	} else if load != nil {
		own = load.Replica.Vector()
	}
	for n := range v.Nodes {
		node, own := &v.Nodes[n], own
		if q.Copy != nil && q.Copy.Node == node.ID {
			own = [policies.Dimensions]float64{}
		}
		capacity, used, coming, leaving := node.Capacity.Vector(), node.Used.Vector(), node.Coming.Vector(), node.Leaving.Vector()
		for d := range capacity {
			if capacity[d] > 0 {
				scores[n] = max(scores[n], (used[d]+coming[d]-leaving[d]+own[d])/capacity[d])
			}
		}
	}
}

// Primaries spreads what nodes lead, beside what they hold: a primary does the work of its shard's writes. A copy that leads is not
// counted where it is; for copies that do not lead it has no figure.
type Primaries struct{}

// Name is primaries.
func (Primaries) Name() string { return "primaries" }

// Scale is one: a shard that is led is worth a copy that is held.
func (Primaries) Scale() float64 { return 1 }

// Score gives the shards that a node leads.
func (Primaries) Score(v *policies.View, q *policies.Question, scores []float64) {
	if !q.Primary {
		return
	}
	for n := range v.Nodes {
		leads := v.Nodes[n].Primaries
		if leads > 0 && q.Copy != nil && q.Copy.Node == v.Nodes[n].ID && q.Copy.ID == q.Shard.Primary { // 0: it hands over, and counts where it goes
			leads--
		}
		scores[n] = float64(leads)
	}
}

// Scorers lists the built-in scorers. They are not asked unless somebody adds them to a Set: the planner evens out counts by
// itself.
func Scorers() []policies.Scorer { return []policies.Scorer{Load{}, Primaries{}} }
