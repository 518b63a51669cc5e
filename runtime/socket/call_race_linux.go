//go:build race

package socket

import "syscall"

// The race detector takes what is written to a connection and read from another for an order between the two, if package syscall
// tells it. So it is called here, as the other end of a test's connection does.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return settle(n, err)
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return settle(n, err)
}

func settle(n int, err error) (int, syscall.Errno) {
	if err != nil {
		return 0, err.(syscall.Errno) // package syscall gives nothing else for either call
	}
	return n, 0
}
