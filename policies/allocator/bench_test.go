package allocator

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// large is a settled cluster of 100 nodes with 10,000 shards of two copies.
func large(b *testing.B) *world {
	w := newWorld(b, 1)
	for i := 1; i <= 100; i++ {
		w.join(i, fmt.Sprintf("h%d", i), cluster.DefaultRoles)
	}
	w.keyspace("orders", 10000, 1)
	w.reroute()
	s := *w.state // recovered at once, as a snapshot would bring it: command by command it would take minutes
	s.Shards = append([]cluster.Shard(nil), s.Shards...)
	for i := range s.Shards {
		r := &s.Shards[i]
		r.Copies = append([]cluster.Copy(nil), r.Copies...)
		for c := range r.Copies {
			r.Copies[c].InSync, r.Copies[c].Started, r.Copies[c].Fresh = true, true, false
		}
	}
	w.state = &s
	if err := cluster.Check(w.state); err != nil {
		b.Fatal(err)
	}
	return w
}

func BenchmarkPlan(b *testing.B) {
	w := large(b)
	b.Run("nothing to do", func(b *testing.B) {
		for b.Loop() {
			if p := Make(w.input()); p.Command() != nil {
				b.Fatalf("there was: %+v", p.Decisions[0])
			}
		}
	})
	b.Run("create all", func(b *testing.B) {
		empty := *w
		s := *w.state
		s.Shards = make([]cluster.Shard, len(w.state.Shards))
		for i := range s.Shards {
			s.Shards[i].ID = w.state.Shards[i].ID
		}
		empty.state = &s
		for b.Loop() {
			if len(Make(empty.input()).Rows) != 10000 {
				b.Fatal("not all")
			}
		}
	})
	b.Run("what a death would come to", func(b *testing.B) {
		for b.Loop() {
			if l, err := Lose(w.input(), nodeID(7), nil); err != nil || l.Copies == 0 || l.Lasting() {
				b.Fatalf("%+v, %v", l, err)
			}
		}
	})
	w.judge(nodeID(7), liveness.Dead, "killed")
	b.Run("node dies", func(b *testing.B) {
		for b.Loop() {
			if len(Make(w.input()).Down) != 1 {
				b.Fatal("it lives")
			}
		}
	})
	b.Run("node dies, apply", func(b *testing.B) {
		c := &cluster.Command{Reroute: Make(w.input()).Command()}
		for b.Loop() {
			if _, o := w.state.Apply(c); o.Err != nil || len(o.Rows) > 0 {
				b.Fatal(o)
			}
		}
	})
	w.reroute()
	w.ticks += 600
	b.Run("replace its copies", func(b *testing.B) {
		for b.Loop() {
			if Make(w.input()).Command() == nil {
				b.Fatal("nothing is replaced")
			}
		}
	})
}
