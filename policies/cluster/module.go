package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// A module travels into the state in chunks, each a command of its own, so that no entry of the log is long:
//
//	Push 0 ──► Push 1 ──► … ──► Push n-1 ──► whole ──► each node compiles it ──► Staged{node, epoch, problem}
//	└────────── upload, resumed where it stopped ──────────┘
//
// It is named by what it is. States share the chunks of a module and never copy them: a command about anything else costs the
// same with 32 MiB of modules as with none.

// Bounds on modules.
const (
	ChunkBytes   = 256 << 10 // of each chunk of a module but the last
	MaxModule    = 4 << 20   // bytes of a module
	MaxModules   = 32 << 20  // bytes of all modules, with what uploads that have begun will bring
	digestDigits = 2 * sha256.Size
)

// Digest names bytes by what they are: their SHA-256, in 64 hexadecimal digits of lower case.
type Digest string

// DigestOf computes it.
func DigestOf(content []byte) Digest {
	sum := sha256.Sum256(content)
	return Digest(hex.EncodeToString(sum[:]))
}

// Short is as much of it as people read.
func (d Digest) Short() string { return string(d[:min(12, len(d))]) }

func (d Digest) validate() error {
	if len(d) != digestDigits || strings.Trim(string(d), "0123456789abcdef") != "" {
		return refuse(WhyInvalid, "the digest of a module is %d hexadecimal digits in lower case, not %.80q", digestDigits, d)
	}
	return nil
}

// Module is the code of a policy or of a kind of actors, or as much of it as has come.
type Module struct {
	Digest Digest
	Size   int      // bytes
	Chunks [][]byte // in order: ChunkBytes each, but the last of a whole module
	Pushed int64    // when the last chunk came, in Unix seconds by its proposer's clock: what does not go on is collected
	Staged []Staged // sorted by Node: who can run it, or why not
}

// Staged is what a member says about a module that it has tried to make ready.
type Staged struct {
	Node    shards.NodeID
	Epoch   shards.Epoch // of the member: a word of an earlier life does not count
	Problem string       // a sentence; empty: it is ready
}

// Parts is the number of chunks that a module of so many bytes has.
func Parts(size int) int { return (size + ChunkBytes - 1) / ChunkBytes }

// Whole says whether all chunks have come.
func (m *Module) Whole() bool { return len(m.Chunks) == Parts(m.Size) }

// Bytes is the module, copied together.
func (m *Module) Bytes() []byte { return slices.Concat(m.Chunks...) }

// ReadyOn is what a node in its present life says of the module; known is false if it has said nothing.
func (m *Module) ReadyOn(node shards.NodeID, epoch shards.Epoch) (problem string, known bool) {
	i, found := m.findStaged(node)
	if !found || m.Staged[i].Epoch != epoch {
		return "", false
	}
	return m.Staged[i].Problem, true
}

func (m *Module) findStaged(node shards.NodeID) (int, bool) {
	return slices.BinarySearchFunc(m.Staged, node, func(s Staged, node shards.NodeID) int { return strings.Compare(string(s.Node), string(node)) })
}

// Module is the module with this digest, or nil.
func (s *State) Module(digest Digest) *Module {
	if i, found := s.findModule(digest); found {
		return &s.Modules[i]
	}
	return nil
}

func (s *State) findModule(digest Digest) (int, bool) {
	return slices.BinarySearchFunc(s.Modules, digest, func(m Module, digest Digest) int { return strings.Compare(string(m.Digest), string(digest)) })
}

// Used says whether a version of a policy, or of a kind of actors, is this module.
func (s *State) Used(digest Digest) bool {
	return slices.ContainsFunc(s.Policies, func(p Policy) bool {
		return slices.ContainsFunc(p.Versions, func(v PolicyVersion) bool { return v.Digest == digest })
	}) || slices.ContainsFunc(s.Kinds, func(k ActorKind) bool { return k.Of(digest) != nil })
}

// PushChunk brings one chunk of a module. Chunks come in order; one that is there already is no error, so that an upload can
// be begun again from its beginning or where it stopped.
type PushChunk struct {
	Digest Digest
	Size   int // of the whole module, in bytes
	Part   int // 0 and up
	Bytes  []byte
	At     int64 // Unix seconds, by the proposer's clock
}

