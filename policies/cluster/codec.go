package cluster

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// A state or a command is one msgpack array; every struct within is an array of its fields in the order of their
// declaration, every list an array of its elements, an absent pointer nil:
//
//	state    [format, cluster, version, [member…], [keyspace…], [shard…], [setting…], [voter…], next copy, next keyspace, read only,
//	          [module…], [policy…], [quarantined…], policies changed at, [failover…],       these five from format 2 on
//	          [amendment…], [drain…],                                                       these two from format 3 on
//	          [kind…], kinds changed at,                                                    and these from format 4 on
//	          [rebalance…],                                                                 and these from format 5 on
//	          [struck…]]                                                                    and these from format 7 on
//
// where a drain without a node, which is one of moves, is of format 6, and a policy with what was in force earlier of format 10;
//
//	command  [format, trace, number of the change, change]
//	outcome  [format, version, changed, refusal or nil, keyspace, [[shard, refusal]…]]
//
// What stands alone is written in the lowest format that can hold it, so that nodes of the release before go on reading the log
// and the snapshots of a cluster that uses nothing new; Apply refuses what is new while such a node is a member.
//
// Equal values are equal bytes: nil and empty lists are the same, numbers are as short as they can be. Each struct is
// described once, by a function that reads or writes it, so that the two cannot differ.

// Format is the newest version of these encodings, and what a member says that it reads. It is raised when they change, and
// never lowered.
const (
	Format         = 10
	FormatPolicies = 2  // the first with modules and policies
	FormatHistory  = 3  // the first with a history of drains and settings
	FormatKinds    = 4  // the first with kinds of actors
	FormatBudget   = 5  // the first that counts relocations for balance
	FormatMoves    = 6  // the first with moves of copies in the history of drains
	FormatStrikes  = 7  // the first that counts how often modules have failed
	FormatIf       = 8  // the first whose activations say what they are to follow
	FormatAfter    = 9  // the first whose changes of keyspaces do
	FormatLoose    = 10 // the first whose joins say what their last life wrote otherwise, whose policies what was in force before other settings, and whose retreats what they leave
)

// Bounds of encodings, in bytes. What a decoder allocates is at most about thirty times what it is given.
const (
	MaxStateBytes   = 112 << 20 // a million copies and all modules, and a snapshot of it fits a message between nodes
	MaxCommandBytes = 8 << 20
)

// Encode writes the state.
func (s *State) Encode() []byte {
	room := 0
	for i := range s.Modules { // they are most of a large state; grown into, it would be copied again and again
		for _, chunk := range s.Modules[i].Chunks {
			room += len(chunk)
		}
	}
	e := wire.NewEncoder(make([]byte, 0, room+len(s.Shards)*64+4096))
	c := codec{e: &e}
	c.state(s)
	return e.Buffer()
}

// DecodeState reads what Encode wrote, and checks every invariant: a state that is damaged is refused.
func DecodeState(frame []byte) (*State, error) {
	s := &State{}
	if err := decode("state", frame, MaxStateBytes, func(c *codec) { c.state(s) }); err != nil {
		return nil, err
	}
	if err := Check(s); err != nil {
		return nil, fmt.Errorf("cluster: the state that was read is damaged: %w", err)
	}
	return s, nil
}

// Encode writes the command.
func (c *Command) Encode() []byte {
	e := wire.NewEncoder(nil)
	k := codec{e: &e}
	k.command(c)
	return e.Buffer()
}

// DecodeCommand reads what Encode wrote. Whether the command makes sense is for Apply to say.
func DecodeCommand(frame []byte) (*Command, error) {
	c := &Command{}
	if err := decode("command", frame, MaxCommandBytes, func(k *codec) { k.command(c) }); err != nil {
		return nil, err
	}
	return c, nil
}

// Encode writes the outcome, for a proposer on another node.
func (o *Outcome) Encode() []byte {
	e := wire.NewEncoder(nil)
	c := codec{e: &e}
	c.outcome(o)
	return e.Buffer()
}

// DecodeOutcome reads what Encode wrote.
func DecodeOutcome(frame []byte) (Outcome, error) {
	var o Outcome
	err := decode("outcome", frame, MaxCommandBytes, func(c *codec) { c.outcome(&o) })
	return o, err
}

