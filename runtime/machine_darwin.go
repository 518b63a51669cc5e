package runtime

import (
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

// diskUse is how much of a folder's disk is used, by whomever, and how large it is; 0, 0 if nobody says.
func diskUse(folder string) (used, size int64) {
	var st unix.Statfs_t
	if unix.Statfs(folder, &st) != nil {
		return 0, 0
	}
	size = int64(st.Blocks) * int64(st.Bsize)
	return size - int64(st.Bavail)*int64(st.Bsize), size
}

// memoryUse is what nobody says simply here: a capacity of 0 is not known.
func memoryUse() (used, limit int64) { return 0, 0 }
