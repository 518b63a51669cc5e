//go:build !386 && !s390x

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// direct is a TCP connection whose system calls the scheduler hears of now and then.
type direct struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
	feed    feed
	sends   atomic.Uint32 // writes that were begun
	quiet   atomic.Int32  // calls in a row that the scheduler did not hear of, since the connection was found empty
}

const (
	// turn is how many calls in a row a connection makes before others have a turn. Package net gives them one in most calls that
	// take long, since the scheduler then takes the processor away; nobody takes it here, for 10 ms.
	turn = 16
	// mostQuiet bounds direct.quiet: a connection that is never found empty would keep the monitor asleep, which looks for
	// others that can be read while all processors are busy.
	mostQuiet = 32 * turn
	// mostBytes is what one such call may copy: some 10 µs, which is what a garbage collection that begins waits at most.
	mostBytes = 64 << 10
)

// transfer is one direction of a connection. What step needs lies here, so that a call allocates nothing.
type transfer struct {
	mu    sync.Mutex // one call at a time, as net does it
	p     []byte
	n     int
	errno syscall.Errno
	step  func(fd uintptr) bool // what is done when the socket is ready; false: it is not
}

// Direct gives a connection that reads and writes as c does, errors included, in direct system calls. c is not used any more.
// What is no TCP connection, and any connection elsewhere than on Linux, or on 386 and s390x, is given back as it is.
func Direct(c net.Conn) net.Conn {
	tcp, can := c.(*net.TCPConn)
	if !can {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	d := &direct{TCPConn: tcp, raw: raw}
	d.in.step, d.out.step = d.take, d.give
	return d
}

// Read reads what is there, and waits if nothing is.
func (d *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.in.run(d.raw.Read, p)
	if err != nil {
		return 0, d.failure("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p, and waits while the socket takes no more.
func (d *direct) Write(p []byte) (int, error) {
	n, err := d.out.run(d.raw.Write, p)
	if err != nil {
		return n, d.failure("write", err)
	}
	return n, nil
}

// run has steps taken until one is the last, or the connection is closed, or the deadline passes.
func (t *transfer) run(until func(func(uintptr) bool) error, p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p, t.n, t.errno = p, 0, 0
	err := until(t.step)
	t.p = nil
	if err == nil && t.errno != 0 {
		err = t.errno
	}
	return t.n, err
}

// silent says whether the next call, of so many bytes, is one that the scheduler does not hear of.
func (d *direct) silent(size int) bool {
	made := d.quiet.Add(1)
	if made%turn == 0 {
		goruntime.Gosched()
	}
	if size <= mostBytes && made <= mostQuiet {
		return true
	}
	d.quiet.Store(0)
	return false
}

func (d *direct) take(fd uintptr) bool {
	t := &d.in
	p := t.p[:min(len(t.p), mostBytes)]
	for {
		call := receive
		if !d.silent(len(p)) {
			call = announcedRead
		}
		n, errno := call(fd, p)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			d.quiet.Store(0) // its goroutine waits now, and others have their turn
			return false
		case 0:
			t.n = n
		}
		t.errno = errno
		return true
	}
}

func (d *direct) give(fd uintptr) bool {
	t := &d.out
	d.sends.Add(1)
	for t.n < len(t.p) {
		call := send
		if !d.silent(len(t.p) - t.n) {
			call = announcedWrite
		}
		n, errno := call(fd, t.p[t.n:])
		switch errno {
		case 0:
			t.n += n
		case syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			t.errno = errno
			return true
		}
	}
	return true
}

// announcedRead and announcedWrite are package syscall's, which the scheduler hears of.

func announcedRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return settled(n, err)
}

func announcedWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return settled(n, err)
}

func settled(n int, err error) (int, syscall.Errno) {
	if err != nil {
		return 0, err.(syscall.Errno) // package syscall gives nothing else for either call
	}
	return n, 0
}

// failure is an error as net gives it for the same.
func (d *direct) failure(op string, err error) error {
	var raw *net.OpError
	if errors.As(err, &raw) {
		err = raw.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: d.LocalAddr(), Addr: d.RemoteAddr(), Err: err}
}
