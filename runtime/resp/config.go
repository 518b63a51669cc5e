package resp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards/store"
)

// Config is what an operator may choose. The zero value works. Sizes are in bytes.
type Config struct {
	// Password is what AUTH asks for. Empty: no client needs to authenticate.
	Password string

	// TLS has the server speak it with its clients. Default: they speak without encryption.
	TLS *tls.Config

	// MaxClients is how many connections are served at once; one more is told so and closed. Default 10000, as in Redis.
	MaxClients int

	// MaxInline is the longest inline command. Default 64 KiB.
	MaxInline int

	// MaxArgs is the largest number of arguments of one command. Default 1,048,576. Before AUTH it is 10.
	MaxArgs int

	// MaxBulk is the longest argument. Default and maximum store.MaxValue. Before AUTH it is 16 KiB.
	MaxBulk int

	// MaxRequest bounds all bytes of one command, and of all commands queued by one MULTI. Default store.MaxTxn.
	MaxRequest int64

	// MaxReply bounds the reply of one command. A longer one becomes an error. Default 256 MiB.
	MaxReply int64

	// MaxBatch is how many commands of one connection the backend is handed at once. Default 1024.
	MaxBatch int

	// BatchReply is how many bytes of values one batch collects before the reads that follow its last write are asked
	// for again, after the client has taken what there is. Default 4 MiB.
	BatchReply int64

	// MaxQueue bounds the messages that wait for one subscriber; a slower one is disconnected. Default 8 MiB.
	MaxQueue int64

	// MaxCursors is how many unfinished SCANs the server remembers; the one that was not used for the longest is
	// forgotten first, and answers "ERR invalid cursor". Default 16384.
	MaxCursors int

	// Redirect says who gets MOVED for a key whose primary is elsewhere, and who has this node go there. Default: RedirectAuto.
	Redirect Redirect

	// IdleTimeout ends connections that have sent nothing for so long; subscribers are spared. Default 0: never.
	IdleTimeout time.Duration

	// AuthTimeout ends connections that have not authenticated for so long, if there is a password. Default 10 s.
	AuthTimeout time.Duration

	// WriteTimeout ends connections that take none of their reply for so long. Default 30 s.
	WriteTimeout time.Duration

	// SlowerThan is what a command takes that SLOWLOG and LATENCY remember. Default 10 ms, as in Redis. Negative: none is.
	SlowerThan time.Duration

	// KeepAlive is the interval of TCP keep-alive probes, which find half-open connections. Default 60 s.
	KeepAlive time.Duration

	// Logger receives what an operator should know. Default: slog.Default().
	Logger *slog.Logger

	arrival time.Duration // how long a shard is waited for that may be about to be led here; tests lengthen it
}

// ErrConfig is wrapped by every error about a Config.
var ErrConfig = errors.New("invalid RESP configuration")

// validate fills the defaults and reports the first field that cannot be used.
func (c *Config) validate() error {
	setDefault(&c.MaxClients, 10000)
	setDefault(&c.MaxInline, maxLine)
	setDefault(&c.MaxArgs, 1<<20)
	setDefault(&c.MaxBulk, store.MaxValue)
	setDefault(&c.MaxRequest, store.MaxTxn)
	setDefault(&c.MaxReply, 256<<20)
	setDefault(&c.MaxBatch, 1024)
	setDefault(&c.BatchReply, 4<<20)
	setDefault(&c.MaxQueue, 8<<20)
	setDefault(&c.MaxCursors, 1<<14)
	setDefault(&c.AuthTimeout, 10*time.Second)
	setDefault(&c.WriteTimeout, 30*time.Second)
	setDefault(&c.SlowerThan, 10*time.Millisecond)
	setDefault(&c.KeepAlive, time.Minute)
	setDefault(&c.arrival, defaultArrival)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxClients", int64(c.MaxClients)}, {"MaxInline", int64(c.MaxInline)}, {"MaxArgs", int64(c.MaxArgs)},
		{"MaxBulk", int64(c.MaxBulk)}, {"MaxRequest", c.MaxRequest}, {"MaxReply", c.MaxReply}, {"MaxBatch", int64(c.MaxBatch)},
		{"BatchReply", c.BatchReply}, {"MaxQueue", c.MaxQueue}, {"MaxCursors", int64(c.MaxCursors)},
		{"IdleTimeout", int64(c.IdleTimeout)}, {"AuthTimeout", int64(c.AuthTimeout)}, {"WriteTimeout", int64(c.WriteTimeout)},
	} {
		if f.value < 0 {
			return fmt.Errorf("%w: %s is %d; must not be negative", ErrConfig, f.name, f.value)
		}
	}
	if int(c.Redirect) >= len(redirectNames) {
		return fmt.Errorf("%w: Redirect is %d; must be one of %s", ErrConfig, c.Redirect, strings.Join(redirectNames[:], ", "))
	}
	if c.MaxBulk > store.MaxValue {
		return fmt.Errorf("%w: MaxBulk is %d; a value holds at most %d bytes", ErrConfig, c.MaxBulk, store.MaxValue)
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
