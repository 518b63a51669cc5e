package transport

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	goruntime "runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/troupe-actors/troupe/shards"
)

// raw connections that speak anything but the protocol end, and nobody else notices.
func TestMalformedPeers(t *testing.T) {
	ours := newAuthority(t)
	for _, mode := range []string{"plain", "TLS"} {
		t.Run(mode, func(t *testing.T) {
			change := func(c *Config) { c.Timeout = 500 * time.Millisecond }
			if mode == "TLS" {
				secured := ours.config(t)
				plain := change
				change = func(c *Config) { plain(c); secured(c) }
			}
			a, b := sockets.start(t, "a", 1, change), sockets.start(t, "b", 1, change)
			a.up(t, b)
			random := rand.New(rand.NewPCG(1, 2))
			noise := make([]byte, 4096)
			for i := range noise {
				noise[i] = byte(random.Uint32())
			}
			preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			for _, text := range []string{
				"", "GET / HTTP/1.1\r\n\r\n", "*1\r\n$4\r\nPING\r\n", string(noise), preface, preface + string(noise),
				preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + string(noise),
				preface + "\xff\xff\xff\x01\x04\x00\x00\x00\x01",
			} {
				c, err := net.Dial("tcp", b.Address())
				if err != nil {
					t.Fatal(err)
				}
				if mode == "TLS" && len(text) > 100 {
					certificate := ours.sign(t, 9)
					c = tls.Client(c, &tls.Config{Certificates: []tls.Certificate{*certificate}, RootCAs: ours.pool, ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
				}
				c.SetDeadline(time.Now().Add(time.Minute))
				c.Write([]byte(text))
				if n, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%.20q: still there after a minute, %d bytes", text, n)
				}
				c.Close()
			}
			if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil || len(a.changes) != 0 {
				t.Errorf("a good peer beside them: %v, %d changes", err, len(a.changes))
			}
		})
	}
}

// A peer that is admitted and then sends nonsense harms nobody, itself included: its next good frame is read.
func TestMalformedFramesPoisonNothing(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a, b := pair(t, l)
		control := (*a.links.Load())["b"].lanes[Control]
		calls := (*a.links.Load())["b"].lanes[Call]
		random := rand.New(rand.NewPCG(3, 4))
		raw := func(to *lane, text []byte) {
			if err := to.stream.send(mem.BufferSlice{mem.SliceBuffer(text)}); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			noise := make([]byte, random.IntN(2*flatBytes)+1)
			for i := range noise {
				noise[i] = byte(random.Uint32())
			}
			if noise[0] == byte(formMessage) && len(noise) > headBytes { // would be a message
				continue
			}
			raw(control, noise)
			raw(calls, noise)
		}
		long := (&frame{form: formMessage, kind: KindRaft}).appendHead(nil, 0)
		binary.LittleEndian.PutUint32(long[4:], 0xffffffff)
		raw(control, long)
		for _, f := range []frame{
			{form: formHello, body: []byte("again")}, {form: formAnswer, id: 7}, {form: formRequest, kind: KindQuery}, {form: 77},
			{form: formMessage, kind: KindHeartbeat, more: true, body: []byte("its end never comes")},
		} {
			raw(control, append(f.appendHead(nil, len(f.body)), f.body...))
		}
		raw(calls, (&frame{form: formCancel, id: 12345}).appendHead(nil, 0))
		raw(calls, (&frame{form: formMessage, kind: KindRaft}).appendHead(nil, 0))
		if err := a.Send("b", Control, KindRaft, []byte("good")); err != nil {
			t.Fatal(err)
		}
		for i := 1; ; i++ {
			if got := b.received(t, i); got[i-1] == "good" {
				break
			}
		}
		if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
			t.Errorf("a call after nonsense: %v", err)
		}
		if c := b.Counts(); c.Malformed < 100 || c.Unknown < 5 || len(a.changes) != 0 {
			t.Errorf("%+v, %d changes", c, len(a.changes))
		}
	})
}

