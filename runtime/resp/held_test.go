package resp

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// crowded is a server in a bubble, whose clients may hold two megabytes together.
type crowded struct {
	t *testing.T
	s *Server
}

func inACrowd(t *testing.T, test func(c crowded)) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(newLocalBackend(4, "default"), Config{BatchReply: 1 << 20, Limits: Limits{MaxMemory: 2 << 20, MaxRequest: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // which comes after those of the clients
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
			if held, _, _ := s.Held(); held != 0 {
				t.Errorf("%d bytes are held by nobody", held)
			}
		})
		test(crowded{t, s})
	})
}

// join is a new client.
func (c crowded) join() net.Conn {
	near, far := net.Pipe()
	c.s.accept(far)
	c.t.Cleanup(func() { near.Close() })
	return near
}

// send writes, and waits until the server has done with it what it can.
func (c crowded) send(to net.Conn, text string) {
	c.t.Helper()
	synctest.Wait()
	if _, err := io.WriteString(to, text); err != nil {
		c.t.Error(err)
	}
	synctest.Wait()
	if held, limit, _ := c.s.Held(); held > limit+freeBytes { // a message that is free goes its way
		c.t.Errorf("%d bytes are held, of %d", held, limit)
	}
}

// line reads one line of a reply.
func (c crowded) line(from net.Conn) string {
	c.t.Helper()
	var line []byte
	for one := make([]byte, 1); len(line) == 0 || one[0] != '\n'; line = append(line, one[0]) {
		if _, err := from.Read(one); err != nil {
			c.t.Fatalf("after %q: %v", line, err)
		}
	}
	return strings.TrimSpace(string(line))
}

func (c crowded) ask(conn net.Conn, want string, words ...string) {
	c.t.Helper()
	c.send(conn, encode(words...))
	if got := c.line(conn); got != want {
		c.t.Errorf("%.40q is answered %.80q, want %q", words, got, want)
	}
}

// read reads a reply of several lines.
func (c crowded) read(from net.Conn, want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		c.t.Errorf("read %.80q (%v), want %.80q", got, err, want)
	}
}

const heldText = "-" + string(errHeld)

// TestUnfinishedCommandsAreBoundedTogether: each of the clients may send what it sends, and all of them may not.
func TestUnfinishedCommandsAreBoundedTogether(t *testing.T) {
	inACrowd(t, func(c crowded) {
		const clients, size = 6, 900 << 10
		whole := encode("SET", "k", strings.Repeat("v", size))
		var all []net.Conn
		for range clients {
			all = append(all, c.join())
			c.send(all[len(all)-1], whole[:size])
		}
		small := c.join()
		c.ask(small, "+OK", "SET", "small", strings.Repeat("v", 10<<10))
		kept := 0
		for _, conn := range all {
			c.send(conn, whole[size:])
			switch got := c.line(conn); got {
			case "+OK":
				kept++
			case heldText:
			default:
				t.Errorf("answered %q", got)
			}
			c.ask(conn, "+PONG", "PING") // it is in step
			conn.Close()
		}
		if kept == 0 || kept > 2 {
			t.Errorf("%d commands of %d bytes were kept", kept, size)
		}
		c.ask(small, "+OK", "SET", "k", strings.Repeat("v", size))
		small.Close()
	})
}

// TestWhoDoesNothingMakesRoom: those that hold the pool and go no further are closed once others are refused, and not before; also those that listen
// besides.
func TestWhoDoesNothingMakesRoom(t *testing.T) {
	const size = 900 << 10
	whole := encode("SET", "k", strings.Repeat("v", size))
	for name, begun := range map[string]string{
		"a command": whole[:size], "a command of one who listens": encode("SUBSCRIBE", "c") + whole[:size],
		"a transaction of one who listens": encode("HELLO", "3") + encode("SUBSCRIBE", "c") + encode("MULTI") + encode("SET", "k", strings.Repeat("v", size/2)),
	} {
		t.Run(name, func(t *testing.T) { inACrowd(t, func(c crowded) { c.makesRoom(begun, whole) }) })
	}
}

