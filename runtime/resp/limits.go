package resp

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// Limits are what clients may ask of a server. The zero value works. Sizes are in bytes.
type Limits struct {
	// MaxMemory bounds what all connections hold together: commands that are not complete, transactions before their EXEC, names of
	// channels, replies and messages that are not taken. Some 100 KiB of each connection do not count. Who wants more is told OOM; if
	// others are refused, those that hold much and do nothing are closed. At least MaxReply, and twice MaxRequest, for a command that is
	// being read may take a buffer of twice its length; it should be several times that. Default 1 GiB.
	MaxMemory int64

	// MaxInline is the longest inline command. Default 64 KiB.
	MaxInline int64

	// MaxArgs is the largest number of arguments of one command. Default 1,048,576. Before AUTH it is 10.
	MaxArgs int

	// MaxBulk is the longest argument. Default and maximum store.MaxValue. Before AUTH it is 16 KiB.
	MaxBulk int64

	// MaxRequest bounds all bytes of one command, and of all commands queued by one MULTI. Default store.MaxTxn.
	MaxRequest int64

	// MaxReply bounds the reply of one command. A longer one becomes an error, unless it is a value that the command takes away. Default 256 MiB, or
	// MaxMemory if that is less.
	MaxReply int64

	// MaxQueue bounds the messages that wait for one subscriber; a slower one is disconnected. Default 8 MiB.
	MaxQueue int64

	// MaxCursors is how many unfinished SCANs the server remembers; the one that was not used for the longest is
	// forgotten first, and answers "ERR invalid cursor". Default 16384.
	MaxCursors int

	// IdleTimeout ends connections that have sent nothing for so long; subscribers are spared. Default 0: never.
	IdleTimeout time.Duration

	// AuthTimeout ends connections that have not authenticated for so long, if there is a password. Default 10 s.
	AuthTimeout time.Duration

	// WriteTimeout ends connections that take none of their reply for so long. Default 30 s.
	WriteTimeout time.Duration

	// KeepAlive is the interval of TCP keep-alive probes, which find half-open connections. Default 60 s.
	KeepAlive time.Duration

	// SlowerThan is what a command takes that SLOWLOG and LATENCY remember. Default 10 ms, as in Redis. Negative: none is.
	SlowerThan time.Duration
}

// Validate fills the defaults and reports the first limit that cannot be used. The error wraps ErrConfig.
func (l *Limits) Validate() error {
	setDefault(&l.MaxMemory, 1<<30)
	setDefault(&l.MaxInline, maxLine)
	setDefault(&l.MaxArgs, 1<<20)
	setDefault(&l.MaxBulk, store.MaxValue)
	setDefault(&l.MaxRequest, store.MaxTxn)
	setDefault(&l.MaxReply, min(256<<20, l.MaxMemory))
	setDefault(&l.MaxQueue, 8<<20)
	setDefault(&l.MaxCursors, 1<<14)
	setDefault(&l.AuthTimeout, 10*time.Second)
	setDefault(&l.WriteTimeout, 30*time.Second)
	setDefault(&l.KeepAlive, time.Minute)
	setDefault(&l.SlowerThan, 10*time.Millisecond)
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxMemory", l.MaxMemory}, {"MaxInline", l.MaxInline}, {"MaxArgs", int64(l.MaxArgs)}, {"MaxBulk", l.MaxBulk},
		{"MaxRequest", l.MaxRequest}, {"MaxReply", l.MaxReply}, {"MaxQueue", l.MaxQueue}, {"MaxCursors", int64(l.MaxCursors)},
		{"IdleTimeout", int64(l.IdleTimeout)}, {"AuthTimeout", int64(l.AuthTimeout)}, {"WriteTimeout", int64(l.WriteTimeout)},
		{"KeepAlive", int64(l.KeepAlive)},
	} {
		if f.value < 0 {
			return fmt.Errorf("%w: %s is %d; must not be negative", ErrConfig, f.name, f.value)
		}
	}
	switch {
	case l.MaxBulk > store.MaxValue:
		return fmt.Errorf("%w: MaxBulk is %d; a value holds at most %d bytes", ErrConfig, l.MaxBulk, store.MaxValue)
	case l.MaxRequest > store.MaxTxn:
		return fmt.Errorf("%w: MaxRequest is %d; nodes send each other at most %d bytes at once", ErrConfig, l.MaxRequest, store.MaxTxn)
	case l.MaxMemory < 2*l.MaxRequest:
		return fmt.Errorf("%w: MaxMemory (--redis-memory) is %d, and reading a command may take twice MaxRequest (--redis-request), which is %d", ErrConfig, l.MaxMemory, l.MaxRequest)
	case l.MaxMemory < l.MaxReply:
		return fmt.Errorf("%w: MaxMemory (--redis-memory) is %d, and MaxReply (--redis-reply) is %d: no reply could be so long", ErrConfig, l.MaxMemory, l.MaxReply)
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
