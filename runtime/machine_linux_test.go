package runtime

import (
	"os"
	"path/filepath"
	"testing"
)

// A control group's limit counts if it is below the machine's memory; what its files keep in cache does not count as used.
func TestMemoryUse(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(used, limit int64) {
		t.Helper()
		if u, l := memoryUseOf(filepath.Join(folder, "meminfo"), folder); u != used || l != limit {
			t.Errorf("%d of %d, want %d of %d", u, l, used, limit)
		}
	}
	check(0, 0)
	write("meminfo", "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    400 kB\n")
	check(600<<10, 1000<<10)
	write("memory.max", "max\n")
	write("memory.current", "500\n")
	check(600<<10, 1000<<10)
	write("memory.max", "2048000\n")
	check(600<<10, 1000<<10)
	write("memory.max", "900\n")
	check(500, 900)
	write("memory.stat", "anon 1\nactive_file 7\ninactive_file 120\n")
	check(380, 900)
}
