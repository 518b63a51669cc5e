package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Config says how a node runs. The zero value works: one keyspace in memory, no listeners. Nothing is changed after Start.
type Config struct {
	// Name of the node for people and logs. Default: the host name.
	Name string

	// ClusterName for people, monitors and logs. Default "troupe".
	ClusterName string

	// Data is the folder that keeps log, snapshots and identity. It is made if it is not there, and belongs to one running
	// node. Default: none; every keyspace must then be of durability memory.
	Data string

	// RESP, HTTP and Peer are addresses to listen on, as host:port; port 0 takes a free one. Default: none. RESP speaks the
	// Redis protocol, HTTP the admin API. Peer is where other nodes will reach this one.
	RESP, HTTP, Peer string

	// Keyspaces of the node. Those of the data folder are there as well: they come first, and what is said here changes their
	// settings, but for the shard count. Default: those of the folder; in a new one, or without, one named "default" with 16
	// shards, of durability fsync with a data folder and memory without. Redis clients start in the first.
	Keyspaces []shards.Keyspace

	// Password for Redis clients, Token for HTTP clients (as a bearer token). Default: none are asked.
	Password, Token string

	// Insecure allows listening off loopback without Password or Token.
	Insecure bool

	// SnapshotBytes is the log of one shard, in bytes, after which a snapshot is written and the log before it is dropped.
	// Default 64 MiB. Smaller makes restarts shorter and writes more.
	SnapshotBytes int64

	// DiskReserve is the free disk space, in bytes, below which writes that grow are refused, so that deletes and snapshots
	// still work. Below a quarter of it deletes are refused too. Default 256 MiB.
	DiskReserve int64

	// SyncInterval is the longest time that a write of durability interval waits for its fsync. Default 1 s.
	SyncInterval time.Duration

	// MaxClients bounds the Redis connections. Default 10,000.
	MaxClients int

	// Logger takes what operators should know. Default: nothing is logged.
	Logger *slog.Logger

	// Progress, if set, is told how far a long start or stop is. It is called from several goroutines, and must be quick.
	Progress func(Progress)
}

// Progress is how far a long start or stop is.
type Progress struct {
	Phase  string // "recover" or "save"
	Bytes  int64  // read or written so far
	Total  int64  // of Bytes, where it is known in advance; else 0
	Shards int    // shards done
	Of     int    // of this many
}

// Errors of Start that a caller may want to tell apart.
var (
	// ErrConfig is wrapped by errors about the configuration: starting again will not help.
	ErrConfig = errors.New("runtime: invalid configuration")

	// ErrExposed says that a listener would be open to other machines without any authentication.
	ErrExposed = errors.New("would be open to other machines without authentication")
)

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrConfig, fmt.Errorf(format, args...))
}

// validate fills the defaults, and reports the first field that cannot be used.
func (c *Config) validate() error {
	c.fill()
	if err := c.validateKeyspaces(); err != nil {
		return err
	}
	for _, l := range []struct{ name, address, secret, advice string }{
		{"RESP", c.RESP, c.Password, "a password"}, {"HTTP", c.HTTP, c.Token, "a token"},
	} {
		if err := c.validateListener(l.name, l.address, l.secret, l.advice); err != nil {
			return err
		}
	}
	switch {
	case c.SnapshotBytes < 0:
		return invalid("snapshot bytes %d must not be negative", c.SnapshotBytes)
	case c.DiskReserve < 0:
		return invalid("disk reserve %d must not be negative", c.DiskReserve)
	case c.SyncInterval < 0:
		return invalid("sync interval %v must not be negative", c.SyncInterval)
	case c.MaxClients < 0:
		return invalid("max clients %d must not be negative", c.MaxClients)
	}
	return nil
}

func (c *Config) fill() {
	if c.Name == "" {
		c.Name = "node"
		if host, err := os.Hostname(); err == nil {
			c.Name = host
		}
	}
	setDefault(&c.ClusterName, "troupe")
	setDefault(&c.SnapshotBytes, 64<<20)
	setDefault(&c.DiskReserve, 256<<20)
	setDefault(&c.SyncInterval, time.Second)
	setDefault(&c.MaxClients, 10_000)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	c.Keyspaces = slices.Clone(c.Keyspaces)
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// firstKeyspaces are those of a node that has none yet.
func (c *Config) firstKeyspaces() []shards.Keyspace {
	if len(c.Keyspaces) > 0 {
		return c.Keyspaces
	}
	k := shards.Keyspace{Name: "default", Shards: shards.DefaultShards}
	if c.Data == "" {
		k.Durability = shards.DurabilityMemory
	}
	return []shards.Keyspace{k}
}

func (c *Config) validateKeyspaces() error {
	names := map[string]bool{}
	for i := range c.Keyspaces {
		k := &c.Keyspaces[i]
		if err := k.Validate(); err != nil {
			return invalid("%w", err)
		}
		if names[k.Name] {
			return invalid("keyspace %q is there twice", k.Name)
		}
		names[k.Name] = true
		if c.Data == "" && k.Durability != shards.DurabilityMemory {
			return invalid("keyspace %q asks for durability %v, which needs a data folder", k.Name, k.Durability)
		}
	}
	return nil
}

func (c *Config) validateListener(name, address, secret, advice string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return invalid("%s address %q must be host:port", name, address)
	}
	if secret == "" && !c.Insecure && !loopback(host) {
		return invalid("%s on %s %w: give %s, listen on 127.0.0.1, or allow it with insecure", name, address, ErrExposed, advice)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
