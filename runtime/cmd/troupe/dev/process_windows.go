package dev

import (
	"errors"
	"os/exec"
	"syscall"
)

// newProcessGroup is CREATE_NEW_PROCESS_GROUP.
const newProcessGroup = 0x200

// apart keeps Ctrl-C from the child: it is for the parent, which stops the children in order.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: newProcessGroup}
}

var errNoPause = errors.New("Windows cannot pause a process; kill is what it has")

func (p *process) pause() error { return errNoPause }

func (p *process) resume() error { return errNoPause }