func decode(what string, frame []byte, limit int, read func(*codec)) error {
	if len(frame) > limit {
		return fmt.Errorf("cluster: a %s of %d bytes; at most %d", what, len(frame), limit)
	}
	d := wire.NewDecoder(frame)
	read(&codec{d: &d})
	if err := d.Finish(); err != nil {
		return fmt.Errorf("cluster: %s: %w", what, err)
	}
	return nil
}

// codec reads (d is set) or writes (e is set).
type codec struct {
	e *wire.Encoder
	d *wire.Decoder
}

// fields announces a struct, or reads that one with so many fields is there.
func (c *codec) fields(n int) {
	if c.d == nil {
		c.e.Array(n)
		return
	}
	if got := c.d.Array(); got != n {
		c.d.Refuse(fmt.Sprintf("%d fields where %d belong", got, n))
	}
}

// eitherFields is fields for a struct that has grown: it writes n, or reads one of the two and gives it; 0: neither.
func (c *codec) eitherFields(n, before, now int) int {
	if c.d == nil {
		c.e.Array(n)
		return n
	}
	got := c.d.Array()
	if got != before && got != now {
		c.d.Refuse(fmt.Sprintf("%d fields where %d or %d belong", got, before, now))
		return 0
	}
	return got
}

// format is the first field of whatever stands alone: it writes v, or gives what is read.
func (c *codec) format(v uint32) uint32 {
	number(c, &v)
	if c.d != nil && (v < 1 || v > Format) {
		c.d.Refuse(fmt.Sprintf("format %d; this version knows 1 to %d", v, Format))
	}
	return v
}

func (c *codec) bool(v *bool) {
	if c.d == nil {
		c.e.Bool(*v)
		return
	}
	*v = c.d.Bool()
}

func (c *codec) int(v *int) {
	if c.d == nil {
		c.e.Int(int64(*v))
		return
	}
	n := c.d.Int()
	if int64(int(n)) != n {
		c.d.Refuse("a number beyond what fits")
	}
	*v = int(n)
}

func (c *codec) int64(v *int64) {
	if c.d == nil {
		c.e.Int(*v)
		return
	}
	*v = c.d.Int()
}

// number reads or writes one that is never negative.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](c *codec, v *T) {
	if c.d == nil {
		c.e.Uint(uint64(*v))
		return
	}
	n := c.d.Uint()
	if uint64(T(n)) != n {
		c.d.Refuse("a number beyond what fits")
	}
	*v = T(n)
}

func text[T ~string](c *codec, v *T) {
	if c.d == nil {
		c.e.Str(string(*v))
		return
	}
	*v = T(c.d.Str())
}

// list reads or writes the elements one by one; the slice grows as they come, whatever length was announced. An empty list
// is read as nil.
func list[T any](c *codec, v *[]T, element func(*codec, *T)) {
	if c.d == nil {
		c.e.Array(len(*v))
		for i := range *v {
			element(c, &(*v)[i])
		}
		return
	}
	*v = nil
	for range c.d.Array() {
		var x T
		element(c, &x)
		if c.d.Err() != nil {
			return
		}
		*v = append(*v, x)
	}
}

// maybe reads or writes what may be absent.
func maybe[T any](c *codec, v **T, present func(*codec, *T)) {
	if c.d != nil {
		*v = nil
		if c.d.Nil() {
			return
		}
		*v = new(T)
	} else if *v == nil {
		c.e.Nil()
		return
	}
	present(c, *v)
}

func (c *codec) outcome(o *Outcome) {
	c.fields(6)
	c.format(1)
	number(c, &o.Version)
	c.bool(&o.Changed)
	maybe(c, &o.Err, (*codec).refusal)
	number(c, &o.Keyspace)
	list(c, &o.Rows, func(c *codec, r *RowOutcome) {
		c.fields(2)
		number(c, &r.Shard)
		if c.d != nil {
			r.Err = &Refusal{}
		}
		c.refusal(r.Err)
	})
}

func (c *codec) refusal(r *Refusal) {
	c.fields(2)
	number(c, &r.Why)
	text(c, &r.Text)
}

func (c *codec) shardCopy(s *ShardCopy) {
	c.fields(2)
	number(c, &s.Shard)
	number(c, &s.Copy)
}

func shardID(c *codec, id *shards.ShardID) { number(c, id) }
func copyID(c *codec, id *shards.CopyID)   { number(c, id) }
func raftID(c *codec, id *uint64)          { number(c, id) }
