package resp

import "time"

// sweepInterval is how often the connections are looked at. It is the grain of all their time-outs, which therefore cost
// the connections themselves nothing but a counter.
const sweepInterval = time.Second

// sweepMemory is what the sweep remembers of a connection.
type sweepMemory struct {
	reads  uint64
	writes uint64
	idle   int // sweeps since it read something
	stuck  int // sweeps since a write that is under way made progress
	age    int // sweeps since it was accepted
}

// verdict is what the sweep decides about a connection.
type verdict uint8

const (
	leave  verdict = iota
	shrink         // wake it, so that it gives up its buffers
	drop           // close it
)

// sweep looks at all connections at intervals: it drops those that do not take their replies, did not authenticate, or
// were idle for too long, and has the others give up buffers when idle.
func (s *Server) sweep() {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for at, commands := time.Now(), int64(0); ; {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		now, sum := time.Now(), s.commands.Load()
		s.pace.Store(perSecond(sum-commands, now.Sub(at)))
		at, commands = now, sum
		all := s.snapshot()
		for _, c := range all {
			seen := observation{reads: c.reads.Load(), writes: c.writes.Load(), authed: c.facts.isAuthed() || s.config.Password == "", listening: c.facts.isListening()}
			decision := c.swept.look(seen, &s.config)
			c.idle.Store(int64(time.Duration(c.swept.idle) * sweepInterval / time.Second))
			switch decision {
			case shrink:
				_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // a socket that fails here has ended already
			case drop:
				_ = c.nc.Close() // its goroutine ends with the failed read or write
			}
		}
		s.relieve(all)
	}
}

// perSecond is how many of n there were in each second. CONFIG RESETSTAT makes n negative, which is none.
func perSecond(n int64, took time.Duration) int64 {
	return max(n, 0) * int64(time.Second) / max(int64(took), int64(time.Millisecond))
}

type observation struct {
	reads, writes     uint64
	authed, listening bool
}

// look compares a connection with what it was one sweep ago.
func (m *sweepMemory) look(now observation, config *Config) verdict {
	m.age++
	m.idle++
	if now.reads != m.reads {
		m.idle = 0
	}
	m.stuck++
	if now.writes != m.writes || now.writes%2 == 0 {
		m.stuck = 0
	}
	m.reads, m.writes = now.reads, now.writes
	switch {
	case over(m.stuck, config.WriteTimeout):
		return drop
	case !now.authed && over(m.age, config.AuthTimeout):
		return drop
	case m.stuck == 0 && !now.listening && over(m.idle, config.IdleTimeout):
		return drop
	case m.idle == 2:
		return shrink
	}
	return leave
}

// over says whether a number of sweeps has lasted longer than a limit; a limit of zero is none.
func over(sweeps int, limit time.Duration) bool {
	return limit > 0 && time.Duration(sweeps)*sweepInterval > limit
}
