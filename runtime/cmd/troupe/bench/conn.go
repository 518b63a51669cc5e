package bench

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	hdrhistogram "github.com/HdrHistogram/hdrhistogram-go"
)

// Bounds of the latencies that are told apart, in nanoseconds; three significant digits between them.
const (
	lowestLatency  = 100
	highestLatency = int64(60 * time.Second)
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(lowestLatency, highestLatency, 3)
}

// conn is one connection and all that its goroutine needs, so that a batch allocates nothing.
type conn struct {
	net     net.Conn
	out     []byte // the batch being built
	in      []byte
	replies replies
	random  *rand.Rand
	latency *hdrhistogram.Histogram
	value   []byte // "$100\r\n<100 bytes>\r\n"
	done    atomic.Int64
	misses  int64 // of the measured batches
}

// dial connects, authenticates and selects the keyspace.
func dial(ctx context.Context, p *Plan, number int, value []byte) (*conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.Target)
	if err != nil {
		return nil, err
	}
	n := &conn{
		net: c, value: value, in: make([]byte, 64<<10), latency: newHistogram(),
		random:  newRandom(p.Seed, uint64(number)),
		replies: replies{line: make([]byte, 0, maxLine)},
	}
	if err := n.greet(ctx, p); err != nil {
		c.Close()
		return nil, err
	}
	return n, nil
}

func (c *conn) greet(ctx context.Context, p *Plan) error {
	defer context.AfterFunc(ctx, func() { c.net.Close() })()
	for _, words := range [][2]string{{"AUTH", p.Password}, {"SELECT", p.Keyspace}} {
		if words[1] == "" {
			continue
		}
		c.out = appendWord(appendWord(append(c.out[:0], "*2\r\n"...), words[0]), words[1])
		if err := c.exchange(1, nil); err != nil {
			return fmt.Errorf("%s: %w", words[0], err)
		}
		if c.replies.failed > 0 {
			return fmt.Errorf("%s %s is refused: %s", p.Target, words[0], c.replies.first)
		}
	}
	return nil
}

func appendWord(dst []byte, s string) []byte {
	dst = append(strconv.AppendInt(append(dst, '$'), int64(len(s)), 10), "\r\n"...)
	return append(append(dst, s...), "\r\n"...)
}

// The fixed beginnings of both commands, up to the key's digits.
const (
	getHead = "*2\r\n$3\r\nGET\r\n$16\r\nkey:"
	setHead = "*3\r\n$3\r\nSET\r\n$16\r\nkey:"
)

// build fills out with n commands on keys chosen at random.
func (c *conn) build(n, keys, reads int) {
	c.out = c.out[:0]
	for range n {
		if reads == 100 || reads > 0 && c.random.IntN(100) < reads {
			c.out = appendKey(append(c.out, getHead...), c.random.IntN(keys))
		} else {
			c.set(c.random.IntN(keys))
		}
	}
}

// set appends SET of the key with this number.
func (c *conn) set(key int) {
	c.out = append(appendKey(append(c.out, setHead...), key), c.value...)
}

// appendKey appends twelve digits and CRLF.
func appendKey(dst []byte, key int) []byte {
	var digits [14]byte
	digits[12], digits[13] = '\r', '\n'
	for i := 11; i >= 0; i-- {
		digits[i] = byte('0' + key%10)
		key /= 10
	}
	return append(dst, digits[:]...)
}

// exchange writes out and reads until n replies came. Latencies go to record, unless it is nil.
func (c *conn) exchange(n int64, record *hdrhistogram.Histogram) error {
	start := time.Now()
	if _, err := c.net.Write(c.out); err != nil {
		return err
	}
	for n > 0 {
		got, err := c.net.Read(c.in)
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		ended, err := c.replies.feed(c.in[:got])
		if err != nil {
			return err
		}
		if n -= ended; n < 0 {
			return fmt.Errorf("%w: more replies than commands", ErrProtocol)
		}
		if record != nil && ended > 0 {
			// A value beyond the bounds is counted at the bound: it cannot fail there.
			_ = record.RecordValues(min(int64(time.Since(start)), highestLatency), ended)
		}
	}
	return nil
}

func newRandom(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
