package dev

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	goruntime "runtime"
	"sync"
)

// process is one running node. Its methods may be called concurrently.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{} // closed when it has ended and all its output is written
	end    string        // how it ended, as in "exit status 1", once exited is closed
}

// launcher starts processes from one thread that lives as long as it does: on Linux a child is killed with the thread that
// started it, and Go ends threads as it likes.
type launcher struct {
	requests chan func()
	ended    sync.WaitGroup
}

func newLauncher() *launcher {
	l := &launcher{requests: make(chan func())}
	l.ended.Go(func() {
		goruntime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		for request := range l.requests {
			request()
		}
	})
	return l
}

// close lets the thread go. The processes that it started must have ended.
func (l *launcher) close() {
	close(l.requests)
	l.ended.Wait()
}

// start runs a program whose output goes to out.
func (l *launcher) start(program string, args []string, out io.Writer) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	apart(p.cmd)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	l.requests <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	go func() {
		defer close(p.exited)
		err := p.cmd.Wait()
		if p.end = "exit status 0"; err != nil {
			p.end = err.Error()
		}
	}()
	return p, nil
}

// running says whether the process has not ended yet.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process without a chance to tidy up, and waits for its end.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err == nil {
		<-p.exited
	}
	return err
}

// outlet writes a node's output to its log, each line with the node's name before it, and shows those that tell of trouble.
type outlet struct {
	name string
	show func(line string)

	mu   sync.Mutex
	log  io.Writer
	line []byte
	last [][]byte // the newest lines
}

const (
	maxOutLine = 64 << 10 // bytes; a longer line is cut there
	lastLines  = 5
)

// Write takes in output as it comes, in parts of lines.
func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for rest := p; len(rest) > 0; {
		part, after, whole := bytes.Cut(rest, []byte("\n"))
		o.line = append(o.line, part...)
		rest = after
		if whole || len(o.line) > maxOutLine {
			o.flush()
		}
	}
	return len(p), nil
}

// flush writes the line that has come. mu is held.
func (o *outlet) flush() {
	line := bytes.TrimRight(o.line, "\r")
	fmt.Fprintf(o.log, "%s | %s\n", o.name, line) // a log that cannot be written is no reason to end the node
	if bytes.Contains(line, []byte("level=ERROR")) || bytes.HasPrefix(line, []byte("panic: ")) || bytes.HasPrefix(line, []byte("fatal error: ")) {
		o.show(o.name + " | " + string(line))
	}
	o.last = append(o.last, bytes.Clone(line))
	if len(o.last) > lastLines {
		o.last = o.last[1:]
	}
	o.line = o.line[:0]
}

// tail is the newest lines, each with the node's name before it.
func (o *outlet) tail() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var text bytes.Buffer
	for _, line := range o.last {
		fmt.Fprintf(&text, "\n  %s | %s", o.name, line)
	}
	return text.String()
}
