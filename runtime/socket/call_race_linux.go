//go:build linux && race && !386 && !s390x

package socket

import "syscall"

// The race detector takes what is written to a connection and read from another for an order between the two, if package syscall
// tells it. So it is called here, as the other end of a test's connection does.

func receive(fd uintptr, p []byte) (int, syscall.Errno) { return announcedRead(fd, p) }

func send(fd uintptr, p []byte) (int, syscall.Errno) { return announcedWrite(fd, p) }
