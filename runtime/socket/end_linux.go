package socket

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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
