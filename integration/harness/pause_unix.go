//go:build unix

package harness

import (
	"errors"
	"syscall"
	"time"
)

var errGoesOn = errors.New("the process was asked to stop as it stands, and goes on")

// Pause stops the process as it stands (SIGSTOP): its connections stay, and nobody answers on them. It returns when all of
// its threads stand still, which takes a moment on a busy machine.
func (p *Process) Pause() error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	again := time.NewTicker(100 * time.Microsecond)
	defer again.Stop()
	limit := time.After(10 * time.Second)
	for {
		stopped, err := p.stopped()
		if err != nil || stopped {
			return err
		}
		select {
		case <-again.C:
		case <-limit:
			return errGoesOn
		}
	}
}

// Resume lets a paused process go on (SIGCONT).
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
