package cluster

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/shards"
)

// Bounds on what one state holds: it lives in every node's memory and in one snapshot.
const (
	MaxMembers    = 1024
	MaxKeyspaces  = 1024
	MaxShards     = 1 << 17 // of all keyspaces
	MaxCopies     = 2 * (1 + shards.MaxReplicas)
	MaxAllCopies  = 1 << 20 // that all keyspaces together ask for: so many, and what moves besides, fit into MaxStateBytes
	MaxSettings   = 1024
	MaxAttributes = 32   // of one member
	MaxText       = 256  // bytes of a name, an address, an attribute, a trace
	MaxValue      = 4096 // bytes of a setting's value
	MaxReason     = 1024 // bytes of a reason
	MaxVoters     = 7
	idDigits      = 40
)

// ShortReason is a text as a reason may be: UTF-8, and cut to MaxReason bytes between two characters.
func ShortReason(text string) string {
	if !utf8.ValidString(text) { // most are, and that is told faster than it is mended
		text = strings.ToValidUTF8(text, "?")
	}
	if len(text) <= MaxReason {
		return text
	}
	return strings.ToValidUTF8(text[:MaxReason], "")
}

func (d *draft) bootstrap(b *Bootstrap) error {
	if len(b.Cluster) != idDigits || strings.Trim(b.Cluster, "0123456789abcdef") != "" {
		return refuse(WhyInvalid, "a cluster's id is %d hexadecimal digits in lower case, not %q", idDigits, b.Cluster)
	}
	if err := b.Member.validate(); err != nil {
		return err
	}
	if b.Member.Roles&RoleMeta == 0 {
		return refuse(WhyInvalid, "node %s has not the role meta: it cannot lead the cluster that it would begin", b.Member.Name)
	}
	m := b.Member
	m.Down = false
	d.Cluster, d.NextCopy, d.changed = b.Cluster, 1, true
	d.Members, d.Voters = []Member{m}, []uint64{m.Raft}
	d.Settings, d.Keyspaces, d.Shards = nil, nil, nil
	for _, k := range b.Keyspaces {
		if len(d.Keyspaces) > 0 && k.ID < d.NextKeyspace {
			return refuse(WhyInvalid, "keyspace %q: numbers ascend, and %d does not", k.Name, k.ID)
		}
		if err := d.addKeyspace(k); err != nil {
			return err
		}
	}
	if err := d.set(b.Settings); err != nil {
		return err
	}
	return d.adopt(&m, b.Adopt)
}

// adopt gives the first member the shards that it holds from its life as a single node. None has a primary yet: what the
// placement leader promotes begins at term 1.
func (d *draft) adopt(m *Member, ids []shards.ShardID) error {
	if len(ids) > 0 && m.Roles&RoleData == 0 {
		return refuse(WhyInvalid, "node %s has data of %d shards, but not the role data", m.Name, len(ids))
	}
	for n, id := range ids {
		i, found := d.find(id)
		if !found || n > 0 && id <= ids[n-1] {
			return refuse(WhyInvalid, "shard %v of the data that was found belongs to no keyspace, or is listed twice or out of order", id)
		}
		d.Shards[i].Copies = []Copy{{ID: d.NextCopy, Node: m.ID, InSync: true, Started: true}}
		d.NextCopy++
	}
	return nil
}

func (d *draft) join(j *Join) error {
	m := j.Member
	if err := m.validate(); err != nil {
		return err
	}
	for i, id := range j.Loose {
		if i > 0 && id <= j.Loose[i-1] {
			return refuse(WhyInvalid, "the keyspaces of a join ascend, each once; %d does not", id)
		}
	}
	if err := d.NameFree(m.ID, m.Name); err != nil {
		return err
	}
	for _, other := range d.Members {
		if other.ID != m.ID && other.Raft == m.Raft {
			return refuse(WhyTaken, "the number %d in the metadata group belongs to node %s", m.Raft, other.Name)
		}
	}
	if d.format() > max(1, m.Format) { // the first format every node reads, also one that says nothing
		return refuse(WhyInvalid, "the cluster state holds what needs format %d (policies or kinds of actors that were pushed, a history of failovers, moves, drains or settings, counted relocations, modules that have failed, or what was in force before a policy got other settings); node %s runs release %s, which reads %d: upgrade it first", d.format(), m.Name, m.Release, m.Format)
	}
	i, found := d.findMember(m.ID)
	if !found {
		return d.welcome(i, m)
	}
	known := d.Members[i]
	m.Draining, m.Maintained, m.Excluded = known.Draining, known.Maintained, known.Excluded
	switch {
	case m.Raft != known.Raft:
		return refuse(WhyInvalid, "node %s had the number %d in the metadata group and now says %d; a wiped node needs a new id", m.Name, known.Raft, m.Raft)
	case m.Epoch < known.Epoch:
		return refuse(WhyStale, "node %s joined in epoch %d already; this is epoch %d", m.Name, known.Epoch, m.Epoch)
	case m.Epoch == known.Epoch && known.Down:
		return refuse(WhyStale, "node %s was declared dead in epoch %d; it comes back with a higher one", m.Name, m.Epoch)
	case m.Epoch == known.Epoch:
		return d.move(i, m)
	}
	m.Down = false
	d.putMember(i, m)
	d.revive(&m, j)
	d.beginDrain(&m)
	return nil
}