// PushesOf lists the commands, each of a chunk, that bring what a state has not of a module, in order. at is as in PushChunk. The chunks are
// parts of module, which must stay as it is.
func (s *State) PushesOf(module []byte, at int64) (list []*Command) {
	digest, part := DigestOf(module), 0
	if m := s.Module(digest); m != nil {
		part = len(m.Chunks)
	}
	for ; part < Parts(len(module)); part++ {
		chunk := module[part*ChunkBytes : min(len(module), (part+1)*ChunkBytes)]
		list = append(list, &Command{Push: &PushChunk{Digest: digest, Size: len(module), Part: part, Bytes: chunk, At: at}})
	}
	return list
}

// StageReport is what a node says about modules that it was to make ready: whole ones only.
type StageReport struct {
	Node    shards.NodeID
	Epoch   shards.Epoch
	Modules []StagedModule // sorted by Digest
}

// StagedModule is its word about one.
type StagedModule struct {
	Digest  Digest
	Problem string // empty: it is ready
}

// ownModules makes Modules writable; the chunks stay shared.
func (d *draft) ownModules() {
	if !d.ownsModules {
		d.Modules, d.ownsModules = slices.Clone(d.Modules), true
	}
}

func (d *draft) push(c *PushChunk) error {
	if err := d.canHavePolicies(); err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return err
	}
	i, found := d.findModule(c.Digest)
	if !found {
		if err := d.roomFor(c); err != nil {
			return err
		}
		d.ownModules()
		d.Modules = slices.Insert(d.Modules, i, Module{Digest: c.Digest, Size: c.Size})
	}
	m := d.Modules[i]
	switch {
	case m.Size != c.Size:
		return refuse(WhyInvalid, "module %s has %d bytes, and this chunk belongs to one of %d", c.Digest.Short(), m.Size, c.Size)
	case c.Part < len(m.Chunks):
		if !slices.Equal(m.Chunks[c.Part], c.Bytes) {
			return refuse(WhyInvalid, "chunk %d of module %s is there already with other bytes", c.Part, c.Digest.Short())
		}
		return nil
	case c.Part > len(m.Chunks):
		return refuse(WhyStale, "chunk %d of module %s comes before chunk %d, which is not there: go on from that one", c.Part, c.Digest.Short(), len(m.Chunks))
	}
	m.Chunks = append(slices.Clip(m.Chunks), slices.Clone(c.Bytes))
	m.Pushed = c.At
	if m.Whole() {
		if got := m.digest(); got != m.Digest {
			return refuse(WhyInvalid, "the chunks of module %s are those of %s: one was damaged; forget the upload and push it again", m.Digest.Short(), got.Short())
		}
	}
	d.ownModules()
	d.Modules[i], d.changed = m, true
	return nil
}

// digest is computed over the chunks as they lie.
func (m *Module) digest() Digest {
	h := sha256.New()
	for _, chunk := range m.Chunks {
		h.Write(chunk) // never fails
	}
	return Digest(hex.EncodeToString(h.Sum(nil)))
}

func (c *PushChunk) validate() error {
	if err := c.Digest.validate(); err != nil {
		return err
	}
	if c.Size < 1 || c.Size > MaxModule {
		return refuse(WhyInvalid, "module %s has %d bytes; must be 1 to %d: build it smaller, without debug information", c.Digest.Short(), c.Size, MaxModule)
	}
	if c.Part < 0 || c.Part >= Parts(c.Size) {
		return refuse(WhyInvalid, "chunk %d of module %s: one of %d bytes has chunks 0 to %d", c.Part, c.Digest.Short(), c.Size, Parts(c.Size)-1)
	}
	if want := chunkLength(c.Size, c.Part); len(c.Bytes) != want {
		return refuse(WhyInvalid, "chunk %d of module %s has %d bytes; must be %d", c.Part, c.Digest.Short(), len(c.Bytes), want)
	}
	return nil
}

func chunkLength(size, part int) int { return min(ChunkBytes, size-part*ChunkBytes) }

