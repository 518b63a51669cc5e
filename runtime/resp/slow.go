package resp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// slowness remembers commands that took long: for SLOWLOG, and per second for LATENCY. What is timed is a batch (the commands
// on keys of one read, which wait for the disks together) or one command that looks at more than a key. Safe for concurrent use.
type slowness struct {
	mu      sync.Mutex
	entries []slowEntry // the newest last
	next    int64       // number of the next entry
	series  []spike     // of the event "command", the newest last
	last    time.Duration
	highest time.Duration
}

// slowEntry is one line of SLOWLOG GET.
type slowEntry struct {
	id   int64
	at   time.Time
	took time.Duration
	args []string
	addr string
	name string
}

// spike is the worst of one second.
type spike struct {
	second int64 // Unix
	worst  time.Duration
}

// Bounds of what is remembered, as in Redis.
const (
	slowEntries = 128 // slowlog-max-len
	slowArgs    = 32  // of one command
	slowArg     = 128 // bytes of one argument
	spikes      = 160 // of one event
)

// slowEvent is the one event that is watched.
const slowEvent = "command"

// diagnosisRows are SLOWLOG and LATENCY.
var diagnosisRows = []command{
	{name: "slowlog", arity: -2, flags: flagAdmin | flagLoading | flagStale, group: "server", since: "2.2.12", summary: "A container for slow log commands.", run: runArity,
		subs: []*command{
			{name: "slowlog|get", arity: -2, flags: flagAdmin | flagLoading | flagStale, since: "2.2.12", summary: "Returns the slow log's entries.", syntax: "[count]", run: runSlowLogGet},
			{name: "slowlog|len", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "2.2.12", summary: "Returns the number of entries in the slow log.", run: runSlowLogLen},
			{name: "slowlog|reset", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "2.2.12", summary: "Clears all entries from the slow log.", run: runSlowLogReset},
		}},
	{name: "latency", arity: -2, flags: flagAdmin | flagLoading | flagStale, group: "server", since: "2.8.13", summary: "A container for latency diagnostics commands.", run: runArity,
		subs: []*command{
			{name: "latency|latest", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "2.8.13", summary: "Returns the latest latency samples for all events.", run: runLatencyLatest},
			{name: "latency|history", arity: 3, flags: flagAdmin | flagLoading | flagStale, since: "2.8.13", summary: "Returns timestamp-latency samples for an event.", syntax: "event", run: runLatencyHistory},
			{name: "latency|reset", arity: -2, flags: flagAdmin | flagLoading | flagStale, since: "2.8.13", summary: "Resets the latency data for one or more events.", syntax: "[event [event ...]]", run: runLatencyReset},
			{name: "latency|doctor", arity: 2, flags: flagAdmin | flagLoading | flagStale, since: "2.8.13", summary: "Returns a human-readable latency analysis report.", run: runLatencyDoctor},
		}},
}

// watchBatch notes a batch that took long, by its first call.
func (c *conn) watchBatch(b *batch, begun time.Time) {
	took := time.Since(begun)
	if took < c.s.config.SlowerThan || c.s.config.SlowerThan < 0 {
		return
	}
	at := slices.IndexFunc(b.requests[:b.used], func(q *request) bool { return q.state != stateAnswered })
	if at < 0 {
		return
	}
	args := shortened(b.requests[at].args)
	if more := len(b.calls) - 1; more > 0 {
		args = append(args, fmt.Sprintf("... (%d more commands that ran with it)", more))
	}
	c.noteSlow(begun, took, args)
}

// watchRun notes a command that took long.
func (c *conn) watchRun(q *request, begun time.Time) {
	if took := time.Since(begun); took >= c.s.config.SlowerThan && c.s.config.SlowerThan >= 0 {
		c.noteSlow(begun, took, shortened(q.args))
	}
}

// shortened copies a command's arguments, as many and as much of each as Redis keeps.
func shortened(args [][]byte) (short []string) {
	for i, arg := range args {
		switch {
		case i == slowArgs-1 && len(args) > slowArgs:
			return append(short, fmt.Sprintf("... (%d more arguments)", len(args)-i))
		case len(arg) > slowArg:
			short = append(short, fmt.Sprintf("%s... (%d more bytes)", arg[:slowArg], len(arg)-slowArg))
		default:
			short = append(short, string(arg))
		}
	}
	return short
}

