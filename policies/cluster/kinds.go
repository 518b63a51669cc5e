package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/shards"
)

// The life of a kind of actors whose code is a module:
//
//	push ─► version 1, 2, … ──use──► active: each shard changes to it at one place of its log
//	                                  │  ▲
//	                                  ▼  │ rollback (also back again)
//	                               previous
//
// Three versions are kept at most: the active one, the one before, and the newest if it is neither.

// MaxKinds bounds the kinds of a cluster.
const MaxKinds = 256

// ActorKind is a kind of virtual actors whose code is a module.
type ActorKind struct {
	Name     string
	Keyspace string        // where its actors live; it does not change
	Next     uint32        // the number of the version that is pushed next: numbers are not given again
	Versions []KindVersion // by Number, ascending
	Active   uint32        // the number that messages are handled by; 0: none yet
	Previous uint32        // what a rollback brings back; 0: nothing
	Edition  uint64        // State.Version when Active became what it is: what shards compare, since it never goes back
	Since    int64         // the same in Unix seconds, by the proposer's clock
	Version  uint64        // State.Version at its last change
}

// KindVersion is one module of a kind.
type KindVersion struct {
	Number uint32 // 1 and up
	Digest Digest
	Label  string // the version that its manifest says
	Data   int    // the layout that it keeps data in, as its manifest says
	Pushed int64  // Unix seconds
}

// RegisterKind makes a whole module the newest version of a kind, which begins with its first.
type RegisterKind struct {
	Name     string // up to 64 bytes of a-z, 0-9, _ and -, beginning with a letter
	Keyspace string // where its actors are to live: of a kind that is there, where they live
	Digest   Digest // of the module
	Label    string // the version that its manifest says; up to MaxText bytes
	Data     int    // the layout that it keeps data in, from 1
	At       int64  // Unix seconds, by the proposer's clock
}

// UseKind has messages handled by a version, each shard from some place of its log on. It is refused unless every member that may hold
// copies is ready for it.
type UseKind struct {
	Name   string
	Number uint32 // 0: the newest
	If     uint32 // only if this version is active; 0: whichever
	Older  bool   // also one that cannot read what the active one writes: actors whose data has been migrated then refuse messages
	At     int64  // Unix seconds, by the proposer's clock
}

// ForgetKind drops a kind with its modules. What its actors keep stays where it is.
type ForgetKind struct {
	Name string
}

// Kind is the kind of actors with this name, or nil.
func (s *State) Kind(name string) *ActorKind {
	if i, found := s.findKind(name); found {
		return &s.Kinds[i]
	}
	return nil
}

func (s *State) findKind(name string) (int, bool) {
	return slices.BinarySearchFunc(s.Kinds, name, func(k ActorKind, name string) int { return strings.Compare(k.Name, name) })
}

// At is the version with this number, or nil.
func (k *ActorKind) At(number uint32) *KindVersion {
	return first(k.Versions, func(v *KindVersion) bool { return v.Number == number })
}

// Of is the version that is this module, or nil.
func (k *ActorKind) Of(digest Digest) *KindVersion {
	return first(k.Versions, func(v *KindVersion) bool { return v.Digest == digest })
}

// Newest is the version that was pushed last.
func (k *ActorKind) Newest() *KindVersion { return &k.Versions[len(k.Versions)-1] }

// UnreadyForKind lists the members that may hold copies and cannot run a module, each in words, as Unready does for policies; and those that
// have said nothing yet. With neither its version may be used.
func (s *State) UnreadyForKind(m *Module) (cannot, waiting []string) { return s.unready(m, RoleData) }

// Behind is a member that cannot run a kind in use whose actors live in a keyspace, or has not said yet that it can: it had better not lead there.
type Behind struct {
	Keyspace shards.KeyspaceID
	Node     shards.NodeID
	Reason   string // a sentence, of the first such kind
}

// Behind lists them by keyspace and member. Whoever is a member when a version comes into use can run it; one that joins later, or begins
// another life, is listed until it has made all of them ready.
func (s *State) Behind() (list []Behind) {
	for i := range s.Keyspaces {
		var used []*ActorKind
		for j := range s.Kinds {
			if k := &s.Kinds[j]; k.Keyspace == s.Keyspaces[i].Name && k.Active != 0 {
				used = append(used, k)
			}
		}
		for j := 0; j < len(s.Members) && len(used) > 0; j++ {
			n := &s.Members[j]
			if reason := s.lacks(n, used); reason != "" {
				list = append(list, Behind{s.Keyspaces[i].ID, n.ID, reason})
			}
		}
	}
	return list
}

