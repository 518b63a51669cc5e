// Package settings merges a node's configuration from four places and remembers where each value came from.
//
//	--snapshot-bytes 64mb   >   TROUPE_SNAPSHOT_BYTES=64mb   >   snapshot-bytes: 64mb   >   default
//	      flag                        environment                 file (YAML)
//
// The three names are one: a flag's name is the file's key, and the variable's in capitals. A list (keyspace) is taken whole
// from the highest place that has it. Every error names the place, the line of a file, and what to write instead.
package settings

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/runtime/resp"
	"github.com/troupe-actors/troupe/shards"
)

// Node is the merged configuration.
type Node struct {
	Name         string
	ClusterName  string
	Data         string
	RESP         string // host:port; empty = not served
	HTTP         string
	Peer         string
	Keyspaces    []shards.Keyspace // empty: those that are there, or one named "default"
	Replicas     int               // of that one; shards.NoReplicas for none
	Join         []string          // host:port of members' peer addresses
	Initial      []string          // likewise, of those that begin a cluster together
	PeersFile    string
	Roles        []string
	Attributes   map[string]string
	Host         string // machine; empty = its name
	Advertise    string // host for others; empty = where it listens
	TLSCert      string // PEM files of the peer port
	TLSKey       string
	TLSCA        string
	ClientCert   string // PEM files of the ports of clients
	ClientKey    string
	Tick         time.Duration
	Heartbeat    time.Duration
	Election     time.Duration
	Lease        time.Duration
	NoProof      bool
	Patience     time.Duration
	Redirect     string // auto, always or never
	Guests       string // compiled, interpreted or off
	Dev          bool
	Password     string
	Token        string
	Insecure     bool
	Pprof        bool
	LogFormat    string // text or json
	LogLevel     slog.Level
	SnapshotSize int64 // bytes
	DiskReserve  int64 // bytes
	SyncInterval time.Duration
	MaxClients   int
	Redis        resp.Limits
	Traced       float64
}

// Setting is one thing that can be configured.
type Setting struct {
	Name    string // as a flag and as a key; see Variable
	Default string
	Hint    string // of the value, for help
	Usage   string
	Secret  bool // never printed
	List    bool // may come several times
	Switch  bool // true or false
	set     func(n *Node, text string) error
	list    func(n *Node) []string // of a List: its elements as they are printed
}

