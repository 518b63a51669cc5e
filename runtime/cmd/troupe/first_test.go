package main

import (
	"os"
	"slices"
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
	first := func(addr string) []string { return (&remote{c: &console{env: env}, addr: addr}).first(t.Context()) }
	if got := first(""); !slices.Equal(got, []string{defaultAddr}) {
		t.Errorf("with no cluster: %v", got)
	}
	var cluster *dev.Cluster
	var err error
	for base := 19000 + os.Getpid()%500*4; cluster == nil; base += 4 { // until its ports are free
		if cluster, err = dev.New(dev.Config{Nodes: 2, Base: base, Data: t.TempDir()}); base > 30000 {
			t.Fatal(err)
		}
	}
	control, err := dev.Listen(cluster, dev.Folder(env))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, n := range cluster.Nodes() {
		want = append(want, n.HTTP)
	}
	if got := first(""); !slices.Equal(got, want) {
		t.Errorf("the cluster is at %v, and they look at %v", want, got)
	}
	if got := first("127.0.0.1:1"); !slices.Equal(got, []string{"127.0.0.1:1"}) {
		t.Errorf("with --addr: %v", got)
	}
	if err := control.Close(); err != nil {
		t.Error(err)
	}
	if got := first(""); !slices.Equal(got, []string{defaultAddr}) {
		t.Errorf("when it is gone: %v", got)
	}
}
