package recovery

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/replica"
)

// Target is the other end: a copy that is given a snapshot. One Target serves a copy for all its life; a new stream takes
// the place of an older one.
//
// Invariants, run by Check:
//
//  1. Chunks are handed out in order and one at a time: at most the one before next is being loaded.
//  2. While it installs, no chunk is being loaded, and no other stream is accepted.
//  3. hasLoader only with the base of a snapshot.
type Target struct {
	config Config
	self   shards.CopyID
	term   shards.Term
	wants  bool // a snapshot would be welcome: the copy is not in sync, nor primary

	state     targetState
	from      shards.CopyID
	stream    uint64
	finished  bool             // it ended with the snapshot in place
	hasLoader bool             // a loader of the snapshot at base is there, full up to after
	base      replica.Position // of it
	after     []byte
	hasAfter  bool
	next      uint64 // the chunk wanted next
	loading   bool   // the chunk before it is being loaded
	waiting   []chunk
	silent    int // ticks since the source last said something

	out TargetReady
}

type chunk struct {
	data []byte
	end  bool
}

type targetState uint8

const (
	idle targetState = iota
	receiving
	installing
)

// TargetReady is what the shell of a Target has to do.
type TargetReady struct {
	Messages []Message
	Begin    bool   // make a new loader; forget the one before
	Load     []byte // load this chunk, then call Loaded
	Last     bool   // it is the last
	Install  bool   // the loader is full: check it, make it durable, let it take the place of store and log, call Installed
	Base     replica.Position
	Term     shards.Term // with Install: of the reign whose primary has sent it
	Forget   bool        // let go of the loader: its stream is over, and nobody went on with it
	Failed   string      // why a stream ended; the loader is kept, in case that another goes on
}

// NewTarget makes the target of a copy.
func NewTarget(config Config) (*Target, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &Target{config: config}, nil
}

// Configure tells under what id the copy goes, which term it knows of, and whether a snapshot would be welcome. A stream
// of a lower term, and one to an earlier id, is over.
func (t *Target) Configure(self shards.CopyID, term shards.Term, wants bool) {
	changed := self != t.self || term != t.term
	if changed && t.state != installing {
		defer func() { t.from, t.stream, t.finished = 0, 0, false }()
	}
	t.self, t.term, t.wants = self, term, wants
	if t.state == receiving && (changed || !wants) {
		t.end("its source's reign is over")
	}
}

func (t *Target) send(m Message) {
	m.Shard, m.From, m.To, m.Term, m.Stream = t.config.Shard, t.self, t.from, t.term, t.stream
	t.out.Messages = append(t.out.Messages, m)
}

// end gives up the stream, but not yet the loader.
func (t *Target) end(reason string) {
	t.state, t.waiting, t.silent = idle, nil, 0
	t.loading = t.loading && t.out.Load == nil // a chunk that nobody has taken yet is not loaded
	t.out.Failed, t.out.Load, t.out.Last = reason, nil, false
}

// Busy says that a stream is under way.
func (t *Target) Busy() bool { return t.state != idle }

// HasReady says whether Ready would hold anything.
func (t *Target) HasReady() bool {
	o := &t.out
	return len(o.Messages) > 0 || o.Begin || o.Load != nil || o.Install || o.Forget || o.Failed != ""
}

// Quiet says that ticks would do nothing.
func (t *Target) Quiet() bool { return t.state == idle && !t.hasLoader }

// Step takes a message of a source's.
func (t *Target) Step(m *Message) {
	if m.To != t.self || t.self == 0 || m.Term != t.term {
		return
	}
	if m.Kind == KindOffer {
		t.offered(m)
		return
	}
	if m.From != t.from || m.Stream != t.stream {
		return
	}
	t.silent = 0
	switch {
	case t.state == idle && m.Kind == KindChunk:
		t.answerOver()
	case m.Kind == KindFail && t.state == receiving:
		t.end("the source gave up: " + m.Reason)
	case m.Kind == KindChunk && t.state == receiving:
		t.arrived(m)
	}
}

// answerOver tells a source that its stream is over.
func (t *Target) answerOver() {
	if t.finished {
		t.send(Message{Kind: KindDone})
		return
	}
	t.send(Message{Kind: KindFail, Reason: "this stream is over"})
}

