package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// pace bounds how long one client may make the server wait, in one direction of one request. Only time spent waiting for the
// client counts, so that a slow disk of ours is not held against it:
//
//	left = Grace + bytes moved / MinRate − time waited
//
// A plain timeout per read would let a client that sends a byte every 29 seconds stay for years; a plain timeout per
// request would forbid large uploads.
type pace struct {
	grace   time.Duration
	minRate int64
	moved   int64
	waited  time.Duration
}

func (p *pace) left() time.Duration {
	return p.grace + time.Duration(float64(p.moved)/float64(p.minRate)*float64(time.Second)) - p.waited
}

// move runs one read or write under a deadline. A deadline that the connection does not support is left out.
func (p *pace) move(setDeadline func(time.Time) error, step func() (int, error)) (int, error) {
	start := time.Now()
	setDeadline(start.Add(p.left()))
	n, err := step()
	p.waited += time.Since(start)
	p.moved += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &Error{Status: http.StatusRequestTimeout, Kind: KindTimeout, Reason: fmt.Sprintf(
			"the client was too slow: %v of waiting for %d bytes, at least %d a second are asked after %v", p.waited.Round(time.Millisecond), p.moved, p.minRate, p.grace)}
	}
	return n, err
}

// paceBody is a request's body that must keep the pace.
type paceBody struct {
	io.ReadCloser
	control *http.ResponseController
	pace    pace
}

func newPaceBody(w http.ResponseWriter, body io.ReadCloser, c *ServerConfig) *paceBody {
	return &paceBody{ReadCloser: body, control: http.NewResponseController(w), pace: pace{grace: c.Grace, minRate: c.MinRate}}
}

// Read reads what has come. At the body's end the deadline goes: net/http then listens for the client's leaving, and would
// take the deadline for that.
func (b *paceBody) Read(p []byte) (int, error) {
	n, err := b.pace.move(b.control.SetReadDeadline, func() (int, error) { return b.ReadCloser.Read(p) })
	if err == io.EOF {
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// writeStep bounds how much is written under one deadline, in bytes, so that a large value earns time as it goes.
const writeStep = 256 << 10

// paceWriter is an answer that its reader must keep up with.
type paceWriter struct {
	inner   http.ResponseWriter
	control *http.ResponseController
	pace    pace
	status  int // sent; 0 until then
}

func newPaceWriter(w http.ResponseWriter, c *ServerConfig) *paceWriter {
	return &paceWriter{inner: w, control: http.NewResponseController(w), pace: pace{grace: c.Grace, minRate: c.MinRate}}
}

// Header is the answer's.
func (w *paceWriter) Header() http.Header { return w.inner.Header() }

// WriteHeader sends the status. Values may hold anything: a browser must not guess that one is a page.
func (w *paceWriter) WriteHeader(status int) {
	w.status = status
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.control.SetWriteDeadline(time.Now().Add(w.pace.left()))
	w.inner.WriteHeader(status)
}

// Write writes in steps, each under a deadline of its own.
func (w *paceWriter) Write(p []byte) (written int, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	for len(p) > 0 && err == nil {
		step := p[:min(len(p), writeStep)]
		var n int
		n, err = w.pace.move(w.control.SetWriteDeadline, func() (int, error) { return w.inner.Write(step) })
		written += n
		p = p[n:]
	}
	return written, err
}

// flush sends what is buffered.
func (w *paceWriter) flush() error {
	_, err := w.pace.move(w.control.SetWriteDeadline, func() (int, error) { return 0, w.control.Flush() })
	return err
}

// Flush is flush for handlers of the standard library.
func (w *paceWriter) Flush() { w.flush() }
