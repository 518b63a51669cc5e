package sim

import (
	"fmt"
	"slices"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Invariant is one promise that every world keeps, with the sentence of the design that it stands for.
type Invariant struct {
	Name     string
	Sentence string
}

// Invariants by number, counted from 1. Numbers are not reused.
var Invariants = []Invariant{
	{"one primary per shard and term", "Every message and every log record carries the term; a lower term is refused."},
	{"no acknowledged write is lost", "Acknowledges when every in-sync copy has the write as durable as the keyspace asks."},
	{"a deposed primary or leader has no effect", "A deposed primary fences itself; only a new leader that has committed its own term detects and places."},
	{"copies are equal", "A rolling hash over applied operations is compared between copies."},
	{"terms, epochs and versions never go back", "Promotion picks only in-sync copies, raises the primary term and resends the uncommitted tail."},
	{"only in-sync copies are promoted", "The copies, named in the cluster state, that hold every acknowledged write; only they may be promoted."},
	{"reads at primaries only under a lease", "Reads at the primary under the node's lease are linearizable."},
	{"client histories are linearizable", "Writes carry (client, sequence) so that a retry across a failover is applied once."},
	{"a healed cluster turns green and serves", "Level-triggered: a restart at any point converges."},
	{"one cluster state per version", "The cluster state is a replicated state machine; it changes only by command."},
	{"no write with fewer than min_in_sync copies", "min_in_sync refuses writes below it."},
	{"one activation commits from one version", "Single activation is guaranteed by primary term and lease, not by hope."},
	{"an old activation neither commits nor replies", "Single activation is guaranteed by primary term and lease, not by hope."},
	{"what a call did is there, and once", "Commits its state changes and outgoing messages atomically, replicated like any write, when the handler returns; an error or a trap changes nothing."},
	{"messages between actors come once and in order", "Commits its state changes and outgoing messages atomically, replicated like any write, when the handler returns."},
	{"histories of actors are linearizable", "Handles one message at a time."},
	{"a question is answered, and its answer handled once", "A Wasm actor never blocks on a call: the answer arrives as a later message."},
	{"a reminder comes, and late ones as one", "Typed calls with generics; timers and durable reminders."},
	{"an actor that holds messages off handles none between question and answer", "Handles one message at a time."},
	{"a key is there until its deadline, and never after", "A shard's time never goes back: a key that has expired for one caller has for all."},
	{"nobody needs a node that is forgotten", "Voters change by joint consensus, one change in flight."},
}

const (
	invariantPrimary = 1 + iota
	invariantKept
	invariantDeposed
	invariantEqual
	invariantForward
	invariantPromote
	invariantLease
	invariantLinear
	invariantHeal
	invariantState
	invariantFew
	invariantOneCommit
	invariantOldActivation
	invariantOnce
	invariantLetters
	invariantActs
	invariantAsks
	invariantBells
	invariantHolds
	invariantExpiry
	invariantNeeded
)

// watch is what an observer who sees everything at once knows, and no node does.
type watch struct {
	primaries map[reign]seat
	shards    map[shards.ShardID]*lineage
	digests   map[uint64]uint64 // state version -> digest
	newest    *cluster.State
	judged    *cluster.State // whose health is known
	health    cluster.Health
	seen      map[shards.NodeID]uint64 // version that each node's present life has applied
	acked     int
	reads     int
	applies   int
}

// reign is one primary's time; seat is who held it.
type reign struct {
	shard shards.ShardID
	term  shards.Term
}

type seat struct {
	node shards.NodeID
	copy shards.CopyID
}

// lineage is the one true order of a shard: what the first copy to apply a transaction made of it.
type lineage struct {
	rolling  []uint64               // by sequence number; 0: nobody has applied it
	acked    shards.SeqNo           // a primary has said so
	told     shards.SeqNo           // a client has heard so
	forgiven bool                   // all copies that held its acknowledged writes have died, which memory and interval allow; or an operator accepted a loss
	gone     map[shards.CopyID]bool // copies that have lost what they held
	damaged  map[shards.CopyID]bool // copies whose log a fault has damaged
}

func newWatch() watch {
	return watch{
		primaries: map[reign]seat{}, shards: map[shards.ShardID]*lineage{}, digests: map[uint64]uint64{},
		seen: map[shards.NodeID]uint64{},
	}
}

func (v *watch) shard(id shards.ShardID) *lineage {
	l := v.shards[id]
	if l == nil {
		l = &lineage{gone: map[shards.CopyID]bool{}, damaged: map[shards.CopyID]bool{}}
		v.shards[id] = l
	}
	return l
}

// reigns notes that a copy takes writes as primary: invariants 1 and 6.
func (w *World) reigns(n *Node, shard shards.ShardID, term shards.Term, copy shards.CopyID) {
	v := &w.watch
	at, now := reign{shard, term}, seat{n.ID, copy}
	before, known := v.primaries[at]
	if known && before != now {
		w.Fail(invariantPrimary, "shard %v, term %d: copy %d on %s is primary, and copy %d on %s was", shard, term, copy, n.ID, before.copy, before.node)
	}
	if !known {
		v.primaries[at] = now
		w.Note("%s reigns over shard %v in term %d", n.ID, shard, term)
	}
}

// applied notes what a copy's store has become: invariant 4. It says whether no copy has come so far before.
func (w *World) applied(n *Node, shard shards.ShardID, seq shards.SeqNo, rolling uint64) (first bool) {
	w.watch.applies++
	l := w.watch.shard(shard)
	if l.forgiven {
		return false
	}
	for shards.SeqNo(len(l.rolling)) <= seq {
		l.rolling = append(l.rolling, 0)
	}
	switch known := l.rolling[seq]; {
	case known == 0:
		l.rolling[seq] = rolling
	case known != rolling:
		w.Fail(invariantEqual, "shard %v: %s holds %016x after transaction %d, and another copy held %016x", shard, n.ID, rolling, seq, known)
	default:
		return false
	}
	return true
}

// acknowledged notes that a primary has said yes to a write: invariants 2 and 3. Every copy of the committed in-sync set must
// hold it, as durable as the keyspace asks. Invariant 11 is about the row that the primary knew.
func (w *World) acknowledged(n *Node, known *cluster.Shard, term shards.Term, seq shards.SeqNo) {
	v := &w.watch
	v.acked++
	shard := known.ID
	if least := v.newest.Keyspace(shard.Keyspace()).MinInSync; known.InSync() < least {
		w.Fail(invariantFew, "shard %v: %s acknowledged transaction %d in term %d with %d copies in sync, and %d are asked for", shard, n.ID, seq, term, known.InSync(), least)
	}
	l := v.shard(shard)
	l.acked = max(l.acked, seq)
	row := w.row(shard)
	if row == nil || l.forgiven {
		return
	}
	for _, c := range row.Copies {
		if !c.InSync || l.gone[c.ID] {
			continue
		}
		if holds, known := w.nodeByID(c.Node).holds(shard, seq); known && !holds {
			w.Fail(invariantKept, "shard %v: %s acknowledged transaction %d in term %d, and the in-sync copy %d on %s does not hold it", shard, n.ID, seq, term, c.ID, c.Node)
		}
	}
}

// read notes that a primary answers a read when it holds the shard up to seq: invariant 7. Whatever a later primary has
// acknowledged must be in it: the lease has to see to that.
func (w *World) read(n *Node, shard shards.ShardID, term shards.Term, seq shards.SeqNo, told shards.SeqNo) {
	w.watch.reads++
	if m := w.watch.newest.Member(n.ID); m == nil || m.Down && m.Epoch >= n.epoch {
		w.Fail(invariantLease, "shard %v: %s answers a read in term %d, and the cluster holds it to be dead, or has forgotten it", shard, n.ID, term)
	}
	if l := w.watch.shard(shard); seq < told && !l.forgiven {
		w.Fail(invariantLease, "shard %v: %s answers a read in term %d from transaction %d, and %d had been acknowledged before the read came", shard, n.ID, term, seq, told)
	}
}

// committed notes that a node has applied a cluster state: invariants 5, 6 and 10.
func (w *World) committed(n *Node, s *cluster.State) {
	v := &w.watch
	if s.Version < v.seen[n.ID] {
		w.Fail(invariantForward, "%s goes back from version %d of the state to %d", n.ID, v.seen[n.ID], s.Version)
	}
	v.seen[n.ID] = s.Version
	if len(s.Shards) > 64 && s.Version%64 != 0 {
		w.follow(n, s) // a digest of so much for each version and node would take all the time
		return
	}
	digest := digestOf(s)
	if known, ok := v.digests[s.Version]; ok && known != digest {
		w.Fail(invariantState, "%s holds another version %d of the state than was applied elsewhere", n.ID, s.Version)
	}
	v.digests[s.Version] = digest
	w.follow(n, s)
}

// follow makes a state the newest, if it is.
func (w *World) follow(n *Node, s *cluster.State) {
	v := &w.watch
	if v.newest != nil && s.Version <= v.newest.Version {
		return
	}
	if err := cluster.Check(s); err != nil {
		w.Fail(invariantState, "version %d of the state, at %s: %v", s.Version, n.ID, err)
	}
	before := v.newest
	v.newest = s
	for i := range s.Members {
		w.nodeByID(s.Members[i].ID).member = true
	}
	if before != nil {
		w.compare(before, s)
		if w.stepped != nil {
			w.stepped(before, s)
		}
	}
}

// compare looks at what changed between two states, of which commands between may not have been seen.
func (w *World) compare(before, after *cluster.State) {
	for i := range after.Shards {
		row := &after.Shards[i]
		old := before.Shard(row.ID)
		if old == nil {
			continue
		}
		if !w.watch.fsyncs(row) {
			w.forgive(row)
		}
		if row.Term < old.Term || row.Version < old.Version {
			w.Fail(invariantForward, "shard %v goes from term %d and version %d to %d and %d", row.ID, old.Term, old.Version, row.Term, row.Version)
		}
		if row.Primary != old.Primary && row.Primary != 0 && after.Version == before.Version+1 {
			w.promoted(old, row)
		}
	}
	for i := range after.Members {
		m := &after.Members[i]
		if old := before.Member(m.ID); old != nil && m.Epoch < old.Epoch {
			w.Fail(invariantForward, "member %s goes from epoch %d to %d", m.ID, old.Epoch, m.Epoch)
		}
	}
}

// promoted checks a promotion against the row before: the new primary was in sync, unless an operator accepted the loss.
func (w *World) promoted(old, row *cluster.Shard) {
	l := w.watch.shard(row.ID)
	was := old.Copy(row.Primary)
	w.Note("shard %v: copy %d is promoted, term %d", row.ID, row.Primary, row.Term)
	if len(old.Copies) == 0 || l.forgiven {
		return
	}
	if was == nil || !was.InSync {
		w.Fail(invariantPromote, "shard %v: copy %d becomes primary of term %d, and was not in sync: %s", row.ID, row.Primary, row.Term, describe(old))
	}
}

func describe(row *cluster.Shard) string {
	s := fmt.Sprintf("term %d, primary %d", row.Term, row.Primary)
	for _, c := range row.Copies {
		s += fmt.Sprintf(", copy %d on %s", c.ID, c.Node)
		if c.InSync {
			s += " in sync"
		}
	}
	return s
}

// row is the newest committed row of a shard.
func (w *World) row(shard shards.ShardID) *cluster.Shard {
	if w.watch.newest == nil {
		return nil
	}
	return w.watch.newest.Shard(shard)
}

// died notes what a crash takes with it: what copies held whose keyspace does not fsync.
func (v *watch) died(w *World, n *Node) {
	delete(v.seen, n.ID)
	if v.newest == nil {
		return
	}
	for i := range v.newest.Shards {
		row := &v.newest.Shards[i]
		kept := n.clean && v.newest.Keyspace(row.ID.Keyspace()).Durability == shards.DurabilityInterval
		if c := row.CopyOn(n.ID); c != nil && !v.fsyncs(row) && !kept {
			v.shard(row.ID).gone[c.ID] = true
			w.forgive(row)
		}
	}
}

func (v *watch) fsyncs(row *cluster.Shard) bool {
	space := v.newest.Keyspace(row.ID.Keyspace())
	return space == nil || space.Durability == shards.DurabilityFsync
}

// forgive notes that a shard may lose what it had acknowledged: no copy is left in sync that has not died since it was put
// there. The set may come to that after the death, when a change commits that was decided before: of a primary that took out
// all others and died, or of a leader that took out a node it could not reach and did not know yet that the last one had died.
func (w *World) forgive(row *cluster.Shard) {
	l := w.watch.shard(row.ID)
	whole := func(c cluster.Copy) bool { return c.InSync && !l.gone[c.ID] }
	if l.forgiven || len(row.Copies) == 0 || slices.ContainsFunc(row.Copies, whole) {
		return
	}
	l.forgiven = true
	w.Note("shard %v: no copy is left that held everything, which its durability does not promise to keep", row.ID)
}

// afterStep runs the cores' own checks on the node that something has just happened to.
func (w *World) afterStep(n *Node) {
	if n == nil || !n.alive || n.proc == nil || n.proc.copies == nil {
		return
	}
	if err := n.proc.copies.checkTouched(); err != nil {
		w.Fail(0, "%s: %v", n.ID, err)
	}
}

// holds says whether a node's disk, or its memory where the keyspace lives there, has a transaction; known is false where
// that cannot be told.
func (n *Node) holds(shard shards.ShardID, seq shards.SeqNo) (holds, known bool) {
	space := n.w.watch.newest.Keyspace(shard.Keyspace())
	if space.Durability == shards.DurabilityMemory || space.Durability == shards.DurabilityInterval && n.lone(shard) {
		if !n.alive || n.proc.copies == nil || n.proc.copies.held[shard] == nil {
			return false, true
		}
		h := n.proc.copies.held[shard]
		return max(h.core.End().Seq, h.store.Applied()) >= seq, true
	}
	d, ok := n.disk.(*forgetful)
	if !ok {
		return false, false
	}
	image := &d.kept
	if space.Durability == shards.DurabilityInterval {
		image = &d.now
	}
	return image.end(shard) >= seq, true
}

// lone says that a node's copy of a shard takes the short way, on which it answers what its log does not have yet.
func (n *Node) lone(shard shards.ShardID) bool {
	h := n.proc.holding(shard)
	return h != nil && h.alone.solo
}

// end is the last transaction that an image has of a shard.
func (i *image) end(shard shards.ShardID) shards.SeqNo {
	end := shards.SeqNo(0)
	if log := i.logs[shard]; len(log) > 0 {
		end = log[len(log)-1].Last
	}
	if files := i.files[shard]; len(files) > 0 {
		end = max(end, files[len(files)-1].seq)
	}
	return end
}
