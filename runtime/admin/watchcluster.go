package admin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Routing is one line of /_watch/routing, or a moment of /_cluster/history: the first has everything, each later one what has changed since.
type Routing struct {
	At      int64  `json:"at"`      // Unix milliseconds, by the clock of the node that tells
	Version uint64 `json:"version"` // of the cluster state
	Leader  string `json:"leader"`
	Whole   bool   `json:"whole"`            // the lists are complete: what is not in them is gone
	Nodes   []Node `json:"nodes,omitempty"`  // all of them, if one has changed
	Shards  []Row  `json:"shards,omitempty"` // by id
}

// watchPause is the least time between two lines of a watch: what changes in between shows in one.
const watchPause = 50 * time.Millisecond

// watchRouting streams the shard table and the members, as they change.
func (s *Server) watchRouting(x *exchange, _ *query) error {
	var sent routingSent
	return s.follow(x, func(o *overview) any { return sent.line(o) })
}

// routingSent is what a client of /_watch/routing knows.
type routingSent struct {
	begun    bool
	version  uint64 // of the cluster state: whatever else is agreed, as settings and policies, changes it as well
	leader   string
	versions map[shards.ShardID]uint64
	nodes    []Node
}

// line is what the client does not know yet; nil if it knows all.
func (r *routingSent) line(o *overview) any {
	line := Routing{At: o.now, Version: o.state.Version, Whole: !r.begun}
	if o.evidence.Leader != "" {
		line.Leader = o.nodeName(o.evidence.Leader)
	}
	if !reflect.DeepEqual(r.nodes, o.nodes) {
		line.Nodes = o.nodes
	}
	versions := make(map[shards.ShardID]uint64, len(o.state.Shards))
	for i := range o.state.Shards {
		row := &o.state.Shards[i]
		versions[row.ID] = row.Version
		if known, has := r.versions[row.ID]; !has || known != row.Version {
			line.Shards = append(line.Shards, rowOf(o.state, row))
		}
	}
	if r.begun && line.Nodes == nil && line.Shards == nil && line.Leader == r.leader && line.Version == r.version {
		return nil
	}
	*r = routingSent{begun: true, version: line.Version, leader: line.Leader, versions: versions, nodes: o.nodes}
	return line
}

// watchHealth streams the health, as it changes.
func (s *Server) watchHealth(x *exchange, _ *query) error {
	var last *Health
	return s.follow(x, func(o *overview) any {
		h := o.health()
		compared := h
		compared.Version = 0
		compared.Reasons = slices.Clone(h.Reasons)
		for i := range compared.Reasons {
			if compared.Reasons[i].Shard == wholeCluster {
				compared.Reasons[i].Reason = "" // it counts the seconds
			}
		}
		if last != nil && reflect.DeepEqual(compared, *last) {
			return nil
		}
		last = &compared
		return h
	})
}

// follow writes what line gives of each new state, until the client leaves or the server ends. Silence is broken by empty lines.
func (s *Server) follow(x *exchange, line func(*overview) any) error {
	c, _, err := s.agreed()
	if err != nil {
		return err
	}
	x.begin()
	if x.r.Method == "HEAD" {
		return nil
	}
	silence := time.NewTicker(s.config.Keepalive)
	defer silence.Stop()
	for {
		_, newer := c.State()
		if o := s.overview(); o.state != nil && len(o.state.Members) > 0 {
			if value := line(o); value != nil {
				if err := x.line(value); err != nil {
					return err
				}
				silence.Reset(s.config.Keepalive)
			}
		}
		if going, err := s.awaitNews(x, newer, silence); err != nil || !going {
			return err
		}
	}
}

// awaitNews returns when there is news and the least pause is over.
func (s *Server) awaitNews(x *exchange, newer <-chan struct{}, silence *time.Ticker) (going bool, err error) {
	pause := time.NewTimer(watchPause)
	defer pause.Stop()
	for {
		select {
		case <-newer:
			newer = nil
			select {
			case <-pause.C:
				return true, nil
			case <-x.r.Context().Done():
				return false, nil
			case <-x.stopping:
			}
		case <-silence.C:
			if err := x.line(struct{}{}); err != nil {
				return false, err
			}
			continue
		case <-x.r.Context().Done():
			return false, nil
		case <-x.stopping:
		}
		_, err := x.Write(errorLine(&shards.Error{Kind: shards.KindUnavailable, Err: errStopping}))
		return false, err
	}
}

// line writes one line of a stream, and sends it.
func (x *exchange) line(value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("admin: a line that JSON cannot hold: %v", err))
	}
	if _, err := x.Write(append(text, '\n')); err != nil {
		return err
	}
	return x.flush()
}

// cutRequest is the body of /_dev/cut.
type cutRequest struct {
	Nodes     []string `json:"nodes"`     // names; all others if there are none
	Direction string   `json:"direction"` // "both" (default), or "in": only what comes from them is lost
}

// cut makes this node lose what comes from others, and what goes to them. Each call replaces the one before.
func (s *Server) cut(x *exchange, _ *query) error {
	var body cutRequest
	if err := x.document(&body); err != nil {
		return err
	}
	if body.Direction != "" && body.Direction != "both" && body.Direction != "in" {
		return invalid("direction %q; must be both or in", clip(body.Direction))
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	nodes, err := victims(state, s.backend.Node().ID, body.Nodes)
	if err != nil {
		return err
	}
	if err := c.Isolate(nodes, body.Direction != "in"); err != nil {
		return err
	}
	x.json(200, Acknowledged{Acknowledged: true, Changed: true, Version: state.Version})
	return nil
}

// victims are the ids of the nodes with these names, or of all but this one.
func victims(state *cluster.State, own shards.NodeID, names []string) (nodes []shards.NodeID, err error) {
	if len(names) == 0 {
		for i := range state.Members {
			if id := state.Members[i].ID; id != own {
				nodes = append(nodes, id)
			}
		}
		return nodes, nil
	}
	for _, name := range names {
		m, err := member(state, name)
		if err != nil {
			return nil, err
		}
		if m.ID == own {
			return nil, invalid("node %s cannot be cut off from itself", m.Name)
		}
		nodes = append(nodes, m.ID)
	}
	return nodes, nil
}

// heal ends what cut began.
func (s *Server) heal(x *exchange, _ *query) error {
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	if err := c.Isolate(nil, false); err != nil {
		return err
	}
	x.json(200, Acknowledged{Acknowledged: true, Changed: true, Version: state.Version})
	return nil
}
