package resp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config is what an operator may choose. The zero value works. Sizes are in bytes.
type Config struct {
	Limits

	// Password is what AUTH asks for. Empty: no client needs to authenticate.
	Password string

	// TLS has the server speak it with its clients. Default: they speak without encryption.
	TLS *tls.Config

	// MaxClients is how many connections are served at once; one more is told so and closed. Default 10000, as in Redis.
	MaxClients int

	// MaxBatch is how many commands of one connection the backend is handed at once. Default 1024.
	MaxBatch int

	// BatchReply is how many bytes of values one batch collects before the reads that follow its last write are asked
	// for again, after the client has taken what there is. Default 4 MiB.
	BatchReply int64

	// Redirect says who gets MOVED for a key whose primary is elsewhere, and who has this node go there. Default: RedirectAuto.
	Redirect Redirect

	// Logger receives what an operator should know. Default: slog.Default().
	Logger *slog.Logger

	arrival time.Duration // how long a shard is waited for that may be about to be led here; tests lengthen it
}

// ErrConfig is wrapped by every error about a Config.
var ErrConfig = errors.New("invalid RESP configuration")

// validate fills the defaults and reports the first field that cannot be used.
func (c *Config) validate() error {
	setDefault(&c.MaxClients, 10000)
	setDefault(&c.MaxBatch, 1024)
	setDefault(&c.BatchReply, 4<<20)
	setDefault(&c.arrival, defaultArrival)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"MaxClients", int64(c.MaxClients)}, {"MaxBatch", int64(c.MaxBatch)}, {"BatchReply", c.BatchReply},
	} {
		if f.value < 0 {
			return fmt.Errorf("%w: %s is %d; must not be negative", ErrConfig, f.name, f.value)
		}
	}
	if int(c.Redirect) >= len(redirectNames) {
		return fmt.Errorf("%w: Redirect is %d; must be one of %s", ErrConfig, c.Redirect, strings.Join(redirectNames[:], ", "))
	}
	return c.Limits.Validate()
}