// lacks says which of some kinds in use a member cannot run; empty: none.
func (s *State) lacks(n *Member, used []*ActorKind) string {
	if n.Down || !n.Has(RoleData) {
		return ""
	}
	for _, k := range used {
		v := k.At(k.Active)
		switch problem, known := s.Module(v.Digest).ReadyOn(n.ID, n.Epoch); {
		case !known:
			return fmt.Sprintf("version %d of kind %s is in use, and %s", v.Number, k.Name, notYet(n))
		case problem != "":
			return fmt.Sprintf("version %d of kind %s is in use, and %s", v.Number, k.Name, cannotRun(n, problem))
		}
	}
	return ""
}

// amendKind changes the kind with this name as f says, and drops the versions that are not kept.
func (d *draft) amendKind(name string, f func(*ActorKind) error) error {
	i, found := d.findKind(name)
	if !found {
		return unknownKind(name)
	}
	k := d.Kinds[i]
	if err := f(&k); err != nil {
		return err
	}
	var gone []Digest
	k.Versions = slices.DeleteFunc(slices.Clone(k.Versions), func(v KindVersion) bool {
		drop := v.Number != k.Active && v.Number != k.Previous && v.Number != k.Newest().Number
		if drop {
			gone = append(gone, v.Digest)
		}
		return drop
	})
	if k.same(&d.Kinds[i]) {
		return nil
	}
	k.Version = d.Version
	d.ownKinds()
	d.Kinds[i], d.KindsAt, d.changed = k, d.Version, true
	for _, digest := range gone {
		d.dropModule(digest)
	}
	return nil
}

func (k *ActorKind) same(o *ActorKind) bool {
	return k.Next == o.Next && slices.Equal(k.Versions, o.Versions) && k.Active == o.Active && k.Previous == o.Previous
}

func (d *draft) ownKinds() {
	if !d.ownsKinds {
		d.Kinds, d.ownsKinds = slices.Clone(d.Kinds), true
	}
}

func (d *draft) registerKind(c *RegisterKind) error {
	if err := d.allRead(FormatKinds); err != nil {
		return err
	}
	m := d.Module(c.Digest)
	switch {
	case !ValidPolicyName(c.Name) || strings.Contains(c.Name, "."):
		return refuse(WhyInvalid, "a kind of actors cannot be called %.80q: a name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter", c.Name)
	case m == nil:
		return refuse(WhyUnknown, "there is no module %s; push it first", c.Digest.Short())
	case !m.Whole():
		return refuse(WhyStale, "module %s is not whole: %d of its %d chunks have come; push the others", c.Digest.Short(), len(m.Chunks), Parts(m.Size))
	case len(c.Label) > MaxText || len(c.Keyspace) > MaxText || c.Keyspace == "" || c.Data < 1:
		return refuse(WhyInvalid, "kind %s: its version has %d bytes, its keyspace %d, and its layout is %d; must be up to %d, 1 to %d, and from 1", c.Name, len(c.Label), len(c.Keyspace), c.Data, MaxText, MaxText)
	}
	i, found := d.findKind(c.Name)
	if !found {
		if len(d.Kinds) >= MaxKinds {
			return refuse(WhyInvalid, "the cluster has %d kinds of actors, and cannot have more: forget one", MaxKinds)
		}
		d.ownKinds()
		d.Kinds = slices.Insert(d.Kinds, i, ActorKind{Name: c.Name, Keyspace: c.Keyspace, Next: 1})
	}
	return d.amendKind(c.Name, func(k *ActorKind) error {
		if k.Keyspace != c.Keyspace {
			return refuse(WhyInvalid, "the actors of kind %s live in keyspace %s, and this module wants %s: what they keep cannot move; give it another kind", k.Name, k.Keyspace, c.Keyspace)
		}
		if k.Of(c.Digest) != nil {
			return nil
		}
		k.Versions = append(slices.Clip(k.Versions), KindVersion{Number: k.Next, Digest: c.Digest, Label: c.Label, Data: c.Data, Pushed: c.At})
		k.Next++
		return nil
	})
}

