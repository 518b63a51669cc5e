package integration

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestFlippedByte changes one byte of a stopped node's data, anywhere, and starts it. Either the node refuses, says which
// file is damaged and ends with a code, or the byte did not matter (Pebble's settings, its old manifest, a block of a table
// that nothing live is in) and every key has its value. It never serves what nobody wrote, and it never forgets.
func TestFlippedByte(t *testing.T) {
	onceIsEnough(t)
	random := dice(t)
	config := newNode(t, "default:shards=4")
	config.Args = []string{"--snapshot-bytes", "64kb"}
	n := start(t, config)
	const keys = 4000
	fill(t, n, "key:", keys)
	stop(t, n) // snapshots are written
	n = start(t, config)
	fill(t, n, "more:", keys/10)
	n.Kill() // and some of it is in the log alone

	pristine := config.Data
	refused, harmless := map[string]int{}, map[string]int{}
	for range number(t, "TROUPE_FLIPS", 24) {
		config.Data = filepath.Join(t.TempDir(), "data")
		must(t, os.CopyFS(config.Data, os.DirFS(pristine)))
		kinds := dataFiles(t, config.Data)
		kind := slices.Sorted(maps.Keys(kinds))[random.IntN(len(kinds))]
		name := kinds[kind][random.IntN(len(kinds[kind]))]
		text, err := os.ReadFile(name)
		must(t, err)
		at := random.IntN(len(text))
		text[at] ^= byte(1 + random.IntN(255))
		must(t, os.WriteFile(name, text, 0o600))
		rel, err := filepath.Rel(config.Data, name)
		must(t, err)
		if startsDamaged(t, config, rel, at, keys) {
			harmless[kind]++
			if kind == "snapshots" {
				t.Errorf("byte %d of %s is changed, and nobody noticed; a start reads all of it", at, rel)
			}
		} else {
			refused[kind]++
		}
	}
	t.Logf("refused, by kind of file: %v; harmless: %v", refused, harmless)
}

// dataFiles are the files in a data folder that hold anything, by kind: what is left of the name without its numbers.
func dataFiles(t *testing.T, data string) map[string][]string {
	t.Helper()
	kinds := map[string][]string{}
	must(t, filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 {
			kind := filepath.Base(filepath.Dir(path)) + "/" + strings.TrimLeft(strings.TrimRight(d.Name(), "-0123456789"), "0123456789")
			if strings.HasPrefix(kind, "snapshots/") {
				kind = "snapshots"
			}
			kinds[kind] = append(kinds[kind], path)
		}
		return err
	}))
	return kinds
}

// startsDamaged starts a node on damaged data. It is true if the node serves, and then everything is right.
func startsDamaged(t *testing.T, config *harness.NodeConfig, file string, at, keys int) bool {
	t.Helper()
	n, err := harness.Launch(config)
	must(t, err)
	defer n.Kill()
	if err := n.Until(soon(t), n.Healthy); err != nil {
		select {
		case <-n.Exited():
		default:
			t.Fatalf("byte %d of %s is changed; the node neither serves nor ends: %v", at, file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		named := strings.Contains(n.Output(), "corrupt") && strings.Contains(n.Output(), name)
		if code := n.ExitCode(); code != 1 || !named && !strings.HasPrefix(name, "OPTIONS") {
			t.Errorf("byte %d of %s is changed; the node ended with code %d and should name the file\n%s", at, file, code, n.Output())
		}
		return false
	}
	c := connect(t, n.RESP)
	for prefix, count := range map[string]int{"key:": keys, "more:": keys / 10} {
		checkFilled(t, c, prefix, count, file, at)
	}
	return true
}

// checkFilled reads back what fill wrote.
func checkFilled(t *testing.T, c *harness.Conn, prefix string, count int, file string, at int) {
	t.Helper()
	for i := range count {
		c.Send("GET", prefix+strconv.Itoa(i))
	}
	sent := make(chan error, 1)
	go func() { sent <- c.Flush() }()
	for i := range count {
		key := prefix + strconv.Itoa(i)
		if got, err := c.Receive(); got != "value of "+key || err != nil {
			t.Fatalf("byte %d of %s is changed; the node serves, and %s is %v, %v", at, file, key, got, err)
		}
	}
	must(t, <-sent)
}
