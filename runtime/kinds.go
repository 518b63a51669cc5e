package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// Kinds are the kinds of virtual actors whose code is a WebAssembly module that was pushed to the cluster. Its methods do on any node what
// `troupe actor push`, `use`, `rollback`, `forget` and `list` do, and may be called concurrently. What the cluster state does not allow is
// refused with a *cluster.Refusal. Who embeds no node has the same with an admin.Client.
type Kinds struct{ node *Node }

// Kinds gives access to the kinds that were pushed. Those that programs register (Register) are not among them.
func (n *Node) Kinds() *Kinds { return &Kinds{n} }

// PushOptions says what becomes of a module when every node has compiled it. The zero value has it used.
type PushOptions struct {
	Hold  bool // leave the version in use as it is; Use does the rest
	Older bool // use it also if it reads only an older layout of data than the version in use writes: see admin.KindUse
}

// PushedKind is a module that has become a version of a kind.
type PushedKind struct {
	Kind    string
	Version uint32 // of the kind, from 1
	Label   string // the version that the module's manifest says
	Digest  string // SHA-256 of the module, 64 hexadecimal digits
}

// Push makes a module (wasm/abi/ACT.md), up to 4 MiB of it, the newest version of the kind that its manifest names. It is checked here,
// and brought into the cluster state; the kind's keyspace is made as Register does; then Push waits, as long as ctx, until every node
// that may hold actors has compiled it, and has their messages handled by it. Each shard changes to it at one place of its log.
//
// A node that cannot run the module ends the wait with an error that says which and why: the version is there then, and not in use. A
// push that broke off is begun again, and one of a module that the kind has already changes nothing but which version is in use.
func (k *Kinds) Push(ctx context.Context, module []byte, o PushOptions) (PushedKind, error) {
	manifest, err := k.check(ctx, module)
	if err != nil {
		return PushedKind{}, err
	}
	done := PushedKind{Kind: manifest.Kind, Label: manifest.Version, Digest: string(cluster.DigestOf(module))}
	if err := k.node.makeActorKeyspace(ctx, manifest.Keyspace); err != nil {
		return done, fmt.Errorf("kind %s: %w", done.Kind, err)
	}
	for _, c := range k.node.state().PushesOf(module, time.Now().Unix()) {
		if _, err := k.propose(ctx, c); err != nil {
			return done, err
		}
	}
	if _, err := k.propose(ctx, &cluster.Command{RegisterKind: &cluster.RegisterKind{
		Name: manifest.Kind, Keyspace: manifest.Keyspace, Digest: cluster.Digest(done.Digest), Label: manifest.Version, Data: manifest.Data, At: time.Now().Unix(),
	}}); err != nil {
		return done, err
	}
	for {
		if done.Version, err = k.awaitReady(ctx, &done); err != nil || o.Hold {
			return done, err
		}
		outcome, err := k.use(ctx, &cluster.UseKind{Name: done.Kind, Number: done.Version, Older: o.Older})
		if err == nil || outcome.Err == nil || outcome.Err.Why != cluster.WhyUnsafe || k.node.awaitUnless(ctx, k.node.done, outcome.Version-1) != nil {
			return done, err
		}
		if missing, _, unable := k.look(&done); missing == "" || unable != nil {
			return done, err // that it is not ready everywhere was not the reason
		}
	}
}

// check finds out whether a module can be a kind before others are troubled with it.
func (k *Kinds) check(ctx context.Context, module []byte) (*act.Manifest, error) {
	if len(module) > cluster.MaxModule {
		return nil, fmt.Errorf("runtime: the module has %d bytes; at most %d: build it smaller, without debug information", len(module), cluster.MaxModule)
	}
	if k.node.engine == nil { // the others say what is wrong with it
		return act.FindManifest(module)
	}
	m, err := guest.Load(ctx, k.node.engine, module, wasm.Host{})
	if err != nil {
		return nil, err
	}
	return m.Manifest, m.Close()
}

// propose has a command ordered; what the state refuses is an error.
func (k *Kinds) propose(ctx context.Context, c *cluster.Command) (cluster.Outcome, error) {
	outcome, err := k.node.propose(ctx, c)
	if err == nil {
		err = outcome.Error()
	}
	return outcome, err
}

