package cluster

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// change is one kind of command. Its place in changesOf is its number on disk: never reorder, only append.
type change struct {
	present bool
	make    func()
	code    func(*codec)
}

func changesOf(c *Command) []change {
	return []change{
		changeOf(&c.Bootstrap, (*codec).bootstrap),
		changeOf(&c.Join, (*codec).join),
		changeOf(&c.Reroute, (*codec).reroute),
		changeOf(&c.InSync, (*codec).inSync),
		changeOf(&c.Opened, (*codec).opened),
		changeOf(&c.Failed, (*codec).failed),
		changeOf(&c.HandOver, (*codec).handOver),
		changeOf(&c.Member, (*codec).memberChange),
		changeOf(&c.Keyspace, (*codec).keyspaceChange),
		changeOf(&c.Settings, (*codec).settingsChange),
		changeOf(&c.Voters, (*codec).votersChange), // the last of format 1
		changeOf(&c.Push, (*codec).pushChunk),
		changeOf(&c.Stage, (*codec).stageReport),
		changeOf(&c.Register, (*codec).registerPolicy),
		changeOf(&c.Activate, (*codec).activatePolicy),
		changeOf(&c.Shadow, (*codec).shadowPolicy),
		changeOf(&c.Retire, (*codec).retirePolicy),
		changeOf(&c.Quarantine, (*codec).quarantineModule),
		changeOf(&c.Forget, (*codec).forgetPolicies),
		changeOf(&c.Failover, (*codec).failoverChange), // the last of FormatPolicies
		changeOf(&c.Drain, (*codec).drainChange),       // the last of FormatHistory
		changeOf(&c.RegisterKind, (*codec).registerKind),
		changeOf(&c.UseKind, (*codec).useKind),
		changeOf(&c.ForgetKind, (*codec).forgetKind), // the last of FormatKinds
		changeOf(&c.Moves, (*codec).beginMoves),      // the last of FormatMoves
		changeOf(&c.Strike, (*codec).strikeModule),
	}
}

func changeOf[T any](p **T, code func(*codec, *T)) change {
	return change{present: *p != nil, make: func() { *p = new(T) }, code: func(c *codec) { code(c, *p) }}
}

// The numbers of the first change that FormatPolicies has and format 1 has not, and of the first of FormatHistory, of FormatKinds, of FormatMoves and of FormatStrikes.
const (
	firstOfPolicies = 11
	firstOfHistory  = 20
	firstOfKinds    = 21
	firstOfMoves    = 24
	firstOfStrikes  = 25
)

// Format is the lowest format that has this command; releases that read only lower ones must not meet it in the log.
func (c *Command) Format() uint32 {
	for i, x := range changesOf(c) {
		if x.present {
			return formatOf(c, uint8(i))
		}
	}
	return 1
}

// formatOf is the format of a command with this change.
func formatOf(c *Command, which uint8) uint32 {
	switch {
	case c.Join != nil && len(c.Join.Loose) > 0 || c.Retire != nil && c.Retire.Leave != nil:
		return FormatLoose
	case c.Keyspace != nil && c.Keyspace.After != nil:
		return FormatAfter
	case c.Activate != nil && c.Activate.If != nil:
		return FormatIf
	case which >= firstOfStrikes:
		return FormatStrikes
	case which >= firstOfMoves:
		return FormatMoves
	case c.Reroute != nil && len(c.Reroute.Rebalances) > 0:
		return FormatBudget
	case which >= firstOfKinds:
		return FormatKinds
	case which >= firstOfHistory || c.Settings != nil && (c.Settings.By != "" || c.Settings.At != 0):
		return FormatHistory
	case which >= firstOfPolicies:
		return FormatPolicies
	}
	return 1
}

func (c *codec) command(v *Command) {
	changes := changesOf(v)
	which := uint8(len(changes)) // none, which Apply refuses
	for i, x := range changes {
		if c.d == nil && x.present {
			which = uint8(i)
		}
	}
	if c.d == nil && v.parts() != 1 {
		panic(fmt.Sprintf("cluster: a command is one change; this one has %d", v.parts()))
	}
	c.fields(4)
	format := c.format(formatOf(v, which))
	text(c, &v.Trace)
	number(c, &which)
	if int(which) >= len(changes) {
		c.d.Refuse(fmt.Sprintf("change %d is unknown", which))
		return
	}
	if c.d != nil {
		changes[which].make()
	}
	changes[which].code(c)
	if c.d != nil && formatOf(v, which) != format {
		c.d.Refuse(fmt.Sprintf("change %d in format %d; it belongs to %d", which, format, formatOf(v, which)))
	}
}

func (c *codec) bootstrap(b *Bootstrap) {
	c.fields(5)
	text(c, &b.Cluster)
	c.member(&b.Member)
	list(c, &b.Keyspaces, (*codec).description)
	list(c, &b.Settings, (*codec).setting)
	list(c, &b.Adopt, shardID)
}

