//go:build !unix

package main

import (
	"os/exec"
	"time"
)

// endTogether has a command end with its context, and waits no longer for what it leaves running.
func endTogether(command *exec.Cmd) { command.WaitDelay = 2 * time.Second }
