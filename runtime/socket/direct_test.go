package socket

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	goruntime "runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair is both ends of a connection over the loopback, the first as wrap makes it.
func pair(t *testing.T, wrap func(net.Conn) net.Conn) (near net.Conn, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close(); accepted.Close() })
	return wrap(accepted), dialed.(*net.TCPConn)
}

func plain(c net.Conn) net.Conn { return c }

// Both directions at once, in pieces of all sizes, longer than what sockets hold, so that both sides wait for each other.
func TestBytesArrive(t *testing.T) {
	near, far := pair(t, Direct)
	const total = 8 << 20
	var running sync.WaitGroup
	sums := make([][32]byte, 4)
	send := func(c net.Conn, seed uint64, sum *[32]byte, whole func() error) {
		running.Go(func() {
			r := rand.New(rand.NewPCG(seed, 0))
			h := sha256.New()
			piece := make([]byte, 1<<20)
			for left := total; left > 0; {
				p := piece[:min(left, 1+r.IntN(1<<uint(r.IntN(21))))]
				for i := range p {
					p[i] = byte(r.Uint32())
				}
				h.Write(p)
				n, err := c.Write(p)
				if err != nil || n != len(p) {
					t.Errorf("wrote %d of %d: %v", n, len(p), err)
					return
				}
				left -= n
			}
			h.Sum((*sum)[:0])
			if err := whole(); err != nil {
				t.Error(err)
			}
		})
	}
	receive := func(c net.Conn, sum *[32]byte) {
		running.Go(func() {
			h := sha256.New()
			if n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{c}, make([]byte, 10_007)); err != nil || n != total {
				t.Errorf("%d bytes came: %v", n, err)
			}
			h.Sum((*sum)[:0])
		})
	}
	send(near, 1, &sums[0], near.(interface{ CloseWrite() error }).CloseWrite)
	receive(far, &sums[1])
	send(far, 2, &sums[2], far.CloseWrite)
	receive(near, &sums[3])
	running.Wait()
	if sums[0] != sums[1] || sums[2] != sums[3] {
		t.Error("other bytes came than were sent")
	}
}

// Whatever can happen to a connection looks the same through Direct as without it.
func TestErrorsAreThoseOfNet(t *testing.T) {
	for _, c := range []struct {
		name string
		is   error
		do   func(near net.Conn, far *net.TCPConn) (int, error)
	}{
		{"the other end has closed", io.EOF, func(near net.Conn, far *net.TCPConn) (int, error) {
			far.Close()
			return near.Read(make([]byte, 8))
		}},
		{"nothing is asked for", nil, func(near net.Conn, _ *net.TCPConn) (int, error) { return near.Read(nil) }},
		{"nothing is written", nil, func(near net.Conn, _ *net.TCPConn) (int, error) { return near.Write(nil) }},
		{"the other end resets", syscall.ECONNRESET, func(near net.Conn, far *net.TCPConn) (int, error) {
			far.SetLinger(0)
			far.Close()
			return near.Read(make([]byte, 8))
		}},
		{"a read after a deadline", os.ErrDeadlineExceeded, func(near net.Conn, _ *net.TCPConn) (int, error) {
			near.SetReadDeadline(time.Unix(1, 0))
			return near.Read(make([]byte, 8))
		}},
		{"a write until a deadline", os.ErrDeadlineExceeded, func(near net.Conn, _ *net.TCPConn) (int, error) {
			near.SetWriteDeadline(time.Now().Add(time.Millisecond))
			_, err := near.Write(make([]byte, 64<<20))
			return 0, err // how much went depends on the moment
		}},
		{"a read of a closed connection", net.ErrClosed, func(near net.Conn, _ *net.TCPConn) (int, error) {
			near.Close()
			return near.Read(make([]byte, 8))
		}},
		{"a write to a closed connection", net.ErrClosed, func(near net.Conn, _ *net.TCPConn) (int, error) {
			near.Close()
			return near.Write([]byte("x"))
		}},
		{"closed while it is read", net.ErrClosed, func(near net.Conn, _ *net.TCPConn) (int, error) {
			go near.Close()
			return near.Read(make([]byte, 8))
		}},
		{"woken by a deadline, read on", nil, func(near net.Conn, far *net.TCPConn) (int, error) {
			go near.SetReadDeadline(time.Unix(1, 0))
			if _, err := near.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
				return 0, err
			}
			near.SetReadDeadline(time.Time{})
			far.Write([]byte("again"))
			return io.ReadFull(near, make([]byte, 5))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := pair(t, plain)
			n, err := c.do(near, far)
			want := outcome(near, n, err)
			near, far = pair(t, Direct)
			n, err = c.do(near, far)
			if got := outcome(near, n, err); got != want {
				t.Errorf("got %s, net gives %s", got, want)
			}
			if !errors.Is(err, c.is) {
				t.Errorf("%v is not %v", err, c.is)
			}
		})
	}
}

