package socket

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEndAfter(t *testing.T) {
	near, _ := pair(t, Direct)
	if err := EndAfter(near, 3*time.Second); err != nil {
		t.Fatal(err)
	}
	raw, err := near.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	var failed error
	if err := raw.Control(func(fd uintptr) { ms, failed = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	if ms != 3000 {
		t.Errorf("the system ends the connection after %d ms", ms)
	}
}
