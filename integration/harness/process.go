package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// ErrExited says that a process ended while it was waited for. The text that wraps it holds the end of its output.
var ErrExited = errors.New("process exited")

// Process is a running program. Its methods may be called from any goroutine.
type Process struct {
	cmd    *exec.Cmd
	output tail
	exited chan struct{} // closed after the process was waited for
}

// Start runs a program in folder dir ("" = here) with extra environment variables. Whoever starts a process ends it: Kill or Stop.
func Start(dir string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		p.cmd.Wait() // how it ended stands in ProcessState
		close(p.exited)
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended and its output is complete.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// ExitCode is the code with which the process ended, -1 for a signal. It waits for the end.
func (p *Process) ExitCode() int {
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// Output is the end of what the process has printed so far, at most 64 KiB.
func (p *Process) Output() string { return p.output.String() }

// Kill ends the process without a chance to tidy up (SIGKILL) and waits for its end. It may be called again.
func (p *Process) Kill() {
	p.cmd.Process.Kill() // it fails only if the process has ended already
	<-p.exited
}

// Stop asks the process to end (SIGINT, as Ctrl-C does), kills it when ctx ends first, and returns an error unless it ended
// with code 0.
func (p *Process) Stop(ctx context.Context) error {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.exited:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("asked to stop: %w\n%s", ctx.Err(), p.Output())
	}
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("asked to stop, ended with code %d\n%s", code, p.Output())
	}
	return nil
}

// Until asks ready again and again until it returns nil, the process ends or ctx does.
func (p *Process) Until(ctx context.Context, ready func(context.Context) error) error {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%w with code %d\n%s", ErrExited, p.ExitCode(), p.Output())
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w\n%s", ctx.Err(), err, p.Output())
		case <-again.C:
		}
	}
}

// Ports for servers are below those that the systems give to whoever dials: a node that is down for a moment would lose its own
// to a connection of another one, now and then. They are claimed by blocks, so that several test programs can run at a time:
//
//	20000      20001 ... 20099 │ 20100      20101 ...
//	└ listened on, as a claim  │
const (
	firstPort  = 20000
	blockPorts = 100
	blocks     = 120
)

// claimed is the block that this process hands out ports of.
var claimed struct {
	sync.Mutex
	claims []net.Listener // held to the end of the process
	next   int            // port
	end    int
}

// FreeAddress is a loopback address on which nothing listened a moment ago, and that nobody else has been given.
func FreeAddress() (string, error) {
	c := &claimed
	c.Lock()
	defer c.Unlock()
	for {
		if c.next == c.end {
			if err := claimPorts(); err != nil {
				return "", err
			}
		}
		l, err := listenOn(c.next)
		c.next++
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
}

// claimPorts takes a block that no other process has.
func claimPorts() (last error) {
	for _, i := range rand.Perm(blocks) {
		first := firstPort + i*blockPorts
		claim, err := listenOn(first)
		if err == nil {
			claimed.claims, claimed.next, claimed.end = append(claimed.claims, claim), first+1, first+blockPorts
			return nil
		}
		last = err
	}
	return fmt.Errorf("no block of ports is free from %d on: %w", firstPort, last)
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 64 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > tailBytes {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Clone(t.text[max(0, len(t.text)-tailBytes):]))
}