func TestWrongIntroductions(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		a := l.start(t, "a", 1)
		b := l.start(t, "b", 1, func(c *Config) { c.Timeout = 200 * time.Millisecond })
		good := introduction{purpose: Control, window: leastWindow, hello: a.self()}
		bad := good
		bad.hello.Node = ""
		small := good
		small.window = 1
		for _, f := range []*frame{
			{form: formMessage, kind: KindRaft, body: []byte("no introduction at all")},
			{form: formHello, body: []byte("?")},
			{form: formHello, body: bad.encode()},
			{form: formHello, body: small.encode()},
			{form: formHello, body: good.encode()[:20]},
			{form: formHello, body: make([]byte, 2*flatBytes)},
			nil,
		} {
			c, err := a.carrier.dial(soon(t), b.Address())
			if err != nil {
				t.Fatal(err)
			}
			s, err := c.open()
			if err != nil {
				t.Fatal(err)
			}
			if f != nil {
				if err := s.send(single(f)); err != nil {
					t.Fatal(err)
				}
			}
			if message, err := s.recv(); err == nil {
				t.Errorf("%+v was answered with %d bytes", f, message.Len())
			}
			c.close()
		}
		if len(b.got) != 0 {
			t.Errorf("received %q", b.got)
		}
		if n := b.log.count("does not introduce itself"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

func TestGoroutinesStayFlat(t *testing.T) {
	lands(t, func(t *testing.T, l land) {
		b := l.start(t, "b", 1)
		addr := b.Address()
		b.Close()
		dead := make(chan struct{}, 1000)
		a := l.start(t, "a", 1, func(c *Config) {
			c.Refused = func(err error) bool { dead <- struct{}{}; return refused(err) }
		})
		settle := func() int { goruntime.GC(); return goruntime.NumGoroutine() }
		ends := func(most int, what string) { // what has ended may take a little to be gone, on either side
			t.Helper()
			limit := time.After(time.Minute)
			for settle() > most {
				select {
				case <-limit:
					t.Fatalf("%d goroutines should be %d at most after 200 %s", settle(), most, what)
				case <-time.After(time.Millisecond):
				}
			}
		}
		for range 5 {
			a.Probe(soon(t), addr)
		}
		before := settle()
		for range 200 {
			if _, err := a.Probe(soon(t), addr); !errors.Is(err, ErrRefused) {
				t.Fatal(err)
			}
		}
		ends(before+5, "dials of a dead peer")
		c := l.start(t, "c", 1)
		before = settle()
		for range 200 {
			if _, err := a.Probe(soon(t), c.Address()); err != nil {
				t.Fatal(err)
			}
		}
		ends(before+10, "visits")
	})
}

func TestRefusedIsTheSystemsRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = net.Dial("tcp", l.Addr().String())
	if !refused(err) {
		t.Errorf("%v is not taken for a refusal", err)
	}
	if goruntime.GOOS != "windows" && !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v is no refusal", err)
	}
	for _, other := range []error{
		nil, io.EOF, errors.New("connection refused"),
		&net.OpError{Op: "read", Err: syscall.ECONNREFUSED}, &net.OpError{Op: "dial", Err: syscall.ETIMEDOUT},
		&net.OpError{Op: "dial", Err: &net.DNSError{Err: "connection refused by name server"}},
	} {
		if refused(other) {
			t.Errorf("%v is taken for a refusal", other)
		}
	}
}

