package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// askLimit bounds one question to one member.
const askLimit = 3 * time.Second

// Health is what a member says of its cluster: those fields of /_cluster/health that tests look at.
type Health struct {
	Status  string   `json:"status"` // green, yellow or red
	Nodes   int      `json:"number_of_nodes"`
	Leader  string   `json:"leader"` // name of the placement leader
	Down    []string `json:"down_nodes"`
	Version uint64   `json:"version"`
	Reasons []struct {
		Shard, Status, Reason string
	} `json:"reasons"`
}

// ShardRow is one copy, as /_cat/shards shows it.
type ShardRow struct {
	Keyspace string `json:"keyspace"`
	Shard    string `json:"shard"`
	Role     string `json:"prirep"` // p or r
	State    string `json:"state"`
	Node     string `json:"node"`
	Term     string `json:"term"`
	Slots    string `json:"slots"` // first-last
	InSync   string `json:"insync"`
	Keys     string `json:"docs"`
	Applied  string `json:"seq"`  // transactions
	Hash     string `json:"hash"` // over all of them
}

// holds says whether the copy's shard owns a slot.
func (r *ShardRow) holds(slot shards.Slot) bool {
	first, last, found := strings.Cut(r.Slots, "-")
	low, err1 := strconv.Atoi(first)
	high, err2 := strconv.Atoi(last)
	return found && err1 == nil && err2 == nil && low <= int(slot) && int(slot) <= high
}

// Holds says whether the copy's shard owns a key of a keyspace.
func (r *ShardRow) Holds(keyspace, key string) bool {
	return r.Keyspace == keyspace && r.holds(shards.SlotOf([]byte(key)))
}

// Health asks this member.
func (m *Member) Health(ctx context.Context) (Health, error) {
	var h Health
	return h, m.ask(ctx, "/_cluster/health", &h)
}

func (m *Member) ask(ctx context.Context, path string, answer any) error {
	n := m.Node()
	if n == nil {
		return fmt.Errorf("%s does not run", m.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	body, err := n.Fetch(ctx, path)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("%s: GET %s: %w: %s", m.Name, path, err, body)
	}
	return nil
}

// Fetch asks any running member for a page.
func (c *Cluster) Fetch(ctx context.Context, path string) (body []byte, err error) {
	return body, c.anyone(func(m *Member) error {
		n := m.Node()
		if n == nil {
			return fmt.Errorf("%s does not run", m.Name)
		}
		ctx, cancel := context.WithTimeout(ctx, askLimit)
		defer cancel()
		body, err = n.Fetch(ctx, path)
		return err
	})
}

// anyone asks the running members in turn until one answers.
func (c *Cluster) anyone(ask func(*Member) error) error {
	err := ErrNobody
	for _, m := range c.Running() {
		failed := ask(m)
		if failed == nil {
			return nil
		}
		err = fmt.Errorf("%w; %w", err, failed)
	}
	return err
}

// Health asks any running member.
func (c *Cluster) Health(ctx context.Context) (h Health, err error) {
	return h, c.anyone(func(m *Member) error {
		var err error
		h, err = m.Health(ctx)
		return err
	})
}

// Shards lists the copies of all shards, as any running member knows them.
func (c *Cluster) Shards(ctx context.Context) (rows []ShardRow, err error) {
	return rows, c.anyone(func(m *Member) error {
		rows = nil
		return m.ask(ctx, "/_cat/shards?format=json&h=keyspace,shard,prirep,state,node,term,slots,insync,docs,seq,hash", &rows)
	})
}

// Leader is the member that is placement leader.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	h, err := c.Health(ctx)
	if err != nil {
		return nil, err
	}
	if h.Leader == "" {
		return nil, errors.New("the cluster knows no placement leader now")
	}
	return c.Member(h.Leader)
}

// Primary is the member that holds the primary of a key's shard in a keyspace.
func (c *Cluster) Primary(ctx context.Context, keyspace, key string) (*Member, error) {
	rows, err := c.Shards(ctx)
	if err != nil {
		return nil, err
	}
	slot := shards.SlotOf([]byte(key))
	for i := range rows {
		if r := &rows[i]; r.Keyspace == keyspace && r.Role == "p" && r.holds(slot) {
			return c.Member(r.Node)
		}
	}
	return nil, fmt.Errorf("no primary for %q in keyspace %s", key, keyspace)
}

