package integration

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/shards"
)

// TestDeaths is T1 to T3 on one cluster: three nodes with data, and a standby that may lead and holds nothing.
func TestDeaths(t *testing.T) {
	var standby *harness.Member
	p := newTown(t, harness.ClusterConfig{}, func(c *harness.Cluster) { standby = addStandby(t, c) })
	t.Run("T3 a data node", func(t *testing.T) {
		p := p.in(t)
		victim := p.other(p.leader(), standby)
		p.write(2, victim)
		p.write(2, p.other(victim, standby))
		p.stockClients(victim, p.other(victim, standby))
		p.goesOn(crashLimit, victim.Kill)
		p.yellow()
		p.restart(victim)
		p.reckon()
	})
	t.Run("T1 the leader with primaries", func(t *testing.T) {
		p := p.in(t)
		p.lead(p.other(standby))
		victim := p.leader()
		p.write(2, victim)
		p.write(2, p.other(victim, standby))
		p.goesOn(crashLimit, victim.Kill)
		p.succeeds(victim)
		p.restart(victim)
		p.reckon()
	})
	if testing.Short() {
		return
	}
	t.Run("T2 a standby", func(t *testing.T) {
		p := p.in(t)
		p.lead(p.other(standby))
		p.seat(standby)
		p.writeEverywhere(1, standby)
		p.goesOn(crashLimit, standby.Kill)
		p.becomes(standby, "replaced as a voter", func(r harness.NodeRow) bool { return !r.Votes() })
		p.unnoticed()
		p.restart(standby)
		p.reckon()
	})
	t.Run("T1 the leader without primaries", func(t *testing.T) {
		p := p.in(t)
		p.lead(standby)
		p.writeEverywhere(1, standby)
		p.goesOn(crashLimit, standby.Kill)
		p.succeeds(standby)
		p.writing(time.Now())
		p.unnoticed()
		p.restart(standby)
		p.reckon()
	})
}

// succeeds waits until the member that is asked knows of another leader than one that is dead.
func (p *town) succeeds(dead *harness.Member) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		m, err := p.Leader(ctx)
		if err == nil && m == dead {
			err = fmt.Errorf("%s is dead and leads", m.Name)
		}
		return err
	}))
}

// addStandby adds a node that may lead and holds no copies.
func addStandby(t *testing.T, c *harness.Cluster) *harness.Member {
	t.Helper()
	extra, err := harness.NewCluster(harness.ClusterConfig{Program: c.Members[0].Config.Program, Dir: t.TempDir(), Nodes: 1})
	must(t, err)
	m := extra.Members[0]
	m.Name = "standby"
	m.Config.Args = []string{
		"--name", m.Name, "--host", m.Name, "--roles", "meta", "--join", c.Members[0].Config.Peer, "--dev", "--tick", "50ms", "--election", "500ms",
	}
	c.Members = append(c.Members, m)
	return m
}

// lead makes a member the placement leader. Only voters lead, and who votes may change between the look and the wish: a member
// that has just come back knows an older configuration, in which it voted itself.
func (p *town) lead(m *harness.Member) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		now, err := p.Leader(ctx)
		if err != nil || now == m {
			return err
		}
		p.seat(m)
		if err := p.Post(ctx, "/_cluster/leader?node="+m.Name, nil); err != nil {
			return err
		}
		return fmt.Errorf("%s leads still", now.Name)
	}))
}

// seat makes a member vote, in the place of another one if need be.
func (p *town) seat(m *harness.Member) {
	p.t.Helper()
	votes := func(r harness.NodeRow) bool { return r.Votes() }
	row, err := p.Node(soon(p.t), m.Name)
	must(p.t, err)
	if row.Votes() {
		return
	}
	rows, err := p.Nodes(soon(p.t))
	must(p.t, err)
	leader := p.leader()
	i := slices.IndexFunc(rows, func(r harness.NodeRow) bool { return r.Votes() && r.Name != leader.Name })
	if i < 0 {
		p.becomes(m, "a voter", votes) // there are too few as yet
		return
	}
	p.operate("/_nodes/" + rows[i].Name + "/exclude")
	p.becomes(m, "a voter", votes)
	p.operate("/_nodes/" + rows[i].Name + "/include")
}

// writeEverywhere writes to primaries on all members but some.
func (p *town) writeEverywhere(clients int, but ...*harness.Member) {
	p.t.Helper()
	for _, m := range p.Members {
		if len(but) == 0 || m != but[0] {
			p.write(clients, m)
		}
	}
}

// TestLeaderAndDataNodeDieTogether is T4: two of five nodes, with two replicas of each shard.
func TestLeaderAndDataNodeDieTogether(t *testing.T) {
	if testing.Short() {
		t.Skip("five nodes")
	}
	p := newTown(t, harness.ClusterConfig{Nodes: 5, Keyspaces: []string{"default:shards=16,replicas=2"}})
	must(t, p.Wait(soon(t), func(ctx context.Context) error { return p.voters(ctx, 5) }))
	leader := p.leader()
	data := p.other(leader)
	p.write(2, leader)
	p.write(2, data)
	p.write(1, p.other(leader, data))
	p.goesOn(crashLimit, func() {
		together := make(chan struct{})
		go func() { defer close(together); data.Kill() }()
		leader.Kill()
		<-together
	})
	p.restart(leader, data)
	p.reckon()
}

// voters is nil if so many members vote.
func (p *town) voters(ctx context.Context, want int) error {
	rows, err := p.Nodes(ctx)
	if err != nil {
		return err
	}
	got := 0
	for _, r := range rows {
		if r.Votes() {
			got++
		}
	}
	if got != want {
		return fmt.Errorf("%d voters, want %d", got, want)
	}
	return nil
}

