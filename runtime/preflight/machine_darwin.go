package preflight

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// dataSync is Go's own, which asks the drive to empty its cache.
func dataSync(file *os.File) error { return file.Sync() }

func freeSpace(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func fileLimit() (int64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	return int64(min(limit.Cur, 1<<62)), nil
}

func availableMemory() (int64, error) { return 0, errors.New("macOS does not say simply") }

func hugePageMode() (mode string, known bool) { return "", false }

func kernelVersion() string {
	release, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return ""
	}
	return "kernel " + release
}