// outcome is a result without the addresses of its connection.
func outcome(c net.Conn, n int, err error) string {
	text := "nil"
	if err != nil {
		text = err.Error()
		for _, a := range []net.Addr{c.LocalAddr(), c.RemoteAddr()} {
			text = string(bytes.ReplaceAll([]byte(text), []byte(a.String()), []byte("addr")))
		}
	}
	return string(rune('0'+n)) + " " + text
}

func TestWhatIsNoTCPStaysAsItIs(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	if Direct(near) != near {
		t.Error("a pipe was wrapped")
	}
	if err := EndAfter(near, time.Second); err != nil {
		t.Error(err)
	}
}

// Connections are closed by others while they are read and written, and the system gives their descriptors to new ones at once. A call on the old
// one that reached the new one would show as a byte of another connection.
func TestDescriptorsThatAreUsedAgain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() { // gives back what comes
		var open sync.WaitGroup
		defer open.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{Direct(c)}) // ends however the other side does
			})
		}
	})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for mark := range 50 {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				closedUnderWay(t, Direct(c), byte(mark))
			}
		})
	}
	clients.Wait()
	l.Close()
	running.Wait()
}

// closedUnderWay writes a mark again and again, reads it back, and has a third goroutine close the connection meanwhile.
func closedUnderWay(t *testing.T, c net.Conn, mark byte) {
	var sides sync.WaitGroup
	some := make(chan struct{})
	seen := sync.OnceFunc(func() { close(some) })
	sides.Go(func() {
		p := bytes.Repeat([]byte{mark}, 100)
		for err := error(nil); err == nil; {
			_, err = c.Write(p)
		}
	})
	sides.Go(func() {
		defer seen()
		p := make([]byte, 333)
		for {
			n, err := c.Read(p)
			if bytes.Count(p[:n], []byte{mark}) != n {
				t.Errorf("a connection that carries %d read % x", mark, p[:n])
			}
			if err != nil {
				return
			}
			seen()
		}
	})
	<-some
	c.Close()
	sides.Wait()
}

// A thousand connections that always have something to say share one processor, and each is answered.
func TestManyConnectionsOnOneProcessor(t *testing.T) {
	defer goruntime.GOMAXPROCS(goruntime.GOMAXPROCS(1))
	const connections, rounds = 1000, 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var running sync.WaitGroup
	for range connections {
		far, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		near, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			defer near.Close()
			_, _ = io.Copy(struct{ io.Writer }{Direct(near)}, struct{ io.Reader }{Direct(near)}) // until far is closed
		})
		running.Go(func() {
			defer far.Close()
			c, p := Direct(far), make([]byte, 100)
			for i := range rounds {
				p[0] = byte(i)
				if _, err := c.Write(p); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(c, p); err != nil || p[0] != byte(i) {
					t.Errorf("round %d brought %d: %v", i, p[0], err)
					return
				}
			}
		})
	}
	running.Wait()
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, way := range []struct {
		name string
		wrap func(net.Conn) net.Conn
		feed bool
	}{{"net", plain, false}, {"direct", Direct, false}, {"fed", Direct, true}} {
		b.Run(way.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			far, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer far.Close()
			accepted, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			near := way.wrap(accepted)
			var running sync.WaitGroup
			running.Go(func() {
				p := make([]byte, 64)
				if f, can := near.(interface {
					Feed(room func() []byte, took func(n int) bool) error
				}); can && way.feed {
					_ = f.Feed(func() []byte { return p }, func(n int) bool { _, err := near.Write(p[:n]); return err == nil }) // until near is closed
					return
				}
				for {
					n, err := near.Read(p)
					if err != nil {
						return
					}
					if _, err := near.Write(p[:n]); err != nil {
						return
					}
				}
			})
			p := make([]byte, 64)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := far.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(far, p); err != nil {
					b.Fatal(err)
				}
			}
			near.Close()
			running.Wait()
		})
	}
}