func FuzzFrames(f *testing.F) {
	whole := func(frames ...frame) []byte {
		var b []byte
		for _, x := range frames {
			b = append(x.appendHead(b, len(x.body)), x.body...)
		}
		return b
	}
	f.Add(whole(frame{form: formMessage, kind: KindRaft, body: []byte("x")}, frame{form: formGrant, id: 9}))
	f.Add(whole(frame{form: formRequest, kind: KindForward, id: 3, budget: 7, body: []byte("request")}))
	f.Add(whole(frame{form: formMessage, more: true, body: []byte("1")}, frame{form: formMessage, body: []byte("2")}))
	f.Add([]byte{1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, text []byte) {
		collect := func(pieces mem.BufferSlice) (all []frame, left int, err error) {
			size := 0
			left, err = unpack(pieces, func(x *frame, n int) { all = append(all, *x); size += n })
			if size+left != len(text) {
				t.Fatalf("%d bytes of frames and %d left of %d", size, left, len(text))
			}
			return all, left, err
		}
		flat, left, err := collect(mem.BufferSlice{mem.SliceBuffer(text)})
		if (err != nil) != (left > 0) {
			t.Fatalf("%v with %d bytes left", err, left)
		}
		var again []byte
		for _, x := range flat {
			again = append(x.appendHead(again, len(x.body)), x.body...)
		}
		if len(again) != len(text)-left {
			t.Fatalf("%d bytes became %d", len(text)-left, len(again))
		}
		// The same bytes in a message beyond flatBytes take the other way.
		filler := frame{form: 99, body: make([]byte, flatBytes)}
		split := mem.BufferSlice{mem.SliceBuffer(whole(filler)[:headBytes+9]), mem.SliceBuffer(filler.body[9:])}
		for rest := text; len(rest) > 0; rest = rest[min(len(rest), 7):] {
			split = append(split, mem.SliceBuffer(rest[:min(len(rest), 7)]))
		}
		var pieces []frame
		if _, err2 := unpack(split, func(x *frame, _ int) { pieces = append(pieces, *x) }); (err2 == nil) != (err == nil) || len(pieces) != len(flat)+1 {
			t.Fatalf("in one piece: %v, %d frames; in several: %v, %d", err, len(flat), err2, len(pieces)-1)
		}
		intakeOf(t, text)
	})
}

// intakeOf feeds an intake, which must not panic and must return all credit but that of the chunks it waits for.
func intakeOf(t *testing.T, text []byte) {
	var counted counters
	in := &intake{
		back: newLane(&memoryStream{}, leastWindow, func(error) {}), window: 1 << 30, maxBody: 1 << 10, counted: &counted,
		deaf: never, lost: never, tooLong: func(*frame) {},
		dispatch: func(f *frame, _ int) bool {
			if len(f.body) > 1<<10 {
				t.Fatalf("a body of %d bytes", len(f.body))
			}
			return false
		},
	}
	in.take(mem.BufferSlice{mem.SliceBuffer(text)})
	if int(in.consume.Load()) > len(text) {
		t.Fatalf("%d bytes granted of %d", in.consume.Load(), len(text))
	}
}

func FuzzIntroduction(f *testing.F) {
	i := introduction{purpose: Bulk, window: leastWindow, hello: Hello{Format: 1, Cluster: "c", Node: "n", Epoch: 3, Name: "x", Address: "y:1", Release: "v0"}, reason: "r"}
	f.Add(i.encode())
	f.Add([]byte{0x9a, 0xcf})
	f.Fuzz(func(t *testing.T, body []byte) {
		i, err := decodeIntroduction(body, 1)
		if err != nil || i.hello.Format > 1 {
			return
		}
		again, err := decodeIntroduction(i.encode(), 1)
		if err != nil || again != i {
			t.Fatalf("%+v came back as %+v, %v", i, again, err)
		}
	})
}

func FuzzFailure(f *testing.F) {
	f.Add(encodeFailure(&shards.NotPrimaryError{Shard: 3, Primary: "n", Term: 4}))
	f.Add(encodeFailure(&shards.Error{Kind: shards.KindFull, Shard: "a/1", Err: errors.New(strings.Repeat("x", 9000))}))
	f.Fuzz(func(t *testing.T, body []byte) {
		if decodeFailure(body) == nil {
			t.Fatal("no error")
		}
	})
}
