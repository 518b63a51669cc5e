package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestDiskFull gives a node a small disk of its own and lets it fill up twice: by its own writes, and by somebody else's.
// Writes then fail with an error that says so, reads and deletes go on, and when there is space again, so do writes.
func TestDiskFull(t *testing.T) {
	onceIsEnough(t)
	config := newNode(t)
	config.Data = smallDisk(t, 400<<20) // an empty log keeps up to 110 MiB of files to write into again
	config.Args = []string{"--disk-reserve", "100mb"}
	n := start(t, config)
	c := connect(t, n.RESP)

	written := writeUntilFull(t, c)
	if written == 0 {
		t.Fatal("not one write was accepted")
	}
	expect(t, c, blob(0), "GET", "blob:0")
	expect(t, c, int64(1), "DEL", "blob:0")
	expect(t, c, nil, "GET", "blob:0")
	for i := 1; i < written; i++ {
		expect(t, c, int64(1), "DEL", blobKey(i))
	}

	// The log gives space back by writing anew what is left of it, so one write may be accepted a moment before the next is refused.
	until(t, "what was deleted leaves the log, and writes are accepted again", func() bool { return accepted(t, c, "before", "the flood") })

	// Somebody else's file goes, and there is space again; until then it does not matter who took it.
	ballast := filepath.Join(config.Data, "ballast")
	must(t, fillDisk(ballast, 300<<20))
	until(t, "writes are refused on a disk that somebody else filled", func() bool { return !accepted(t, c, "probe", "x") })
	expect(t, c, "the flood", "GET", "before")
	must(t, os.Remove(ballast))
	until(t, "writes are accepted when somebody else made space", func() bool { return accepted(t, c, "after", "the flood") })

	n.Kill()
	n = start(t, config)
	expect(t, connect(t, n.RESP), "the flood", "GET", "after")
}

// smallDisk mounts a file system in memory, of so many bytes, for as long as the test runs.
func smallDisk(t *testing.T, bytes int64) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skipf("a disk of one's own needs root: %v", err)
	}
	must(t, err)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func blobKey(i int) string { return fmt.Sprintf("blob:%d", i) }

// blob is 64 KiB that no compression makes smaller.
func blob(i int) string {
	content := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(content) // never fails, says its documentation
	return string(content)
}

// writeUntilFull writes blobs until one is refused, and says how many were not.
func writeUntilFull(t *testing.T, c *harness.Conn) int {
	t.Helper()
	for i := 0; ; i++ {
		if _, err := c.Do("SET", blobKey(i), blob(i)); err != nil {
			refusedForSpace(t, err)
			return i
		}
		if i > 1<<14 {
			t.Fatal("a disk of 400 MiB took a gigabyte")
		}
	}
}

// accepted says whether a write is; it may be refused for lack of space only.
func accepted(t *testing.T, c *harness.Conn, key, value string) bool {
	t.Helper()
	if _, err := c.Do("SET", key, value); err != nil {
		refusedForSpace(t, err)
		return false
	}
	return true
}

func refusedForSpace(t *testing.T, err error) {
	t.Helper()
	var r harness.ReplyError
	if !errors.As(err, &r) || !strings.Contains(strings.ToLower(err.Error()), "disk") {
		t.Fatalf("on a full disk a write ends with %v, which does not speak of the disk", err)
	}
}

// fillDisk writes a file of so many bytes, or of as many as fit.
func fillDisk(name string, size int) error {
	err := os.WriteFile(name, bytes.Repeat([]byte{1}, size), 0o600)
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	return err
}
