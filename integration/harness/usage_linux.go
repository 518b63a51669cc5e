package harness

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// clockTick is the unit of processor time in /proc; Linux has shown 100 a second to programs since long.
const clockTick = 10 * time.Millisecond

// Memory is the resident set of the process in bytes: what it holds for itself, and beside that the pages of files, which are mostly its own
// program. Those are shared by all processes that run it, counted again in each, and dropped by the system at will.
func (p *Process) Memory() (own, files int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 3 {
		return 0, 0, fmt.Errorf("statm: %q", text)
	}
	resident, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, 0, err
	}
	shared, err := strconv.ParseInt(string(fields[2]), 10, 64)
	page := int64(os.Getpagesize())
	return (resident - shared) * page, shared * page, err
}

// CPU is the processor time that the process has used, user and system.
func (p *Process) CPU() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return 0, err
	}
	_, after, _ := bytes.Cut(text, []byte(") ")) // the name before it may hold spaces
	fields := bytes.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat: %q", text)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// stopped says whether every thread of the process stands still (state T).
func (p *Process) stopped() (bool, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.PID()))
	if err != nil {
		return false, err
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return false, err
		}
		if _, after, _ := bytes.Cut(text, []byte(") ")); !bytes.HasPrefix(after, []byte("T")) {
			return false, nil
		}
	}
	return len(threads) > 0, nil
}
