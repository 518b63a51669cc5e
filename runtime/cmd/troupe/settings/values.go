package settings

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/shards"
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
	if k.Eviction != shards.EvictNone && k.MaxMemory == 0 {
		return k, fmt.Errorf("keyspace %q: eviction=%v does nothing without a limit; add max-memory=1gb", name, k.Eviction)
	}
	return k, nil
}

func setOption(k *shards.Keyspace, key, value string) (err error) {
	switch key {
	case "shards":
		if k.Shards, err = strconv.Atoi(value); err != nil || k.Shards < 1 || k.Shards > shards.Slots {
			return fmt.Errorf("shards=%s must be a number from 1 to %d", value, shards.Slots)
		}
		return nil
	case "durability":
		return k.Durability.UnmarshalText([]byte(value))
	case "max-memory":
		k.MaxMemory, err = ParseSize(value)
		return err
	case "eviction":
		return k.Eviction.UnmarshalText([]byte(value))
	}
	return fmt.Errorf("unknown option %q; known are shards, durability, max-memory and eviction, as in cache:durability=memory,max-memory=1gb", key)
}

// FormatKeyspace writes a keyspace so that ParseKeyspace reads it back, every option spelled out.
func FormatKeyspace(k shards.Keyspace) string {
	spec := fmt.Sprintf("%s:shards=%d,durability=%v", k.Name, k.Shards, k.Durability)
	if k.MaxMemory > 0 {
		spec += ",max-memory=" + FormatSize(k.MaxMemory)
	}
	if k.Eviction != shards.EvictNone {
		spec += ",eviction=" + k.Eviction.String()
	}
	return spec
}
