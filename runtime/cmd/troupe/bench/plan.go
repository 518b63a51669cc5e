package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrPlan is wrapped by every error of Plan.Validate and ParseMix.
var ErrPlan = errors.New("bench: invalid plan")

// Plan says what to send. The zero value of every field but Target has a default.
type Plan struct {
	Target      string        // host:port of the server
	Keyspace    string        // sent as SELECT once per connection; empty = not sent
	Password    string        // sent as AUTH once per connection; empty = not sent
	Connections int           // default 50
	Pipeline    int           // commands per write; default 1
	ValueSize   int           // bytes; default 100
	Keys        int           // distinct keys "key:000000000000", chosen uniformly; default 100,000
	Requests    int64         // stop after so many commands (rounded up to whole pipelines); 0 = by Duration
	Duration    time.Duration // measured time if Requests is 0; default 5 s
	Warmup      time.Duration // sent before and not measured; default 0
	Seed        uint64        // of the keys' order and of the values
}

// Limits of a plan: beyond them the client itself would be what is measured.
const (
	MaxConnections = 10_000
	MaxPipeline    = 10_000
	MaxValueSize   = 64 << 20 // bytes
	MaxKeys        = 1_000_000_000_000
	maxBatch       = 256 << 20 // bytes of one write
)

// Validate fills the defaults and reports the first field that cannot be used; the error wraps ErrPlan.
func (p *Plan) Validate() error {
	p.Connections = orDefault(p.Connections, 50)
	p.Pipeline = orDefault(p.Pipeline, 1)
	p.ValueSize = orDefault(p.ValueSize, 100)
	p.Keys = orDefault(p.Keys, 100_000)
	if p.Requests == 0 && p.Duration == 0 {
		p.Duration = 5 * time.Second
	}
	bounds := []struct {
		what     string
		n, limit int
	}{
		{"connections", p.Connections, MaxConnections},
		{"pipeline", p.Pipeline, MaxPipeline},
		{"value size", p.ValueSize, MaxValueSize},
		{"keys", p.Keys, MaxKeys},
		{"pipeline times value size", p.Pipeline * p.ValueSize, maxBatch},
	}
	for _, b := range bounds {
		if b.n < 1 || b.n > b.limit {
			return fmt.Errorf("%w: %s is %d; must be 1 to %d", ErrPlan, b.what, b.n, b.limit)
		}
	}
	if p.Requests < 0 || p.Duration < 0 || p.Warmup < 0 {
		return fmt.Errorf("%w: requests, duration and warm-up cannot be negative", ErrPlan)
	}
	return nil
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

// Mix is the share of reads in a run, the rest being writes.
type Mix struct {
	Name  string // as the user wrote it: "set", "get" or "80:20"
	Reads int    // of 100
}

// ParseMix reads "get", "set" or READS:WRITES such as 80:20, whose sum must be 100. Errors wrap ErrPlan.
func ParseMix(s string) (Mix, error) {
	switch s {
	case "get":
		return Mix{s, 100}, nil
	case "set":
		return Mix{s, 0}, nil
	}
	reads, writes, ok := strings.Cut(s, ":")
	r, errR := strconv.Atoi(reads)
	w, errW := strconv.Atoi(writes)
	if !ok || errR != nil || errW != nil || r < 0 || w < 0 || r+w != 100 {
		return Mix{}, fmt.Errorf("%w: operation %q; must be get, set, or READS:WRITES that add up to 100, such as 80:20", ErrPlan, s)
	}
	return Mix{s, r}, nil
}
