package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// troupe is three nodes with one replica of each shard, and fsync before each answer.
type troupe struct {
	cluster *harness.Cluster
	called  string
	end     func() error // closes what belongs to it; nil: nothing does
}

func startTroupe(ctx context.Context, o *options, dir string) (system, error) {
	t, err := startNodes(ctx, o, dir, "troupe")
	if t == nil {
		return nil, err
	}
	return t, err
}

func startNodes(ctx context.Context, o *options, dir, called string, env ...string) (*troupe, error) {
	program := o.program
	if program == "" {
		var err error
		if program, err = harness.Build(ctx, dir, false); err != nil {
			return nil, err
		}
	}
	args := strings.Fields(o.troupe)
	if o.fault == "cut" { // paths for it, and the times of a node without --dev
		args = append([]string{"--dev", "--tick", "50ms", "--election", "500ms"}, args...)
	}
	c, err := harness.StartCluster(ctx, harness.ClusterConfig{Program: program, Dir: dir, Args: args, Env: env})
	if err != nil {
		return nil, err
	}
	return &troupe{cluster: c, called: called}, nil
}

func (t *troupe) name() string { return t.called }

func (t *troupe) whole(ctx context.Context) error {
	err := t.cluster.WaitHealth(ctx, "green")
	if err == nil {
		err = t.cluster.WaitVoters(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, t.cluster.Output())
	}
	return nil
}

func (t *troupe) aims() []string { return []string{aimPrimary, aimLeader} }

// target finds a slot whose primary is on the placement leader, or on another node.
func (t *troupe) target(ctx context.Context, aim, tag string) (string, victim, error) {
	leader, err := t.cluster.Leader(ctx)
	if err != nil {
		return "", nil, err
	}
	for n := range 1000 {
		candidate := fmt.Sprintf("%s%d", tag, n)
		m, err := t.cluster.Primary(ctx, "default", candidate)
		if err != nil {
			return "", nil, err
		}
		if (m == leader) == (aim == aimLeader) {
			return candidate, m, nil
		}
	}
	return "", nil, fmt.Errorf("no shard has its primary where %q asks for; the leader is %s", aim, leader.Name)
}

func (t *troupe) still(ctx context.Context, aim, tag string, v victim) bool {
	leader, err := t.cluster.Leader(ctx)
	if err != nil {
		return false
	}
	m, err := t.cluster.Primary(ctx, "default", tag)
	return err == nil && m == v && (m == leader) == (aim == aimLeader)
}

func (t *troupe) store(attempt time.Duration) harness.Store {
	return harness.Follow(t.cluster.RESP(), attempt)
}

func (t *troupe) close() {
	t.cluster.Kill()
	if t.end != nil {
		if err := t.end(); err != nil {
			fmt.Fprintf(os.Stderr, "failover: %s: %v\n", t.called, err)
		}
	}
}
