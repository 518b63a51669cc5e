package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// told reads a watcher empty, as "seq kind key=value" each.
func told(w *Watcher) string {
	var out []string
	for c, ok := w.Next(); ok; c, ok = w.Next() {
		line := fmt.Sprintf("%d %s", c.Seq, kindText[c.Kind])
		if c.Kind != ChangeResync {
			line += fmt.Sprintf(" %s", c.Key)
		}
		if c.Kind == ChangePut {
			line += fmt.Sprintf("=%s", c.Value)
		}
		out = append(out, line)
	}
	return strings.Join(out, ", ")
}

var kindText = map[ChangeKind]string{
	ChangePut: "put", ChangeDelete: "delete", ChangeExpire: "expire", ChangeEvict: "evict", ChangeResync: "resync",
}

// The names of changes are published: streams over HTTP are read by them.
func TestKindsOfChangesHaveNames(t *testing.T) {
	for k, name := range kindText {
		if k.String() != name || ChangeKindOf(name) != k {
			t.Errorf("%d is %s, and %s is %d", k, k, name, ChangeKindOf(name))
		}
	}
	for _, name := range []string{"", "puts", "change 9"} {
		if k := ChangeKindOf(name); k != 0 {
			t.Errorf("%q is %v", name, k)
		}
	}
}

func TestWatcherIsCalledWhenItBecomesReady(t *testing.T) {
	s := New(Options{})
	w := s.Watch([]byte("a"), 0, 0)
	calls := 0
	w.OnReady = func() { calls++ }
	s.must(t, 1, put("b", "1"))
	if calls != 0 {
		t.Fatal("called for another prefix")
	}
	s.must(t, 1, put("a1", "1"), put("a2", "2"))
	s.must(t, 1, put("a3", "3"))
	if calls != 1 {
		t.Fatalf("called %d times, want once until it is read empty", calls)
	}
	if got := told(w); got != "2 put a1=1, 2 put a2=2, 3 put a3=3" {
		t.Fatal(got)
	}
	s.must(t, 1, Op{Kind: OpDelete, Key: []byte("a1")})
	if calls != 2 || told(w) != "4 delete a1" {
		t.Fatalf("%d calls", calls)
	}
	w.Close()
	w.Close()
	s.must(t, 1, put("a", ""))
	if calls != 2 || told(w) != "" {
		t.Fatal("a closed watcher heard something")
	}
}

// Whatever the history no longer or not yet holds is answered with a resync, and what it holds with exactly that.
func TestWatchFromAVersion(t *testing.T) {
	s := New(Options{})
	s.must(t, 1, put("k", "0"))
	s.Watch(nil, 0, 0).Close() // the history begins after 1
	for i := 2; i <= 6; i++ {
		s.must(t, 1, put("k", fmt.Sprint(i)), put("other", ""))
	}
	for from, want := range map[shards.SeqNo]string{
		1: "2 put k=2, 3 put k=3, 4 put k=4, 5 put k=5, 6 put k=6", 4: "5 put k=5, 6 put k=6", 6: "", 0: "", 7: "6 resync",
	} {
		if got := told(s.Watch([]byte("k"), from, 0)); got != want {
			t.Errorf("from %d: %q, want %q", from, got, want)
		}
	}
	if got := told(s.Watch([]byte("k"), 2, 3)); got != "6 resync" {
		t.Errorf("history beyond the capacity: %q", got)
	}
	for i := range historyChanges {
		s.must(t, 1, put("k", fmt.Sprint(i)))
	}
	if got := told(s.Watch([]byte("k"), 5, 0)); got != fmt.Sprintf("%d resync", s.seq) {
		t.Errorf("from before the history: %q", got)
	}
	if len(told(s.Watch([]byte("k"), 6, historyChanges))) < 1000 {
		t.Error("the history does not reach back as far as it should")
	}
}

func TestHistoryIsBoundedAndForgotten(t *testing.T) {
	s := New(Options{})
	value := strings.Repeat("v", 100<<10)
	w := s.Watch(nil, 0, 1<<20)
	for i := range 50 {
		s.must(t, 1, put(fmt.Sprint(i), value))
	}
	if m := s.hub.memory() - s.hub.waiting; m > historyBytes+int64(cap(s.hub.history.list))*changeBytes {
		t.Errorf("the history takes %d bytes", m)
	}
	if s.hub.waiting < 50*100<<10 {
		t.Errorf("%d bytes wait", s.hub.waiting)
	}
	for range 200 {
		s.must(t, 1, put("x", value))
	}
	if got := told(w); got != "250 resync" {
		t.Errorf("beyond the bytes that may wait: %.60s", got)
	}
	s.must(t, 1, put("x", "1"))
	if got := told(w); got != "251 put x=1" {
		t.Errorf("after the resync: %s", got)
	}
	w.Close()
	for range historyChanges + 2 {
		s.must(t, 1, put("x", "1"))
	}
	if s.observed || s.hub.memory() != 0 {
		t.Errorf("nobody watches, %d bytes of history are kept", s.hub.memory())
	}
}

// An atomic transaction shows each key once, in the order in which keys were first touched; a failed one shows nothing.
func TestWatchAtomic(t *testing.T) {
	s := New(Options{})
	w := s.Watch(nil, 0, 0)
	s.do(&Txn{Atomic: true, Ops: []Op{put("b", "1"), put("a", "1"), put("b", "2"), {Kind: OpRename, Key: []byte("a"), Value: []byte("c")}}})
	s.do(&Txn{Atomic: true, Ops: []Op{put("d", "1"), {Kind: OpIncrement, Key: []byte("d"), Int: 1, If: IfAbsent}}})
	if got := told(w); got != "1 put b=2, 1 put c=1" {
		t.Fatal(got)
	}
}
