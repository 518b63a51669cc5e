package runtime

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// A node whose folder takes long to open, as one that waits for room, is alive for who watches it.
func TestAliveWhileTheFolderOpens(t *testing.T) {
	config := Config{Data: t.TempDir(), HTTP: freeAddress(t), Dev: true, Keyspaces: []shards.Keyspace{{Name: "default", Shards: 1}}}
	n, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	logs := must[[]string](t)(filepath.Glob(filepath.Join(config.Data, "log", "*.log")))
	if len(logs) == 0 {
		t.Fatal("there is no log")
	}
	pipe := logs[len(logs)-1] // whoever opens it waits for one who writes to it
	if err := os.Remove(pipe); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		n, err := Start(t.Context(), config)
		if err == nil {
			err = n.Close()
		}
		ended <- err
	}()
	get := func(path string) (status int, says string) {
		eventually(t, path+" is answered", func() bool {
			response, err := http.Get("http://" + config.HTTP + path)
			if err != nil {
				return false
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			status, says = response.StatusCode, string(body)
			return err == nil
		})
		return status, says
	}
	if status, says := get("/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d %s", status, says)
	}
	if status, says := get("/_cluster/health"); status != http.StatusServiceUnavailable || !strings.Contains(says, "it opens its data folder") {
		t.Errorf("health: %d %s", status, says)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for open := true; open; { // of as many readers as come each finds an empty file
		select {
		case <-ended: // the log lacks what was in the file, or nothing was: neither is asked here
			open = false
		case <-tick.C:
			if w, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				w.Close()
			}
		}
	}
}
