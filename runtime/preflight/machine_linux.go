package preflight

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dataSync is fdatasync, as the log uses it.
func dataSync(file *os.File) error { return unix.Fdatasync(int(file.Fd())) }

func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func fileLimit() (int64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return int64(min(limit.Cur, 1<<62)), nil
}

// availableMemory is MemAvailable, or what is left to the container if that is less.
func availableMemory() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	available, err := memAvailable(string(text))
	if err != nil {
		return 0, err
	}
	if left, limited := cgroupLeft("/sys/fs/cgroup"); limited {
		available = min(available, left)
	}
	return available, nil
}

func memAvailable(meminfo string) (int64, error) {
	for line := range strings.Lines(meminfo) {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemAvailable")
}

// cgroupLeft reads the limit of a container as it sees its own root, control groups version 2.
func cgroupLeft(root string) (left int64, limited bool) {
	limit, err := readNumber(root + "/memory.max")
	if err != nil {
		return 0, false
	}
	used, err := readNumber(root + "/memory.current")
	return max(0, limit-used), err == nil
}

func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// hugePageMode reads the word in brackets of "always [madvise] never".
func hugePageMode() (mode string, known bool) {
	text, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return "", false
	}
	_, rest, _ := strings.Cut(string(text), "[")
	mode, _, known = strings.Cut(rest, "]")
	return mode, known
}

func kernelVersion() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return "kernel " + strings.TrimSpace(string(text))
}
