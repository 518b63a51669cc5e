package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// responder is a server of GET, SET, AUTH and SELECT over a map: enough of the protocol for the client to be true.
type responder struct {
	net.Listener
	password string
	mu       sync.Mutex
	keys     map[string]string
	commands map[string]int
}

func respond(t *testing.T, password string) *responder {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &responder{Listener: l, password: password, keys: map[string]string{}, commands: map[string]int{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return r
}

func (r *responder) serve(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReader(c), bufio.NewWriter(c)
	for {
		words, err := command(in)
		if err != nil {
			return
		}
		out.WriteString(r.answer(words))
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

func command(in *bufio.Reader) ([]string, error) {
	n, err := length(in, '*')
	words := make([]string, n)
	for i := range words {
		size, err := length(in, '$')
		if err != nil {
			return nil, err
		}
		p := make([]byte, size+2)
		if _, err := io.ReadFull(in, p); err != nil {
			return nil, err
		}
		words[i] = string(p[:size])
	}
	return words, err
}

func length(in *bufio.Reader, mark byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || line[0] != mark {
		return 0, errors.Join(err, fmt.Errorf("%q", line))
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

func (r *responder) answer(words []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands[words[0]]++
	switch words[0] {
	case "SET":
		r.keys[words[1]] = words[2]
	case "GET":
		v, ok := r.keys[words[1]]
		if !ok {
			return "$-1\r\n"
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
	case "AUTH":
		if words[1] != r.password {
			return "-WRONGPASS no\r\n"
		}
	}
	return "+OK\r\n"
}

func TestRequestsAreSentOnceEach(t *testing.T) {
	s := respond(t, "secret")
	p := &Plan{
		Target: s.Addr().String(), Password: "secret", Keyspace: "cache",
		Connections: 3, Pipeline: 16, ValueSize: 33, Keys: 50, Requests: 4800,
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Fill(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	if len(s.keys) != 50 || len(s.keys["key:000000000049"]) != 33 {
		t.Fatalf("filled %d keys, value of %d bytes", len(s.keys), len(s.keys["key:000000000049"]))
	}
	r, err := Run(t.Context(), p, Mix{"80:20", 80}, 0, func(int64, time.Duration) {})
	if err != nil {
		t.Fatal(err)
	}
	if r.Ops != 4800 || r.Misses != 0 || r.Failed != 0 || r.Latency.TotalCount() != 4800 || len(s.keys) != 50 {
		t.Errorf("%d commands, %d misses, %d errors, %d keys", r.Ops, r.Misses, r.Failed, len(s.keys))
	}
	if s.commands["AUTH"] != 6 || s.commands["SELECT"] != 6 {
		t.Errorf("commands: %v", s.commands)
	}
}

func TestReadsOfAbsentKeysAreCounted(t *testing.T) {
	s := respond(t, "")
	p := &Plan{Target: s.Addr().String(), Connections: 1, Requests: 100, Pipeline: 10}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), p, Mix{"get", 100}, 0, nil)
	if err != nil || r.Misses != r.Ops || r.Ops != 100 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestDurationEndsARunAndCancelToo(t *testing.T) {
	s := respond(t, "")
	p := &Plan{Target: s.Addr().String(), Connections: 2, Duration: 30 * time.Millisecond, Warmup: time.Millisecond}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for ops := int64(0); ops == 0; p.Duration *= 2 { // on a busy machine nothing may come of the first times
		r, err := Run(t.Context(), p, Mix{"set", 0}, 0, nil)
		if err != nil || r.Elapsed < p.Duration || p.Duration > time.Minute {
			t.Fatalf("%+v, %v", r, err)
		}
		ops = r.Ops
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.Duration = time.Hour
	var once sync.Once
	_, err := Run(ctx, p, Mix{"set", 0}, 0, func(int64, time.Duration) { once.Do(cancel) })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled run gave %v", err)
	}
}

func TestRefusalsNameTheServer(t *testing.T) {
	s := respond(t, "secret")
	p := &Plan{Target: s.Addr().String(), Password: "wrong", Connections: 1}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), p, Mix{"set", 0}, 0, nil)
	if err == nil || !strings.Contains(err.Error(), "AUTH is refused: WRONGPASS no") {
		t.Errorf("got %v", err)
	}
	p.Target = "127.0.0.1:1"
	if _, err := Run(t.Context(), p, Mix{"set", 0}, 0, nil); err == nil {
		t.Error("a closed port was reached")
	}
}

func TestRepliesInEveryCut(t *testing.T) {
	stream := []byte("+OK\r\n$5\r\na\r\nb\n\r\n$-1\r\n-ERR it broke\r\n:12\r\n$0\r\n\r\n_\r\n")
	for cut := 1; cut <= len(stream); cut++ {
		r := replies{line: make([]byte, 0, maxLine)}
		var done int64
		for rest := stream; len(rest) > 0; {
			n, err := r.feed(rest[:min(cut, len(rest))])
			if err != nil {
				t.Fatalf("cut %d: %v", cut, err)
			}
			done += n
			rest = rest[min(cut, len(rest)):]
		}
		if done != 7 || r.misses != 2 || r.failed != 1 || r.first != "ERR it broke" {
			t.Fatalf("cut %d: %d replies, %d misses, %d errors, %q", cut, done, r.misses, r.failed, r.first)
		}
	}
	for _, bad := range []string{"\r\n", "*1\r\n", "$x\r\n", "$-2\r\n", "$99999999999\r\n", "hello\r\n"} {
		var r replies
		if _, err := r.feed([]byte(bad)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}

func TestABatchAllocatesNothing(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	answers := bytes.Repeat([]byte("+OK\r\n"), 16)
	go func() {
		in := make([]byte, 64<<10)
		for {
			if _, err := server.Read(in); err != nil {
				return
			}
			if _, err := server.Write(answers); err != nil {
				return
			}
		}
	}()
	p := &Plan{}
	c := &conn{
		net: client, in: make([]byte, 4096), latency: newHistogram(), value: []byte("$1\r\nx\r\n"),
		random: newRandom(p.Seed, 1), replies: replies{line: make([]byte, 0, maxLine)},
	}
	allocs := testing.AllocsPerRun(200, func() {
		c.build(16, 1000, 0)
		if err := c.exchange(16, c.latency); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations in a batch of 16", allocs)
	}
}

func TestHistogramText(t *testing.T) {
	h := newHistogram()
	for _, v := range []struct{ ns, n int64 }{{900, 1}, {1_100, 40}, {1_900, 50}, {9_000_000, 9}} {
		if err := h.RecordValues(v.ns, v.n); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	if err := WriteHistogram(&b, h); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	for i, want := range map[int]string{
		0: "<=  1.00µs   1.000 %    1.000 %  #", 1: "  <=  1.41µs  40.000 %   41.000 %  " + strings.Repeat("#", 40),
		len(lines) - 1: "  <=  11.6ms   9.000 %  100.000 %  #########",
	} {
		if lines[i] != want {
			t.Errorf("line %d: %q, want %q", i, lines[i], want)
		}
	}
	b.Reset()
	if err := WriteHistogram(&b, newHistogram()); err != nil || !strings.Contains(b.String(), "nothing") {
		t.Errorf("empty: %q, %v", b.String(), err)
	}
}

func TestTexts(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0ns", 870: "870ns", 999: "999ns", 1000: "1.00µs", 1314: "1.31µs", 12_440: "12.4µs", 999_600: "1.00ms", 124_400_000: "124ms", 2_070_000_000: "2.07s",
	} {
		if got := Latency(ns); got != want {
			t.Errorf("Latency(%d) = %s, want %s", ns, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 123456: "123,456", 1234567: "1,234,567", -1234: "-1,234", -123456: "-123,456"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s, want %s", n, got, want)
		}
	}
	for text, reads := range map[string]int{"get": 100, "set": 0, "80:20": 80, "0:100": 0} {
		if m, err := ParseMix(text); err != nil || m.Reads != reads {
			t.Errorf("ParseMix(%q) = %+v, %v", text, m, err)
		}
	}
	for _, bad := range []string{"", "put", "80", "80:30", "-1:101", "a:b"} {
		if _, err := ParseMix(bad); !errors.Is(err, ErrPlan) {
			t.Errorf("ParseMix(%q) gave %v", bad, err)
		}
	}
	for _, bad := range []Plan{{Connections: -1}, {Pipeline: MaxPipeline + 1}, {ValueSize: MaxValueSize, Pipeline: 100}, {Requests: -1}} {
		if err := bad.Validate(); !errors.Is(err, ErrPlan) {
			t.Errorf("%+v gave %v", bad, err)
		}
	}
}

func TestVersusReportsMediansAndRatios(t *testing.T) {
	side := func(ops ...int64) (results []*Result) {
		for _, n := range ops {
			h := newHistogram()
			if err := h.RecordValues(1_000_000, n); err != nil {
				t.Fatal(err)
			}
			results = append(results, &Result{Ops: n, Elapsed: time.Second, CPU: time.Duration(n) * 1000, HasCPU: true, Latency: h})
		}
		return results
	}
	v := &Versus{Mix: Mix{Name: "set"}, A: side(300, 100, 200), B: side(100, 100, 100)}
	f := v.Figures()
	if f[0].A != 200 || f[0].B != 100 || f[0].Ratio != 2 || f[1].Name != "cpu/op" || f[1].A != 1000 || f[1].Ratio != 1 {
		t.Errorf("figures: %+v", f)
	}
	var b strings.Builder
	if err := WriteVersus(&b, []*Versus{v}); err != nil || !strings.Contains(b.String(), "2.00") {
		t.Errorf("%s %v", b.String(), err)
	}
}

func TestCompareInterleaves(t *testing.T) {
	a, b := respond(t, ""), respond(t, "")
	plan := func(s *responder) *Plan {
		p := &Plan{Target: s.Addr().String(), Connections: 1, Requests: 10}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	var order []string
	pa, pb := plan(a), plan(b)
	v, err := Compare(t.Context(), Side{Plan: pa}, Side{Plan: pb}, Mix{"set", 0}, 2, func(_ int, target string) { order = append(order, target) }, nil)
	if err != nil || len(v.A) != 2 || len(v.B) != 2 {
		t.Fatalf("%+v, %v", v, err)
	}
	if got, want := fmt.Sprint(order), fmt.Sprint([]string{pa.Target, pb.Target, pa.Target, pb.Target}); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if b.Len() == 0 {
		t.Error("B was not asked")
	}
}

// Len is how many keys were written.
func (r *responder) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.keys)
}
