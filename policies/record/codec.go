package record

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards/wire"
)

// codec reads (d is set) or writes (e is set). Each struct is described once, so that the two cannot differ.
type codec struct {
	e      *wire.Encoder
	d      *wire.Decoder
	format uint32 // of what is read, or written
}

// MaxBytes bounds the encoding of a record.
const MaxBytes = 192 << 20

// Encode writes the record.
func (r *Record) Encode() []byte {
	e := wire.NewEncoder(nil)
	c := codec{e: &e}
	c.record(r)
	return e.Buffer()
}

// Decode reads what Encode wrote. The cluster state in it is checked as any that is read.
func Decode(body []byte) (*Record, error) {
	if len(body) > MaxBytes {
		return nil, fmt.Errorf("record: %d bytes; at most %d", len(body), MaxBytes)
	}
	if err := wire.Check(body, wire.Limits{Depth: 12}); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	d := wire.NewDecoder(body)
	r := &Record{Plan: &allocator.Plan{}}
	c := codec{d: &d}
	if err := c.state(r); err != nil {
		return nil, err
	}
	if err := d.Finish(); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return r, nil
}

// state is record, with what the state's own decoder says.
func (c *codec) state(r *Record) error {
	image := c.record(r)
	if err := c.d.Err(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	s, err := cluster.DecodeState(image)
	if err != nil {
		return fmt.Errorf("record %v: %w", r.Key, err)
	}
	r.Input.State = s
	return nil
}

// record describes a record; read, it gives the state as it is encoded.
func (c *codec) record(r *Record) (image []byte) {
	fields := recordFields[Format]
	if c.d == nil {
		c.e.Array(fields)
	} else {
		fields = c.d.Array()
	}
	c.format = Format
	number(c, &c.format)
	if c.d != nil && (c.d.Err() != nil || c.format < 1 || c.format > Format || fields != recordFields[c.format]) {
		c.d.Refuse(fmt.Sprintf("%d fields in format %d; this version knows 1 to %d", fields, c.format, Format))
		return nil
	}
	c.fields(2)
	number(c, &r.Key.Term)
	number(c, &r.Key.Number)
	text(c, &r.Software.Release)
	if c.format >= formatBuild {
		text(c, &r.Software.Build)
	}
	c.time(&r.Taken)
	image = c.input(&r.Input)
	c.fields(2)
	list(c, &r.Policies.Deciders, (*codec).policy)
	list(c, &r.Policies.Scorers, (*codec).policy)
	c.plan(r.Plan)
	c.fields(6)
	c.bool(&r.Outcome.Proposed)
	number(c, &r.Outcome.Version)
	text(c, &r.Outcome.Refused)
	integer(c, &r.Outcome.Late)
	integer(c, &r.Outcome.Took)
	integer(c, &r.Outcome.Commit)
	return image
}

// recordFields counts the fields of a record, by format.
var recordFields = [Format + 1]int{1: 8, formatBuild: 9, formatBudget: 9, formatBehind: 9}

func (c *codec) input(in *allocator.Input) (image []byte) {
	fields := 11
	if c.format < formatBehind {
		fields = 10
	}
	c.fields(fields)
	if c.d == nil {
		c.e.Bytes(in.State.Encode())
	} else {
		image = c.d.Bytes()
	}
	list(c, &in.Evidence, (*codec).status)
	c.fields(2)
	list(c, &in.Loads.Nodes, (*codec).nodeLoad)
	list(c, &in.Loads.Shards, (*codec).shardLoad)
	list(c, &in.Setbacks, func(c *codec, s *policies.Setback) {
		c.fields(2)
		number(c, &s.Shard)
		integer(c, &s.Ticks)
	})
	number(c, &in.Seed)
	integer(c, &in.Ticks)
	integer(c, &in.TickLength)
	c.time(&in.Now)
	c.bool(&in.Explain)
	c.bool(&in.NoBalance)
	if c.format >= formatBehind {
		list(c, &in.Behind, func(c *codec, b *cluster.Behind) {
			c.fields(3)
			number(c, &b.Keyspace)
			text(c, &b.Node)
			text(c, &b.Reason)
		})
	}
	return image
}

func (c *codec) status(s *liveness.Status) {
	c.fields(11)
	text(c, &s.Node)
	text(c, &s.Name)
	number(c, &s.Epoch)
	number(c, &s.State)
	integer(c, &s.Since)
	integer(c, &s.Heard)
	integer(c, &s.Limit)
	text(c, &s.Reason)
	c.bool(&s.Proof)
	c.bool(&s.Partial)
	integer(c, &s.Held)
}

func (c *codec) nodeLoad(l *policies.NodeLoad) {
	c.fields(4)
	text(c, &l.Node)
	number(c, &l.Epoch)
	c.load(&l.Capacity)
	c.load(&l.Used)
}

func (c *codec) shardLoad(l *policies.ShardLoad) {
	c.fields(3)
	number(c, &l.Shard)
	c.load(&l.Primary)
	c.load(&l.Replica)
}

func (c *codec) load(l *policies.Load) {
	c.fields(policies.Dimensions)
	c.float(&l.CPU)
	c.float(&l.Memory)
	c.float(&l.Disk)
}

func (c *codec) policy(p *Policy) {
	c.fields(5)
	text(c, &p.Name)
	text(c, &p.Version)
	text(c, &p.Digest)
	text(c, &p.Settings)
	c.bool(&p.Out)
}

func (c *codec) plan(p *allocator.Plan) {
	fields := 8
	if c.format < formatBudget {
		fields = 7
	}
	c.fields(fields)
	number(c, &p.Version)
	list(c, &p.Down, (*codec).death)
	list(c, &p.Rows, (*codec).row)
	list(c, &p.Decisions, (*codec).decision)
	integer(c, &p.Waiting)
	integer(c, &p.Next)
	c.bool(&p.Again)
	if c.format >= formatBudget {
		list(c, &p.Rebalances, func(c *codec, x *cluster.Rebalance) {
			c.fields(3)
			number(c, &x.Shard)
			integer(c, &x.At)
			number(c, &x.Bytes)
		})
	}
}

func (c *codec) death(d *cluster.Death) {
	c.fields(3)
	text(c, &d.Node)
	number(c, &d.Epoch)
	text(c, &d.Reason)
}

func (c *codec) row(r *cluster.RowChange) {
	c.fields(3)
	number(c, &r.Shard)
	number(c, &r.Base)
	list(c, &r.Moves, (*codec).move)
}

func (c *codec) move(m *cluster.Move) {
	c.fields(5)
	number(c, &m.Kind)
	number(c, &m.Copy)
	text(c, &m.Node)
	number(c, &m.Source)
	text(c, &m.Reason)
}

func (c *codec) decision(d *allocator.Decision) {
	c.fields(7)
	number(c, &d.Lane)
	number(c, &d.Shard)
	text(c, &d.Name)
	number(c, &d.Verdict)
	c.move(&d.Move)
	text(c, &d.Reason)
	list(c, &d.Candidates, (*codec).explanation)
}

func (c *codec) explanation(e *policies.Explanation) {
	c.fields(4)
	number(c, &e.Capability)
	text(c, &e.Node)
	number(c, &e.Verdict)
	list(c, &e.Words, func(c *codec, w *policies.Word) {
		c.fields(3)
		text(c, &w.Decider)
		number(c, &w.Verdict)
		text(c, &w.Reason)
	})
	if c.d != nil && (e.Verdict > policies.No || e.Capability > policies.Start) {
		c.d.Refuse("a verdict or a capability that there is not")
	}
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

func (c *codec) bool(v *bool) {
	if c.d == nil {
		c.e.Bool(*v)
		return
	}
	*v = c.d.Bool()
}

func (c *codec) float(v *float64) {
	if c.d == nil {
		c.e.Float(*v)
		return
	}
	*v = c.d.Float()
}

// time is nanoseconds since 1970; nil is the zero time, which has none.
func (c *codec) time(v *time.Time) {
	switch {
	case c.d == nil && v.IsZero():
		c.e.Nil()
	case c.d == nil:
		c.e.Int(v.UnixNano())
	case c.d.Nil():
		*v = time.Time{}
	default:
		*v = time.Unix(0, c.d.Int()).UTC()
	}
}

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

func integer[T ~int | ~int64](c *codec, v *T) {
	if c.d == nil {
		c.e.Int(int64(*v))
		return
	}
	n := c.d.Int()
	if int64(T(n)) != n {
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
