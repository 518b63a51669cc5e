package dev

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C from the child: it is for the parent, which stops the children in order. A child whose parent is killed
// is killed by the system, even if it is paused and cannot see that its standard input has ended.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