// WaitHealth waits until every running member says that the cluster has this status and that exactly those are up who run.
// It fails when ctx ends, or when a member's process has ended by itself.
func (c *Cluster) WaitHealth(ctx context.Context, status string) error {
	return c.Wait(ctx, func(ctx context.Context) error {
		running := c.Running()
		if len(running) == 0 {
			return ErrNobody
		}
		for _, m := range running {
			h, err := m.Health(ctx)
			if err != nil {
				return err
			}
			if up := h.Nodes - len(h.Down); h.Status != status || up != len(running) || h.Leader == "" {
				return fmt.Errorf("%s: %s with %d nodes up and leader %q, want %s with %d; %v", m.Name, h.Status, up, h.Leader, status, len(running), h.Reasons)
			}
		}
		return nil
	})
}

// WaitVoters waits until as many of the members that run vote in the metadata group as should: the largest odd number up to 7
// of those that may lead. A cluster that has just formed begins with one, whose death it would not survive.
func (c *Cluster) WaitVoters(ctx context.Context) error {
	return c.Wait(ctx, func(ctx context.Context) error {
		var rows []struct {
			Name  string `json:"name"`
			Roles string `json:"node.role"`
			Voter string `json:"voter"`
		}
		err := c.anyone(func(m *Member) error {
			rows = nil
			return m.ask(ctx, "/_cat/nodes?format=json&h=name,node.role,voter", &rows)
		})
		if err != nil {
			return err
		}
		eligible, voters := 0, 0
		for _, r := range rows {
			m, err := c.Member(r.Name)
			if err != nil {
				return err
			}
			if m.Node() == nil || !strings.Contains(r.Roles, "m") {
				continue
			}
			eligible++
			if r.Voter == "*" {
				voters++
			}
		}
		if want := wantedVoters(eligible); voters != want {
			return fmt.Errorf("%d members vote, want %d of %d", voters, want, eligible)
		}
		return nil
	})
}

// wantedVoters is the largest odd number up to the number of members that may vote, and up to 7.
func wantedVoters(eligible int) int { return min(7, eligible-(eligible+1)%2) }

// Wait asks again and again until the answer is nil or ctx ends.
func (c *Cluster) Wait(ctx context.Context, done func(context.Context) error) error {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	var last error // that was not ctx's own end
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last answer: %w", ctx.Err(), last)
		case <-again.C:
		}
	}
}

// Cut drops what comes to this member from others, and with both also what goes to them; the nodes run with --dev.
func (m *Member) Cut(ctx context.Context, from []string, both bool) error {
	direction := "in"
	if both {
		direction = "both"
	}
	body, err := json.Marshal(map[string]any{"nodes": from, "direction": direction})
	if err != nil {
		return err
	}
	return m.post(ctx, "/_dev/cut", body)
}

// Heal ends what Cut began.
func (m *Member) Heal(ctx context.Context) error { return m.post(ctx, "/_dev/heal", nil) }

// Post has any running member carry out what an operator asks for; body may be nil.
func (c *Cluster) Post(ctx context.Context, path string, body []byte) error {
	return c.anyone(func(m *Member) error { return m.post(ctx, path, body) })
}

// Set has any running member change a setting of the cluster.
func (c *Cluster) Set(ctx context.Context, name, value string) error {
	body, err := json.Marshal(map[string]map[string]string{"persistent": {name: value}})
	if err != nil {
		return err
	}
	return c.anyone(func(m *Member) error { return m.send(ctx, http.MethodPut, "/_cluster/settings", body) })
}

func (m *Member) post(ctx context.Context, path string, body []byte) error {
	return m.send(ctx, http.MethodPost, path, body)
}

func (m *Member) send(ctx context.Context, method, path string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+m.Config.HTTP+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s %s: %s: %s", m.Name, method, path, resp.Status, text)
	}
	return nil
}