// makesRoom has one client begin something and go no further, and another one send a command that there is no room for meanwhile.
func (c crowded) makesRoom(begun, whole string) {
	t := c.t
	lazy, small, other, listener := c.join(), c.join(), c.join(), c.join()
	for i := range 16 { // he holds the most, is well, and has nothing to send
		name := fmt.Sprint(strings.Repeat("n", 60<<10), i)
		c.send(listener, encode("SUBSCRIBE", name))
		c.read(listener, string(confirmation("subscribe", &name, i+1, false)))
	}
	closed := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, lazy); closed <- err }()
	c.send(lazy, begun)
	c.send(small, "*2\r\n$3\r\nGET\r\n$100\r\n")
	<-time.After(time.Minute)
	if n, _ := c.s.Load(); n != 4 {
		t.Fatalf("%d connections are left while nobody needs room", n)
	}
	c.send(other, whole)
	if got := c.line(other); got != heldText {
		t.Fatalf("answered %q", got)
	}
	select {
	case err := <-closed:
		if err != nil {
			t.Errorf("who does nothing reads %v", err)
		}
	case <-time.After(2 * sweepInterval):
		t.Error("who does nothing is not closed")
	}
	c.ask(other, "+OK", "SET", "k", strings.Repeat("v", 900<<10))
	if n, _ := c.s.Load(); n != 3 {
		t.Errorf("%d connections are left", n)
	}
	for _, conn := range []net.Conn{lazy, small, other, listener} {
		conn.Close()
	}
}

// TestWhoNeedsMuchGetsRoom, more than a quarter of the pool.
func TestWhoNeedsMuchGetsRoom(t *testing.T) {
	inACrowd(t, func(c crowded) {
		for range 6 {
			c.send(c.join(), encode("SET", "k", strings.Repeat("v", 300<<10))[:300<<10])
		}
		<-time.After(time.Minute)
		other, large := c.join(), strings.Repeat("v", 900<<10)
		got := heldText
		for tries := 0; got == heldText && tries < 4; tries++ { // each comes further, for buffers double
			c.send(other, encode("SET", "k", large))
			got = c.line(other)
			<-time.After(2 * sweepInterval)
		}
		if n, _ := c.s.Load(); got != "+OK" || n < 3 {
			t.Errorf("answered %q; %d connections are left of 7", got, n)
		}
		other.Close()
	})
}

// TestRepliesOfExecAreBounded, those of commands on no key and small values too; what was done is told.
func TestRepliesOfExecAreBounded(t *testing.T) {
	inACrowd(t, func(c crowded) {
		const each = 100
		conn := &client{t: t, nc: c.join()}
		conn.do("SET", "{a}small", strings.Repeat("v", 1000))
		docs := int64(len(conn.do("COMMAND", "DOCS")))
		conn.do("MULTI")
		for range each {
			for _, words := range [][]string{{"GET", "{a}small"}, {"COMMAND", "DOCS"}, {"INCR", "{a}n"}} {
				if got := conn.do(words...); got != "+QUEUED\r\n" {
					t.Fatalf("%q is answered %q", words, got)
				}
			}
		}
		lazy := c.join()
		c.send(lazy, encode("SET", "k", strings.Repeat("v", 900<<10))[:900<<10])
		conn.send(encode("EXEC"))
		synctest.Wait()
		held, limit, refused := c.s.Held()
		if held < limit-docs || held > limit+each*int64(len(heldText)) || refused == 0 {
			t.Errorf("%d bytes are held of %d, with the replies of EXEC; refused %d times", held, limit, refused)
		}
		reply := conn.reply()
		if !strings.Contains(reply, heldText) || strings.Count(reply, "\r\n:100\r\n") != 1 {
			t.Errorf("EXEC is answered %.300q", reply)
		}
		conn.nc.Close()
		lazy.Close()
	})
}

// TestShorterRepliesAreNotRefused: one that is less than what was counted for it, as that of LCS, gives back, however much others hold.
func TestShorterRepliesAreNotRefused(t *testing.T) {
	p := &pool{limit: 1 << 20}
	p.held.Store(2 << 20)
	q := &request{cmd: &nothing, budget: &budget{account: &account{pool: p}, tally: &tally{}}}
	q.budget.force(200 << 10)
	q.counted, q.out = 200<<10, make([]byte, 50<<10)
	if q.settle(1 << 20); len(q.out) != 50<<10 || p.refused.Load() != 0 {
		t.Errorf("the reply has %d bytes; refused %d times", len(q.out), p.refused.Load())
	}
	if held := p.held.Load(); held != 2<<20+50<<10-freeBytes {
		t.Errorf("%d bytes are held", held)
	}
}

