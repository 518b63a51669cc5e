package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// direct is a TCP connection whose system calls the scheduler does not hear of.
type direct struct {
	*net.TCPConn
	raw     syscall.RawConn
	in, out transfer
}

// transfer is one direction of a connection. What step needs lies here, so that a call allocates nothing.
type transfer struct {
	mu    sync.Mutex // one call at a time, as net does it
	p     []byte
	n     int
	errno syscall.Errno
	step  func(fd uintptr) bool // what is done when the socket is ready; false: it is not
}

// Direct gives a connection that reads and writes as c does, errors included, in direct system calls. c is not used any more.
// What is no TCP connection, and any connection on other systems than Linux, is given back as it is.
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
	d.in.step, d.out.step = d.in.receive, d.out.transmit
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

func (t *transfer) receive(fd uintptr) bool {
	for {
		n, errno := read(fd, t.p)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			t.n = n
		}
		t.errno = errno
		return true
	}
}

func (t *transfer) transmit(fd uintptr) bool {
	for t.n < len(t.p) {
		n, errno := write(fd, t.p[t.n:])
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

// EndAfter has a connection end when what was sent has not been acknowledged for so long: its machine has vanished. It does
// nothing for what is no TCP connection, and on other systems than Linux.
func EndAfter(c net.Conn, silence time.Duration) error {
	tcp, can := c.(syscall.Conn)
	if !can {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	return errors.Join(err, os.NewSyscallError("setsockopt", failed))
}
