package replica

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/troupe-actors/troupe/shards"
)

// world is some copies of one shard over a net that loses, doubles and reorders, disks that forget what was not synced, and
// a table that is always right but is heard of late. Everything that happens is drawn from one seed.
type world struct {
	chance *rand.Rand
	bug    Bug
	memory bool
	nodes  []*node
	row    Assignment // the committed row; Self is 0
	homes  map[shards.CopyID]int
	nextID shards.CopyID
	mail   []Message
	old    []Message             // delivered of late
	later  []func()              // reads of logs and snapshots that are under way
	rough  bool                  // the net loses, nodes fail
	truth  map[shards.SeqNo]byte // what was applied anywhere at each number
	acked  shards.SeqNo          // the highest number that a primary has acknowledged
	wrong  error                 // the first violation
	trace  []string
	keep   bool     // keep the trace
	random bool     // no scenario
	held   []func() // scenarios: proposals that wait; nil: they do not
}

// node is one process with one copy.
type node struct {
	at    int
	up    bool
	core  *Core
	disk  disk
	queue []op   // writes that are under way, in order
	store []byte // applied: one byte for each transaction
	rows  []Assignment
}

// disk is what survives a crash.
type disk struct {
	base  Position // of the snapshot file
	saved []byte   // its content
	log   []Entry
}

type op struct {
	number   uint64
	truncate shards.SeqNo
	entries  []Entry
}

