package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// CheckAnswer is the answer of /_cluster/check.
type CheckAnswer struct {
	OK       bool         `json:"ok"`
	Leader   string       `json:"leader"`
	Version  uint64       `json:"version"` // of the cluster state that all shall have
	Nodes    []NodeCheck  `json:"nodes"`
	Shards   int          `json:"shards"` // written to and read from
	Problems []ShardCheck `json:"problems"`
	ReadOnly bool         `json:"read_only"` // the shards were not tried: the cluster is in maintenance
}

// NodeCheck is what one member answered.
type NodeCheck struct {
	Node    string `json:"node"`
	OK      bool   `json:"ok"`
	Leader  string `json:"leader"`
	Version uint64 `json:"version"`
	Micros  int64  `json:"microseconds"` // until it answered
	Problem string `json:"problem,omitempty"`
}

// ShardCheck is a shard that did not do as it should.
type ShardCheck struct {
	Shard   string `json:"shard"`
	Problem string `json:"problem"`
}

// checkup tries everything: each node must answer, with the same leader and state and the time of most voters, and each shard must take a write and give it back.
// It does both at once: a node that does not answer takes all the time that there is, and says nothing about the shards.
func (s *Server) checkup(x *exchange, q *query) error {
	timeout, err := q.timeout(10 * time.Second)
	if err != nil {
		return err
	}
	c, state, err := s.agreed()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), timeout)
	defer cancel()
	evidence := c.Evidence()
	a := CheckAnswer{Version: state.Version, ReadOnly: state.ReadOnly, Problems: []ShardCheck{}}
	var nodes sync.WaitGroup
	nodes.Go(func() { a.Nodes = checkNodes(ctx, c, state, &evidence) })
	if !state.ReadOnly {
		a.Shards, a.Problems = len(state.Shards), s.tryShards(ctx, state)
	}
	nodes.Wait()
	a.OK = evidence.Leader != ""
	if a.OK {
		a.Leader = state.NodeName(evidence.Leader)
	}
	for i := range a.Nodes {
		a.OK = a.OK && a.Nodes[i].OK
	}
	a.OK = a.OK && len(a.Problems) == 0
	x.json(http.StatusOK, a)
	return nil
}

// checkNodes asks all members at once, those that are down as well.
func checkNodes(ctx context.Context, c Cluster, state *cluster.State, evidence *Evidence) []NodeCheck {
	checks := make([]NodeCheck, len(state.Members))
	answers := make([]reached, len(state.Members))
	var asked sync.WaitGroup
	for i := range state.Members {
		m := &state.Members[i]
		asked.Go(func() {
			start := time.Now()
			answer, err := reach(ctx, c, m.ID, state.Version)
			view := answer.view
			checks[i] = NodeCheck{Node: m.Name, Version: view.Version, Micros: time.Since(start).Microseconds()}
			answers[i] = answer
			if view.Leader != "" {
				checks[i].Leader = state.NodeName(view.Leader)
			}
			checks[i].Problem = disagreement(state, evidence, &view, err)
		})
	}
	asked.Wait()
	digests := map[uint64]uint64{} // by entry: who has carried out the same entries must have the same state
	clocks := wrongClocks(state, answers)
	for i := range checks {
		n, view := &checks[i], &answers[i].view
		n.Problem = cmp.Or(n.Problem, clocks[i])
		if first, seen := digests[view.Applied]; seen && view.Digest != 0 && first != view.Digest {
			n.Problem = fmt.Sprintf("its state at entry %d is not that of the others (digest %x, not %x): stop it and start it with an empty data folder", view.Applied, view.Digest, first)
		} else if view.Digest != 0 {
			digests[view.Applied] = view.Digest
		}
		n.OK = n.Problem == ""
	}
	slices.SortFunc(checks, func(x, y NodeCheck) int { return strings.Compare(x.Node, y.Node) })
	return checks
}

// catchUpPause is how often a member that lags is asked again.
const catchUpPause = 20 * time.Millisecond

// reach asks a member until it has the state at version, or ctx ends.
func reach(ctx context.Context, c Cluster, node shards.NodeID, version uint64) (reached, error) {
	again := time.NewTicker(catchUpPause)
	defer again.Stop()
	for {
		asked := time.Now()
		view, err := c.View(ctx, node, false)
		answer := timed(view, asked)
		if err != nil || view.Version >= version {
			return answer, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return answer, nil
		}
	}
}

func disagreement(state *cluster.State, evidence *Evidence, view *View, err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer in time"
	case err != nil:
		return err.Error()
	case view.Leader == "":
		return "it knows no leader"
	case view.Leader != evidence.Leader:
		return fmt.Sprintf("it takes %s for the leader", state.NodeName(view.Leader))
	case view.Version < state.Version:
		return fmt.Sprintf("its cluster state has version %d, and did not come to %d in time", view.Version, state.Version)
	}
	return ""
}

// checkers is how many shards are tried at once.
const checkers = 16

// tryShards writes to each shard, reads it back, and deletes it again.
func (s *Server) tryShards(ctx context.Context, state *cluster.State) []ShardCheck {
	problems := make([]string, len(state.Shards))
	next := make(chan int)
	var workers sync.WaitGroup
	for range checkers {
		workers.Go(func() {
			for i := range next {
				if err := s.tryShard(ctx, state.Keyspace(state.Shards[i].ID.Keyspace()), state.Shards[i].ID.Index()); err != nil {
					problems[i] = err.Error()
				}
			}
		})
	}
	for i := range state.Shards {
		next <- i
	}
	close(next)
	workers.Wait()
	found := []ShardCheck{}
	for i, problem := range problems {
		if problem != "" {
			found = append(found, ShardCheck{Shard: state.ShardName(state.Shards[i].ID), Problem: problem})
		}
	}
	return found
}

// checkLife is when a check's key goes by itself, if the check cannot delete it; milliseconds.
const checkLife = 60_000

func (s *Server) tryShard(ctx context.Context, k *cluster.Keyspace, index int) error {
	w := Write{Key: checkKey(&k.Keyspace, index), Value: []byte("troupe check"), ExpireAt: s.backend.Now() + checkLife}
	version, err := s.backend.Put(ctx, k.ID, w)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	v, found, err := s.backend.Get(ctx, k.ID, w.Key, Reading{})
	switch {
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case !found || v.Version < version || v.Version == version && !bytes.Equal(v.Bytes, w.Value):
		return fmt.Errorf("read: what was written is not there")
	}
	if _, err := s.backend.Delete(ctx, k.ID, Write{Key: w.Key}); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}

// checkPrefix begins the keys that a check writes.
const checkPrefix = "_troupe:check:"

// checkKey is a key that belongs to a shard: its tag is the first number whose slot the shard owns.
func checkKey(k *shards.Keyspace, index int) []byte {
	for i := 0; ; i++ {
		key := strconv.AppendInt([]byte(checkPrefix+"{"), int64(i), 10)
		key = append(key, '}')
		if k.ShardOf(shards.SlotOf(key)) == index {
			return key
		}
	}
}
