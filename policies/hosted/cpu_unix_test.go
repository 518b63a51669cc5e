//go:build unix

package hosted_test

import (
	"syscall"
	"testing"
)

// cpu is the time that this process has been given, whatever else the machine does.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
