package placement

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Bounds on what is kept of what policies log.
const (
	tailLines    = 500 // of each policy
	tailPolicies = 256
)

// Line is what a policy logged, or how it failed, on the node that led.
type Line struct {
	Number uint64
	At     int64 // Unix milliseconds
	Level  string
	Text   string
	Shadow bool // it said so in the shadow
}

// tails are the last lines of each policy. Its methods may be called concurrently.
type tails struct {
	mu    sync.Mutex
	rings map[string]*ring[Line]
}

func (t *tails) of(policy string) *ring[Line] {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rings == nil {
		t.rings = map[string]*ring[Line]{}
	}
	r := t.rings[policy]
	if r == nil {
		r = newRing[Line](tailLines)
		if len(t.rings) < tailPolicies {
			t.rings[policy] = r
		}
	}
	return r
}

func (t *tails) log(policy, level, text string, shadow bool) {
	t.of(policy).add(func(number uint64) Line {
		return Line{Number: number, At: time.Now().UnixMilli(), Level: level, Text: text, Shadow: shadow}
	})
}

// levelName names the levels of host.log, which are slog's.
func levelName(level int32) string { return strings.ToLower(slog.Level(level).String()) }
