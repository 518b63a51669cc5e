//go:build linux && !race && !386 && !s390x

package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// receive is recv(2). It never blocks, whatever somebody made of the descriptor.
func receive(fd uintptr, p []byte) (int, syscall.Errno) {
	return call(syscall.SYS_RECVFROM, fd, p, syscall.MSG_DONTWAIT)
}

// send is send(2), likewise. A connection that broke is an error, and no signal.
func send(fd uintptr, p []byte) (int, syscall.Errno) {
	return call(syscall.SYS_SENDTO, fd, p, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
}

func call(number, fd uintptr, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// receiveMessage is recvmsg(2), likewise.
func receiveMessage(fd uintptr, header *unix.Msghdr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(header)), syscall.MSG_DONTWAIT, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
