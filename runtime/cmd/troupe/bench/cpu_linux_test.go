package bench

import (
	"os"
	"testing"
	"time"
)

func TestProcessStatus(t *testing.T) {
	got, err := parseStat([]byte("12 (a b) c) S 1 12 12 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 100 1 1"))
	if err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v; want 3s", got, err)
	}
	for _, bad := range []string{"", "1 (x) S", "1 (x) S 1 1 1 1 1 1 1 1 1 1 u s 1 1"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := processCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := processCPU(1 << 30); err == nil {
		t.Error("a process that is not there has used time")
	}
}