// NameFree is a *Refusal if a member other than this one has the name: a node of that name could not join.
func (s *State) NameFree(id shards.NodeID, name string) error {
	for i := range s.Members {
		if other := &s.Members[i]; other.ID != id && other.Name == name {
			return refuse(WhyTaken, "the name %s belongs to node %s; forget that node, or start this one under another name", name, other.ID)
		}
	}
	return nil
}

// move takes over the addresses of a member that repeats its join.
func (d *draft) move(i int, m Member) error {
	known := d.Members[i]
	if m.Peer != known.Peer || m.RESP != known.RESP || m.HTTP != known.HTTP {
		known.Peer, known.RESP, known.HTTP = m.Peer, m.RESP, m.HTTP
		d.putMember(i, known)
	}
	return nil
}

// welcome puts a new member in at i.
func (d *draft) welcome(i int, m Member) error {
	if len(d.Members) >= MaxMembers {
		return refuse(WhyInvalid, "the cluster has %d members, and cannot have more", MaxMembers)
	}
	m.Down, m.Draining, m.Maintained, m.Excluded = false, false, false, false
	d.places = nil
	d.Members, d.ownsMembers, d.changed = slices.Insert(slices.Clone(d.Members), i, m), true, true
	return nil
}

// revive deposes the primaries of a member's earlier life, and keeps of its copies what the node kept; see Join.
func (d *draft) revive(m *Member, j *Join) {
	defer d.depose(m.ID, d.old.Member(m.ID).Epoch, d.led(m.ID))
	for i := range d.Shards {
		if d.Shards[i].CopyOn(m.ID) == nil {
			continue
		}
		durability := j.wrote(d.Keyspace(d.Shards[i].ID.Keyspace()))
		kept := j.Awake || durability == shards.DurabilityFsync || durability == shards.DurabilityInterval && j.Clean
		mustEdit(d.edit(i, func(r *row) error {
			at := r.on(m.ID)
			c := &r.Copies[at]
			c.Failed = false
			if r.Primary == c.ID {
				r.Primary = 0
			}
			switch {
			case kept:
			case !c.InSync || r.inSyncBut(c.ID):
				r.renew(at)
			case durability == shards.DurabilityMemory:
				r.remove(at)
				r.add(Copy{Node: m.ID, InSync: true, Started: true, Fresh: true})
			}
			return nil
		}))
	}
}

// wrote is the durability that the last life went by.
func (j *Join) wrote(k *Keyspace) shards.Durability {
	if k.Durability == shards.DurabilityFsync && slices.Contains(j.Loose, k.ID) {
		return shards.DurabilityInterval
	}
	return k.Durability
}

// mustEdit is for edits that refuse nothing.
func mustEdit(err error) {
	if err != nil {
		panic("cluster: an edit without conditions was refused: " + err.Error())
	}
}

func (d *draft) changeMember(c *MemberChange) error {
	i, found := d.findMember(c.Node)
	if !found {
		return refuse(WhyUnknown, "node %s is not a member", c.Node)
	}
	if c.Forget {
		if c.Draining != nil || c.Maintained != nil || c.Excluded != nil {
			return refuse(WhyInvalid, "node %s is to be forgotten and changed at once", d.Members[i].Name)
		}
		return d.forget(i)
	}
	m := d.Members[i]
	assign(&m.Draining, c.Draining)
	assign(&m.Maintained, c.Maintained)
	assign(&m.Excluded, c.Excluded)
	if now := d.Members[i]; m.Draining != now.Draining || m.Maintained != now.Maintained || m.Excluded != now.Excluded {
		d.putMember(i, m)
		if !now.Draining {
			d.beginDrain(&m)
		}
	}
	return nil
}