func (c *codec) join(j *Join) {
	fields := joinFields
	if len(j.Loose) == 0 {
		fields = joinFieldsOne
	}
	fields = c.eitherFields(fields, joinFieldsOne, joinFields)
	c.member(&j.Member)
	c.bool(&j.Clean)
	c.bool(&j.Awake)
	if fields == joinFields {
		list(c, &j.Loose, func(c *codec, id *shards.KeyspaceID) { number(c, id) })
	}
}

// Fields of a join in format 1, and in FormatLoose.
const (
	joinFieldsOne = 3
	joinFields    = 4
)

func (c *codec) reroute(r *Reroute) {
	fields := rerouteFields
	if len(r.Rebalances) == 0 {
		fields = rerouteFieldsOne
	}
	fields = c.eitherFields(fields, rerouteFieldsOne, rerouteFields)
	list(c, &r.Down, func(c *codec, d *Death) {
		c.fields(3)
		text(c, &d.Node)
		number(c, &d.Epoch)
		text(c, &d.Reason)
	})
	list(c, &r.Rows, func(c *codec, r *RowChange) {
		c.fields(3)
		number(c, &r.Shard)
		number(c, &r.Base)
		list(c, &r.Moves, (*codec).move)
	})
	if fields == rerouteFields {
		list(c, &r.Rebalances, (*codec).rebalance)
	}
}

// Fields of a reroute in format 1, and in FormatBudget.
const (
	rerouteFieldsOne = 2
	rerouteFields    = 3
)

func (c *codec) rebalance(x *Rebalance) {
	c.fields(3)
	number(c, &x.Shard)
	c.int64(&x.At)
	number(c, &x.Bytes)
}

func (c *codec) move(m *Move) {
	c.fields(5)
	number(c, &m.Kind)
	number(c, &m.Copy)
	text(c, &m.Node)
	number(c, &m.Source)
	text(c, &m.Reason)
}

func (c *codec) inSync(i *InSync) {
	c.fields(6)
	number(c, &i.Shard)
	number(c, &i.Term)
	number(c, &i.Primary)
	list(c, &i.Add, copyID)
	list(c, &i.Remove, copyID)
	text(c, &i.Reason)
}

func (c *codec) opened(o *Opened) {
	c.fields(3)
	text(c, &o.Node)
	number(c, &o.Epoch)
	list(c, &o.Copies, (*codec).shardCopy)
}

func (c *codec) failed(f *Failed) {
	c.fields(4)
	text(c, &f.Node)
	number(c, &f.Epoch)
	list(c, &f.Copies, (*codec).shardCopy)
	text(c, &f.Reason)
}

func (c *codec) handOver(h *HandOver) {
	c.fields(4)
	number(c, &h.Shard)
	number(c, &h.Term)
	number(c, &h.From)
	number(c, &h.To)
}

func (c *codec) memberChange(m *MemberChange) {
	c.fields(5)
	text(c, &m.Node)
	c.bool(&m.Forget)
	maybe(c, &m.Draining, (*codec).bool)
	maybe(c, &m.Maintained, (*codec).bool)
	maybe(c, &m.Excluded, (*codec).bool)
}

func (c *codec) keyspaceChange(k *KeyspaceChange) {
	fields := keyspaceFieldsOne
	if k.After != nil {
		fields = keyspaceFields
	}
	fields = c.eitherFields(fields, keyspaceFieldsOne, keyspaceFields)
	c.description(&k.Keyspace)
	if fields == keyspaceFields {
		maybe(c, &k.After, number[uint64])
	}
}

// Fields of a change of a keyspace in format 1, and in FormatAfter.
const (
	keyspaceFieldsOne = 1
	keyspaceFields    = 2
)

func (c *codec) settingsChange(s *SettingsChange) {
	fields := settingsFields
	if s.By == "" && s.At == 0 {
		fields = settingsFieldsOne
	}
	fields = c.eitherFields(fields, settingsFieldsOne, settingsFields)
	list(c, &s.Set, (*codec).setting)
	maybe(c, &s.ReadOnly, (*codec).bool)
	if fields == settingsFields {
		text(c, &s.By)
		c.int64(&s.At)
	}
}

// Fields of a change of settings in format 1, and in FormatHistory.
const (
	settingsFieldsOne = 2
	settingsFields    = 4
)

func (c *codec) amendment(a *Amendment) {
	c.fields(6)
	number(c, &a.Version)
	c.int64(&a.At)
	text(c, &a.By)
	text(c, &a.Name)
	text(c, &a.From)
	text(c, &a.To)
}

func (c *codec) drain(x *Drain) {
	c.fields(5)
	text(c, &x.Node)
	number(c, &x.Epoch)
	number(c, &x.At)
	c.bool(&x.Open)
	c.bytes(&x.Record)
}

func (c *codec) drainChange(x *DrainChange) {
	c.fields(3)
	number(c, &x.At)
	c.bytes(&x.Record)
	c.bool(&x.Close)
}

func (c *codec) beginMoves(x *BeginMoves) {
	c.fields(1)
	c.bytes(&x.Record)
}

func (c *codec) votersChange(v *VotersChange) {
	c.fields(1)
	list(c, &v.Voters, raftID)
}
