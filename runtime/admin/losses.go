package admin

import (
	"context"
	"net/http"
	"time"
)

// LossAnswer is the answer of /_cluster/losses: what the death of each node would come to. The placement leader looks at one node after the
// other while it has nothing to do.
type LossAnswer struct {
	Losses  []NodeLoss `json:"losses"`            // by name
	Waiting []string   `json:"waiting,omitempty"` // names of nodes that the leader has not come to yet
	Reason  string     `json:"reason,omitempty"`  // why nobody looks
	Burden  string     `json:"burden,omitempty"`  // a sentence about the shard that is too large for any node's share, the worst one
}

// NodeLoss is what the death of a node would come to, as if nobody had to wait for copies to be carried.
type NodeLoss struct {
	Node        string  `json:"node"`
	Summary     string  `json:"summary"`                        // a sentence
	Lasting     bool    `json:"lasting"`                        // something would be wrong as long as it is away: more room or other rules would help
	Copies      int     `json:"copies"`                         // that it holds
	Unserved    int     `json:"unserved"`                       // shards that nobody could serve
	Single      int     `json:"single"`                         // of these, those of keyspaces that want one copy
	Unplaceable int     `json:"unplaceable"`                    // copies that no other node may have
	Few         int     `json:"few"`                            // of these, those of keyspaces that want more copies than there would be nodes
	Shard       string  `json:"shard,omitempty"`                // one of the others, that the summary speaks of
	Fullest     string  `json:"fullest_node,omitempty"`         // if loads are measured
	Full        float64 `json:"fullest_used_percent,omitempty"` // of that node
	Dimension   string  `json:"fullest_in,omitempty"`           // cpu, memory or disk
	At          int64   `json:"at"`                             // Unix milliseconds: when it was looked at
}

func (s *Server) losses(x *exchange, _ *query) error {
	c, _, err := s.agreed()
	if err != nil {
		return err
	}
	a, err := c.Losses(x.r.Context())
	if err != nil {
		return err
	}
	x.json(http.StatusOK, a)
	return nil
}

// Losses asks what the death of each node would come to.
func (c *Client) Losses(ctx context.Context) (a LossAnswer, err error) {
	err = c.json(ctx, call{method: http.MethodGet, path: "/_cluster/losses", repeatable: true}, &a)
	return a, err
}

var (
	metricLossUnplaced = metric("cluster_loss_unplaceable_copies", "Copies that would have no place if a node died, but for those of keyspaces that want more copies than there would be nodes; only on the leader.", "node")
	metricLossUnserved = metric("cluster_loss_unserved_shards", "Shards that nobody could serve if a node died, but for those of keyspaces that want one copy; only on the leader.", "node")
	metricLossFull     = metric("cluster_loss_used_ratio", "What the fullest node would need of what it has, in its fullest dimension, if another died; only on the leader.", "node")
)

// lossWait bounds what a scrape waits for where the lead has just gone elsewhere.
const lossWait = time.Second

// losses sends what a leader knows of losses.
func (m sender) losses(agreed Cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), lossWait)
	defer cancel()
	a, err := agreed.Losses(ctx)
	if err != nil {
		return // it leads no more: another tells
	}
	for i := range a.Losses {
		l := &a.Losses[i]
		m.gauge(metricLossUnplaced, float64(l.Unplaceable-l.Few), l.Node)
		m.gauge(metricLossUnserved, float64(l.Unserved-l.Single), l.Node)
		if l.Fullest != "" {
			m.gauge(metricLossFull, l.Full/100, l.Node)
		}
	}
}