func assign(to, from *bool) {
	if from != nil {
		*to = *from
	}
}

// forget removes the member at i with its copies, and its vote.
func (d *draft) forget(i int) error {
	m := d.Members[i]
	held := 0
	for n := range d.Shards {
		r := &d.Shards[n]
		c := r.CopyOn(m.ID)
		if c == nil {
			continue
		}
		held++
		if c.InSync && r.InSync() == 1 {
			return refuse(WhyUnsafe, "node %s holds the last in-sync copy of shard %s; start it, or first accept the loss there with allocate_stale or allocate_empty",
				m.Name, d.ShardName(r.ID))
		}
	}
	switch {
	case held > 0 && !m.Down:
		return refuse(WhyUnsafe, "node %s is alive and holds %d copies; drain it first", m.Name, held)
	case slices.Equal(d.Voters, []uint64{m.Raft}):
		return refuse(WhyUnsafe, "node %s is the only voter of the metadata group", m.Name)
	case !m.Down: // it would go on as a stranger, which serves whoever asks it
		return refuse(WhyUnsafe, "node %s is empty, and runs: stop it, then forget it", m.Name)
	}
	for n := range d.Shards {
		if d.Shards[n].CopyOn(m.ID) == nil {
			continue
		}
		mustEdit(d.edit(n, func(r *row) error {
			r.remove(r.on(m.ID))
			return nil
		}))
	}
	d.unstage(m.ID)
	d.ownMembers()
	d.places = nil
	d.Members, d.changed = slices.Delete(d.Members, i, i+1), true
	d.Voters = slices.DeleteFunc(slices.Clone(d.Voters), func(v uint64) bool { return v == m.Raft })
	return nil
}

func (d *draft) changeVoters(c *VotersChange) error {
	if len(c.Voters) == 0 || len(c.Voters) > MaxVoters {
		return refuse(WhyInvalid, "%d voters; must be 1 to %d", len(c.Voters), MaxVoters)
	}
	for i, v := range c.Voters {
		m := d.MemberByRaft(v)
		switch {
		case i > 0 && v <= c.Voters[i-1]:
			return refuse(WhyInvalid, "voters ascend by number, and %d does not", v)
		case m == nil:
			return refuse(WhyUnknown, "voter %d is not a member", v)
		case m.Roles&RoleMeta == 0:
			return refuse(WhyInvalid, "node %s cannot vote: it has not the role meta", m.Name)
		}
	}
	if !slices.Equal(c.Voters, d.Voters) {
		d.Voters, d.changed = slices.Clone(c.Voters), true
	}
	return nil
}

// validate refuses a member that no state may hold.
func (m *Member) validate() error {
	for _, f := range []struct{ what, text string }{
		{"id", string(m.ID)}, {"name", m.Name}, {"peer address", m.Peer}, {"RESP address", m.RESP}, {"HTTP address", m.HTTP},
		{"host", m.Host}, {"release", m.Release},
	} {
		if len(f.text) > MaxText {
			return refuse(WhyInvalid, "a node's %s has %d bytes; at most %d", f.what, len(f.text), MaxText)
		}
	}
	switch {
	case m.ID == "" || m.Name == "":
		return refuse(WhyInvalid, "a node needs an id and a name; this one says %q and %q", m.ID, m.Name)
	case m.Raft == 0 || m.Epoch == 0:
		return refuse(WhyInvalid, "node %s needs a number in the metadata group and an epoch above 0; it says %d and %d", m.Name, m.Raft, m.Epoch)
	case m.Roles == 0 || bits.Len8(uint8(m.Roles)) > bits.Len8(uint8(RoleMeta|RoleData|RoleGateway)):
		return refuse(WhyInvalid, "node %s has roles %#x; must be some of meta, data and gateway", m.Name, uint8(m.Roles))
	case len(m.Attributes) > MaxAttributes:
		return refuse(WhyInvalid, "node %s has %d attributes; at most %d", m.Name, len(m.Attributes), MaxAttributes)
	}
	for i, a := range m.Attributes {
		if a.Name == "" || len(a.Name) > MaxText || len(a.Value) > MaxText || i > 0 && cmp.Compare(a.Name, m.Attributes[i-1].Name) <= 0 {
			return refuse(WhyInvalid, "node %s: attributes need names of up to %d bytes, sorted and each once; see %q", m.Name, MaxText, a.Name)
		}
	}
	return nil
}