func (t *Target) offered(m *Message) {
	switch {
	case m.From == t.from && m.Stream < t.stream:
		return // overtaken
	case m.From == t.from && m.Stream == t.stream && t.state == idle:
		t.answerOver()
		return
	case t.state == installing:
		return // a little later it has one; the source asks again
	case !t.wants:
		t.from, t.stream, t.finished = m.From, m.Stream, false
		t.send(Message{Kind: KindFail, Reason: "this copy needs no snapshot"})
		return
	case t.state == receiving && m.From == t.from && m.Stream == t.stream:
		if t.next == 0 && !t.loading {
			t.accept()
		}
		return
	case t.loading:
		return // the loader is in use: the source asks again
	}
	t.from, t.stream, t.finished, t.state, t.silent = m.From, m.Stream, false, receiving, 0
	t.next, t.waiting = 0, nil
	if !t.hasLoader || t.base != m.Base {
		t.base, t.hasLoader, t.hasAfter, t.after = m.Base, true, false, nil
		t.out.Begin, t.out.Base = true, m.Base
	}
	t.accept()
}

func (t *Target) accept() {
	t.send(Message{Kind: KindAccept, HasAfter: t.hasAfter, After: t.after})
}

// arrived queues a chunk that comes in its turn, and says what it wants if it does not.
func (t *Target) arrived(m *Message) {
	if want := t.next + uint64(len(t.waiting)); m.Index != want || len(t.waiting) >= t.config.Window {
		if m.Index < t.next || len(t.waiting) == 0 {
			t.send(Message{Kind: KindGot, Index: t.loaded()})
		}
		return
	}
	t.waiting = append(t.waiting, chunk{m.Data, m.End})
	t.load()
}

// loaded is how many chunks have been loaded.
func (t *Target) loaded() uint64 {
	if t.loading {
		return t.next - 1
	}
	return t.next
}

func (t *Target) load() {
	if t.loading || len(t.waiting) == 0 {
		return
	}
	c := t.waiting[0]
	t.waiting = t.waiting[1:]
	t.loading = true
	t.next++
	t.out.Load, t.out.Last = c.data, c.end
}

// Loaded says that the chunk has been loaded, and which key is the last now; last as in Ready. An error makes the loader
// useless.
func (t *Target) Loaded(after []byte, last bool, err error) {
	t.loading = false
	if err != nil {
		t.drop(err)
		return
	}
	t.after, t.hasAfter = after, true
	if t.state != receiving {
		return
	}
	t.send(Message{Kind: KindGot, Index: t.next})
	if last {
		t.state, t.waiting = installing, nil
		t.out.Install, t.out.Base, t.out.Term = true, t.base, t.term
		return
	}
	t.load()
}

// drop ends the stream and the loader.
func (t *Target) drop(err error) {
	if t.state != idle {
		t.send(Message{Kind: KindFail, Reason: err.Error()})
		t.end(err.Error())
	}
	t.forget()
}

func (t *Target) forget() {
	if t.hasLoader {
		t.hasLoader, t.hasAfter, t.after = false, false, nil
		t.out.Forget = true
	}
}

// Installed says that the snapshot is in place, or why not. On success the shell calls replica.Core.Restored.
func (t *Target) Installed(err error) {
	if t.state != installing {
		return
	}
	if err != nil {
		t.drop(err)
		return
	}
	t.send(Message{Kind: KindDone})
	t.state, t.waiting, t.finished = idle, nil, true
	t.forget()
}

// Tick lets one tick pass.
func (t *Target) Tick() {
	t.silent++
	switch {
	case t.state == installing && t.silent%t.config.ResendTicks == 0:
		t.send(Message{Kind: KindGot, Index: t.next}) // still here
	case t.state == receiving && t.silent >= t.config.SilenceTicks:
		t.end(fmt.Sprintf("the source has been silent for %d ticks", t.silent))
	case t.state == idle && t.hasLoader && !t.loading && t.silent >= t.config.SilenceTicks:
		t.forget()
	}
}

// Ready gives what there is to do, once.
func (t *Target) Ready() TargetReady {
	out := t.out
	t.out = TargetReady{}
	return out
}

// Check says which invariant does not hold.
func (t *Target) Check() error {
	if len(t.waiting) > t.config.Window || t.loading && t.next == 0 {
		return fmt.Errorf("invariant 1: next %d, loading %v, %d waiting", t.next, t.loading, len(t.waiting))
	}
	if t.state == installing && (t.loading || len(t.waiting) > 0) {
		return fmt.Errorf("invariant 2: installing with %d waiting, loading %v", len(t.waiting), t.loading)
	}
	if !t.hasLoader && t.hasAfter {
		return fmt.Errorf("invariant 3: keys up to %q without a loader", t.after)
	}
	return nil
}
