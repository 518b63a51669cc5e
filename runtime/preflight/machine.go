package preflight

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"
	"time"
)

// spareFiles are what a node opens beside its clients: listeners, the log's tables, snapshots.
const spareFiles = 1024

func files(_ context.Context, in *Input) []Result {
	want := int64(in.Connections + spareFiles)
	r := Result{Name: "open files", Level: OK, Want: fmt.Sprintf("%d or more", want)}
	limit, err := fileLimit()
	switch {
	case err != nil:
		r.Found = "not checked: " + err.Error()
		return []Result{r}
	case limit < spareFiles:
		r.Level = Fail
	case limit < want:
		r.Level = Warn
	}
	r.Found = fmt.Sprint(limit)
	if r.Level != OK {
		r.Fix = fmt.Sprintf("raise it with ulimit -n %d, or LimitNOFILE=%d in the service's unit", want, want)
	}
	return []Result{r}
}

// leastMemory is what a node needs to be of use.
const leastMemory = 256 << 20

func memory(_ context.Context, in *Input) []Result {
	want := max(in.Memory, leastMemory)
	r := Result{Name: "memory", Level: OK, Want: size(want) + " available"}
	available, err := availableMemory()
	switch {
	case err != nil:
		r.Found = "not checked: " + err.Error()
		return []Result{r}
	case available < leastMemory:
		r.Level, r.Fix = Fail, "stop something else, or give the machine or the container more"
	case available < want:
		r.Level, r.Fix = Warn, "keyspaces could grow beyond what there is: lower max-memory, or give the machine more"
	}
	r.Found = size(available) + " available"
	return []Result{r}
}

// hugePages warns of transparent huge pages that are always on: snapshots that share pages grow by 2 MiB at a time.
func hugePages(context.Context, *Input) []Result {
	mode, known := hugePageMode()
	if !known {
		return nil
	}
	r := Result{Name: "transparent huge pages", Level: OK, Found: mode, Want: "madvise or never"}
	if mode == "always" {
		r.Level = Warn
		r.Fix = "memory may look larger than it is: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
	}
	return []Result{r}
}

// earliest and latest bound a year that can be right.
const earliest, latest = 2025, 2100

// clock checks what can be checked without a network: that the monotonic clock runs forward and that the year is possible.
// How far the clock is from true time cannot be known here; expiries and failover do not compare clocks of nodes.
func clock(context.Context, *Input) []Result {
	now := time.Now()
	r := Result{Name: "clock", Level: OK, Found: now.UTC().Format(time.DateTime) + " UTC; steps forward", Want: "forward steps, a possible year; the offset is not checked"}
	last := now
	for range 1000 {
		next := time.Now()
		if next.Before(last) {
			r.Level, r.Found = Fail, fmt.Sprintf("the monotonic clock went back by %v", last.Sub(next))
			r.Fix = "the kernel's clock source is broken: choose another one"
			return []Result{r}
		}
		last = next
	}
	if year := now.UTC().Year(); year < earliest || year > latest {
		r.Level = Fail
		r.Fix = fmt.Sprintf("year %d cannot be right, and keys would expire at once or never: set the clock, run chrony or ntpd", year)
	}
	return []Result{r}
}

func versions(context.Context, *Input) []Result {
	r := Result{Name: "platform", Level: OK, Want: "64 bits; Linux is what is measured"}
	r.Found = strings.TrimSpace(fmt.Sprintf("%s, %s/%s, %d CPUs %s", goruntime.Version(), goruntime.GOOS, goruntime.GOARCH, goruntime.GOMAXPROCS(0), kernelVersion()))
	if ^uint(0)>>32 == 0 {
		r.Level, r.Fix = Fail, "a shard's tree needs 64-bit addresses: use a 64-bit system"
	}
	return []Result{r}
}
