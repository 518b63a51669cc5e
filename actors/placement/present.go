package placement

import (
	"time"

	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/record"
)

// Present records what this node would plan now, and proposes nothing: what a rehearsal begins with. by is the
// software. It fails where this node does not lead.
func (p *Placement) Present(by record.Software) (*record.Record, error) {
	e := p.c.Members.Evidence()
	if !e.Leading {
		return nil, errNotHere
	}
	p.asking.Lock()
	defer p.asking.Unlock()
	s := p.c.Group.State()
	m := p.desk.sit(s)
	defer p.drain(m)
	in := p.weigh(s, e, m)
	began := time.Now()
	plan := allocator.Make(in)
	return record.New(record.Key{Term: e.Term}, by, began, in, plan, record.Outcome{Took: time.Since(began)}), nil
}
