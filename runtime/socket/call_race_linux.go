//go:build linux && race && !386 && !s390x

package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The race detector takes what is written to a connection and read from another for an order between the two, if package syscall
// tells it. So it is called here, as the other end of a test's connection does.

func receive(fd uintptr, p []byte) (int, syscall.Errno) { return announcedRead(fd, p) }

func send(fd uintptr, p []byte) (int, syscall.Errno) { return announcedWrite(fd, p) }

func receiveMessage(fd uintptr, header *unix.Msghdr) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(header)), syscall.MSG_DONTWAIT)
	if errno != 0 {
		return 0, errno
	}
	_, _ = announcedRead(fd, nil) // reads nothing: it is for the detector to hear
	return int(n), 0
}
