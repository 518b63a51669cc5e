package transport

import (
	"sync/atomic"

	"google.golang.org/grpc/mem"
)

// intake is the receiving half of one stream: it takes messages apart, puts chunks together, and grants credit for what has
// been dealt with. One goroutine takes; consumed may be called from any.
type intake struct {
	back    *lane // the other direction of the stream, where grants go
	window  int   // what was granted when the stream opened
	maxBody int
	counted *counters
	deaf    func() bool // isolation: what arrives vanishes
	lost    func() bool // a lossy network: this message never came

	// dispatch takes a frame with its whole body. If it gives false the frame is dealt with; else whoever keeps it calls
	// consumed(size) when it is.
	dispatch func(f *frame, size int) (kept bool)
	tooLong  func(f *frame) // a request beyond maxBody

	partial  frame // the chunks so far; form 0: none
	dropping bool  // ...whose rest is thrown away
	consume  atomic.Int64
}

// newIntake takes what a stream brings. The caller sets dispatch and tooLong.
func newIntake(t *Transport, back *lane, deaf func() bool) *intake {
	in := &intake{back: back, window: t.config.Window, maxBody: t.config.MaxBody, counted: &t.counted, deaf: deaf, lost: never}
	if lossy, ok := back.stream.(interface{ lost() bool }); ok {
		in.lost = lossy.lost
	}
	return in
}

// take deals with one message and frees it.
func (in *intake) take(message mem.BufferSlice) {
	left, err := unpack(message, in.frame)
	message.Free()
	if err != nil {
		in.counted.malformed.Add(1)
		in.consumed(left)
	}
}

func (in *intake) frame(f *frame, size int) {
	if in.deaf() {
		return
	}
	if f.form == formGrant {
		in.back.granted(f.id)
		return
	}
	kept := in.whole(f, size) && !in.lost() && in.dispatch(f, size)
	if f.form.charged() && !kept {
		in.consumed(size)
	}
}

// whole says whether f is a message now: alone, or as the last of its chunks, whose body it then has.
func (in *intake) whole(f *frame, size int) bool {
	p := &in.partial
	if p.form != 0 && (p.form != f.form || p.kind != f.kind || p.id != f.id) {
		in.counted.malformed.Add(1) // its rest never came
		in.partial, in.dropping = frame{}, false
	}
	if p.form == 0 {
		if !f.more && len(f.body) <= in.maxBody {
			return true
		}
		in.partial = *f
	} else if !in.dropping {
		p.body = append(p.body, f.body...)
	}
	if len(p.body) > in.maxBody {
		in.dropping, p.body = true, nil
	}
	if f.more {
		return false
	}
	*f = in.partial
	f.more = false
	dropped := in.dropping
	in.partial, in.dropping = frame{}, false
	if dropped {
		in.counted.tooLong.Add(1)
		in.tooLong(f)
	}
	return !dropped
}

// consumed counts bytes that the receiver has dealt with, and grants them anew by quarters of the window.
func (in *intake) consumed(bytes int) {
	if in.consume.Add(int64(bytes)) < int64(in.window/4) {
		return
	}
	if n := in.consume.Swap(0); n > 0 {
		in.back.post(&frame{form: formGrant, id: uint64(n)})
	}
}
