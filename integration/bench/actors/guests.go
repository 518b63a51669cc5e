package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// guestKind is the counter that all SDKs are held equal by, in one language: a kind of its own.
type guestKind struct {
	kind, language string
	target         float64
}

var guestKinds = []guestKind{{"guest-c", "C", 4}, {"guest-rust", "Rust", 4}, {"guest-go", "Go, memory kept", 0}}

// counterOf gives the module of a language from the SDKs' tests below root, under a kind's name. That of Go is built.
func counterOf(ctx context.Context, root string, k *guestKind) ([]byte, error) {
	folder := filepath.Join(root, "wasm", "guest", "testdata", "actor")
	binary, manifest := filepath.Join(folder, map[string]string{"guest-c": "c.wasm", "guest-rust": "rust.wasm"}[k.kind]), filepath.Join(folder, "manifest.json")
	if k.kind == "guest-go" {
		dir, err := os.MkdirTemp("", "troupe-bench-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary, manifest = filepath.Join(dir, "go.wasm"), filepath.Join(folder, "go", "manifest.json")
		build := exec.CommandContext(ctx, "go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", binary, "./go")
		build.Dir, build.Env = folder, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the guest in Go: %w: %s", err, text)
		}
	}
	code, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	fields["kind"] = k.kind
	if text, err = json.Marshal(fields); err != nil {
		return nil, err
	}
	return act.WithManifest(code, text)
}

// pushGuests has a node run the counters that are modules.
func pushGuests(ctx context.Context, root string, node *runtime.Node) error {
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{node.HTTPAddr()}})
	if err != nil {
		return err
	}
	for i := range guestKinds {
		k := &guestKinds[i]
		code, err := counterOf(ctx, root, k)
		if err != nil {
			return fmt.Errorf("the guest in %s: %w", k.language, err)
		}
		digest, err := client.PushModule(ctx, code, nil)
		if err == nil {
			_, err = client.RegisterKind(ctx, k.kind, digest)
		}
		if err == nil {
			err = ready(ctx, client, k.kind)
		}
		if err == nil {
			_, err = client.UseKind(ctx, k.kind, admin.KindUse{})
		}
		if err != nil {
			return fmt.Errorf("the guest in %s: %w", k.language, err)
		}
	}
	return nil
}

// ready waits until the node has compiled a kind.
func ready(ctx context.Context, client *admin.Client, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		info, err := client.Kind(ctx, kind)
		if err != nil {
			return err
		}
		if cannot, waiting := info.Find(0).Unready(); len(cannot) > 0 {
			return fmt.Errorf("the node cannot run it: %s", cannot[0].Reason)
		} else if waiting == 0 {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// guestContestants call each guest's counter, beside the one in Go that the same node runs natively.
func guestContestants(h *virtual.Host) (list []*contestant) {
	call := func(kind string) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			_, err := virtual.Call[int, int](ctx, h, virtual.ID{Kind: kind, Name: "one"}, "add", 1)
			return err
		}
	}
	const native = "native handler, state in memory"
	list = append(list, &contestant{name: native, inFlight: 1, call: call("counter")})
	for _, k := range guestKinds {
		list = append(list, &contestant{name: "guest in " + k.language, inFlight: 1, call: call(k.kind), against: native, target: k.target})
	}
	return list
}