// Variable is the setting's name in the environment.
func (s Setting) Variable() string {
	return "TROUPE_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// All lists the settings in the order in which they are printed.
var All = []Setting{
	{Name: "name", Hint: "NAME", Usage: "node name for people and logs (default: the host name, with the peer port if that is not 7300)", set: text(func(n *Node) *string { return &n.Name })},
	{Name: "cluster-name", Default: "troupe", Hint: "NAME", Usage: "cluster name for people and monitors", set: text(func(n *Node) *string { return &n.ClusterName })},
	{Name: "data", Default: "./data", Hint: "DIR", Usage: "data folder; \"off\" keeps everything in memory", set: orOff(func(n *Node) *string { return &n.Data })},
	{Name: "resp", Default: "127.0.0.1:7400", Hint: "ADDR", Usage: "listen for Redis clients; \"off\" serves none", set: address(func(n *Node) *string { return &n.RESP })},
	{Name: "http", Default: "127.0.0.1:7500", Hint: "ADDR", Usage: "listen for the HTTP API and this command's verbs", set: address(func(n *Node) *string { return &n.HTTP })},
	{Name: "peer", Default: "127.0.0.1:7300", Hint: "ADDR", Usage: "listen for other nodes", set: address(func(n *Node) *string { return &n.Peer })},
	{Name: "join", Hint: "ADDRS", List: true, Usage: "peer addresses of members, comma separated: come to their cluster",
		set: peers(func(n *Node) *[]string { return &n.Join }), list: func(n *Node) []string { return n.Join }},
	{Name: "initial", Hint: "ADDRS", List: true, Usage: "peer addresses of all nodes that begin a cluster together, this one among them",
		set: peers(func(n *Node) *[]string { return &n.Initial }), list: func(n *Node) []string { return n.Initial }},
	{Name: "peers-file", Hint: "FILE", Usage: "a peer address in each line, like --join; read again when it changes", set: text(func(n *Node) *string { return &n.PeersFile })},
	{Name: "roles", Default: "meta,data", Hint: "ROLES", Usage: "of meta (may lead), data (may hold copies), gateway", set: roles},
	{Name: "attr", Hint: "NAME=VALUE", List: true, Usage: "what policies may ask for, such as zone=a; repeatable", set: addAttribute, list: attributes},
	{Name: "host", Hint: "NAME", Usage: "machine, on which one copy of a shard is enough (default: the host name)", set: text(func(n *Node) *string { return &n.Host })},
	{Name: "advertise", Hint: "HOST", Usage: "host name or address under which others reach this node (default: where it listens)", set: text(func(n *Node) *string { return &n.Advertise })},
	{Name: "keyspace", Hint: "SPEC", List: true, Usage: "NAME[:shards=16,replicas=1,min-in-sync=1,durability=fsync,max-memory=1gb,eviction=allkeys-lru] that the cluster shall have like this; repeatable (default \"default\")",
		set: addKeyspace, list: keyspaceSpecs},
	{Name: "replicas", Default: "1", Hint: "N", Usage: "copies beside the primary, of the keyspace that a new cluster begins with if --keyspace says none", set: replicas},
	{Name: "tls-cert", Hint: "FILE", Usage: "certificate for the peer port (PEM), with --tls-key and --tls-ca; read again when they change", set: text(func(n *Node) *string { return &n.TLSCert })},
	{Name: "tls-key", Hint: "FILE", Usage: "its key", set: text(func(n *Node) *string { return &n.TLSKey })},
	{Name: "tls-ca", Hint: "FILE", Usage: "authority that has signed the certificates of all nodes", set: text(func(n *Node) *string { return &n.TLSCA })},
	{Name: "client-tls-cert", Hint: "FILE", Usage: "certificate for Redis and HTTP clients (PEM), with --client-tls-key; read again when it changes", set: text(func(n *Node) *string { return &n.ClientCert })},
	{Name: "client-tls-key", Hint: "FILE", Usage: "its key", set: text(func(n *Node) *string { return &n.ClientKey })},
	{Name: "tick", Hint: "TIME", Usage: "unit of time between nodes (default 50ms; 20ms with --dev)", set: span(func(n *Node) *time.Duration { return &n.Tick })},
	{Name: "heartbeat", Default: "100ms", Hint: "TIME", Usage: "pause between messages of the leader", set: span(func(n *Node) *time.Duration { return &n.Heartbeat })},
	{Name: "election", Hint: "TIME", Usage: "silence after which another leader is elected (default 400ms; 300ms with --dev)", set: span(func(n *Node) *time.Duration { return &n.Election })},
	{Name: "lease", Default: "1.5s", Hint: "TIME", Usage: "how long a node may serve reads without word of the leader", set: span(func(n *Node) *time.Duration { return &n.Lease })},
	{Name: "no-proof", Default: "false", Switch: true, Usage: "take no refused connection for proof of death: proxies or filters stand between nodes", set: truth(func(n *Node) *bool { return &n.NoProof })},
	{Name: "patience", Default: "5s", Hint: "TIME", Usage: "how long an operation is tried again while its shard has no primary", set: span(func(n *Node) *time.Duration { return &n.Patience })},
	{Name: "guests", Default: "compiled", Hint: "HOW", Usage: "how policies and actors that are WebAssembly run: compiled, interpreted, off", set: oneOf(func(n *Node) *string { return &n.Guests }, "compiled", "interpreted", "off")},
	{Name: "redirect", Default: "auto", Hint: "WHEN", Usage: "answer MOVED to Redis clients whose key is elsewhere: auto, always, never", set: oneOf(func(n *Node) *string { return &n.Redirect }, "auto", "always", "never")},
	{Name: "dev", Default: "false", Switch: true, Usage: "for trying out: short times, and HTTP paths that cut the node off from others", set: truth(func(n *Node) *bool { return &n.Dev })},
	{Name: "password", Hint: "TEXT", Secret: true, Usage: "ask Redis clients for it (better as TROUPE_PASSWORD or in the file)", set: text(func(n *Node) *string { return &n.Password })},
	{Name: "token", Hint: "TEXT", Secret: true, Usage: "ask HTTP clients for it as a bearer token", set: text(func(n *Node) *string { return &n.Token })},
	{Name: "insecure", Default: "false", Switch: true, Usage: "allow listening off loopback without password, token or certificates", set: truth(func(n *Node) *bool { return &n.Insecure })},
	{Name: "log-format", Default: "text", Hint: "FORMAT", Usage: "text or json", set: oneOf(func(n *Node) *string { return &n.LogFormat }, "text", "json")},
	{Name: "log-level", Default: "info", Hint: "LEVEL", Usage: "debug, info, warn or error", set: level},
	{Name: "snapshot-bytes", Default: "64mb", Hint: "SIZE", Usage: "log of one shard after which a snapshot replaces it", set: size(func(n *Node) *int64 { return &n.SnapshotSize })},
	{Name: "disk-reserve", Default: "256mb", Hint: "SIZE", Usage: "free disk below which writes that grow are refused, at least 64mb", set: reserve},
	{Name: "sync-interval", Default: "1s", Hint: "TIME", Usage: "longest wait for the fsync of durability=interval", set: span(func(n *Node) *time.Duration { return &n.SyncInterval })},
	{Name: "max-clients", Default: "10000", Hint: "N", Usage: "Redis connections at once", set: count(func(n *Node) *int { return &n.MaxClients })},
	{Name: "redis-memory", Default: "auto", Hint: "SIZE", Usage: "what all Redis connections may hold together; auto is an eighth of the machine's memory, at least 512mb. At least twice redis-request", set: unless("auto", 0, size, func(n *Node) *int64 { return &n.Redis.MaxMemory })},
	{Name: "redis-inline", Default: "64kb", Hint: "SIZE", Usage: "longest inline command", set: size(func(n *Node) *int64 { return &n.Redis.MaxInline })},
	{Name: "redis-args", Default: "1048576", Hint: "N", Usage: "arguments of one command; before AUTH 10", set: count(func(n *Node) *int { return &n.Redis.MaxArgs })},
	{Name: "redis-bulk", Default: "64mb", Hint: "SIZE", Usage: "longest argument; before AUTH 16kb", set: size(func(n *Node) *int64 { return &n.Redis.MaxBulk })},
	{Name: "redis-request", Default: "96mb", Hint: "SIZE", Usage: "longest command, and all that one MULTI queues", set: size(func(n *Node) *int64 { return &n.Redis.MaxRequest })},
	{Name: "redis-reply", Default: "auto", Hint: "SIZE", Usage: "longest reply; auto is 256mb, or redis-memory if that is less", set: unless("auto", 0, size, func(n *Node) *int64 { return &n.Redis.MaxReply })},
	{Name: "redis-queue", Default: "8mb", Hint: "SIZE", Usage: "messages that wait for one subscriber", set: size(func(n *Node) *int64 { return &n.Redis.MaxQueue })},
	{Name: "redis-cursors", Default: "16384", Hint: "N", Usage: "unfinished SCANs that are remembered", set: count(func(n *Node) *int { return &n.Redis.MaxCursors })},
	{Name: "redis-idle", Default: "off", Hint: "TIME", Usage: "end Redis connections that send nothing for so long, but for subscribers", set: unless("off", 0, span, func(n *Node) *time.Duration { return &n.Redis.IdleTimeout })},
	{Name: "redis-auth-timeout", Default: "10s", Hint: "TIME", Usage: "end those that have not given the password by then", set: span(func(n *Node) *time.Duration { return &n.Redis.AuthTimeout })},
	{Name: "redis-write-timeout", Default: "30s", Hint: "TIME", Usage: "end those that take none of their reply for so long", set: span(func(n *Node) *time.Duration { return &n.Redis.WriteTimeout })},
	{Name: "redis-keepalive", Default: "1m", Hint: "TIME", Usage: "pause between probes whether a Redis client is still there", set: span(func(n *Node) *time.Duration { return &n.Redis.KeepAlive })},
	{Name: "redis-slower-than", Default: "10ms", Hint: "TIME", Usage: "SLOWLOG remembers commands that take longer; off: none", set: unless("off", -1, span, func(n *Node) *time.Duration { return &n.Redis.SlowerThan })},
	{Name: "pprof", Default: "false", Switch: true, Usage: "serve Go's profiles below /debug/pprof/ of the HTTP address", set: truth(func(n *Node) *bool { return &n.Pprof })},
	{Name: "trace-messages", Default: "0", Hint: "RATIO", Usage: "part of all messages, 0 to 1, whose spans go where OTEL_EXPORTER_OTLP_ENDPOINT says", set: ratio(func(n *Node) *float64 { return &n.Traced })},
}

// find gives the setting with this name.
func find(name string) (Setting, bool) {
	i := slices.IndexFunc(All, func(s Setting) bool { return s.Name == name })
	if i < 0 {
		return Setting{}, false
	}
	return All[i], true
}

func text(field func(*Node) *string) func(*Node, string) error {
	return func(n *Node, s string) error { *field(n) = s; return nil }
}

func orOff(field func(*Node) *string) func(*Node, string) error {
	return func(n *Node, s string) error {
		if s == "off" {
			s = ""
		}
		*field(n) = s
		return nil
	}
}

func truth(field func(*Node) *bool) func(*Node, string) error {
	return func(n *Node, s string) error {
		if s != "true" && s != "false" {
			return fmt.Errorf("%q is neither true nor false", s)
		}
		*field(n) = s == "true"
		return nil
	}
}

func oneOf(field func(*Node) *string, names ...string) func(*Node, string) error {
	return func(n *Node, s string) error {
		if !slices.Contains(names, s) {
			return fmt.Errorf("%q is unknown; write %s", s, strings.Join(names, " or "))
		}
		*field(n) = s
		return nil
	}
}

func level(n *Node, s string) error {
	if err := n.LogLevel.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("%q is unknown; write debug, info, warn or error", s)
	}
	return nil
}

