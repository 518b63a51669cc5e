//go:build !386 && !s390x

package socket

import (
	"io"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// feed is what Feed needs; the first part is its goroutine's own.
type feed struct {
	room    func() []byte
	took    func(n int) bool
	step    func(fd uintptr) bool
	tells   bool // the kernel says what is behind what it gives
	skipped int  // waits in a row before which nobody looked
	end     bool // took wants no more, or nothing more comes
	eof     bool
	errno   syscall.Errno
	header  unix.Msghdr
	vector  unix.Iovec
	control struct {
		head   unix.Cmsghdr
		behind int32 // bytes, or 1 for the end of the stream
		_      int32 // as the kernel aligns it
	}

	mu      sync.Mutex
	under   bool           // way
	closers sync.WaitGroup // closings meanwhile
}

// mostSkipped is how many waits in a row go without a look. Looking is how direct.quiet learns that the connection was empty and others had
// their turn: before it has counted up to turn, at two calls for each request.
const mostSkipped = turn/2 - 2

// Feed reads until took wants no more, and is then nil, or else gives the error that Read would have given. room says where to, and is
// never empty; took hears how much has come. Both are called on the goroutine of Feed. Nobody reads meanwhile, and Close does not wait for took.
func (d *direct) Feed(room func() []byte, took func(n int) bool) error {
	f := &d.feed
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	if f.step == nil {
		f.step = d.swallow
		if err := d.raw.Control(f.ask); err != nil {
			return d.failure("read", err)
		}
	}
	f.begin()
	defer f.over()
	f.room, f.took, f.end, f.eof, f.errno, f.skipped = room, took, false, false, 0, 0
	for !f.end {
		if err := d.raw.Read(f.step); err != nil {
			return d.failure("read", err)
		}
	}
	switch {
	case f.errno != 0:
		return d.failure("read", f.errno)
	case f.eof:
		return io.EOF
	}
	return nil
}

// ask has the kernel tell what is behind what it gives. One that does not know how is asked by reading, as ever.
func (f *feed) ask(fd uintptr) {
	f.tells = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_INQ, 1) == nil
}

// swallow reads once. false: the poller is to wait. It is not the end of a read for it: what it hears from the wait before on, while
// took runs, ends the next wait.
func (d *direct) swallow(fd uintptr) bool {
	f, sends := &d.feed, d.sends.Load()
	n, empty, errno := d.gulp(fd, f.room())
	switch {
	case errno == syscall.EINTR:
		return true
	case errno == syscall.EAGAIN:
		d.quiet.Store(0)
		f.skipped = 0
		return false
	case errno != 0 || n == 0:
		f.end, f.errno, f.eof = true, errno, errno == 0
		return true
	}
	f.end = !f.took(n)
	// What came until now is read, and the poller hears of what comes from now on. A reset that came with it would be neither; but
	// after one, nothing is sent.
	skip := !f.end && empty && d.sends.Load() != sends && f.skipped < mostSkipped
	if skip {
		f.skipped++
	}
	return !skip
}

// gulp reads what is there, and says whether nothing was behind it, not even the end of the stream.
func (d *direct) gulp(fd uintptr, p []byte) (n int, empty bool, errno syscall.Errno) {
	f := &d.feed
	p = p[:min(len(p), mostBytes)]
	switch {
	case !d.silent(len(p)):
		n, errno = announcedRead(fd, p)
		return n, false, errno
	case !f.tells:
		n, errno = receive(fd, p)
		return n, false, errno
	}
	f.vector.Base = unsafe.SliceData(p)
	f.vector.SetLen(len(p))
	f.control.head.Level = 0
	f.header.Iov, f.header.Control = &f.vector, (*byte)(unsafe.Pointer(&f.control))
	f.header.SetIovlen(1)
	f.header.SetControllen(int(unsafe.Sizeof(f.control)))
	n, errno = receiveMessage(fd, &f.header)
	f.vector.Base = nil
	told := errno == 0 && f.control.head.Level == unix.IPPROTO_TCP && f.control.head.Type == unix.TCP_CM_INQ
	return n, told && f.control.behind == 0, errno
}

func (f *feed) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.under = true
}

func (f *feed) over() {
	f.mu.Lock()
	f.under = false
	f.mu.Unlock()
	f.closers.Wait()
	f.room, f.took = nil, nil
}

// Close closes the connection, as net's does. That one waits until no read holds the descriptor any more, which may be long while a connection is
// fed: then Feed waits for it instead.
func (d *direct) Close() error {
	d.feed.mu.Lock()
	defer d.feed.mu.Unlock()
	if !d.feed.under {
		return d.TCPConn.Close()
	}
	d.feed.closers.Go(func() { _ = d.TCPConn.Close() }) // Feed fails, and whoever closes a connection that is in use can do no more
	return nil
}
