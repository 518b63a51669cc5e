package resp

import (
	"strings"
)

const flagsOperator = flagAdmin | flagsCluster | flagNoMulti

// operatorRows are the commands by which an operator changes a Redis cluster. What they mean here is written in COMMANDS.md.
var operatorRows = []*command{
	{name: "cluster|failover", arity: -2, flags: flagsOperator, since: "3.0.0", summary: "Makes this node primary of the shards of which it holds an in-sync replica.", syntax: "[FORCE | TAKEOVER]", run: runFailover},
	{name: "cluster|forget", arity: 3, flags: flagsOperator, since: "3.0.0", summary: "Removes a member from the cluster.", syntax: "node-id", run: runForget},
	{name: "cluster|meet", arity: -4, flags: flagsOperator, since: "3.0.0", summary: "Answers OK for a node that is a member; others join when they are started with --join.", syntax: "ip port [cluster-bus-port]", run: runMeet},
	{name: "cluster|saveconfig", arity: 2, flags: flagsOperator, since: "3.0.0", summary: "Answers OK: the cluster state is on disk before it is acted upon.", run: runOK},
	{name: "cluster|setslot", arity: -4, flags: flagsOperator, since: "3.0.0", summary: "Refused: where shards live is decided by policies.", syntax: "slot IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE", run: runRefused},
	{name: "cluster|addslots", arity: -3, flags: flagsOperator, since: "3.0.0", summary: "Refused: every slot has its shard from the start.", syntax: "slot [slot ...]", run: runRefused},
	{name: "cluster|addslotsrange", arity: -4, flags: flagsOperator, since: "7.0.0", summary: "Refused: every slot has its shard from the start.", syntax: "start-slot end-slot [start-slot end-slot ...]", run: runRefused},
	{name: "cluster|delslots", arity: -3, flags: flagsOperator, since: "3.0.0", summary: "Refused: every slot has its shard from the start.", syntax: "slot [slot ...]", run: runRefused},
	{name: "cluster|delslotsrange", arity: -4, flags: flagsOperator, since: "7.0.0", summary: "Refused: every slot has its shard from the start.", syntax: "start-slot end-slot [start-slot end-slot ...]", run: runRefused},
	{name: "cluster|flushslots", arity: 2, flags: flagsOperator, since: "3.0.0", summary: "Refused: every slot has its shard from the start.", run: runRefused},
	{name: "cluster|replicate", arity: 3, flags: flagsOperator, since: "3.0.0", summary: "Refused: which node follows which shard is decided by policies.", syntax: "node-id", run: runRefused},
	{name: "cluster|bumpepoch", arity: 2, flags: flagsOperator, since: "3.0.0", summary: "Refused: epochs and terms rise by agreement alone.", run: runRefused},
	{name: "cluster|set-config-epoch", arity: 3, flags: flagsOperator, since: "3.0.0", summary: "Refused: epochs and terms rise by agreement alone.", syntax: "config-epoch", run: runRefused},
	{name: "cluster|reset", arity: -2, flags: flagsOperator, since: "3.0.0", summary: "Refused: a node leaves by being drained and forgotten.", syntax: "[HARD | SOFT]", run: runRefused},
}

// refusals say what to do instead, by subcommand.
var refusals = map[string]string{
	"setslot":          "where shards live is decided by policies; ask for a new plan with: troupe reroute",
	"addslots":         slotsAreFixed,
	"addslotsrange":    slotsAreFixed,
	"delslots":         slotsAreFixed,
	"delslotsrange":    slotsAreFixed,
	"flushslots":       slotsAreFixed,
	"replicate":        "which node follows which shard is decided by policies; change the number of replicas with: troupe keyspace",
	"bumpepoch":        epochsAreAgreed,
	"set-config-epoch": epochsAreAgreed,
	"reset":            "a node keeps its identity and its copies; take it out with: troupe drain, then CLUSTER FORGET, and start it on an empty data folder",
}

const (
	slotsAreFixed   = "every slot belongs to its shard from the start, and shards are placed by policies; see them with: troupe shards"
	epochsAreAgreed = "epochs and terms rise by agreement of the members alone"
)

func runRefused(_ *conn, q *request) {
	_, name, _ := strings.Cut(q.cmd.name, "|")
	q.fail(replyError("ERR CLUSTER " + strings.ToUpper(name) + " is not done here: " + refusals[name]))
}

// runFailover asks for a hand-over and does not wait for it, as in Redis. Without agreement nothing is done here, so that
// TAKEOVER can be no more than FORCE.
func runFailover(c *conn, q *request) {
	force := false
	if len(q.args) > 2 {
		word := upper(q.args[2])
		if force = word == "FORCE" || word == "TAKEOVER"; !force || len(q.args) > 3 {
			q.fail(errSyntax)
			return
		}
	}
	operator, ok := c.s.backend.(Operator)
	t := c.topology()
	switch {
	case !ok:
		q.fail(replyError("ERR this node cannot move shards: it is alone"))
	case !t.follows(&t.nodes[0]):
		q.fail(replyError("ERR You should send CLUSTER FAILOVER to a replica"))
	default:
		q.done(operator.Failover(c.s.context, c.space, force))
	}
}

func runForget(c *conn, q *request) {
	t := c.topology()
	operator, ok := c.s.backend.(Operator)
	switch n := t.named(q.args[2]); {
	case n == nil:
		q.fail(unknownNode(q.args[2]))
	case n == &t.nodes[0]:
		q.fail(replyError("ERR I tried hard but I can't forget myself..."))
	case !ok:
		q.fail(replyError("ERR this node cannot change the cluster: it is alone"))
	default:
		q.done(operator.Forget(c.s.context, n.ID))
	}
}

// runMeet agrees with what is so already. A node cannot be told to leave the cluster that it formed, and joins when it starts.
func runMeet(c *conn, q *request) {
	port, ok := parseInt(q.args[3])
	if !ok || port < 1 || port > 1<<16-1 || len(q.args) > 5 {
		q.fail(replyError("ERR Invalid node address specified: " + clip(q.args[2], 128) + ":" + clip(q.args[3], 128)))
		return
	}
	nodes := c.s.backend.Nodes(c.space)
	for i := range nodes {
		if n := &nodes[i]; n.Host == string(q.args[2]) && int64(n.Port) == port {
			q.out = appendStatus(q.out, "OK")
			return
		}
	}
	q.fail(replyError("ERR no member has this address; a node joins when it is started: troupe node --join " + nodes[0].Name + "'s peer address"))
}

// done replies OK, or the error.
func (q *request) done(err error) {
	if err != nil {
		q.fail(err)
		return
	}
	q.out = appendStatus(q.out, "OK")
}