// TestWhatIsTakenAwayIsReplied, however long the replies before it are; others become errors.
func TestWhatIsTakenAwayIsReplied(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(4, "default"), Config{Limits: Limits{MaxReply: 1 << 20}})
	c, value := dial(t, addr), strings.Repeat("v", 600<<10)
	whole := string(appendBulk(nil, value))
	var pipeline string
	for i := range 5 {
		c.do("SET", fmt.Sprint("{a}", i), value)
		pipeline += encode("GETDEL", fmt.Sprint("{a}", i))
	}
	c.send(pipeline)
	for i := range 5 {
		if got := c.reply(); got != whole {
			t.Errorf("GETDEL %d is answered %.80q", i, got)
		}
	}
	c.do("SET", "{a}1", value)
	c.do("MULTI")
	for _, words := range [][]string{{"GET", "{a}1"}, {"GETSET", "{a}1", "x"}, {"SET", "{a}1", value, "GET"}, {"COMMAND", "DOCS"}, {"GETDEL", "{a}1"}} {
		c.do(words...)
	}
	want := "*5\r\n" + whole + whole + "$1\r\nx\r\n-" + string(errLongReply) + "\r\n" + whole
	if got := c.do("EXEC"); got != want {
		t.Errorf("EXEC is answered %d bytes, %.40q … %.300q; want %d", len(got), got, got[max(len(got)-700<<10, 0):], len(want))
	}
}

// TestRepliesBehindOneThatIsPutOffCount while the client takes those before.
func TestRepliesBehindOneThatIsPutOffCount(t *testing.T) {
	inACrowd(t, func(c crowded) {
		conn, value := c.join(), strings.Repeat("v", 600<<10)
		c.ask(conn, "+OK", "SET", "k", value)
		<-time.After(5 * sweepInterval) // it gives up its buffer
		const each = 10
		c.send(conn, encode("GET", "k")+encode("GET", "k")+strings.Repeat(encode("COMMAND", "DOCS"), each))
		whole := string(appendBulk(nil, value))
		c.read(conn, whole)
		synctest.Wait()
		held, _, _ := c.s.Held()
		c.read(conn, whole)
		rest := &client{t: t, nc: conn}
		docs := int64(len(rest.reply()))
		if want := int64(len(value)) + each*docs - freeBytes; held < want {
			t.Errorf("%d bytes are held, want %d", held, want)
		}
		conn.Close()
	})
}

// TestWhatWaitsForExecIsBounded in the same way.
func TestWhatWaitsForExecIsBounded(t *testing.T) {
	inACrowd(t, func(c crowded) {
		first, second := c.join(), c.join()
		value := strings.Repeat("v", 450<<10)
		for _, conn := range []net.Conn{first, second} {
			c.ask(conn, "+OK", "MULTI")
		}
		c.ask(first, "+QUEUED", "SET", "{a}1", value)
		c.ask(first, "+QUEUED", "SET", "{a}2", value)
		c.ask(second, heldText, "SET", "k", value)
		c.ask(second, "-EXECABORT Transaction discarded because of previous errors.", "EXEC")
		c.send(first, encode("EXEC"))
		for _, want := range []string{"*2", "+OK", "+OK"} {
			if got := c.line(first); got != want {
				t.Errorf("EXEC is answered %q, want %q", got, want)
			}
		}
		c.ask(second, "+OK", "SET", "k", value)
		key := strings.Repeat("k", 60000)
		for i := 0; ; i++ {
			c.send(first, encode("WATCH", fmt.Sprint("{a}", i, key)))
			if got := c.line(first); got == heldText || got == "-"+string(errManyKeys) {
				break
			} else if got != "+OK" || i > 20 {
				t.Fatalf("WATCH %d is answered %q", i, got)
			}
		}
		c.ask(first, "+OK", "UNWATCH")
		first.Close()
		second.Close()
	})
}

