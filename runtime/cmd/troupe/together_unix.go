//go:build unix

package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// endTogether has all that a command starts end with it, and in order: a build that is killed itself leaves its compiler running, which holds the
// output, and what was half written. The command is in a process group of its own, so Ctrl-C reaches it by way of its context alone.
func endTogether(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error {
		err := syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	command.WaitDelay = endLimit
}

// endLimit is how long a command has to end when it is told to.
const endLimit = 2 * time.Second
