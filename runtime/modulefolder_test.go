package runtime

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/modules"
)

// A node's folder of native code holds what the cluster has, and no more: neither modules that were forgotten, nor those of earlier
// releases, nor code of another version of the engine. What is not its own it leaves alone.
func TestModuleFolderIsSwept(t *testing.T) {
	folder := t.TempDir()
	house, pushed, gone := string(cluster.DigestOf(modules.All()[0].Binary)), string(cluster.DigestOf([]byte("pushed"))), string(cluster.DigestOf([]byte("gone")))
	foreign := strings.Repeat("backup--", len(house)/8) // as long as a digest
	for at, name := range []string{house + "/wazero-v2", pushed + "/wazero-v1", pushed + "/wazero-v2", gone + "/wazero-v2", "wazero-v1", "lost+found", foreign} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "code"), []byte("code"), 0o600); err != nil {
			t.Fatal(err)
		}
		written := time.Unix(int64(1000+at), 0)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	state := &cluster.State{Modules: []cluster.Module{{Digest: cluster.Digest(pushed)}}}
	removed, err := sweepModules(folder, wantedModules(state))
	if err != nil || removed != 1 {
		t.Errorf("%d removed, %v; want the one that is gone", removed, err)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range left {
		left[i], _ = filepath.Rel(folder, left[i])
	}
	slices.Sort(left)
	want := []string{house + "/wazero-v2", pushed + "/wazero-v2", "lost+found/code", foreign + "/code"}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are\n%q, want\n%q", left, want)
	}
}