// TestRepliesThatAreNotTakenAreBounded, but a value that is nowhere else any more is not lost.
func TestRepliesThatAreNotTakenAreBounded(t *testing.T) {
	inACrowd(t, func(c crowded) {
		value := strings.Repeat("v", 600<<10)
		writer := c.join()
		c.ask(writer, "+OK", "SET", "k", value)
		c.ask(writer, "+OK", "SET", "once", value[:10<<10])
		var slow []net.Conn
		for range 8 {
			slow = append(slow, c.join())
			c.send(slow[len(slow)-1], encode("GET", "k"))
		}
		c.ask(writer, "$10240", "GETDEL", "once")
		if _, err := io.ReadFull(writer, make([]byte, 10242)); err != nil {
			t.Error(err)
		}
		given := 0
		for _, conn := range slow {
			switch got := c.line(conn); got {
			case fmt.Sprintf("$%d", len(value)):
				given++
				if _, err := io.ReadFull(conn, make([]byte, len(value)+2)); err != nil {
					t.Error(err)
				}
			case heldText:
			default:
				t.Errorf("answered %.80q", got)
			}
			conn.Close()
		}
		if given == 0 || given > 4 {
			t.Errorf("%d replies of %d bytes were held", given, len(value))
		}
		writer.Close()
	})
}

// TestMessagesCountOnce for all who wait for them, and who has many waiting is cut off when there is no room.
func TestMessagesCountOnce(t *testing.T) {
	inACrowd(t, func(c crowded) {
		publisher := c.join()
		var listeners []net.Conn
		for range 5 {
			l := c.join()
			listeners = append(listeners, l)
			c.send(l, encode("SUBSCRIBE", "c"))
			for _, want := range []string{"*3", "$9", "subscribe", "$1", "c", ":1"} {
				if got := c.line(l); got != want {
					t.Fatalf("SUBSCRIBE: %q, want %q", got, want)
				}
			}
		}
		message := strings.Repeat("m", 400<<10)
		for range 3 {
			c.ask(publisher, ":5", "PUBLISH", "c", message)
		}
		if held, _, _ := c.s.Held(); held < 3*400<<10 || held > 4*400<<10 {
			t.Errorf("three messages of 400 KiB for five clients are %d bytes", held)
		}
		for range 6 {
			c.send(publisher, encode("PUBLISH", "c", message))
			c.line(publisher)
		}
		<-time.After(sweepInterval)
		if n, _ := c.s.Load(); n != 1 {
			t.Errorf("%d of 5 slow subscribers are left", n-1)
		}
		name := strings.Repeat("n", 20<<10)
		for i := 0; ; i++ {
			c.send(publisher, encode("SUBSCRIBE", fmt.Sprint(name, i)))
			got := c.line(publisher)
			if got == heldText && i > 60 {
				break
			} else if got != "*3" || i > 120 {
				t.Fatalf("SUBSCRIBE %d is answered %.80q", i, got)
			}
			whole := fmt.Sprint(name, i)
			c.read(publisher, strings.TrimPrefix(string(confirmation("subscribe", &whole, i+1, false)), "*3\r\n"))
		}
		for _, l := range append(listeners, publisher) {
			l.Close()
		}
	})
}

// TestParserSkipsWhatItCannotKeep, wherever the reads end, and is in step behind it.
func TestParserSkipsWhatItCannotKeep(t *testing.T) {
	long := encode("SET", "k", strings.Repeat("v", 100<<10), "EX", "10")
	many := encode(append([]string{"MGET"}, strings.Split(strings.Repeat("k,", 10000), ",")...)...)
	stream := encode("GET", "a") + long + "PING\r\n" + many + encode("GET", "b") + long
	want := `["GET" "a"] held ["PING"] held ["GET" "b"] held`
	for _, step := range []int{3, 100, 4096, 50_000, 1 << 20} {
		p := &pool{limit: 16 << 10}
		own := &account{pool: p}
		in := parser{buf: make([]byte, 512), limits: limitsForTests(), held: holding{account: own}}
		var got []string
		for rest := stream; rest != ""; {
			room := in.room(256)
			n := copy(room[:min(len(room), step)], rest)
			in.tail += n
			rest = rest[n:]
			for {
				args, ok, err := in.next(nil)
				if err == errHeld {
					got = append(got, "held")
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				got = append(got, fmt.Sprintf("%q", args))
			}
			if held := p.held.Load(); held > p.limit || int64(len(in.buf)) > held+freeBytes {
				t.Fatalf("%d bytes are counted, and the buffer has %d", held, len(in.buf))
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("reads of %d bytes: %.200s, want %s", step, text, want)
		}
		if in.reset(512); p.held.Load() != 0 || own.held.Load() != 0 {
			t.Errorf("%d bytes are held by nobody", p.held.Load())
		}
	}
}
