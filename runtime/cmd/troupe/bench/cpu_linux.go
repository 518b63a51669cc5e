package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processCPU is the user and system time that a process has used; pid 0 gives 0. Its resolution is a tick.
func processCPU(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, fields 14 and 15 of proc(5). Field 2, the name, may hold spaces and parentheses.
func parseStat(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("bench: %q is no process status", stat)
	}
	user, errU := strconv.ParseInt(string(fields[11]), 10, 64)
	system, errS := strconv.ParseInt(string(fields[12]), 10, 64)
	if errU != nil || errS != nil {
		return 0, fmt.Errorf("bench: %q is no process status", stat)
	}
	return time.Duration(user+system) * tick, nil
}
