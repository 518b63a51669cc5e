package runtime

import (
	"github.com/troupe-actors/troupe/runtime/admin"
)

// arriving are the copies on other nodes that come in sync with primaries here.
func (c clusterAPI) arriving() (list []admin.Arriving) {
	for _, h := range c.node.held() {
		st := h.Stats()
		for i := range st.Arriving {
			a := &st.Arriving[i]
			r := admin.Recovery{Source: c.node.id.Node, Stage: "operations", Bytes: a.Bytes, Total: max(a.Of, a.Bytes), Operations: a.Operations, Began: a.Began / 1e6}
			if a.Of > 0 {
				r.Stage = "snapshot"
			}
			list = append(list, admin.Arriving{Shard: a.Shard, Copy: a.Copy, Recovery: r})
		}
	}
	return list
}
