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
	Keyspaces    []shards.Keyspace
	Password     string
	Token        string
	Insecure     bool
	LogFormat    string // text or json
	LogLevel     slog.Level
	SnapshotSize int64 // bytes
	DiskReserve  int64 // bytes
	SyncInterval time.Duration
	MaxClients   int
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
}

// Variable is the setting's name in the environment.
func (s Setting) Variable() string {
	return "TROUPE_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// All lists the settings in the order in which they are printed.
var All = []Setting{
	{Name: "name", Hint: "NAME", Usage: "node name for people and logs (default: the host name)", set: text(func(n *Node) *string { return &n.Name })},
	{Name: "cluster-name", Default: "troupe", Hint: "NAME", Usage: "cluster name for people and monitors", set: text(func(n *Node) *string { return &n.ClusterName })},
	{Name: "data", Default: "./data", Hint: "DIR", Usage: "data folder; \"off\" keeps everything in memory", set: orOff(func(n *Node) *string { return &n.Data })},
	{Name: "resp", Default: "127.0.0.1:7400", Hint: "ADDR", Usage: "listen for Redis clients; \"off\" serves none", set: address(func(n *Node) *string { return &n.RESP })},
	{Name: "http", Default: "127.0.0.1:7500", Hint: "ADDR", Usage: "listen for the HTTP API and this command's verbs", set: address(func(n *Node) *string { return &n.HTTP })},
	{Name: "peer", Default: "127.0.0.1:7300", Hint: "ADDR", Usage: "listen for other nodes", set: address(func(n *Node) *string { return &n.Peer })},
	{Name: "keyspace", Hint: "SPEC", List: true, Usage: "NAME[:shards=16,durability=fsync,max-memory=1gb,eviction=allkeys-lru]; repeatable (default \"default\")", set: addKeyspace},
	{Name: "password", Hint: "TEXT", Secret: true, Usage: "ask Redis clients for it (better as TROUPE_PASSWORD or in the file)", set: text(func(n *Node) *string { return &n.Password })},
	{Name: "token", Hint: "TEXT", Secret: true, Usage: "ask HTTP clients for it as a bearer token", set: text(func(n *Node) *string { return &n.Token })},
	{Name: "insecure", Default: "false", Switch: true, Usage: "allow listening off loopback without password or token", set: truth(func(n *Node) *bool { return &n.Insecure })},
	{Name: "log-format", Default: "text", Hint: "FORMAT", Usage: "text or json", set: oneOf(func(n *Node) *string { return &n.LogFormat }, "text", "json")},
	{Name: "log-level", Default: "info", Hint: "LEVEL", Usage: "debug, info, warn or error", set: level},
	{Name: "snapshot-bytes", Default: "64mb", Hint: "SIZE", Usage: "log of one shard after which a snapshot replaces it", set: size(func(n *Node) *int64 { return &n.SnapshotSize })},
	{Name: "disk-reserve", Default: "256mb", Hint: "SIZE", Usage: "free disk below which writes that grow are refused", set: size(func(n *Node) *int64 { return &n.DiskReserve })},
	{Name: "sync-interval", Default: "1s", Hint: "TIME", Usage: "longest wait for the fsync of durability=interval", set: interval},
	{Name: "max-clients", Default: "10000", Hint: "N", Usage: "Redis connections at once", set: count(func(n *Node) *int { return &n.MaxClients })},
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

func interval(n *Node, s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time span; write a number with ms, s or m, such as 500ms", s)
	}
	n.SyncInterval = d
	return nil
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

func size(field func(*Node) *int64) func(*Node, string) error {
	return func(n *Node, s string) (err error) {
		*field(n), err = ParseSize(s)
		return err
	}
}