// awaitReady returns the number of a version when every node that may hold actors has compiled it.
func (k *Kinds) awaitReady(ctx context.Context, p *PushedKind) (uint32, error) {
	for {
		seen := k.node.state().Version
		missing, number, err := k.look(p)
		if missing == "" || err != nil {
			return number, err
		}
		if err := k.node.awaitUnless(ctx, k.node.done, seen); err != nil {
			return number, fmt.Errorf("runtime: version %d of kind %s is there, and not in use: %s: %w", number, p.Kind, missing, err)
		}
	}
}

// look says what of a version is waited for; empty: nothing. An error says that waiting is in vain.
func (k *Kinds) look(p *PushedKind) (missing string, number uint32, err error) {
	state := k.node.state()
	if state.Cluster == "" {
		return "this node is between two lives", 0, nil
	}
	known := state.Kind(p.Kind)
	var v *cluster.KindVersion
	if known != nil {
		v = known.Of(cluster.Digest(p.Digest))
	}
	if v == nil {
		return "", 0, fmt.Errorf("runtime: kind %s: the version with module %.12s was forgotten, or pushed out by newer ones, before every node had compiled it", p.Kind, p.Digest)
	}
	cannot, waiting := state.UnreadyForKind(state.Module(v.Digest))
	if len(cannot) > 0 {
		err = fmt.Errorf("runtime: version %d of the kind is there, and cannot be used: %s", v.Number, strings.Join(cannot, "; "))
	}
	return strings.Join(waiting, "; "), v.Number, err
}

// Use has the messages of a kind handled by a version. It is refused unless every node that may hold actors has compiled that.
func (k *Kinds) Use(ctx context.Context, kind string, u admin.KindUse) error {
	_, err := k.use(ctx, &cluster.UseKind{Name: kind, Number: u.Version, If: u.If, Older: u.Older})
	return err
}

// Rollback has messages handled by the version before the one in use; another Rollback goes forth again, unless u.If says which
// version must be in use. u.Version must be 0.
func (k *Kinds) Rollback(ctx context.Context, kind string, u admin.KindUse) error {
	if u.Version != 0 {
		return errors.New("runtime: a rollback goes to the version before; Use another one")
	}
	c, err := k.node.state().RollbackOf(&cluster.UseKind{Name: kind, If: u.If, Older: u.Older})
	if err != nil {
		return err
	}
	_, err = k.use(ctx, c)
	return err
}

func (k *Kinds) use(ctx context.Context, u *cluster.UseKind) (cluster.Outcome, error) {
	u.At = time.Now().Unix()
	outcome, err := k.propose(ctx, &cluster.Command{UseKind: u})
	if err == nil {
		k.awaitHeard(ctx, outcome.Version)
	}
	return outcome, err
}

// Forget drops a kind with its modules. Messages for its actors are refused from then on; what they keep stays in their shards, and a
// kind of that name which is pushed later finds it.
func (k *Kinds) Forget(ctx context.Context, kind string) error {
	_, err := k.propose(ctx, &cluster.Command{ForgetKind: &cluster.ForgetKind{Name: kind}})
	return err
}

// List gives the kinds by name, with their versions and who has compiled them, as far as this node has heard.
func (k *Kinds) List() []admin.KindInfo { return admin.KindsOf(k.node.state()) }

// What it takes for others to hear of a change: how long they are waited for, and the pauses between questions to one, which grow.
const (
	heardLimit = 2 * time.Second
	firstPause = 2 * time.Millisecond
	mostPause  = 100 * time.Millisecond
)

// awaitHeard returns when every member that answers has applied a version of the cluster state, so that the next call finds what has just
// come into use wherever its actor lives. A member that is late, or does not answer, does not keep the others waiting for long.
func (k *Kinds) awaitHeard(ctx context.Context, version uint64) {
	ctx, cancel := context.WithTimeout(ctx, heardLimit)
	defer cancel()
	var asked sync.WaitGroup
	for _, m := range k.node.state().Members {
		if !m.Down && m.ID != k.node.id.Node {
			asked.Go(func() { k.heard(ctx, m.ID, version) })
		}
	}
	asked.Wait()
}

// heard returns when a member has applied a version. One that does not answer may do so in a moment: it starts again, or its link broke.
func (k *Kinds) heard(ctx context.Context, node shards.NodeID, version uint64) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if v, err := (clusterAPI{k.node}).View(ctx, node, false); err == nil && v.Version >= version {
			return
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}
