//go:build !386 && !s390x

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	goruntime "runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echo gives back what comes until something fails, and says what. The buffer is small, so that what comes at once is taken in pieces, too.
func echo(c net.Conn) error {
	p := make([]byte, 300)
	var failed error
	err := c.(*direct).Feed(func() []byte { return p }, func(n int) bool {
		_, failed = c.Write(p[:n])
		return failed == nil
	})
	return errors.Join(err, failed)
}

// Requests one at a time, which are waited for without a look, and many in one piece, behind which there is more.
func TestFeedBringsAll(t *testing.T) {
	near, far := pair(t, Direct)
	var fed sync.WaitGroup
	fed.Go(func() {
		if err := echo(near); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	for i := range 2000 {
		sent := bytes.Repeat([]byte{byte(i)}, 1+i*i%1500)
		if _, err := far.Write(sent); err != nil {
			t.Fatal(err)
		}
		if got := make([]byte, len(sent)); mustRead(t, far, got) && !bytes.Equal(got, sent) {
			t.Fatalf("request %d came back otherwise", i)
		}
	}
	far.CloseWrite()
	fed.Wait()
	if quiet := near.(*direct).quiet.Load(); quiet >= 2*turn {
		t.Errorf("the scheduler has not heard of %d calls of a connection that was empty before each", quiet)
	}
}

func mustRead(t *testing.T, c net.Conn, p []byte) bool {
	t.Helper()
	if _, err := io.ReadFull(c, p); err != nil {
		t.Fatal(err)
	}
	return true
}

// The end of the stream is seen, and a reset, where the poller heard of it together with the data before it, and will tell of neither again.
func TestFeedSeesAnEndThatCameWithData(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers bool // to what comes
		end     func(far *net.TCPConn) error
		state   uint8 // of the near end then
		is      []error
	}{
		{"end", true, (*net.TCPConn).CloseWrite, unix.BPF_TCP_CLOSE_WAIT, []error{io.EOF}},
		{"end, no answer", false, (*net.TCPConn).CloseWrite, unix.BPF_TCP_CLOSE_WAIT, []error{io.EOF}},
		{"reset", true, reset, unix.BPF_TCP_CLOSE, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"reset, no answer", false, reset, unix.BPF_TCP_CLOSE, []error{syscall.ECONNRESET}},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := pair(t, Direct)
			if _, err := far.Write([]byte("first")); err != nil {
				t.Fatal(err)
			}
			p, times := make([]byte, 16), 0
			var failed error
			err := near.(*direct).Feed(func() []byte { return p }, func(n int) bool {
				if times++; c.answers || times == 1 {
					_, failed = near.Write(p[:n])
				}
				if times == 1 {
					mustRead(t, far, make([]byte, 5))
					far.Write([]byte("last"))
					whole(t, near, 4)
					if err := c.end(far); err != nil {
						t.Error(err)
					}
					until(t, near, c.state)
					polled(t)
				}
				return failed == nil
			})
			if got := errors.Join(err, failed); !slices.ContainsFunc(c.is, func(want error) bool { return errors.Is(got, want) }) {
				t.Error(got)
			}
		})
	}
}

func reset(c *net.TCPConn) error {
	c.SetLinger(0)
	return c.Close()
}

// until waits for a state of TCP's.
func until(t *testing.T, c net.Conn, state uint8) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for now := uint8(0); now != state; goruntime.Gosched() {
		if err := raw.Control(func(fd uintptr) {
			info, failed := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err = failed; failed == nil {
				now = info.State
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// polled returns when the poller has heard of all that has happened: of something on another connection, which happens now.
func polled(t *testing.T) {
	t.Helper()
	near, far := pair(t, Direct)
	quiet := &near.(*direct).quiet
	quiet.Store(1)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = near.Read(make([]byte, 1)) })
	for quiet.Load() != 0 { // until it has found nothing
		goruntime.Gosched()
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	reading.Wait()
}

// Close returns while what came is being served, whoever calls it, and Feed then fails as Read would.
func TestCloseDoesNotWaitForWhoIsFed(t *testing.T) {
	for _, itself := range []bool{false, true} {
		near, far := pair(t, Direct)
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 16)
		err := near.(*direct).Feed(func() []byte { return p }, func(int) bool {
			closed := make(chan error, 1)
			if itself {
				closed <- near.Close()
			} else {
				go func() { closed <- near.Close() }()
			}
			if err := <-closed; err != nil {
				t.Error(err)
			}
			return true
		})
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("by itself %v: %v", itself, err)
		}
		if _, err := near.Read(p); !errors.Is(err, net.ErrClosed) {
			t.Errorf("afterwards: %v", err)
		}
	}
}

// A deadline ends Feed between two requests, also for a client that always has another one; the next Feed goes on.
func TestADeadlineEndsFeed(t *testing.T) {
	near, far := pair(t, Direct)
	if _, err := far.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	whole(t, near, 3)
	p, got := make([]byte, 1), ""
	feed := func(more func() bool) error {
		return near.(*direct).Feed(func() []byte { return p }, func(n int) bool {
			got += string(p[:n])
			return more()
		})
	}
	if err := feed(func() bool { near.SetReadDeadline(time.Unix(1, 0)); return true }); !errors.Is(err, os.ErrDeadlineExceeded) || got != "a" {
		t.Errorf("%q: %v", got, err)
	}
	near.SetReadDeadline(time.Time{})
	if err := feed(func() bool { return got != "abc" }); err != nil || got != "abc" {
		t.Errorf("%q: %v", got, err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if err := feed(func() bool { return true }); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
	near.SetReadDeadline(time.Unix(1, 0))
	waiting.Wait()
}

// A kernel that does not tell what is behind is asked before each wait.
func TestFeedWithoutBeingTold(t *testing.T) {
	near, far := pair(t, Direct)
	near.(*direct).feed.step = near.(*direct).swallow // as if it had been asked
	var fed sync.WaitGroup
	fed.Go(func() { _ = echo(near) })
	for range 100 {
		if _, err := far.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		mustRead(t, far, make([]byte, 5))
	}
	for near.(*direct).quiet.Load() != 0 { // it looks once more, and finds nothing
		goruntime.Gosched()
	}
	far.Close()
	fed.Wait()
}