func (d *draft) useKind(c *UseKind) error {
	return d.amendKind(c.Name, func(k *ActorKind) error {
		number := c.Number
		if number == 0 {
			number = k.Newest().Number
		}
		v := k.At(number)
		switch {
		case v == nil:
			return refuse(WhyUnknown, "kind %s has no version %d; it has %s", k.Name, number, k.numbers())
		case c.If != 0 && k.Active != c.If:
			return refuse(WhyStale, "version %d of kind %s is not active any more; version %d is", c.If, k.Name, k.Active)
		case number == k.Active:
			return nil
		}
		if now := k.At(k.Active); now != nil && v.Data < now.Data && !c.Older {
			return refuse(WhyUnsafe, "version %d of kind %s keeps data in layout %d, and version %d, which is active, in layout %d: actors whose data has been migrated would refuse all messages until a module comes that reads it",
				v.Number, k.Name, v.Data, now.Number, now.Data)
		}
		if cannot, waiting := d.UnreadyForKind(d.Module(v.Digest)); len(cannot)+len(waiting) > 0 {
			return refuse(WhyUnsafe, "version %d of kind %s (%s) cannot be made active: every node that may hold its actors must be ready for it, and %s", v.Number, k.Name, v.Digest.Short(), few(append(cannot, waiting...)))
		}
		k.Previous, k.Active, k.Edition, k.Since = k.Active, number, d.Version, c.At
		return nil
	})
}

// RollbackOf is the use of the version before the one that is in use, as c wants it otherwise. If c.If names none, the version that
// this state has in use must still be: a repetition does not go forth again.
func (s *State) RollbackOf(c *UseKind) (*UseKind, error) {
	k := s.Kind(c.Name)
	switch {
	case k == nil:
		return nil, unknownKind(c.Name)
	case k.Previous == 0:
		return nil, refuse(WhyInvalid, "kind %s has no version before the one in use (%d; 0: none is)", k.Name, k.Active)
	}
	back := *c
	if back.Number = k.Previous; back.If == 0 {
		back.If = k.Active
	}
	return &back, nil
}

func unknownKind(name string) error {
	return refuse(WhyUnknown, "there is no kind of actors %.64q; troupe actor list names those that are there", name)
}

func (k *ActorKind) numbers() string {
	var words []string
	for _, v := range k.Versions {
		words = append(words, fmt.Sprint(v.Number))
	}
	return strings.Join(words, ", ")
}

func (d *draft) forgetKind(c *ForgetKind) error {
	i, found := d.findKind(c.Name)
	if !found {
		return unknownKind(c.Name)
	}
	gone := d.Kinds[i].Versions
	d.ownKinds()
	d.Kinds = slices.Delete(d.Kinds, i, i+1)
	d.KindsAt, d.changed = d.Version, true
	for _, v := range gone {
		d.dropModule(v.Digest)
	}
	return nil
}

// checkKinds is invariant 17.
func (s *State) checkKinds() error {
	if len(s.Kinds) > MaxKinds || s.KindsAt > s.Version {
		return fmt.Errorf("invariant 17: %d kinds of actors, changed at %d", len(s.Kinds), s.KindsAt)
	}
	for i := range s.Kinds {
		k := &s.Kinds[i]
		if i > 0 && k.Name <= s.Kinds[i-1].Name || !ValidPolicyName(k.Name) || k.Keyspace == "" || k.Version > s.KindsAt || k.Edition > s.KindsAt {
			return fmt.Errorf("invariant 17: kind %.80q is out of order, without a keyspace or from the future", k.Name)
		}
		if n := len(k.Versions); n == 0 || n > 3 || k.Active != 0 && k.At(k.Active) == nil || k.Previous != 0 && k.At(k.Previous) == nil {
			return fmt.Errorf("invariant 17: kind %s has %d versions, or not those that it uses", k.Name, n)
		}
		for n := range k.Versions {
			v := &k.Versions[n]
			if m := s.Module(v.Digest); v.Number == 0 || n > 0 && v.Number <= k.Versions[n-1].Number || v.Number >= k.Next || v.Data < 1 || m == nil || !m.Whole() || k.Of(v.Digest) != v {
				return fmt.Errorf("invariant 17: version %d of kind %s is out of order, or has no whole module of its own", v.Number, k.Name)
			}
		}
	}
	return nil
}
