//go:build !linux

package harness

import (
	"errors"
	"time"
)

// Memory is known on Linux only.
func (p *Process) Memory() (own, files int64, err error) { return 0, 0, errors.ErrUnsupported }

// CPU is known on Linux only.
func (p *Process) CPU() (time.Duration, error) { return 0, errors.ErrUnsupported }

// stopped cannot be seen here: the signal has been sent.
func (p *Process) stopped() (bool, error) { return true, nil }
