package admin

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// WishedCommand is one command of a reroute, as its body has it: {"move":{"keyspace":"orders","shard":3,"from_node":"n1","to_node":"n2"}}.
type WishedCommand map[CommandKind]CommandTarget

// CommandTarget says what a command is about. move has FromNode and ToNode, all others Node.
type CommandTarget struct {
	Keyspace       string `json:"keyspace"`
	Shard          int    `json:"shard"`
	Node           string `json:"node,omitempty"`
	FromNode       string `json:"from_node,omitempty"`
	ToNode         string `json:"to_node,omitempty"`
	AcceptDataLoss bool   `json:"accept_data_loss,omitempty"` // for allocate_stale and allocate_empty, unless it is a dry run
}

// maxCommands bounds the commands of one reroute.
const maxCommands = 1000

// RerouteAnswer is the answer of /_cluster/reroute.
type RerouteAnswer struct {
	Acknowledged bool           `json:"acknowledged"`
	DryRun       bool           `json:"dry_run"`
	Version      uint64         `json:"version"` // of the state after it, or on which it was planned
	Moves        []PlannedMove  `json:"moves"`
	Refused      []RefusedWish  `json:"refused"`
	Waiting      []HealthReason `json:"waiting"` // missing copies for which nothing is done yet, and why
}

// PlannedMove is one step of the plan.
type PlannedMove struct {
	Shard  string `json:"shard"`
	Move   string `json:"move"`             // "allocate", "relocate", "create", "promote", "drop", "stale", "empty", "hand_over", "retry"
	Node   string `json:"node,omitempty"`   // where the copy is or will be
	Copy   string `json:"copy,omitempty"`   // if it is there already
	Source string `json:"source,omitempty"` // the node whose copy it replaces
	Reason string `json:"reason"`
	Lacks  string `json:"lacks,omitempty"` // of allocate_stale and allocate_empty: what is given up, in terms and operations, as far as nodes say
}

// RefusedWish says why a command is not carried out.
type RefusedWish struct {
	Command  int       `json:"command"` // index in the request
	Reason   string    `json:"reason"`
	Verdicts []Verdict `json:"decisions,omitempty"`
}

