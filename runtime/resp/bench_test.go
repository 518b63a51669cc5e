package resp

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// loop is a connection whose client always sends the same bytes and takes every reply at once.
type loop struct {
	net.Conn
	send  []byte
	turns int
	took  int
}

func (l *loop) Read(p []byte) (int, error) {
	if l.turns--; l.turns < 0 {
		return 0, net.ErrClosed
	}
	return copy(p, l.send), nil
}

func (l *loop) Write(p []byte) (int, error) { l.took += len(p); return len(p), nil }
func (l *loop) Close() error                { return nil }
func (l *loop) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (l *loop) LocalAddr() net.Addr         { return &net.TCPAddr{} }

// BenchmarkCommand is one command from its bytes to its reply's: parser, table, batch, store, reply; no socket.
func BenchmarkCommand(b *testing.B) {
	const value = 100
	for _, pipeline := range []int{1, 16} {
		for _, name := range []string{"PING", "GET", "SET"} {
			b.Run(fmt.Sprintf("%s/pipeline=%d", name, pipeline), func(b *testing.B) {
				backend := newLocalBackend(16, "default")
				s, err := New(backend, Config{})
				if err != nil {
					b.Fatal(err)
				}
				var send []byte
				for i := range pipeline {
					key := fmt.Sprintf("key:%012d", i)
					call := &Call{Slot: 0, Sink: discard{}, Txn: store.Txn{Ops: []store.Op{{Kind: store.OpSet, Key: []byte(key), Value: make([]byte, value)}}}}
					call.Slot, _ = table["get"].slot([][]byte{nil, []byte(key)})
					backend.Do(context.Background(), 0, []*Call{call})
					switch name {
					case "GET":
						send = append(send, encode(name, key)...)
					case "SET":
						send = append(send, encode(name, key, string(bytes.Repeat([]byte("v"), value)))...)
					default:
						send = append(send, encode(name)...)
					}
				}
				l := &loop{send: send, turns: b.N/pipeline + 1}
				c := &conn{s: s, nc: l, authed: true}
				c.in = parser{buf: make([]byte, busyBuffer), limits: &s.config}
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N/pipeline + 1 {
					n, _ := l.Read(c.in.room(idleBuffer))
					c.in.tail += n
					c.turn()
				}
				b.StopTimer()
				if l.took == 0 {
					b.Fatal("no reply")
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if err := s.Close(ctx); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkParse is the parser alone on SET key value with 100 bytes.
func BenchmarkParse(b *testing.B) {
	stream := []byte(encode("SET", "key:000000000001", string(bytes.Repeat([]byte("v"), 100))))
	p := parser{buf: append([]byte{}, stream...), limits: limitsForTests()}
	var args [][]byte
	b.ReportAllocs()
	for b.Loop() {
		p.head, p.pos, p.tail = 0, 0, len(stream)
		args, _, _ = p.next(args[:0])
	}
	if len(args) != 3 {
		b.Fatal(args)
	}
}
