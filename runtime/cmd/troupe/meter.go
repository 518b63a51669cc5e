package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/bench"
)

// plainPeriod is how often progress is told where there is no terminal.
const plainPeriod = 5 * time.Second

// meter shows the progress of a long command on standard error: a bar on a terminal, a line now and then elsewhere. Its
// methods may be called concurrently.
type meter struct {
	mu    sync.Mutex
	out   io.Writer
	verb  string
	total int64 // bytes; -1 = unknown
	start time.Time
	next  time.Time
	bar   *progressbar.ProgressBar
}

func newMeter(c *console, verb string, total int64) *meter {
	m := &meter{out: c.err, verb: verb, total: total, start: time.Now()}
	m.next = m.start.Add(plainPeriod)
	if interactive(c.err) {
		_, plain := c.env("NO_COLOR")
		m.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription(verb), progressbar.OptionShowBytes(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30),
			progressbar.OptionUseANSICodes(!plain), progressbar.OptionSetPredictTime(total >= 0))
	}
	return m
}

// show tells how far the command is: bytes of the total, and how many items they were.
func (m *meter) show(items, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		m.bar.Describe(fmt.Sprintf("%s %s keys", m.verb, bench.Thousands(items)))
		if err := m.bar.Set64(bytes); err != nil {
			m.bar = nil // more than the total, since the source grows: lines go on
		}
		return
	}
	now := time.Now()
	if now.Before(m.next) {
		return
	}
	m.next = now.Add(plainPeriod)
	fmt.Fprintln(m.out, progressLine(m.verb, items, bytes, m.total, now.Sub(m.start)))
}

// progressLine tells items, share, rate and the time that is left.
func progressLine(verb string, items, bytes, total int64, elapsed time.Duration) string {
	line := fmt.Sprintf("%s: %s keys, %s", verb, bench.Thousands(items), byteText(bytes))
	if total > 0 {
		line += fmt.Sprintf(" of %s (%d %%)", byteText(total), 100*bytes/total)
	}
	rate := float64(bytes) / elapsed.Seconds()
	line += fmt.Sprintf(", %s/s", byteText(int64(rate)))
	if total > bytes && rate > 0 {
		left := time.Duration(float64(total-bytes) / rate * float64(time.Second))
		line += fmt.Sprintf(", %v left", left.Round(time.Second))
	}
	return line
}

// say prints a line without tearing the bar.
func (m *meter) say(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear() // a bar that cannot be drawn is no reason to stop
	}
	fmt.Fprintf(m.out, format+"\n", args...)
}

// end removes the bar.
func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Clear()
	}
}

// byteText prints bytes with three digits in binary units: 870 B, 1.31 KiB, 12.4 MiB.
func byteText(n int64) string {
	v, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	for v >= 999.5 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	switch {
	case units[0] == "B" || v >= 99.95:
		return fmt.Sprintf("%.0f %s", v, units[0])
	case v >= 9.995:
		return fmt.Sprintf("%.1f %s", v, units[0])
	}
	return fmt.Sprintf("%.2f %s", v, units[0])
}