// reroute plans and, unless it is a dry run, carries out.
func (s *Server) reroute(x *exchange, q *query) error {
	r := Reroute{DryRun: q.flag("dry_run"), Explain: q.flag("explain"), RetryFailed: q.flag("retry_failed")}
	if q.err != nil {
		return q.err
	}
	var body struct {
		Commands []WishedCommand `json:"commands"`
	}
	if err := x.document(&body); err != nil {
		return err
	}
	if len(body.Commands) > maxCommands {
		return tooLarge("%d commands; at most %d at a time", len(body.Commands), maxCommands)
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	for i, wish := range body.Commands {
		command, err := wish.resolve(state)
		if err != nil {
			e := *asError(err)
			e.Reason = fmt.Sprintf("command %d: %s", i, e.Reason)
			return &e
		}
		r.Commands = append(r.Commands, command)
	}
	gaps, err := s.givenUp(x.r.Context(), c, &r)
	if err != nil {
		return err
	}
	if err := takenUp(x.r.Context(), c, &r); err != nil {
		return err
	}
	result, err := c.Reroute(x.r.Context(), r)
	if err != nil {
		return err
	}
	state, _ = c.State()
	answer := answerOf(state, &r, &result)
	answer.lose(state, &r, gaps)
	x.json(http.StatusOK, answer)
	return nil
}

var commandKinds = []CommandKind{CommandMove, CommandCancel, CommandPromote, CommandAllocateReplica, CommandAllocateStale, CommandAllocateEmpty}

// resolve finds the shard and the nodes that a command names.
func (w WishedCommand) resolve(state *cluster.State) (command RerouteCommand, err error) {
	if len(w) != 1 {
		return command, invalid("a command has one name, as in {\"move\":{…}}; this one has %d", len(w))
	}
	for kind, t := range w {
		if !slices.Contains(commandKinds, kind) { // before its target: that of another command is anybody's guess
			return command, invalid("no command %q; there are move, cancel, promote, allocate_replica, allocate_stale, allocate_empty", clip(string(kind)))
		}
		command.Kind = kind
		row, err := shardOf(state, t.Keyspace, t.Shard)
		if err != nil {
			return command, err
		}
		command.Shard = row.ID
		return command, command.place(state, &t)
	}
	panic("admin: a map with one entry has none")
}

// place reads the nodes of a command, each under the name that belongs to its kind.
func (c *RerouteCommand) place(state *cluster.State, t *CommandTarget) error {
	from, to := "", t.Node
	switch c.Kind {
	case CommandMove:
		if t.Node != "" {
			return invalid("move takes from_node and to_node, not node")
		}
		from, to = t.FromNode, t.ToNode
	case CommandCancel:
		from, to = t.Node, ""
	}
	if c.Kind != CommandMove && (t.FromNode != "" || t.ToNode != "") {
		return invalid("%s takes node, not from_node or to_node", c.Kind)
	}
	if c.Accepted = t.AcceptDataLoss; c.Accepted && !c.Kind.losing() {
		return invalid("%s loses no data; leave accept_data_loss out", c.Kind)
	}
	for _, end := range []struct {
		name string
		node *shards.NodeID
	}{{from, &c.From}, {to, &c.To}} {
		wanted := end.node == &c.From && (c.Kind == CommandMove || c.Kind == CommandCancel) || end.node == &c.To && c.Kind != CommandCancel
		if !wanted {
			continue
		}
		m, err := member(state, end.name)
		if err != nil {
			return err
		}
		*end.node = m.ID
	}
	return nil
}

// moveNames are the kinds of move for people.
var moveNames = map[cluster.MoveKind]string{
	cluster.MoveAllocate: "allocate", cluster.MoveCreate: "create", cluster.MovePromote: "promote", cluster.MoveDrop: "drop",
	cluster.MoveStale: "stale", cluster.MoveEmpty: "empty", cluster.MoveHandTo: "hand_over", cluster.MoveRetry: "retry",
}

// answerOf prints a plan with names.
func answerOf(state *cluster.State, r *Reroute, result *Rerouted) RerouteAnswer {
	a := RerouteAnswer{
		Acknowledged: !r.DryRun, DryRun: r.DryRun, Version: result.Version, Moves: []PlannedMove{}, Refused: []RefusedWish{}, Waiting: []HealthReason{},
	}
	for _, row := range result.Rows {
		for _, m := range row.Moves {
			a.Moves = append(a.Moves, plannedMove(state, row.Shard, &m))
		}
	}
	for _, refused := range result.Refused {
		a.Refused = append(a.Refused, RefusedWish(refused))
	}
	for _, w := range result.Waiting {
		a.Waiting = append(a.Waiting, HealthReason{Shard: state.ShardName(w.Shard), Status: string(waitingState(state, w.Shard)), Reason: w.Reason})
	}
	return a
}

// waitingState is how a shard stands of which a copy waits: unassigned if it lacks one, else started; the copy then waits to leave.
func waitingState(state *cluster.State, id shards.ShardID) ShardState {
	if row := state.Shard(id); row != nil && row.Primary != 0 && row.Lasting() >= state.Keyspace(id.Keyspace()).Copies() {
		return ShardStarted
	}
	return ShardUnassigned
}

func plannedMove(state *cluster.State, shard shards.ShardID, m *cluster.Move) PlannedMove {
	p := PlannedMove{Shard: state.ShardName(shard), Move: moveNames[m.Kind], Copy: copyName(m.Copy), Reason: m.Reason}
	if m.Kind == cluster.MoveAllocate && m.Source != 0 {
		p.Move = "relocate"
	}
	if m.Node != "" {
		p.Node = state.NodeName(m.Node)
	}
	row := state.Shard(shard)
	if row == nil {
		return p
	}
	if c := row.Copy(m.Copy); c != nil && p.Node == "" {
		p.Node = state.NodeName(c.Node)
	}
	if c := row.Copy(m.Source); c != nil {
		p.Source = state.NodeName(c.Node)
	}
	return p
}

// explain asks the deciders about one shard. Without a shard it takes the first that is not green.
func (s *Server) explain(x *exchange, q *query) error {
	var body struct {
		Keyspace string `json:"keyspace"`
		Shard    *int   `json:"shard"`
		Node     string `json:"node"`
	}
	if err := x.document(&body); err != nil {
		return err
	}
	if q.values.Has("keyspace") {
		body.Keyspace = q.values.Get("keyspace")
	}
	if q.values.Has("shard") {
		index := q.count("shard")
		body.Shard = &index
	}
	if q.values.Has("node") {
		body.Node = q.values.Get("node")
	}
	if q.err != nil {
		return q.err
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	row, err := whichShard(state, body.Keyspace, body.Shard)
	if err != nil {
		return err
	}
	var node shards.NodeID
	if body.Node != "" {
		m, err := member(state, body.Node)
		if err != nil {
			return err
		}
		node = m.ID
	}
	explanation, err := c.Explain(x.r.Context(), row.ID, node)
	if err != nil {
		return err
	}
	a := Explained(state, row, &explanation)
	evidence := c.Evidence()
	a.Refuses = refusesWrites(state, row, &evidence)
	x.json(http.StatusOK, a)
	return nil
}

// refusesWrites is why a shard takes no writes that grow, as it decides itself: a node with a copy of it is short of what it needs.
func refusesWrites(state *cluster.State, row *cluster.Shard, e *Evidence) string {
	k := state.Keyspace(row.ID.Keyspace())
	for i := range row.Copies {
		node := row.Copies[i].Node
		if why := e.Full[node]; why != "" && (e.Short[node] || k.Durability != shards.DurabilityMemory) {
			return why
		}
	}
	return ""
}

func whichShard(state *cluster.State, keyspace string, index *int) (*cluster.Shard, error) {
	switch {
	case keyspace != "" && index != nil:
		return shardOf(state, keyspace, *index)
	case keyspace != "" || index != nil:
		return nil, invalid("keyspace and shard come together; without both, the first shard that is not green is explained")
	}
	for _, r := range cluster.HealthOf(state).Reasons {
		return state.Shard(r.Shard), nil
	}
	return nil, notFound("every shard is green; name one with keyspace and shard")
}
