package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
	"github.com/troupe-actors/troupe/tracing"
)

// Config says how a node runs. The zero value works: one keyspace in memory, no listeners. Nothing is changed after Start.
type Config struct {
	// Name of the node for people and logs, of which a cluster has no two alike: up to 256 bytes of text in one line, as ClusterName
	// and Host. Default: DefaultName(Peer).
	Name string

	// ClusterName for people, monitors and logs. Default "troupe".
	ClusterName string

	// Data is the folder that keeps log, snapshots and identity. It is made if it is not there, and belongs to one running
	// node. Default: none; every keyspace must then be of durability memory.
	Data string

	// RESP, HTTP and Peer are addresses to listen on, as host:port; port 0 takes a free one. Default: none. RESP speaks the
	// Redis protocol, HTTP the admin API. Peer is where other nodes reach this one.
	RESP, HTTP, Peer string

	// Keyspaces of the cluster. Those that it has are there as well: they come first, and what is said here changes their
	// settings, but for the shard count. Replicas and MinInSync take effect at once, everywhere; a changed Durability, MaxMemory
	// or Eviction on each node when it starts the next time. Default: those of the folder; in a new one, or without, one named "default" with 16
	// shards, of durability fsync with a data folder and memory without. Redis clients start in the first.
	Keyspaces []shards.Keyspace

	// Kinds of virtual actors whose code is in the program. They are known as Register makes them known, but before the node is given any shard: between
	// Start and Register it may lead actors that it cannot run yet, and messages to these wait for Patience and are refused then. Default: none.
	Kinds []*virtual.Kind

	// Replicas of the keyspace that a new cluster begins with when Keyspaces says none: copies beside the primary, up to
	// shards.MaxReplicas; shards.NoReplicas for none. Default 1.
	Replicas int

	// Join are addresses of members, as host:port of their Peer listeners: a node without a cluster asks them to let it in,
	// each in turn until one does. A node that has a cluster knows from its data folder where the members were, and finds them
	// also from another Peer address than before, as long as one that knows the others is where it was. Only if none is, as when
	// all come up at new addresses at once, it needs Join or PeersFile, and says so in its log.
	// Default: none; a node without Join, Initial and PeersFile that has no cluster forms one of its own.
	Join []string

	// Initial are the Peer addresses, as Advertise makes them, of all nodes that form a new cluster together, this one among
	// them: one cluster comes of one list, however often and in whichever order they start. It is not looked at once the node
	// has a cluster. Default: none. Initial and Join exclude each other.
	Initial []string

	// PeersFile names a file with one Peer address in each line, to be used like Join, and read again when it changes. Empty
	// lines and those that begin with # do not count. Default: none.
	PeersFile string

	// Roles of the node, of "meta" (may vote and lead), "data" (may hold copies) and "gateway" (serves clients, and needs
	// neither of the others). Default: meta and data.
	Roles []string

	// Attributes that policies may ask for, such as zone or rack, by name. Default: none.
	Attributes map[string]string

	// Host is the machine that the node runs on. Copies of one shard are on different nodes in any case; on different hosts as
	// well while the cluster's setting cluster.routing.allocation.same_shard.host is true. Default: the host name.
	Host string

	// Advertise is the host name or address, without port, under which other machines reach this node's listeners. Default:
	// the host that each one listens on; for a wildcard such as 0.0.0.0 the machine's host name.
	Advertise string

	// TLSCert, TLSKey and TLSCA are PEM files for the Peer listener: this node's certificate and key, and the authority that
	// must have signed those of all nodes. They come together, and nodes then ask each other for certificates. A certificate
	// must be good for servers and for clients. They are read again within a minute when they change: connections that are there stay.
	// Default: none; peers then speak without encryption.
	TLSCert, TLSKey, TLSCA string

	// ClientTLSCert and ClientTLSKey are PEM files for the RESP and HTTP listeners, which then speak TLS (1.2 or newer) and nothing
	// else. They come together, and are read again within 10 s when they change. Default: none; clients then speak without
	// encryption.
	ClientTLSCert, ClientTLSKey string

	// Tick is the unit in which the node counts time between nodes. Heartbeat is the pause between the metadata leader's
	// messages to its followers; after Election up to twice Election without one they elect another. Lease is how long a node
	// may serve reads without word of the placement leader, which it asks for six times within one: as long as the leader's Lease says.
	// Heartbeat, Election and Lease are rounded up to whole ticks, Lease also to 50 ms, of which it must have two; Election must have three
	// heartbeats. Defaults: 50 ms, 100 ms, 400 ms and 1.5 s, with Dev 20 ms, 100 ms, 300 ms and 1.5 s.
	Tick, Heartbeat, Election, Lease time.Duration

	// NoProof switches off that a refused connection to the address of a node that has just hung up proves its death. It is for
	// nodes behind proxies or filters that refuse in a node's stead; a death is then noticed when heartbeats have been missing for
	// about Lease. It must be the same on all nodes. Default: false.
	NoProof bool

	// Patience is how long an operation of a Store, of a Redis or HTTP client, or a call of an actor is tried while its shard has no
	// primary that answers, if its own context does not end before. It counts from the first try, but for a call of an actor, which may
	// wait for its turn first: then from the first that failed. A first try that takes long may add a fifth. At most 24 h; default 5 s.
	Patience time.Duration

	// ActorMemory bounds what virtual actors in memory need, in bytes, as far as it can be told from their states: beyond it those that
	// have been idle for longest leave memory. Default 512 MiB.
	ActorMemory int64

	// Redirect says what a node does with a Redis command whose shard's primary is elsewhere: "always" answers MOVED, "never"
	// forwards it, "auto" answers MOVED to connections that have asked for the cluster's slots and forwards for all others.
	// Default "auto".
	Redirect string

	// Guests says how the node runs policies and actors that are WebAssembly: "compiled" to native code, "interpreted" some 50 times
	// slower with the same answers, or "off". While a node that may lead has them off the cluster activates no policy, and while one that
	// may hold copies has, it uses no kind of actors that is pushed. Default "compiled".
	Guests string

	// TraceMessages is the part of messages, from 0 to 1, of which spans are made and sent where the standard variables of
	// OpenTelemetry say that traces go. OTEL_TRACES_SAMPLER in the environment wins. Messages whose senders trace them are traced
	// in any case; without a collector none are. Default 0.
	TraceMessages float64

	// Dev is for trying things out on one machine: shorter times, and paths of the HTTP API that cut the node off from others.
	Dev bool

	// Password for Redis clients, Token for HTTP clients (as a bearer token). Default: none are asked.
	Password, Token string

	// Insecure allows listening off loopback without Password, Token or certificates.
	Insecure bool

	// SnapshotBytes is the log of one shard, in bytes, after which a snapshot is written and the log before it is dropped.
	// Default 64 MiB. Smaller makes restarts shorter and writes more.
	SnapshotBytes int64

	// DiskReserve is the free disk space, in bytes, below which writes that grow are refused, so that deletes and snapshots
	// still work, at least 64 MiB. Below a quarter of it deletes are refused too. Default 256 MiB.
	DiskReserve int64

	// SyncInterval is the longest time that a write of durability interval waits for its fsync. Default 1 s.
	SyncInterval time.Duration

	// MaxClients bounds the Redis connections. Default 10,000.
	MaxClients int

	// Redis are the limits of what its clients may ask. Its MaxMemory has a default of its own: an eighth of the memory of the machine,
	// or of the control group, and at least 512 MiB; 1 GiB where that is not known.
	Redis resp.Limits

	// Pprof serves Go's profiles below /debug/pprof/ of the HTTP listener, which asks for the Token there, too. Default: off.
	Pprof bool

	// Logger takes what operators should know. Default: nothing is logged.
	Logger *slog.Logger

	spans func(*tracing.Span) // tests: takes the spans of messages in a collector's place

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

// Check is an error that wraps ErrConfig if no node can run with this configuration, wherever the others are: Start makes the same checks
// before it does anything. It reads certificates, and opens neither the data folder nor a listener.
func (c Config) Check() error { return c.validate() }

// validate fills the defaults, and reports the first field that cannot be used.
func (c *Config) validate() error {
	c.fill()
	if err := c.validateKeyspaces(); err != nil {
		return err
	}
	taken := map[string]string{} // names of listeners by where they are
	for _, l := range []struct{ name, address, secret, advice string }{
		{"RESP", c.RESP, c.Password, "a password"}, {"HTTP", c.HTTP, c.Token, "a token"}, {"Peer", c.Peer, c.TLSCert, "certificates"},
	} {
		if err := c.validateListener(l.name, l.address, l.secret, l.advice); err != nil {
			return err
		}
		if at := place(l.address); at != "" && taken[at] != "" {
			return invalid("%s and %s have one address, %s: each needs a port of its own", taken[at], l.name, l.address)
		} else if at != "" {
			taken[at] = l.name
		}
	}
	if err := c.validateCluster(); err != nil {
		return err
	}
	if _, err := c.clientCertificate(); err != nil {
		return err
	}
	if err := c.Redis.Validate(); err != nil {
		return invalid("limits of Redis clients: %w", err)
	}
	if slices.Contains(c.Kinds, nil) {
		return errNilKind
	}
	reserve := wal.CheckReserve(c.DiskReserve)
	switch {
	case c.ActorMemory < 0:
		return invalid("actor memory %d must not be negative", c.ActorMemory)
	case c.SnapshotBytes < 0:
		return invalid("snapshot bytes %d must not be negative", c.SnapshotBytes)
	case c.DiskReserve < 0:
		return invalid("disk reserve %d must not be negative", c.DiskReserve)
	case reserve != nil:
		return invalid("disk reserve: %w", reserve)
	case c.SyncInterval < 0:
		return invalid("sync interval %v must not be negative", c.SyncInterval)
	case !(c.TraceMessages >= 0 && c.TraceMessages <= 1):
		return invalid("trace messages %v must be from 0 to 1", c.TraceMessages)
	case c.MaxClients < 0:
		return invalid("max clients %d must not be negative", c.MaxClients)
	}
	return nil
}

func (c *Config) fill() {
	setDefault(&c.Name, DefaultName(c.Peer))
	setDefault(&c.ClusterName, "troupe")
	c.fillCluster()
	setDefault(&c.SnapshotBytes, 64<<20)
	setDefault(&c.ActorMemory, 512<<20)
	setDefault(&c.DiskReserve, wal.DefaultReserve)
	setDefault(&c.SyncInterval, time.Second)
	setDefault(&c.MaxClients, 10_000)
	if _, memory := memoryUse(); memory > 0 {
		setDefault(&c.Redis.MaxMemory, max(memory/8, c.Redis.MaxReply, 512<<20))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	c.Keyspaces, c.Kinds = slices.Clone(c.Keyspaces), slices.Clone(c.Kinds)
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
	k := shards.Keyspace{Name: "default", Shards: shards.DefaultShards, Replicas: c.Replicas}
	if c.Data == "" {
		k.Durability = shards.DurabilityMemory
	}
	if err := k.Validate(); err != nil {
		panic(fmt.Sprintf("runtime: the first keyspace: %v", err)) // validate has seen to Replicas, the only one that is not ours
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
		if k.Aimless() {
			return invalid("keyspace %q: %w", k.Name, errAimless)
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
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return invalid("%s address %q must be host:port", name, address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return invalid("%s address %q: %q is no port: a number from 0 to 65535", name, address, port)
	}
	if secret == "" && !c.Insecure && !loopback(host) {
		return invalid("%s on %s %w: give %s, listen on 127.0.0.1, or allow it with insecure", name, address, ErrExposed, advice)
	}
	return nil
}

// place is what only one listener can have of an address that is valid; empty: any number can.
func place(address string) string {
	host, name, _ := net.SplitHostPort(address)
	port, err := net.LookupPort("tcp", name)
	if err != nil || port == 0 {
		return ""
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "" // all are the same, the one of either protocol too
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
