package runtime

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processCPU is the time that the process has spent on processors, its own and the kernel's for it.
func processCPU() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// diskUse is how much of a folder's disk is used, by whomever, and how large it is, both as far as this user may use it; 0, 0
// if nobody says.
func diskUse(folder string) (used, size int64) {
	var st unix.Statfs_t
	if unix.Statfs(folder, &st) != nil {
		return 0, 0
	}
	block := int64(st.Bsize)
	size = (int64(st.Blocks) - int64(st.Bfree) + int64(st.Bavail)) * block // without what is kept for root
	return size - int64(st.Bavail)*block, size
}

// memoryUse is how much memory is used, by whomever, and of how much: of the control group if it has a limit below the
// machine's memory, else of the machine. What the kernel gives back on demand does not count as used. 0, 0 if nobody says.
func memoryUse() (used, limit int64) {
	return memoryUseOf("/proc/meminfo", "/sys/fs/cgroup")
}

func memoryUseOf(meminfo, group string) (used, limit int64) {
	total, available := figureOf(meminfo, "MemTotal:")<<10, figureOf(meminfo, "MemAvailable:")<<10
	used, limit = total-available, total
	most, err := numberIn(group + "/memory.max")
	if err != nil || most >= total && total > 0 {
		return used, limit // "max", no control group of version 2, or no limit that counts
	}
	now, err := numberIn(group + "/memory.current")
	if err != nil {
		return used, limit
	}
	return max(0, now-figureOf(group+"/memory.stat", "inactive_file ")), most
}

// figureOf is the number behind a word at the beginning of a line; 0 if there is none.
func figureOf(file, word string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, word); found {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, _ := strconv.ParseInt(fields[0], 10, 64)
				return n
			}
		}
	}
	return 0
}

func numberIn(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}
