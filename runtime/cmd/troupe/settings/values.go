package settings

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// units as Redis reads them: k is 1000, kb is 1024.
var units = []struct {
	name string
	size int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"tb", 1 << 40},
	{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}, {"b", 1}, {"", 1},
}

// ParseSize reads a number of bytes, with or without one of Redis' units: 64mb is 64 MiB, 64m is 64,000,000 bytes.
func ParseSize(s string) (int64, error) {
	lower := strings.ToLower(s)
	for _, u := range units {
		digits, ok := strings.CutSuffix(lower, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			break
		}
		return n * u.size, nil
	}
	return 0, fmt.Errorf("%q is no size; write bytes, or a whole number with kb, mb or gb, such as 64mb", s)
}

// FormatSize writes a size so that ParseSize reads it back: in the largest unit that divides it.
func FormatSize(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"tb", 1 << 40}, {"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}} {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func address(field func(*Node) *string) func(*Node, string) error {
	return func(n *Node, s string) error {
		if s == "off" || s == "" {
			*field(n) = ""
			return nil
		}
		_, port, err := net.SplitHostPort(s)
		number, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil || number > math.MaxUint16 {
			return fmt.Errorf("%q is no address; write host:port, such as 127.0.0.1:7400 (port 0 takes a free one), or off", s)
		}
		*field(n) = s
		return nil
	}
}

// addKeyspace appends a keyspace to the node's.
func addKeyspace(n *Node, spec string) error {
	k, err := ParseKeyspace(spec)
	if err != nil {
		return err
	}
	for _, other := range n.Keyspaces {
		if other.Name == k.Name {
			return fmt.Errorf("keyspace %q is there twice; leave one out", k.Name)
		}
	}
	n.Keyspaces = append(n.Keyspaces, k)
	return nil
}

// ParseKeyspace reads NAME[:option=value,...]; see FormatKeyspace. Errors say what to write.
func ParseKeyspace(spec string) (shards.Keyspace, error) {
	name, options, _ := strings.Cut(spec, ":")
	k := shards.Keyspace{Name: name}
	seen := map[string]bool{}
	for option := range strings.SplitSeq(options, ",") {
		if options == "" {
			break
		}
		key, value, _ := strings.Cut(option, "=")
		if seen[key] {
			return k, fmt.Errorf("keyspace %q: option %q is there twice", name, key)
		}
		seen[key] = true
		if err := setOption(&k, key, value); err != nil {
			return k, fmt.Errorf("keyspace %q: %w", name, err)
		}
	}
	if err := k.Validate(); err != nil {
		return k, err
	}
	if k.Aimless() {
		return k, fmt.Errorf("keyspace %q: eviction=%v does nothing without a limit; add max-memory=1gb", name, k.Eviction)
	}
	return k, nil
}

// OptionsOf names the options that a keyspace's text gives.
func OptionsOf(spec string) (names []string) {
	_, options, _ := strings.Cut(spec, ":")
	for option := range strings.SplitSeq(options, ",") {
		if name, _, found := strings.Cut(option, "="); found {
			names = append(names, name)
		}
	}
	return names
}

func setOption(k *shards.Keyspace, key, value string) (err error) {
	switch key {
	case "shards":
		k.Shards, err = within(key, value, 1, shards.Slots)
		return err
	case "replicas":
		k.Replicas, err = within(key, value, 0, shards.MaxReplicas)
		if k.Replicas == 0 {
			k.Replicas = shards.NoReplicas
		}
		return err
	case "min-in-sync":
		k.MinInSync, err = within(key, value, 1, 1+shards.MaxReplicas)
		return err
	case "durability":
		return k.Durability.UnmarshalText([]byte(value))
	case "max-memory":
		k.MaxMemory, err = ParseSize(value)
		return err
	case "eviction":
		return k.Eviction.UnmarshalText([]byte(value))
	}
	return fmt.Errorf("unknown option %q; known are shards, replicas, min-in-sync, durability, max-memory and eviction, as in cache:durability=memory,max-memory=1gb", key)
}

func within(key, value string, low, high int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s=%s must be a number from %d to %d", key, value, low, high)
	}
	return n, nil
}

// FormatKeyspace writes a keyspace so that ParseKeyspace reads it back, every option spelled out.
func FormatKeyspace(k shards.Keyspace) string {
	spec := fmt.Sprintf("%s:shards=%d,replicas=%d,min-in-sync=%d,durability=%v", k.Name, k.Shards, max(0, k.Replicas), k.MinInSync, k.Durability)
	if k.MaxMemory > 0 {
		spec += ",max-memory=" + FormatSize(k.MaxMemory)
	}
	if k.Eviction != shards.EvictNone {
		spec += ",eviction=" + k.Eviction.String()
	}
	return spec
}

func keyspaceSpecs(n *Node) (specs []string) {
	for _, k := range n.Keyspaces {
		specs = append(specs, FormatKeyspace(k))
	}
	return specs
}

// peers appends addresses of other nodes, which may come several at a time.
func peers(field func(*Node) *[]string) func(*Node, string) error {
	return func(n *Node, s string) error {
		for one := range strings.SplitSeq(s, ",") {
			one = strings.TrimSpace(one)
			host, port, err := net.SplitHostPort(one)
			number, errPort := strconv.ParseUint(port, 10, 16)
			if err != nil || errPort != nil || host == "" || number == 0 {
				return fmt.Errorf("%q is no address of a node; write host:port of its peer listener, such as 10.0.0.1:7300", one)
			}
			if slices.Contains(*field(n), one) {
				return fmt.Errorf("%s is there twice; leave one out", one)
			}
			*field(n) = append(*field(n), one)
		}
		return nil
	}
}

func roles(n *Node, s string) error {
	all, err := cluster.ParseRoles(s)
	if err != nil {
		return err
	}
	n.Roles = strings.Split(all.String(), ",")
	return nil
}

// reserve is a size that a log can do with; 0 is its default.
func reserve(n *Node, s string) (err error) {
	if n.DiskReserve, err = ParseSize(s); err != nil {
		return err
	}
	return wal.CheckReserve(n.DiskReserve)
}

func replicas(n *Node, s string) (err error) {
	n.Replicas, err = within("replicas", s, 0, shards.MaxReplicas)
	if n.Replicas == 0 {
		n.Replicas = shards.NoReplicas
	}
	return err
}

func addAttribute(n *Node, s string) error {
	name, value, found := strings.Cut(s, "=")
	if !found || name == "" || value == "" {
		return fmt.Errorf("%q is no attribute; write NAME=VALUE, such as zone=a", s)
	}
	if _, twice := n.Attributes[name]; twice {
		return fmt.Errorf("attribute %q is there twice; leave one out", name)
	}
	if n.Attributes == nil {
		n.Attributes = map[string]string{}
	}
	n.Attributes[name] = value
	return nil
}

func attributes(n *Node) (pairs []string) {
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		pairs = append(pairs, name+"="+n.Attributes[name])
	}
	return pairs
}
