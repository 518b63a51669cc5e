package activation

import (
	"bytes"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// How a message ends, by what is known of its tries and what its handler did.
func TestEnding(t *testing.T) {
	first, unsure := Call{Client: 1, Lane: 1, Seq: 7}, Call{Client: 1, Lane: 1, Seq: 7, Repeated: true, Unsure: true}
	told := Call{Client: 2, Seq: 7, Repeated: true, Unsure: true, Again: true}
	for _, c := range []struct {
		name             string
		call             Call
		changed, refused bool
		want             Ending
	}{
		{"a question", first, false, false, Confirm},
		{"a change", first, true, false, Commit},
		{"a refusal", first, false, true, Confirm},
		{"a refusal of what the handler had begun to change", first, true, true, Confirm},
		{"a question whose first try may arrive", unsure, false, false, Keep},
		{"a refusal whose first try may arrive", unsure, false, true, Keep},
		{"a change whose first try may arrive", unsure, true, false, Commit},
		{"a message that changed nothing", told, false, false, Keep},
		{"a message that was refused, and is sent again", told, false, true, Confirm},
		{"who does not repeat", Call{Unsure: true}, false, false, Confirm},
	} {
		if got := new(Core).Ending(c.call, c.changed, c.refused); got != c.want {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

func TestConfirm(t *testing.T) {
	for _, c := range []struct {
		term  shards.Term
		leads bool
		want  bool
	}{{3, true, true}, {3, false, false}, {4, true, false}} {
		core := Core{}
		core.Loaded(3, 9, 0)
		if got := core.Confirm(c.term, c.leads); got != c.want {
			t.Errorf("term %d, leads %v: %v", c.term, c.leads, got)
		}
		if state, _ := core.Reads(Call{}); state == c.want {
			t.Errorf("term %d, leads %v: reads the state again: %v", c.term, c.leads, state)
		}
	}
}

func TestReads(t *testing.T) {
	core := Core{}
	for _, c := range []struct {
		call         Call
		state, reply bool
	}{
		{Call{Client: 1}, true, false}, {Call{Client: 1, Repeated: true}, true, true}, {Call{Repeated: true}, true, false},
	} {
		if state, reply := core.Reads(c.call); state != c.state || reply != c.reply {
			t.Errorf("%+v: state %v, reply %v", c.call, state, reply)
		}
	}
	core.Loaded(1, 1, 0)
	core.Committed(2, 5)
	if state, _ := core.Reads(Call{}); state || core.Version() != 2 || core.Sent() != 5 || core.Term() != 1 {
		t.Errorf("%+v", core)
	}
}

// Numbers rise from one message to the next, whichever way the clock jumps, and past a state that was lost.
func TestNumbersRise(t *testing.T) {
	core, last := Core{}, uint64(0)
	for _, now := range []int64{1000, 500, -3, 2000, 2000, 1} {
		n := core.Numbers()
		for range 3 {
			next := n.Next(now)
			if next <= last {
				t.Fatalf("at %d: %d after %d", now, next, last)
			}
			last = next
		}
		core.Committed(1, n.Last())
	}
	lost := Core{}
	n := lost.Numbers()
	if got := n.Next(3000); got <= last {
		t.Errorf("%d after %d, though the clock has gone on", got, last)
	}
	if n := core.Numbers(); n.Last() != last {
		t.Errorf("a message that sends nothing ends with %d, not %d", n.Last(), last)
	}
}

func TestAnswered(t *testing.T) {
	kept := AppendReply(nil, 7, Reply{Body: []byte("12")})
	refused := AppendReply(nil, 7, Reply{Code: 3, Text: "no"})
	for _, c := range []struct {
		name  string
		seq   uint64
		kept  []byte
		want  Reply
		known bool
	}{
		{"its own", 7, kept, Reply{Body: []byte("12")}, true},
		{"refused", 7, refused, Reply{Code: 3, Text: "no"}, true},
		{"a later one's", 6, kept, Reply{}, true},
		{"an earlier one's", 8, kept, Reply{}, false},
		{"none", 7, nil, Reply{}, false},
	} {
		r, known := Call{Client: 1, Seq: c.seq}.Answered(c.kept)
		if known != c.known || !bytes.Equal(r.Body, c.want.Body) || r.Code != c.want.Code || r.Text != c.want.Text {
			t.Errorf("%s: %+v, %v", c.name, r, known)
		}
	}
}

func FuzzKept(f *testing.F) {
	f.Add(AppendReply(nil, 7, Reply{Body: []byte("null")}))
	f.Add(AppendReply(nil, 7, Reply{Code: 1, Text: "no"}))
	f.Add(append(AppendState(nil, 9), "{}"...))
	f.Fuzz(func(t *testing.T, kept []byte) {
		call := Call{Seq: 7}
		if r, known := call.Answered(kept); known && (r.Code != 0 || r.Body != nil) && !bytes.Equal(AppendReply(nil, 7, r), kept) {
			t.Fatalf("%q is read as %+v", kept, r)
		}
		if sent, state, err := State(kept); err == nil && !bytes.Equal(append(AppendState(nil, sent), state...), kept) {
			t.Fatalf("%q is read as %d, %q", kept, sent, state)
		}
	})
}