// roomFor refuses a module that would be too much together with those that are there, or on their way.
func (d *draft) roomFor(c *PushChunk) error {
	all, coming, idle := 0, 0, 0
	for i := range d.Modules {
		m := &d.Modules[i]
		all += m.Size
		switch {
		case !m.Whole():
			coming += m.Size
		case !d.Used(m.Digest):
			idle += m.Size
		}
	}
	if all+c.Size <= MaxModules {
		return nil
	}
	return refuse(WhyInvalid, "module %s of %d bytes would bring the cluster's modules to %d; at most %d (%d of them are uploads that have not ended, %d belong to no policy and no kind): forget versions that are not needed",
		c.Digest.Short(), c.Size, all+c.Size, MaxModules, coming, idle)
}

func (d *draft) stage(c *StageReport) error {
	if err := d.ofNode(c.Node, c.Epoch); err != nil {
		return err
	}
	for n, word := range c.Modules {
		switch {
		case n > 0 && word.Digest <= c.Modules[n-1].Digest:
			return refuse(WhyInvalid, "modules ascend by digest, each once; %s does not", word.Digest.Short())
		case len(word.Problem) > MaxReason:
			return refuse(WhyInvalid, "a problem has %d bytes; at most %d", len(word.Problem), MaxReason)
		}
		i, found := d.findModule(word.Digest)
		if !found || !d.Modules[i].Whole() {
			continue // it was forgotten meanwhile
		}
		m := d.Modules[i]
		now := Staged{Node: c.Node, Epoch: c.Epoch, Problem: word.Problem}
		at, known := m.findStaged(c.Node)
		switch {
		case known && m.Staged[at] == now:
			continue
		case known:
			m.Staged = slices.Clone(m.Staged)
			m.Staged[at] = now
		default:
			m.Staged = slices.Insert(slices.Clone(m.Staged), at, now)
		}
		d.ownModules()
		d.Modules[i], d.changed = m, true
	}
	return nil
}

// unstage forgets what a node has said, which is a member no longer.
func (d *draft) unstage(node shards.NodeID) {
	for i := range d.Modules {
		m := d.Modules[i]
		if at, known := m.findStaged(node); known {
			m.Staged = slices.Delete(slices.Clone(m.Staged), at, at+1)
			d.ownModules()
			d.Modules[i] = m
		}
	}
}

// Unready lists the members that may lead and cannot run a module, each in words: what they say, or that they have said
// nothing yet. With none the module may be activated.
func (s *State) Unready(m *Module) []string {
	cannot, waiting := s.unready(m, RoleMeta)
	return append(cannot, waiting...)
}

// unready is Unready of the members with a role: those that cannot, and those that may be able to and have not said so yet.
func (s *State) unready(m *Module, role Roles) (cannot, waiting []string) {
	for i := range s.Members {
		n := &s.Members[i]
		if !n.Has(role) || n.Down {
			continue
		}
		switch problem, known := m.ReadyOn(n.ID, n.Epoch); {
		case !known:
			waiting = append(waiting, notYet(n))
		case problem != "":
			cannot = append(cannot, cannotRun(n, problem))
		}
	}
	return cannot, waiting
}

func notYet(n *Member) string { return fmt.Sprintf("node %s has not made it ready yet", n.Name) }

func cannotRun(n *Member, problem string) string {
	return fmt.Sprintf("node %s cannot run it: %s", n.Name, problem)
}

// Readable refuses a command that a member could not read in the log, which would end it. Whoever proposes asks before: once
// the command is in the log it is too late.
func (s *State) Readable(c *Command) error {
	if c.Format() <= 1 {
		return nil
	}
	return s.allRead(c.Format())
}

// allRead refuses what members of older releases could not read.
func (s *State) allRead(format uint32) error {
	for i := range s.Members {
		if m := &s.Members[i]; m.Format < format {
			return refuse(WhyInvalid, "node %s runs release %s, which reads format %d, and this needs %d: upgrade it first, or forget it", m.Name, m.Release, m.Format, format)
		}
	}
	return nil
}

// canHavePolicies refuses what would bring the state to a format that a member could not read.
func (d *draft) canHavePolicies() error { return d.allRead(FormatPolicies) }
