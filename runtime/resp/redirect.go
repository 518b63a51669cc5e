package resp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// Redirect says what a connection gets for a key whose primary is on another node: MOVED, as in Redis Cluster, or the answer,
// for which this node goes there.
//
//	          a connection that has asked for the map        any other
//	          (CLUSTER SLOTS, SHARDS or NODES; READONLY,
//	          READWRITE, ASKING)
//	auto      MOVED 866 10.0.0.3:7400                        forwarded
//	always    MOVED                                          MOVED
//	never     forwarded                                      forwarded
//
// A connection that follows redirections sees one node: SCAN, KEYS, DBSIZE and FLUSHDB speak of the shards that
// have their primary here, since its client asks every node. Any other sees the whole keyspace through any node. Keyspaces other
// than the first are always forwarded to: the clients of a Redis cluster know of no other database than 0.
type Redirect uint8

// The modes. Auto lets clients for one Redis and clients for a Redis cluster work side by side.
const (
	RedirectAuto Redirect = iota
	RedirectAlways
	RedirectNever
)

var redirectNames = [...]string{"auto", "always", "never"}

// String is the name used in configuration.
func (r Redirect) String() string {
	if int(r) < len(redirectNames) {
		return redirectNames[r]
	}
	return "redirect " + strconv.Itoa(int(r))
}

// MarshalText writes the name used in configuration.
func (r Redirect) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads auto, always or never. The error wraps ErrConfig.
func (r *Redirect) UnmarshalText(text []byte) error {
	for i, name := range redirectNames {
		if string(text) == name {
			*r = Redirect(i)
			return nil
		}
	}
	return fmt.Errorf("%w: redirect %q; must be one of %s", ErrConfig, text, strings.Join(redirectNames[:], ", "))
}

// mapped notes that the client reads the map of the cluster, hence follows redirections.
func (c *conn) mapped() { c.mapReader = true }

// redirects says whether the connection gets redirections, in its present keyspace.
func (c *conn) redirects() bool {
	switch c.s.config.Redirect {
	case RedirectAlways:
		return c.space == 0
	case RedirectNever:
		return false
	}
	return c.mapReader && c.space == 0
}

// reach is that of the next command on keys.
func (c *conn) reach(cmd *command) (r Reach) {
	if c.redirects() {
		r = ReachHere
	}
	if c.readonly && cmd.flags&flagWrite == 0 {
		r |= ReachStale
	}
	if c.asides.asked {
		r |= ReachAsked
	}
	return r
}

// redirection turns the error of a call that was not to be forwarded into what its client follows; other errors stay.
func (c *conn) redirection(reach Reach, slot shards.Slot, err error) error {
	var (
		moved *shards.NotPrimaryError
		ask   *HandOverError
		word  string
		to    string
	)
	switch {
	case err == nil || reach&ReachHere == 0:
		return err
	case errors.As(err, &ask):
		word, to = "ASK", ask.To
	case errors.As(err, &moved) && moved.Primary != "":
		word, to = "MOVED", string(moved.Primary)
	default:
		return err
	}
	nodes := c.s.backend.Nodes(c.space)
	for i := 1; i < len(nodes); i++ { // the first is this one: whoever is sent in a circle had better wait
		if n := &nodes[i]; n.ID == to && n.Port != 0 {
			return replyError(fmt.Sprintf("%s %d %s:%d", word, slot, n.Host, n.Port))
		}
	}
	return err
}

// looksAt says whether the connection's commands on no key look at the shard with this index: at every one, or at those
// that have their primary here.
func (c *conn) looksAt(k *shards.Keyspace, index int) bool {
	if !c.redirects() {
		return true
	}
	first, _ := k.SlotRange(index)
	_, here := c.s.backend.Primary(c.space, first)
	return here
}

// elsewhere is the error for a command that MULTI would queue for a node that cannot run it; nil if it may be queued.
func (c *conn) elsewhere(reach Reach, slot shards.Slot) error {
	if reach != ReachHere {
		return nil // EXEC tells, where more is known
	}
	node, here := c.s.backend.Primary(c.space, slot)
	if here {
		return nil
	}
	keyspace := &c.s.backend.Keyspaces()[c.space]
	moved := &shards.NotPrimaryError{Shard: shards.NewShardID(keyspace.ID, keyspace.ShardOf(slot)), Primary: shards.NodeID(node)}
	if err := c.redirection(reach, slot, moved); node == "" || err != error(moved) {
		return err
	}
	return nil
}

func runReadOnly(c *conn, q *request) {
	c.mapped()
	c.readonly = q.cmd.name == "readonly"
	c.facts.stale(c.readonly)
	q.out = appendStatus(q.out, "OK")
}

// runAsking lets the next command, or the next transaction, go to a shard that is on its way here.
func runAsking(c *conn, q *request) {
	c.mapped()
	c.asides.asked = true
	q.out = appendStatus(q.out, "OK")
}
