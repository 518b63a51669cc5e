package replica

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

var (
	worlds = flag.Int("worlds", 300, "random worlds to run in each test")
	first  = flag.Uint64("seed", 1, "seed of the first world")
)

// step lets one thing happen.
func (w *world) step() {
	n := w.nodes[w.chance.IntN(len(w.nodes))]
	switch dice := w.chance.IntN(100); {
	case dice < 45:
		w.deliver()
		for i := 0; i < 4 && !w.rough; i++ {
			w.deliver()
		}
	case dice < 57:
		w.sync(n)
	case dice < 60:
		if len(w.later) > 0 {
			i := w.chance.IntN(len(w.later))
			f := w.later[i]
			w.later = slices.Delete(w.later, i, i+1)
			f()
		}
	case dice < 70:
		w.write(n)
	case dice < 80:
		for _, n := range w.nodes {
			if n.up {
				n.core.Tick()
				w.settle(n)
			}
		}
	case dice < 90:
		w.tell(n)
	case !w.rough:
	case dice < 92:
		if n.up && !w.memory {
			n.save()
		}
	case dice < 94:
		w.crash(n)
	case dice < 96:
		if !n.up {
			w.restart(n)
		}
	default:
		w.lead(n)
	}
}

// deliver takes any message off the net: perhaps it is lost, perhaps it stays to come again.
func (w *world) deliver() {
	if len(w.mail) == 0 {
		return
	}
	i := 0
	if w.rough {
		i = w.chance.IntN(min(len(w.mail), 8))
		if w.chance.IntN(6) == 0 {
			i = w.chance.IntN(len(w.mail))
		}
	}
	m := w.mail[i]
	switch {
	case w.rough && len(w.old) > 0 && w.chance.IntN(20) == 0:
		m = w.old[w.chance.IntN(len(w.old))] // it was sent twice, and the other took the long way
	case !w.rough || w.chance.IntN(20) > 0:
		w.mail = slices.Delete(w.mail, i, i+1)
		w.old = append(w.old[max(0, len(w.old)-60):], m)
	}
	if len(w.mail) > 400 {
		w.mail = w.mail[100:]
	}
	n := w.nodes[w.homes[m.To]]
	if !n.up || w.rough && w.chance.IntN(10) == 0 {
		return
	}
	w.note("   %s", describe(&m))
	body := Append(nil, &m)
	if err := Decode(body, func(got *Message) { n.core.Step(got) }); err != nil {
		w.fail("own message refused: %v", err)
	}
	w.settle(n)
}

func describe(m *Message) string {
	s := fmt.Sprintf("copy %d -> %d, term %d: %v", m.From, m.To, m.Term, m.Kind)
	switch m.Kind {
	case KindAppend, KindSync:
		s += fmt.Sprintf(" after %v", m.Prev)
		for _, e := range m.Entries {
			s += fmt.Sprintf(" %d:%d..%d=%s", e.Term, e.First, e.Last, e.Payload)
		}
		return s + fmt.Sprintf(", log ends at %v, commit %d", m.Last, m.Commit)
	case KindRefuse:
		s += fmt.Sprintf(" what follows %v,", m.Prev)
	}
	return s + fmt.Sprintf(" at %v, commit %d", m.Last, m.Commit)
}

// sync ends the oldest write of a node.
func (w *world) sync(n *node) {
	if !n.up || len(n.queue) == 0 {
		return
	}
	o := n.queue[0]
	n.queue = n.queue[1:]
	n.disk.run(o)
	n.core.Persisted(o.number)
	w.settle(n)
}

func (w *world) write(n *node) {
	if !n.up || n.core.Writable() != nil || !n.core.Room() {
		return
	}
	if count := len(w.inSync(&n.core.row)); count < n.core.row.MinInSync {
		w.fail("n%d takes a write with %d copies in sync of %d", n.at, count, n.core.row.MinInSync)
	}
	payload := make([]byte, 1+w.chance.IntN(4))
	for i := range payload {
		payload[i] = byte('a' + w.chance.IntN(26))
	}
	e, err := n.core.Propose(len(payload), payload, false)
	if err != nil {
		w.fail("n%d: %v", n.at, err)
	}
	w.note("n%d proposes %d..%d %s in term %d", n.at, e.First, e.Last, payload, e.Term)
	w.settle(n)
}

// tell has a node hear of some row that it has not heard of, in any order.
func (w *world) tell(n *node) {
	if !n.up || len(n.rows) == 0 {
		return
	}
	i := 0
	if w.rough {
		i = w.chance.IntN(len(n.rows))
	}
	row := n.rows[i]
	n.rows = slices.Delete(n.rows, i, i+1)
	w.hear(n, row)
}

// crash ends a node's life: what is not synced is gone. In memory everything is.
func (w *world) crash(n *node) {
	if !n.up {
		return
	}
	w.note("n%d crashes", n.at)
	n.up = false
	if w.memory {
		n.disk = disk{}
		w.down(n, true)
	}
}

// restart begins another life: the join deposes the copy if it was primary.
func (w *world) restart(n *node) {
	w.down(n, w.memory)
	w.start(n)
}

