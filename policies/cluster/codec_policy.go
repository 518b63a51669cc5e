package cluster

import "slices"

func (c *codec) bytes(v *[]byte) {
	if c.d == nil {
		c.e.Bytes(*v)
		return
	}
	*v = slices.Clone(c.d.Bytes())
}

func digest(c *codec, v *Digest)        { text(c, v) }
func versionNumber(c *codec, v *uint32) { number(c, v) }

func (c *codec) module(m *Module) {
	c.fields(5)
	text(c, &m.Digest)
	c.int(&m.Size)
	list(c, &m.Chunks, (*codec).bytes)
	c.int64(&m.Pushed)
	list(c, &m.Staged, func(c *codec, s *Staged) {
		c.fields(3)
		text(c, &s.Node)
		number(c, &s.Epoch)
		text(c, &s.Problem)
	})
}

func (c *codec) policy(p *Policy) {
	fields := policyFields
	if p.Earlier.Version == 0 {
		fields = policyFieldsPolicies
	}
	fields = c.eitherFields(fields, policyFieldsPolicies, policyFields)
	text(c, &p.Name)
	c.int(&p.Order)
	number(c, &p.Next)
	list(c, &p.Versions, func(c *codec, v *PolicyVersion) {
		c.fields(4)
		number(c, &v.Number)
		text(c, &v.Digest)
		text(c, &v.Label)
		c.int64(&v.Pushed)
	})
	c.policyUse(&p.Active)
	c.policyUse(&p.Previous)
	c.policyUse(&p.Shadow)
	c.int64(&p.Since)
	number(c, &p.Version)
	text(c, &p.Note)
	if fields == policyFields {
		c.policyUse(&p.Earlier)
	}
}

// Fields of a policy in FormatPolicies, and in FormatLoose.
const (
	policyFieldsPolicies = 10
	policyFields         = 11
)

func (c *codec) policyUse(u *PolicyUse) {
	c.fields(2)
	number(c, &u.Version)
	text(c, &u.Settings)
}

func (c *codec) quarantined(q *Quarantined) {
	c.fields(4)
	text(c, &q.Digest)
	text(c, &q.Policy)
	text(c, &q.Reason)
	c.int64(&q.At)
}

func (c *codec) struck(x *Struck) {
	c.fields(5)
	text(c, &x.Digest)
	text(c, &x.Policy)
	number(c, &x.Strikes)
	text(c, &x.Last)
	c.int64(&x.At)
}

func (c *codec) strikeModule(x *StrikeModule) { c.struck((*Struck)(x)) }

func (c *codec) pushChunk(p *PushChunk) {
	c.fields(5)
	text(c, &p.Digest)
	c.int(&p.Size)
	c.int(&p.Part)
	c.bytes(&p.Bytes)
	c.int64(&p.At)
}

func (c *codec) stageReport(s *StageReport) {
	c.fields(3)
	text(c, &s.Node)
	number(c, &s.Epoch)
	list(c, &s.Modules, func(c *codec, m *StagedModule) {
		c.fields(2)
		text(c, &m.Digest)
		text(c, &m.Problem)
	})
}

func (c *codec) registerPolicy(r *RegisterPolicy) {
	c.fields(5)
	text(c, &r.Name)
	text(c, &r.Digest)
	text(c, &r.Label)
	c.int(&r.Order)
	c.int64(&r.At)
}

func (c *codec) activatePolicy(a *ActivatePolicy) {
	fields := activateFieldsPolicies
	if a.If != nil {
		fields = activateFields
	}
	fields = c.eitherFields(fields, activateFieldsPolicies, activateFields)
	text(c, &a.Name)
	number(c, &a.Version)
	text(c, &a.Settings)
	text(c, &a.Note)
	c.int64(&a.At)
	if fields == activateFields {
		maybe(c, &a.If, (*codec).policyUse)
	}
}

// Fields of an activation in FormatPolicies, and in FormatIf.
const (
	activateFieldsPolicies = 5
	activateFields         = 6
)

func (c *codec) shadowPolicy(s *ShadowPolicy) {
	c.fields(3)
	text(c, &s.Name)
	number(c, &s.Version)
	text(c, &s.Settings)
}

func (c *codec) retirePolicy(r *RetirePolicy) {
	fields := retireFieldsPolicies
	if r.Leave != nil {
		fields = retireFields
	}
	fields = c.eitherFields(fields, retireFieldsPolicies, retireFields)
	text(c, &r.Name)
	number(c, &r.How)
	number(c, &r.If)
	text(c, &r.Note)
	c.int64(&r.At)
	if fields == retireFields {
		maybe(c, &r.Leave, (*codec).policyUse)
	}
}

// Fields of a retreat in FormatPolicies, and in FormatLoose.
const (
	retireFieldsPolicies = 5
	retireFields         = 6
)

func (c *codec) quarantineModule(q *QuarantineModule) {
	c.fields(5)
	text(c, &q.Digest)
	text(c, &q.Policy)
	text(c, &q.Reason)
	c.int64(&q.At)
	c.bool(&q.Lift)
}

func (c *codec) forgetPolicies(f *ForgetPolicies) {
	c.fields(3)
	text(c, &f.Name)
	list(c, &f.Versions, versionNumber)
	list(c, &f.Modules, digest)
}

func (c *codec) failover(f *Failover) {
	c.fields(6)
	text(c, &f.Node)
	number(c, &f.Epoch)
	number(c, &f.At)
	c.bool(&f.Open)
	list(c, &f.Deposed, shardID)
	c.bytes(&f.Record)
}

func (c *codec) failoverChange(f *FailoverChange) {
	c.fields(4)
	text(c, &f.Node)
	number(c, &f.Epoch)
	c.bytes(&f.Record)
	c.bool(&f.Close)
}

func (c *codec) kind(k *ActorKind) {
	c.fields(9)
	text(c, &k.Name)
	text(c, &k.Keyspace)
	number(c, &k.Next)
	list(c, &k.Versions, func(c *codec, v *KindVersion) {
		c.fields(5)
		number(c, &v.Number)
		text(c, &v.Digest)
		text(c, &v.Label)
		c.int(&v.Data)
		c.int64(&v.Pushed)
	})
	number(c, &k.Active)
	number(c, &k.Previous)
	number(c, &k.Edition)
	c.int64(&k.Since)
	number(c, &k.Version)
}

func (c *codec) registerKind(r *RegisterKind) {
	c.fields(6)
	text(c, &r.Name)
	text(c, &r.Keyspace)
	text(c, &r.Digest)
	text(c, &r.Label)
	c.int(&r.Data)
	c.int64(&r.At)
}

func (c *codec) useKind(u *UseKind) {
	c.fields(5)
	text(c, &u.Name)
	number(c, &u.Number)
	number(c, &u.If)
	c.bool(&u.Older)
	c.int64(&u.At)
}

func (c *codec) forgetKind(f *ForgetKind) {
	c.fields(1)
	text(c, &f.Name)
}