func rolling(store []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range store {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func newWorld(seed uint64, copies, min int, memory bool, bug Bug) *world {
	w := &world{
		chance: rand.New(rand.NewPCG(seed, 7)), bug: bug, memory: memory, truth: map[shards.SeqNo]byte{},
		homes: map[shards.CopyID]int{}, nextID: 1, rough: true,
	}
	w.row = Assignment{Term: 1, Version: 1, Primary: 1, MinInSync: min}
	for i := range copies {
		w.nodes = append(w.nodes, &node{at: i})
		w.row.Copies = append(w.row.Copies, Peer{ID: w.nextID, InSync: i < min || i == 0})
		w.homes[w.nextID] = i
		w.nextID++
	}
	for _, n := range w.nodes {
		w.start(n)
	}
	return w
}

func (w *world) fail(format string, args ...any) {
	if w.wrong == nil {
		w.wrong = fmt.Errorf(format, args...)
	}
}

func (w *world) note(format string, args ...any) {
	if w.keep {
		w.trace = append(w.trace, fmt.Sprintf(format, args...))
	}
}

// config is small, so that windows, history and patience run out often.
func (w *world) config() Config {
	return Config{
		Shard: 7, Memory: w.memory, WindowBytes: 400, WindowEntries: 6, MessageBytes: 200, HistoryBytes: 300, TailBytes: 2000,
		LagTicks: 20, ResendTicks: 2, RetryTicks: 4, Bug: w.bug,
	}
}

// start begins a life of a node with what its disk holds; the row that it gets is the newest.
func (w *world) start(n *node) {
	d := &n.disk
	start := Start{Base: d.base, Rolling: rolling(d.saved), Last: d.base.Seq}
	for _, e := range d.log {
		if k := len(start.Runs); k == 0 || start.Runs[k-1].Term != e.Term {
			start.Runs = append(start.Runs, Position{e.Term, max(e.First, d.base.Seq+1)})
		}
		start.Last = e.Last
	}
	core, err := New(w.config(), start)
	if err != nil {
		panic(err)
	}
	n.core, n.up, n.queue, n.store, n.rows = core, true, nil, slices.Clone(d.saved), nil
	w.note("n%d starts at base %v, last %d", n.at, d.base, start.Last)
	w.hear(n, w.row)
}

// hear gives a node a row.
func (w *world) hear(n *node, row Assignment) {
	row.Self = 0
	for _, c := range row.Copies {
		if w.homes[c.ID] == n.at {
			row.Self = c.ID
		}
	}
	n.core.Configure(row)
	w.settle(n)
}

// commit makes a changed row the committed one, of which all will hear.
func (w *world) commit(change func(row *Assignment)) {
	row := w.row
	row.Copies = slices.Clone(row.Copies)
	change(&row)
	slices.SortFunc(row.Copies, func(a, b Peer) int { return int(a.ID) - int(b.ID) })
	row.Version++
	w.row = row
	w.note("row %d: term %d, primary %d, copies %v", row.Version, row.Term, row.Primary, row.Copies)
	for _, n := range w.nodes {
		if n.up {
			n.rows = append(n.rows, row)
		}
	}
}

func (w *world) inSync(row *Assignment) (ids []shards.CopyID) {
	for _, c := range row.Copies {
		if c.InSync {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// settle carries out what a core wants.
func (w *world) settle(n *node) {
	for n.core.HasReady() && w.wrong == nil {
		r := n.core.Ready()
		if r.Write != 0 && !w.memory {
			n.queue = append(n.queue, op{r.Write, r.Truncate, slices.Clone(r.Append)})
		}
		if r.Write != 0 && w.memory {
			n.disk.run(op{r.Write, r.Truncate, r.Append}) // "the disk" of a copy in memory: gone with the next crash
		}
		w.mail = append(w.mail, r.Messages...)
		if r.Commit != 0 {
			w.apply(n, r.Commit)
		}
		for _, f := range r.Fetch {
			core := n.core
			w.delay(func() {
				if n.up && n.core == core {
					w.fetch(n, f)
				}
			})
		}
		for _, c := range r.InSync {
			w.note("n%d proposes: copy %d in sync: %v, because %s", n.at, c.Copy, c.Add, c.Reason)
			if w.held != nil {
				w.held = append(w.held, func() { w.propose(n, c) })
				continue
			}
			w.propose(n, c)
		}
		for _, id := range r.Snapshots {
			w.begin(n, id)
		}
		if r.Fenced != 0 {
			w.note("n%d is fenced by term %d", n.at, r.Fenced)
		}
		if r.Diverged != nil && w.keep {
			w.note("n%d has diverged at %d", n.at, r.Diverged.Seq)
		} else if r.Diverged != nil {
			w.fail("n%d diverged at %d", n.at, r.Diverged.Seq)
		}
		n.core.Reuse(&r)
	}
	if err := n.core.Check(); err != nil {
		w.fail("n%d: %v", n.at, err)
	}
}

func (d *disk) run(o op) {
	if o.truncate != 0 {
		for k := len(d.log); k > 0 && d.log[k-1].First >= o.truncate; k-- {
			d.log = d.log[:k-1]
		}
	}
	d.log = append(slices.Clip(d.log), o.entries...)
}

// holds says what a copy's durable state has at a number.
func (d *disk) holds(seq shards.SeqNo) (byte, bool) {
	if seq <= d.base.Seq {
		return d.saved[seq-1], true
	}
	for _, e := range d.log {
		if e.First <= seq && seq <= e.Last {
			return e.Payload[seq-e.First], true
		}
	}
	return 0, false
}

// apply takes committed entries into the store, and checks what an acknowledgement promises.
func (w *world) apply(n *node, through shards.SeqNo) {
	from := shards.SeqNo(len(n.store)) + 1
	for seq := from; seq <= through && w.wrong == nil; seq++ {
		b, ok := n.find(seq)
		if !ok {
			w.fail("n%d: %d is committed, but not there", n.at, seq)
			return
		}
		n.store = append(n.store, b)
		if was, known := w.truth[seq]; known && was != b {
			w.fail("n%d applies %q at %d, where %q was applied", n.at, b, seq, was)
		}
		w.truth[seq] = b
		if n.core.Role() == RolePrimary {
			w.acked = max(w.acked, seq)
			w.promise(n, seq, b)
		}
	}
	n.core.Applied(through, rolling(n.store))
	verb := "applied"
	if n.core.Role() == RolePrimary {
		verb = "acknowledges and applied"
	}
	w.note("n%d %s %d", n.at, verb, through)
}

// promise checks that an acknowledged transaction is on every copy of the committed in-sync set.
func (w *world) promise(n *node, seq shards.SeqNo, b byte) {
	for _, id := range w.inSync(&w.row) {
		if got, ok := w.nodes[w.homes[id]].disk.holds(seq); !ok || got != b {
			w.fail("n%d acknowledges %d, which in-sync copy %d does not have", n.at, seq, id)
		}
	}
}

// find looks for a transaction in memory and log.
func (n *node) find(seq shards.SeqNo) (byte, bool) {
	if entries, ok := n.core.Entries(seq, seq); ok && len(entries) == 1 {
		return entries[0].Payload[seq-entries[0].First], true
	}
	return n.disk.holds(seq)
}

func (w *world) fetch(n *node, f Fetch) {
	var found []Entry
	size := 0
	for _, e := range n.disk.log {
		if e.Last <= f.Through && (e.First == f.From || len(found) > 0 && size < f.Bytes) {
			found = append(found, e)
			size += e.Size()
		}
	}
	if len(found) == 0 {
		n.core.Missing(f.To)
	} else {
		n.core.Fetched(f.To, found)
	}
	w.settle(n)
}

// propose carries out a change of the in-sync set now, later, or with an unknown outcome; or refuses it.
func (w *world) propose(n *node, c Change) {
	term := n.core.Term()
	if w.rough && w.chance.IntN(4) == 0 {
		w.note("n%d: proposal of %d is lost", n.at, c.Copy)
		return
	}
	fits := w.row.Term == term && w.row.Primary != 0 && w.homes[w.row.Primary] == n.at
	i := slices.IndexFunc(w.row.Copies, func(p Peer) bool { return p.ID == c.Copy })
	if !fits || i < 0 || c.Add && w.rough && w.chance.IntN(4) == 0 {
		n.core.Refused(c)
		return
	}
	w.commit(func(row *Assignment) {
		if c.Add {
			row.Copies[i].InSync = true
			return
		}
		w.demote(row, c.Copy)
	})
}

// demote takes a copy out of the in-sync set: it goes on under a new id.
func (w *world) demote(row *Assignment, id shards.CopyID) {
	row.Copies = slices.DeleteFunc(row.Copies, func(p Peer) bool { return p.ID == id })
	row.Copies = append(row.Copies, Peer{ID: w.nextID})
	w.homes[w.nextID] = w.homes[id]
	w.nextID++
}

// delay has something happen now or later; in scenarios now.
func (w *world) delay(f func()) {
	if w.keep && !w.random {
		f()
		return
	}
	w.later = append(w.later, f)
}

// begin takes a snapshot and carries it over in its time; package recovery does it in pieces.
func (w *world) begin(n *node, id shards.CopyID) {
	store, core, term := slices.Clone(n.store), n.core, n.core.Term()
	base := Position{n.core.TermAt(shards.SeqNo(len(store))), shards.SeqNo(len(store))}
	n.core.Retain(id, base.Seq)
	w.delay(func() {
		there := w.install(w.nodes[w.homes[id]], id, store, base, term)
		if n.up && n.core == core {
			n.core.SnapshotEnded(id, there)
			w.settle(n)
		}
	})
}

// install puts a snapshot in the place of what a node has, if it is welcome.
func (w *world) install(to *node, id shards.CopyID, store []byte, base Position, term shards.Term) bool {
	known := to.up && to.core.row.Self == id && to.core.Term() == term
	if !known || !to.core.Welcome(base.Seq) || w.rough && w.chance.IntN(3) == 0 {
		return false
	}
	w.note("n%d gets a snapshot at %v", to.at, base)
	to.queue = nil
	to.store = slices.Clone(store)
	to.disk = disk{base: base, saved: slices.Clone(store)}
	to.core.Restored(base, rolling(to.store), term)
	w.settle(to)
	return true
}

// save writes a snapshot file and drops the log before it.
func (n *node) save() {
	seq := shards.SeqNo(len(n.store))
	if seq < n.disk.base.Seq {
		return
	}
	term := n.core.TermAt(seq)
	n.disk.base, n.disk.saved = Position{term, seq}, slices.Clone(n.store)
	n.disk.log = slices.DeleteFunc(n.disk.log, func(e Entry) bool { return e.Last <= seq })
}