func span(field func(*Node) *time.Duration) func(*Node, string) error {
	return func(n *Node, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is no time span; write a number with ms, s or m, such as 500ms", s)
		}
		*field(n) = d
		return nil
	}
}

// unless takes one word for a value of its own, and leaves the rest to another setter.
func unless[T any](word string, value T, other func(func(*Node) *T) func(*Node, string) error, field func(*Node) *T) func(*Node, string) error {
	set := other(field)
	return func(n *Node, s string) error {
		if s == word {
			*field(n) = value
			return nil
		}
		if err := set(n, s); err != nil {
			return fmt.Errorf("%w, or %s", err, word)
		}
		return nil
	}
}

func count(field func(*Node) *int) func(*Node, string) error {
	return func(n *Node, s string) error {
		v, err := strconv.Atoi(s)
		if err != nil || v < 1 {
			return fmt.Errorf("%q is no number of 1 or more", s)
		}
		*field(n) = v
		return nil
	}
}

func ratio(field func(*Node) *float64) func(*Node, string) error {
	return func(n *Node, s string) error {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return fmt.Errorf("%q is no number from 0 to 1", s)
		}
		*field(n) = v
		return nil
	}
}

func size(field func(*Node) *int64) func(*Node, string) error {
	return func(n *Node, s string) (err error) {
		*field(n), err = ParseSize(s)
		return err
	}
}
