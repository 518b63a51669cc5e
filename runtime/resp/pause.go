package resp

import (
	"slices"
	"sync"
	"time"
)

// pause keeps commands waiting, as CLIENT PAUSE asks.
//
//	CLIENT PAUSE 5000 WRITE      writes wait in their connections, which read nothing more; reads go on
//	CLIENT PAUSE 5000            everything waits, but CLIENT PAUSE and UNPAUSE
//
// A second pause can make the first longer or stricter, and not the other way round.
type pause struct {
	until time.Time
	all   bool
	ended chan struct{} // closed when another pause, or none, takes its place
}

// pauses changes the server's pause, one at a time.
type pauses struct{ mu sync.Mutex }

func (s *Server) pauseUntil(until time.Time, all bool) {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	p := &pause{until: until, all: all, ended: make(chan struct{})}
	before := s.paused.Load()
	if before != nil && time.Now().Before(before.until) {
		p.all = p.all || before.all
		if before.until.After(until) {
			p.until = before.until
		}
	}
	s.replacePause(before, p)
}

func (s *Server) unpause() {
	s.pauses.mu.Lock()
	defer s.pauses.mu.Unlock()
	s.replacePause(s.paused.Load(), nil)
}

// replacePause is called with the lock held.
func (s *Server) replacePause(before, after *pause) {
	s.paused.Store(after)
	if before != nil {
		close(before.ended)
	}
}

// holds says whether a command has to wait.
func (p *pause) holds(c *conn, cmd *command) bool {
	switch {
	case cmd.name == "client|pause" || cmd.name == "client|unpause":
		return false
	case p.all:
		return true
	case c.tx != nil && cmd.flags&flagImmediate == 0:
		return false // it is queued: EXEC waits
	case cmd.name == "exec":
		return c.tx != nil && c.tx.writes
	}
	return cmd.flags&flagWrite != 0 || cmd.name == "publish" || cmd.name == "spublish"
}

// await returns when no pause holds the command, whose times then count from now on. What came before it is answered first,
// which empties the batch: the arguments that it returns outlive that.
func (c *conn) await(b *batch, cmd *command, args [][]byte) [][]byte {
	for waited := false; ; waited = true {
		p := c.s.paused.Load()
		if p == nil || !p.holds(c, cmd) {
			return args
		}
		left := time.Until(p.until)
		if left <= 0 {
			c.s.paused.CompareAndSwap(p, nil)
			return args
		}
		if !waited {
			args = slices.Clone(args)
			c.execute(b)
			c.flush(b)
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-p.ended:
		case <-c.s.stop:
			timer.Stop()
			return args
		}
		timer.Stop()
		c.now = c.s.backend.Now()
	}
}

// longestPause is about 292 years in milliseconds, what a time.Duration holds.
const longestPause = int64(1<<63-1) / int64(time.Millisecond)

func runClientPause(c *conn, q *request) {
	ms, ok := parseInt(q.args[2])
	all := true
	if len(q.args) > 3 {
		word := upper(q.args[3])
		if all = word == "ALL"; len(q.args) > 4 || !all && word != "WRITE" {
			q.fail(replyError("ERR CLIENT PAUSE mode must be WRITE or ALL"))
			return
		}
	}
	switch {
	case !ok:
		q.fail(errTimeout)
	case ms < 0:
		q.fail(errLateTimeout)
	default:
		c.s.pauseUntil(time.Now().Add(time.Duration(min(ms, longestPause))*time.Millisecond), all)
		q.out = appendStatus(q.out, "OK")
	}
}

func runClientUnpause(c *conn, q *request) {
	c.s.unpause()
	q.out = appendStatus(q.out, "OK")
}
