//go:build !unix

package harness

import "errors"

var errNoPause = errors.New("this system cannot stop a process and let it go on")

// Pause is not possible here.
func (p *Process) Pause() error { return errNoPause }

// Resume is not possible here.
func (p *Process) Resume() error { return errNoPause }
