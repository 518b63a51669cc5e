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
// to a connection of another one, now and then.
const (
	firstPort = 20000
	portCount = 12000
)

// given are the ports that this process has handed out.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// FreeAddress is a loopback address on which nothing listened a moment ago, and that this process has not been given before.
func FreeAddress() (string, error) {
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = map[int]bool{}
	}
	var last error
	for range portCount {
		port := firstPort + rand.IntN(portCount)
		if given.ports[port] {
			continue
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			last = err
			continue
		}
		given.ports[port] = true
		return address, l.Close()
	}
	return "", fmt.Errorf("no port is free from %d on: %w", firstPort, last)
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
