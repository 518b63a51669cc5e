package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/wasm/abi"
)

// readyLimit is how long push waits for the nodes to say whether they can run a module; readyPause is between two looks.
const (
	readyLimit = 90 * time.Second
	readyPause = 100 * time.Millisecond
)

func policyPushCommand(c *console) *cobra.Command {
	var name string
	var order int
	var force bool
	cmd := &cobra.Command{
		Use: "push FILE", Short: "bring a module into the cluster, as the newest version of a policy", Args: cobra.ExactArgs(1),
		Long: `Checks the module here, brings it into the cluster state, and waits until every node that may lead has compiled it. Nothing is
decided by it before it is activated. A push that broke off is begun again: what is there already is not sent twice.

A module that calls itself otherwise than the policy's version in force, or is soft where that is hard, is refused unless --force says
that it is meant.

Exit codes: 0 every node can run it · 4 one cannot, and says why; or it looks like another policy`,
		Example: "  troupe policy push spare.wasm\n  troupe policy push build/rule.wasm --name spare",
	}
	cmd.Flags().StringVar(&name, "name", "", "what the policy is called (default: as its manifest says)")
	cmd.Flags().IntVar(&order, "order", 0, "where it is listed and asked among others: ascending `N`, equal ones by name")
	cmd.Flags().BoolVar(&force, "force", false, "it may call itself otherwise, or be of another kind, than what is there")
	r := withCluster(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		code, module, err := readModule(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		given := &order
		if !cmd.Flags().Changed("order") {
			given = nil
		}
		return r.with(cmd.Context(), func(ctx context.Context, client *admin.Client) error {
			name := cmp.Or(name, module.Manifest.Name)
			if !force {
				if err := alike(ctx, client, name, module.Manifest); err != nil {
					return err
				}
			}
			_, err := r.push(ctx, client, code, name, given)
			return err
		})
	}
	return cmd
}

// alike refuses a module that looks like another policy than the one that it is to be a version of.
func alike(ctx context.Context, client *admin.Client, name string, m *abi.Manifest) error {
	p, err := client.Policy(ctx, name)
	if gone(err) {
		return nil // it is the first
	}
	if err != nil {
		return err
	}
	v := p.Find(0)
	if p.Active != nil {
		v = p.Find(p.Active.Version)
	}
	was := v.Manifest
	switch {
	case was == nil:
		return nil
	case was.Name != m.Name:
		return &failure{exitDifferent, fmt.Errorf("policy %s: version %d calls itself %s, and this module %s: give it a name of its own (--name), or say --force", name, v.Version, was.Name, m.Name)}
	case was.Kind != m.Kind:
		return &failure{exitDifferent, fmt.Errorf("policy %s: version %d is %s, and this module is %s: what a fault of it means would be another; say --force if that is meant", name, v.Version, was.Kind, m.Kind)}
	}
	return nil
}

// push brings a module into the cluster, and gives the version that it is there: not the newest, if it was there before.
func (r *remote) push(ctx context.Context, client *admin.Client, code []byte, name string, order *int) (number uint32, err error) {
	if !abi.IsName(name) { // before the module is sent; a policy that is there from before may have a dot in its name
		if _, err := client.Policy(ctx, name); gone(err) {
			return 0, fmt.Errorf("a policy cannot be called %q: a name has 1 to 64 of a-z, 0-9, '_' and '-', and begins with a letter", name)
		}
	}
	m := newMeter(r.c, "push", int64(len(code)))
	digest, err := client.PushModule(ctx, code, func(n int) { m.reach(int64(n)) })
	m.end()
	if err != nil {
		return 0, err
	}
	pushed, err := client.RegisterPolicy(ctx, name, digest, order)
	if err != nil {
		return 0, err
	}
	var v *admin.PolicyVersion
	err = r.awaitReady(ctx, func() ([]admin.PolicyReady, error) {
		p, err := client.Policy(ctx, name)
		if err != nil {
			return nil, err
		}
		if v = p.Find(pushed.Number); v == nil {
			return nil, fmt.Errorf("version %d of policy %s was forgotten by somebody else", pushed.Number, name)
		}
		return v.Ready, nil
	})
	if err != nil {
		return 0, err
	}
	if r.json {
		err = printJSON(r.c.out, struct {
			admin.Pushed
			Ready []admin.PolicyReady `json:"ready"`
		}{pushed, v.Ready})
	} else {
		again := ""
		if !pushed.Changed {
			again = " (it was there)"
		}
		r.warn(&pushed.Acknowledged)
		_, err = fmt.Fprintf(r.c.out, "policy %s version %d (%s), module %.12s: %s nodes are ready%s\n", name, pushed.Number, pushed.Label, digest, readyText(v), again)
	}
	if cannot, waiting := v.Unready(); err == nil && len(cannot) > 0 {
		err = &failure{exitDifferent, fmt.Errorf("it cannot be activated: node %s cannot run it: %s", cannot[0].Node, cannot[0].Reason)}
	} else if err == nil && waiting > 0 {
		err = &failure{exitDifferent, fmt.Errorf("it cannot be activated yet: %s %s not said whether they can run it", plural(waiting, "node"), verb(waiting, "has", "have"))}
	}
	return pushed.Number, err
}

// awaitReady returns once every node that is asked to has said whether it can run a module, or when that takes too long. look is how far they
// are. A large module takes its time to compile: from the first second on, how many are ready is told whenever it has changed.
func (r *remote) awaitReady(ctx context.Context, look func() ([]admin.PolicyReady, error)) error {
	told := ""
	for begun := time.Now(); ; {
		nodes, err := look()
		if err != nil {
			return err
		}
		v := admin.PolicyVersion{Ready: nodes}
		if _, waiting := v.Unready(); waiting == 0 || time.Since(begun) > readyLimit {
			return nil
		}
		if text := readyText(&v); text != told && time.Since(begun) > time.Second {
			told = text
			fmt.Fprintf(r.c.err, "nodes compile it: %s are ready\n", text)
		}
		if err := pause(ctx, readyPause); err != nil {
			return err
		}
	}
}

// reach tells how many bytes of one thing have been sent.
func (m *meter) reach(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bar != nil {
		_ = m.bar.Set64(bytes) // a bar that cannot be drawn is no reason to stop
		return
	}
	if now := time.Now(); now.After(m.next) {
		m.next = now.Add(plainPeriod)
		fmt.Fprintf(m.out, "%s: %s of %s\n", m.verb, byteText(bytes), byteText(m.total))
	}
}
