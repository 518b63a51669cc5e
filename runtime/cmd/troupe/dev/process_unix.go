//go:build unix && !linux

package dev

import (
	"os/exec"
	"syscall"
)

// apart keeps Ctrl-C from the child: it is for the parent, which stops the children in order.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
