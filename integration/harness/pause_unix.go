//go:build unix

package harness

import "syscall"

// Pause stops the process as it stands (SIGSTOP): its connections stay, and nobody answers on them.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on (SIGCONT).
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }
