//go:build unix

package dev

import "syscall"

// pause stops the process where it is: it does not run until resume, and does not know that time passes.
func (p *process) pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// resume lets a paused process go on.
func (p *process) resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
