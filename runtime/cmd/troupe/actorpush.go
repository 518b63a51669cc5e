package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

func actorPushCommand(c *console) *cobra.Command {
	var hold, older bool
	cmd := &cobra.Command{
		Use: "push MODULE", Short: "bring a kind of actors into the cluster, or its next version, and use it", Args: cobra.ExactArgs(1),
		Long: `Checks the module here, brings it into the cluster state, waits until every node that may hold actors has compiled it, and has it handle
their messages. Each shard changes to it at one place of its log: all messages before are handled by the version before, all after by this
one. Data that is kept in an older layout moves when its actor gets its next message. With --hold it is only made ready; troupe actor use
does the rest. A push that broke off is begun again: what is there already is not sent twice.

Exit codes: 0 in use, or ready with --hold · 4 a node cannot run it, and says why, or it reads only older data`,
		Example: `  troupe actor push counter.wasm
  troupe actor push counter.wasm --hold && troupe actor use counter`,
	}
	cmd.Flags().BoolVar(&hold, "hold", false, "make it ready, and leave the version in use as it is")
	cmd.Flags().BoolVar(&older, "older", false, olderUsage)
	cmd.MarkFlagsMutuallyExclusive("hold", "older")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		code, module, err := readGuest(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := module.close(); err != nil {
			return err
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			return r.pushKind(ctx, client, code, module.Manifest.Kind, hold, older)
		})
	}
	return cmd
}

const olderUsage = "also if it reads only an older layout of data than the version in use writes: actors whose data has moved refuse messages until a newer version is used again"

// localGuest is a module on this machine, loaded as every node would.
type localGuest struct {
	*guest.Module
	engine *wasm.Engine
}

func (g *localGuest) close() error { return errors.Join(g.Module.Close(), g.engine.Close()) }

// readGuest reads a file that shall be a kind of actors.
func readGuest(ctx context.Context, path string) (code []byte, g *localGuest, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > cluster.MaxModule {
		return nil, nil, fmt.Errorf("%s has %s; a module has at most %s: build it smaller, without debug information", path, byteText(info.Size()), byteText(cluster.MaxModule))
	}
	if code, err = os.ReadFile(path); err != nil {
		return nil, nil, err
	}
	engine, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		return nil, nil, err
	}
	module, err := guest.Load(ctx, engine, code, wasm.Host{})
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), engine.Close())
	}
	return code, &localGuest{module, engine}, nil
}

// pushedKind is what push prints as JSON.
type pushedKind struct {
	admin.KindPushed
	Ready []admin.PolicyReady `json:"ready"`
	Used  bool                `json:"used"`
}

func (r *remote) pushKind(ctx context.Context, client *admin.Client, code []byte, kind string, hold, older bool) error {
	m := newMeter(r.c, "push", int64(len(code)))
	digest, err := client.PushModule(ctx, code, func(n int) { m.reach(int64(n)) })
	m.end()
	if err != nil {
		return err
	}
	done := pushedKind{}
	if done.KindPushed, err = client.RegisterKind(ctx, kind, digest); err != nil {
		return err
	}
	var v *admin.KindVersion
	err = r.awaitReady(ctx, func() ([]admin.PolicyReady, error) {
		k, err := client.Kind(ctx, kind)
		if err != nil {
			return nil, err
		}
		if v = k.Find(done.Number); v == nil {
			return nil, fmt.Errorf("version %d of kind %s was forgotten by somebody else", done.Number, kind)
		}
		return v.Ready, nil
	})
	if err != nil {
		return err
	}
	done.Ready = v.Ready
	cannot, waiting := v.Unready()
	if len(cannot)+waiting == 0 && !hold {
		if _, err := client.UseKind(ctx, kind, admin.KindUse{Version: done.Number, Older: older}); err != nil {
			return olderRefused(err)
		}
		if err := r.awaitKindUsed(ctx, client, kind, done.Number); err != nil {
			return err
		}
		done.Used = true
	}
	if r.json {
		err = printJSON(r.c.out, done)
	} else {
		text := fmt.Sprintf("kind %s version %d (%s), module %.12s: %s nodes are ready", kind, done.Number, done.Label, digest, kindReadyText(v))
		if done.Used {
			text += ", and it is in use"
		}
		_, err = fmt.Fprintln(r.c.out, text)
	}
	if err == nil && len(cannot) > 0 {
		err = &failure{exitDifferent, fmt.Errorf("it cannot be used: node %s cannot run it: %s", cannot[0].Node, cannot[0].Reason)}
	} else if err == nil && waiting > 0 {
		err = &failure{exitDifferent, fmt.Errorf("it cannot be used yet: %s %s not said whether they can run it", plural(waiting, "node"), verb(waiting, "has", "have"))}
	}
	return err
}

// olderRefused adds to a refusal what the command line has for it.
func olderRefused(err error) error {
	var e *admin.Error
	if errors.As(err, &e) && strings.Contains(e.Reason, "keeps data in layout") {
		return &failure{exitDifferent, fmt.Errorf("%w; --older does it nevertheless", err)}
	}
	return refused(err)
}

// awaitKindUsed returns once every node that answers has heard that a version is in use.
func (r *remote) awaitKindUsed(ctx context.Context, client *admin.Client, kind string, number uint32) error {
	for deadline := time.Now().Add(readyLimit); time.Now().Before(deadline); {
		l, err := client.Actors(ctx)
		if err != nil {
			return err
		}
		late := 0
		for i := range l.Nodes {
			if l.Nodes[i].Error == "" && !l.Nodes[i].Uses(kind, number) {
				late++
			}
		}
		if late == 0 {
			return nil
		}
		if err := pause(ctx, readyPause); err != nil {
			return err
		}
	}
	return nil // it is in use; a node that is late waits for the state when it gets a message
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func kindReadyText(v *admin.KindVersion) string {
	return readyText(&admin.PolicyVersion{Ready: v.Ready})
}

// printKindManifest prints what a module says about itself.
func (r *remote) printKindManifest(m *act.Manifest) error {
	memory := "put back after each message"
	if m.Reuse {
		memory = "kept from one message to the next"
	}
	fmt.Fprintf(r.c.out, "%s %s in keyspace %s, data in layout %d, memory %s\n", m.Kind, keyText([]byte(m.Version)), keyText([]byte(m.Keyspace)), m.Data, memory)
	if m.Description != "" {
		fmt.Fprintln(r.c.out, keyText([]byte(m.Description)))
	}
	fmt.Fprintf(r.c.out, "a message may use %d of fuel, %d operations on data, %s, %d sends and %d pages of memory\n", m.Limits.Fuel, m.Limits.Ops, byteText(int64(m.Limits.Bytes)), m.Limits.Sends, m.Limits.Pages)
	rows := [][]string{}
	for _, name := range sortedNames(m.Methods) {
		rows = append(rows, []string{keyText([]byte(name)), lineText(m.Methods[name])})
	}
	return writeTable(r.c.out, []string{"METHOD", "ABOUT"}, rows)
}
