package sim

import (
	"fmt"
	"math/bits"
	"runtime/debug"
	"strings"
	"time"
)

// Failure is the end of a world that broke an invariant.
type Failure struct {
	Invariant int // its number in Invariants; 0: a core panicked
	At        time.Duration
	What      string
}

// Error names the invariant, the time and what was seen.
func (f *Failure) Error() string {
	name := "a core's own assertion"
	if f.Invariant > 0 {
		name = fmt.Sprintf("invariant %d (%s)", f.Invariant, Invariants[f.Invariant-1].Name)
	}
	return fmt.Sprintf("%v: %s: %s", f.At, name, f.What)
}

// storyLines bounds the notes that are kept; a failure prints the last ones.
const storyLines = 400

// story is what happened: a hash over all of it, and the last notes as text.
type story struct {
	hash  uint64
	lines []string // a ring
	next  int
	tell  func(string) // -tell: each note as it comes
}

func (s *story) fold(values ...uint64) {
	for _, v := range values {
		hi, lo := bits.Mul64(s.hash^v^0xa0761d6478bd642f, 0xe7037ed1a0b428db^bits.RotateLeft64(s.hash, 32))
		s.hash = hi ^ lo
	}
}

func (s *story) note(now time.Duration, format string, a ...any) {
	line := fmt.Sprintf("%12.6f  ", now.Seconds()) + fmt.Sprintf(format, a...)
	for i := 0; i < len(line); i += 8 {
		var v uint64
		for _, b := range []byte(line[i:min(i+8, len(line))]) {
			v = v<<8 | uint64(b)
		}
		s.fold(v)
	}
	if s.tell != nil {
		s.tell(line)
	}
	if len(s.lines) < storyLines {
		s.lines = append(s.lines, line)
		return
	}
	s.lines[s.next] = line
	s.next = (s.next + 1) % storyLines
}

// last gives the newest n notes, the oldest first.
func (s *story) last(n int) string {
	ordered := append(append([]string(nil), s.lines[s.next:]...), s.lines[:s.next]...)
	return strings.Join(ordered[max(0, len(ordered)-n):], "\n")
}

func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	var kept []string
	for i, l := range lines {
		if strings.HasPrefix(l, "panic(") {
			kept = lines[i+2:]
		}
	}
	return strings.Join(kept[:min(len(kept), 16)], "\n")
}
