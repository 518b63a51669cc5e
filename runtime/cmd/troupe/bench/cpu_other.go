//go:build !linux

package bench

import (
	"errors"
	"time"
)

// ErrNoCPU says that another process' processor time can be read on Linux only.
var ErrNoCPU = errors.New("bench: the processor time of another process can be read on Linux only; leave out --pid")

func processCPU(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	return 0, ErrNoCPU
}