// down declares a node dead: its copy leaves the in-sync set if another stays, and is primary no more.
func (w *world) down(n *node, lost bool) {
	id := shards.CopyID(0)
	for _, c := range w.row.Copies {
		if w.homes[c.ID] == n.at {
			id = c.ID
		}
	}
	in := w.inSync(&w.row)
	if lost && slices.Equal(in, []shards.CopyID{id}) {
		w.truth, w.acked = map[shards.SeqNo]byte{}, 0 // the last copy is gone: the shard begins empty
		for _, other := range w.nodes {
			other.up, other.disk = false, disk{}
		}
		w.mail = nil
	}
	w.commit(func(row *Assignment) {
		if row.Primary == id {
			row.Primary = 0
		}
		if slices.Contains(in, id) && len(in) > 1 || lost && !slices.Contains(in, id) {
			w.demote(row, id) // a copy that lost what it acknowledged needs a new id even if it is not in sync yet
		}
	})
}

// lead is a whim of the placement leader: it declares a node dead, rightly or not, or promotes an in-sync copy.
func (w *world) lead(n *node) {
	if w.chance.IntN(3) == 0 && !w.memory && w.row.Primary != 0 && w.homes[w.row.Primary] == n.at {
		w.down(n, false)
	}
	in := w.inSync(&w.row)
	id := in[w.chance.IntN(len(in))]
	home := w.nodes[w.homes[id]]
	if w.row.Primary != 0 && w.chance.IntN(4) != 0 || w.row.Primary == id || !home.up {
		return
	}
	w.promote(id)
}

// promote checks that the new primary has all that was acknowledged.
func (w *world) promote(id shards.CopyID) {
	home := w.nodes[w.homes[id]]
	for seq := shards.SeqNo(1); seq <= w.acked; seq++ {
		if b, ok := home.disk.holds(seq); !ok || b != w.truth[seq] {
			w.fail("copy %d is promoted without %d, which was acknowledged", id, seq)
			return
		}
	}
	w.commit(func(row *Assignment) { row.Primary, row.Term = id, row.Term+1 })
}

// heal ends all trouble, and expects that the copies become equal and in sync.
func (w *world) heal() {
	w.rough = false
	for range 40_000 {
		if i := slices.IndexFunc(w.nodes, func(n *node) bool { return !n.up }); i >= 0 {
			w.restart(w.nodes[i])
		}
		if w.wrong != nil || w.whole() {
			return
		}
		if w.row.Primary == 0 {
			w.promote(w.inSync(&w.row)[0])
		}
		w.step()
	}
	w.fail("no peace: row %+v, %s", w.row, w.describe())
}

func (w *world) whole() bool {
	for _, n := range w.nodes {
		if len(n.rows) > 0 || len(n.queue) > 0 || !slices.Equal(n.store, w.nodes[0].store) || n.core.End().Seq != shards.SeqNo(len(n.store)) {
			return false
		}
	}
	return len(w.mail) == 0 && len(w.later) == 0 && len(w.inSync(&w.row)) == len(w.nodes) && w.nodes[0].core.End().Seq >= w.acked
}

func (w *world) describe() string {
	var b strings.Builder
	for _, n := range w.nodes {
		fmt.Fprintf(&b, "\nn%d up=%v %+v", n.at, n.up, n.core.Status())
	}
	return b.String()
}

// run plays one world to its end; a panic is a violation.
func (w *world) run(steps int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
			if w.bug == 0 && w.keep {
				panic(r)
			}
		}
	}()
	for range steps {
		if w.wrong != nil {
			return w.wrong
		}
		w.step()
	}
	w.heal()
	return w.wrong
}

// TestRandomWorlds: DESIGN.md section 4, "The primary appends to its log, sends to all in-sync and recovering copies in
// parallel, and acknowledges when every in-sync copy has the write"; "Promotion picks only in-sync copies, raises the primary
// term and resends the uncommitted tail".
func TestRandomWorlds(t *testing.T) {
	for seed := *first; seed < *first+uint64(*worlds); seed++ {
		w := randomWorld(seed, 0)
		if err := w.run(1500); err != nil {
			again := randomWorld(seed, 0)
			again.keep = true
			_ = again.run(1500)
			t.Fatalf("seed %d: %v\n%s\nrepeat: go test ./shards/replica -run TestRandomWorlds -seed %d -worlds 1",
				seed, err, strings.Join(again.trace[max(0, len(again.trace)-60):], "\n"), seed)
		}
	}
}

func randomWorld(seed uint64, bug Bug) *world {
	w := newWorld(seed, 3, 1+int(seed%2), seed%5 == 0, bug)
	w.random = true
	return w
}

// TestBugsAreFound: each bug is found by the random worlds, so that these have teeth.
func TestBugsAreFound(t *testing.T) {
	for _, bug := range Bugs() {
		t.Run(bug.String(), func(t *testing.T) {
			for seed := uint64(1); seed < 3000; seed++ {
				if err := randomWorld(seed, bug).run(1500); err != nil {
					t.Logf("seed %d: %v", seed, err)
					return
				}
			}
			t.Error("not found")
		})
	}
}
