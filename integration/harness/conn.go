package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Conn is one connection that speaks version 2 of the Redis protocol. One goroutine at a time.
type Conn struct {
	net net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

// ReplyError is an error that the server answered. The connection lives on.
type ReplyError string

func (e ReplyError) Error() string { return string(e) }

// errReply says that the server does not speak the protocol.
var errReply = errors.New("malformed reply")

// Dial connects to a server.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &Conn{net: c, in: bufio.NewReaderSize(c, 16<<10), out: bufio.NewWriterSize(c, 16<<10)}, nil
}

// Close ends the connection.
func (c *Conn) Close() error { return c.net.Close() }

// Net is the connection below, for whoever must misbehave on it. What Send has queued is not there before Flush.
func (c *Conn) Net() net.Conn { return c.net }

// SetDeadline bounds all later reads and writes, from any goroutine.
func (c *Conn) SetDeadline(t time.Time) error { return c.net.SetDeadline(t) }

// Send queues a command; its reply must be received. Errors show at Flush.
func (c *Conn) Send(args ...string) {
	fmt.Fprintf(c.out, "*%d\r\n", len(args))
	for _, a := range args {
		c.out.WriteString("$" + strconv.Itoa(len(a)) + "\r\n")
		c.out.WriteString(a)
		c.out.WriteString("\r\n")
	}
}

// Flush writes what was queued.
func (c *Conn) Flush() error { return c.out.Flush() }

// Do sends one command and receives its reply. Nothing else may be on its way.
func (c *Conn) Do(args ...string) (any, error) {
	c.Send(args...)
	if err := c.Flush(); err != nil {
		return nil, err
	}
	return c.Receive()
}

// Receive reads one reply: string for bulk and simple ones, int64, nil, []any (whose elements may be ReplyError); an error
// that the server answers comes back as ReplyError, any other error ends the connection's use.
func (c *Conn) Receive() (any, error) {
	v, err := c.value(0)
	if e, ok := v.(ReplyError); ok && err == nil {
		return nil, e
	}
	return v, err
}

// maxDepth of nested arrays; no command asks for more.
const maxDepth = 8

func (c *Conn) value(depth int) (any, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' || depth > maxDepth {
		return nil, fmt.Errorf("%w: %q", errReply, line)
	}
	kind, rest := line[0], line[1:len(line)-2]
	switch kind {
	case '+':
		return rest, nil
	case '-':
		return ReplyError(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", errReply, line)
	}
	switch kind {
	case ':':
		return n, nil
	case '$':
		return c.bulk(n)
	case '*':
		return c.array(n, depth)
	}
	return nil, fmt.Errorf("%w: %q", errReply, line)
}

func (c *Conn) bulk(n int64) (any, error) {
	if n < 0 {
		return nil, nil
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return nil, err
	}
	return string(b[:n]), nil
}

func (c *Conn) array(n int64, depth int) (any, error) {
	if n < 0 {
		return nil, nil
	}
	list := make([]any, 0, min(n, 1024))
	for range n {
		v, err := c.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}