// TestMainJobOfACluster is the main job as a new user would do it: load a tree, kill a node in the middle of it, and find that
// the load ended without an error, that health went yellow and then green, and that every byte is there.
func TestMainJobOfACluster(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{})
	tree := filepath.Dir(filepath.Dir(sourceTree(t))) // all of the standard library
	few, pace := 3000, []string{}
	for round, victim := range []*harness.Member{p.other(p.leader()), p.leader()} {
		if round > 0 || testing.Short() { // once all of it is enough
			tree, few = filepath.Join(tree, "cmd", "compile"), 300
			pace = []string{"--batch", "16", "--concurrency", "1"} // else it is over before anything can happen
		}
		if round > 0 && testing.Short() {
			break
		}
		prefix := fmt.Sprintf("round%d/", round)
		before := p.keys()
		load := p.run(t.Context(), append([]string{"load", "--dir", tree, "--prefix", prefix, "--resume", filepath.Join(t.TempDir(), "journal")}, pace...)...)
		done := background(load)
		p.waitFor("that many keys", func() bool { return p.keys() >= before+few })
		select {
		case o := <-done:
			t.Fatalf("the load ended before anything happened: %v\n%s", o.err, o.text)
		default:
		}
		victim.Kill()
		p.yellow()
		p.restart(victim)
		if o := <-done; o.err != nil {
			t.Fatalf("troupe load: %v\n%s", o.err, o.text)
		}
		p.troupe("verify", "--dir", tree, "--prefix", prefix, "--extra")
	}
	sum := p.equal()
	t.Logf("%d keys, %d transactions", p.keys(), sum.Applied)
}

// waitFor asks until something is so.
func (p *town) waitFor(what string, is func() bool) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(context.Context) error {
		if !is() {
			return fmt.Errorf("not yet: %s", what)
		}
		return nil
	}))
}

// ended is how a command ended.
type ended struct {
	text []byte
	err  error
}

// background runs a command.
func background(cmd *exec.Cmd) <-chan ended {
	done := make(chan ended, 1)
	go func() {
		text, err := cmd.CombinedOutput()
		done <- ended{text, err}
	}()
	return done
}

// keys is how many keys the primaries hold.
func (p *town) keys() (sum int) {
	p.t.Helper()
	rows, err := p.Shards(soon(p.t))
	must(p.t, err)
	for i := range rows {
		if rows[i].Role == "p" {
			n, err := strconv.Atoi(rows[i].Keys)
			must(p.t, err)
			sum += n
		}
	}
	return sum
}

// TestEverythingDies is T16: all nodes at once, with many shards. What was acknowledged is there, every shard is writable
// soon, and the primaries do not pile up on the node that was first.
func TestEverythingDies(t *testing.T) {
	onceIsEnough(t)
	count := number(t, "TROUPE_SHARDS", 1000)
	if testing.Short() {
		count = min(count, 64)
	}
	p := newTown(t, harness.ClusterConfig{Keyspaces: []string{fmt.Sprintf("default:shards=%d", count)}})
	k := shards.Keyspace{Name: "default", Shards: count}
	tags := tagOfEach(&k)
	p.writeAll(tags, "before")
	p.writeEverywhere(1)
	p.Cluster.Kill()
	began := time.Now()
	for _, m := range p.Members {
		must(t, m.Start())
	}
	p.writeAll(tags, "after")
	took := time.Since(began)
	t.Logf("all %d shards were writable %v after the restart", count, round(took))
	if limit := time.Minute; took > limit { // the goal is 10 s on a quiet machine
		t.Errorf("the shards were writable after %v, want %v at most", took, limit)
	}
	p.green()
	p.waitFor("primaries are spread", func() bool {
		rows, err := p.Nodes(soon(t))
		must(t, err)
		most := 0
		for _, r := range rows {
			most = max(most, r.Primaries)
		}
		return most <= count/2
	})
	for _, word := range []string{"before", "after"} {
		c := connect(t, p.Members[0].Config.RESP)
		for _, tag := range tags {
			c.Send("GET", "{"+tag+"}:"+word)
		}
		must(t, c.Flush())
		for _, tag := range tags {
			if v, err := c.Receive(); err != nil || v != "{"+tag+"}:"+word {
				t.Fatalf("{%s}:%s, which was acknowledged, is %v, %v", tag, word, v, err)
			}
		}
	}
	p.reckon()
}

// tagOfEach finds a tag for each shard.
func tagOfEach(k *shards.Keyspace) []string {
	tags := make([]string, k.Shards)
	for found, n := 0, 0; found < k.Shards; n++ {
		tag := strconv.Itoa(n)
		if i := k.ShardOf(shards.SlotOf([]byte(tag))); tags[i] == "" {
			tags[i] = tag
			found++
		}
	}
	return tags
}

// writeAll writes a key with each tag, and tries again until all are acknowledged.
func (p *town) writeAll(tags []string, word string) {
	p.t.Helper()
	left := tags
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		var refused []string
		c, err := harness.Dial(ctx, p.Members[0].Config.RESP)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(20 * time.Second))
		for _, tag := range left {
			key := "{" + tag + "}:" + word
			c.Send("SET", key, key)
		}
		if err := c.Flush(); err != nil {
			return err
		}
		for i, tag := range left {
			if _, err = c.Receive(); err == nil {
				continue
			}
			if _, isReply := err.(harness.ReplyError); !isReply {
				left = append(refused, left[i:]...)
				return err
			}
			refused = append(refused, tag)
		}
		if left = refused; len(left) > 0 {
			return fmt.Errorf("%d shards do not take writes", len(left))
		}
		return nil
	}))
}