func (c *conn) noteSlow(at time.Time, took time.Duration, args []string) {
	e := slowEntry{at: at, took: took, args: args}
	c.facts.change(func() { e.addr, e.name = c.facts.remote, c.facts.name })
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	e.id = s.next
	s.next++
	if s.entries = append(s.entries, e); len(s.entries) > slowEntries {
		s.entries = slices.Delete(s.entries, 0, len(s.entries)-slowEntries)
	}
	s.last, s.highest = took, max(s.highest, took)
	second := at.Add(took).Unix()
	if n := len(s.series); n > 0 && s.series[n-1].second >= second {
		s.series[n-1].worst = max(s.series[n-1].worst, took)
		return
	}
	if s.series = append(s.series, spike{second, took}); len(s.series) > spikes {
		s.series = slices.Delete(s.series, 0, len(s.series)-spikes)
	}
}

func runSlowLogGet(c *conn, q *request) {
	count := int64(10)
	if len(q.args) > 2 {
		n, ok := parseInt(q.args[2])
		if len(q.args) > 3 {
			q.fail(wrongArity(q.cmd))
			return
		}
		if !ok || n < -1 {
			q.fail(replyError("ERR count should be greater than or equal to -1"))
			return
		}
		count = n
	}
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	if count < 0 || count > int64(len(s.entries)) {
		count = int64(len(s.entries))
	}
	b := appendArray(q.out, int(count))
	for i := range int(count) {
		e := &s.entries[len(s.entries)-1-i]
		b = appendInt(appendInt(appendInt(appendArray(b, 6), e.id), e.at.Unix()), e.took.Microseconds())
		b = appendBulk(appendBulk(appendBulks(b, e.args...), e.addr), e.name)
	}
	q.out = b
}

func runSlowLogLen(c *conn, q *request) {
	c.s.slow.mu.Lock()
	defer c.s.slow.mu.Unlock()
	q.out = appendInt(q.out, int64(len(c.s.slow.entries)))
}

func runSlowLogReset(c *conn, q *request) {
	c.s.slow.mu.Lock()
	defer c.s.slow.mu.Unlock()
	c.s.slow.entries = nil
	q.out = appendStatus(q.out, "OK")
}

func runLatencyLatest(c *conn, q *request) {
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.series) == 0 {
		q.out = appendArray(q.out, 0)
		return
	}
	b := appendBulk(appendArray(appendArray(q.out, 1), 4), slowEvent)
	b = appendInt(b, s.series[len(s.series)-1].second)
	q.out = appendInt(appendInt(b, s.last.Milliseconds()), s.highest.Milliseconds())
}

func runLatencyHistory(c *conn, q *request) {
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	if string(q.args[2]) != slowEvent {
		q.out = appendArray(q.out, 0)
		return
	}
	b := appendArray(q.out, len(s.series))
	for _, one := range s.series {
		b = appendInt(appendInt(appendArray(b, 2), one.second), one.worst.Milliseconds())
	}
	q.out = b
}

// runLatencyReset replies how many events it has reset.
func runLatencyReset(c *conn, q *request) {
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	named := len(q.args) == 2 || slices.ContainsFunc(q.args[2:], func(event []byte) bool { return string(event) == slowEvent })
	had := len(s.series) > 0
	if named {
		s.series, s.last, s.highest = nil, 0, 0
	}
	q.out = appendInt(q.out, int64(btoi(named && had)))
}

func runLatencyDoctor(c *conn, q *request) {
	s := &c.s.slow
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.s.config.SlowerThan < 0 {
		q.out = appendText(q.out, "Nothing is timed: SlowerThan is negative.\n", q.v3)
		return
	}
	if len(s.series) == 0 {
		q.out = appendText(q.out, fmt.Sprintf("No command has taken longer than %v. Nothing to complain of.\n", c.s.config.SlowerThan), q.v3)
		return
	}
	sum := time.Duration(0)
	for _, one := range s.series {
		sum += one.worst
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d seconds with spikes over %v (average %d ms, worst ever %d ms, last %d ms).\n", slowEvent, len(s.series), c.s.config.SlowerThan,
		(sum / time.Duration(len(s.series))).Milliseconds(), s.highest.Milliseconds(), s.last.Milliseconds())
	text.WriteString("- SLOWLOG GET tells which commands they were. A write waits for the disks of all in-sync copies: compare with the node's fsync times (/metrics).\n" +
		"- KEYS, FLUSHALL and commands with thousands of keys take long by themselves.\n")
	q.out = appendText(q.out, text.String(), q.v3)
}

// slowSettings are what CONFIG GET tells of them.
func (s *Server) slowSettings() [][2]string {
	micros, millis := int64(-1), int64(0)
	if s.config.SlowerThan >= 0 {
		micros, millis = s.config.SlowerThan.Microseconds(), s.config.SlowerThan.Milliseconds()
	}
	return [][2]string{
		{"latency-monitor-threshold", strconv.FormatInt(millis, 10)},
		{"slowlog-log-slower-than", strconv.FormatInt(micros, 10)}, {"slowlog-max-len", strconv.Itoa(slowEntries)},
	}
}
