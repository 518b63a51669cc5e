package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/dev"
)

// A dev cluster on other ports than usual is found by verbs to which nobody says where it is.
func TestVerbsFindDevCluster(t *testing.T) {
	if listens(defaultAddr) || slices.ContainsFunc(devAddrs, listens) {
		t.Skip("a cluster runs here where verbs look first")
	}
	folder := t.TempDir()
	env := func(name string) (string, bool) { return folder, name == "XDG_RUNTIME_DIR" }
	looks := func(addr string, want ...string) {
		t.Helper()
		if got, err := (&remote{c: &console{env: env}, addr: addr}).first(t.Context()); err != nil || !slices.Equal(got, want) {
			t.Errorf("they look at %v and not at %v: %v", got, want, err)
		}
	}
	looks("", defaultAddr)           // with no cluster
	base := 8000 + os.Getpid()%200*4 // below those of other tests, which run at the same time
	start := func() (*dev.Control, []string) {
		var cluster *dev.Cluster
		var err error
		for ; cluster == nil; base += 4 { // until its ports are free
			if cluster, err = dev.New(dev.Config{Nodes: 2, Base: base, Data: t.TempDir()}); base > 9700 {
				t.Fatal(err)
			}
		}
		control, err := dev.Listen(cluster, dev.Folder(env))
		if err != nil {
			t.Fatal(err)
		}
		var nodes []string
		for _, n := range cluster.Nodes() {
			nodes = append(nodes, n.HTTP)
		}
		return control, nodes
	}
	end := func(c *dev.Control) {
		t.Helper()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	control, nodes := start()
	looks("", nodes...)
	looks("127.0.0.1:1", "127.0.0.1:1")
	second, others := start()
	r := &remote{c: &console{env: env}}
	want := "several dev clusters: say which with --addr " + nodes[0] + " or " + others[0]
	if got, err := r.first(t.Context()); !errors.As(err, new(*failure)) || !strings.Contains(err.Error(), want) {
		t.Errorf("with two clusters: %v, %v; want %q", got, err, want)
	}
	looks(others[0], others[0])
	end(second)
	looks("", nodes...)
	end(control)
	looks("", defaultAddr)
	damaged := filepath.Join(dev.Folder(env), "8000.json")
	if err := os.WriteFile(damaged, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.first(t.Context()); err == nil || !strings.Contains(err.Error(), damaged) {
		t.Errorf("with a damaged control file: %v", err)
	}
}
