package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// The tests on a town let real processes die, stop and lose each other, with clients that write without a pause. Their names
// are those of the scenarios in the failover matrix: T1 to T4 deaths, T6 a partition, T9 a pause, T16 a full restart. Whatever
// happens:
//
//	what was acknowledged is there when all is over          reckon
//	what was refused, and not just unanswered, is not        ghosts
//	all copies of a shard hold the same, and so do all nodes reckon
//	writes go on within a limit                              goesOn; loose, since other tests share the machine: bench/failover measures
//	no hand is needed to become green again                  green
const (
	crashLimit = 5 * time.Second // the goals are 0.5 s, and 3 s where the leader is concerned
	leaseLimit = 9 * time.Second // the goal is a lease and 1 s: 2.5 s
)

// town is a cluster under load.
type town struct {
	*harness.Cluster
	t       *testing.T
	writers []*writing
	tags    int
	attempt time.Duration // how long its clients wait for a node before they ask another one
	watched time.Time     // until then it is known how long writes have stopped; zero: nothing has happened yet
}

// writing is one client, and the tag of its keys.
type writing struct {
	*harness.Writer
	tag string
}

// newTown starts a cluster that is killed when the test ends. Nodes have their usual times, and paths for faults.
func newTown(t *testing.T, config harness.ClusterConfig, change ...func(*harness.Cluster)) *town {
	t.Helper()
	binary, err := program()
	must(t, err)
	config.Program, config.Dir = binary, t.TempDir()
	config.Args = append([]string{"--dev", "--tick", "50ms", "--election", "500ms"}, config.Args...)
	c, err := harness.NewCluster(config)
	must(t, err)
	for _, f := range change {
		f(c)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what placement says:\n%s\nthe nodes' last words:\n%s", placementSays(t, c), c.Output())
		}
		c.Kill()
	})
	for _, m := range c.Members {
		must(t, m.Start())
	}
	for _, m := range c.Members {
		n := m.Node()
		if n == nil {
			t.Fatalf("%s has ended by itself", m.Name)
		}
		must(t, n.Until(soon(t), n.Healthy)) // it fails as soon as the node ends
	}
	p := &town{Cluster: c, t: t, attempt: usualAttempt}
	must(t, p.Wait(soon(t), func(ctx context.Context) error { // that a machine is busy makes no node one that others take the leads of
		return p.Set(ctx, cluster.SettingGreyAfter, "1h")
	}))
	p.green()
	return p
}

// placementSays is what a cluster in which something has not come to pass would do, and how it stands: as the nodes themselves say, which may be nothing.
func placementSays(t *testing.T, c *harness.Cluster) string {
	p := &town{Cluster: c, t: t}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var text strings.Builder
	for _, args := range [][]string{{"health"}, {"reroute", "--dry-run"}, {"shards"}} {
		out, err := p.run(ctx, args...).CombinedOutput()
		fmt.Fprintf(&text, "troupe %s: %v\n%s\n", strings.Join(args, " "), cmp.Or(err, errors.New("done")), out)
	}
	return text.String()
}

// in is the town for a subtest, which begins without clients.
func (p *town) in(t *testing.T) *town { return &town{Cluster: p.Cluster, t: t, attempt: p.attempt} }

func (p *town) green() {
	p.t.Helper()
	must(p.t, p.WaitHealth(soon(p.t), "green"))
}

func (p *town) yellow() {
	p.t.Helper()
	must(p.t, p.WaitHealth(soon(p.t), "yellow"))
}

// rests waits until no copy and no lead is on its way, and placement wants nothing else.
func (p *town) rests() {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		state, err := p.Fetch(ctx, "/_cluster/state")
		if err != nil {
			return err
		}
		return atRest(state, []byte(p.troupe("reroute", "--dry-run", "--json")))
	}))
}

// atRest is nil if in a cluster's state nothing is on its way, and the plan that was made of it moves nothing.
func atRest(state, plan []byte) error {
	var s admin.State
	var a admin.RerouteAnswer
	if err := cmp.Or(json.Unmarshal(state, &s), json.Unmarshal(plan, &a)); err != nil {
		return err
	}
	for _, r := range s.Shards {
		if r.HandTo != "" || slices.ContainsFunc(r.Copies, func(c admin.RowCopy) bool { return !c.InSync || !c.Started || c.Source != "" }) {
			return fmt.Errorf("%s is not at rest: %+v", r.Shard, r)
		}
	}
	if len(a.Moves) > 0 || a.Version != s.Version {
		return fmt.Errorf("placement is not at rest in version %d: %s", s.Version, plan)
	}
	return nil
}

// leader waits until one is known: after an election the member that is asked may not know of it yet.
func (p *town) leader() (m *harness.Member) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) (err error) {
		m, err = p.Leader(ctx)
		return err
	}))
	return m
}

// other is a member that is none of those.
func (p *town) other(than ...*harness.Member) *harness.Member {
	p.t.Helper()
	for _, m := range p.Members {
		if !slices.Contains(than, m) {
			return m
		}
	}
	p.t.Fatal("there is no other member")
	return nil
}

// tag finds a new tag whose shard has its primary on a member, and waits until there is one: who has just come back leads nothing.
func (p *town) tag(on *harness.Member) (tag string) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		rows, err := p.Shards(ctx)
		led := slices.DeleteFunc(rows, func(r harness.ShardRow) bool { return r.Role != "p" || r.Node != on.Name || r.Keyspace != "default" })
		if err != nil || len(led) == 0 {
			return cmp.Or(err, fmt.Errorf("no shard has its primary on %s", on.Name))
		}
		for tag == "" || shardOf(led, tag) == "" {
			p.tags++
			tag = fmt.Sprintf("%s-%d", p.t.Name(), p.tags)
		}
		return nil
	}))
	return tag
}

// A client waits for a node before it asks another one: usually for as long as go-redis does, which notices nothing where a busy machine takes its time;
// but where nodes stand still or are cut off, whoever waits for long knows little of when others serve.
const (
	usualAttempt = 3 * time.Second
	attemptLimit = 500 * time.Millisecond
)

// write starts clients that write to shards whose primaries are on a member, and waits until each has written.
func (p *town) write(clients int, on *harness.Member) {
	p.t.Helper()
	for range clients {
		p.client(p.tag(on))
	}
	p.writing(time.Time{})
}

// client starts one that writes keys of a tag.
func (p *town) client(tag string) {
	store := &insistent{harness.Follow(p.RESP(), p.attempt)}
	w := &writing{harness.StartWriter(store, tag, "w"), tag}
	p.writers = append(p.writers, w)
	p.t.Cleanup(func() { w.Stop(); store.Close() })
}

// insistent is a client that tries three times more before it reports a failure, after pauses that double, as the usual
// clients of a Redis cluster do. What it reports its user notices.
type insistent struct{ *harness.Follower }

func (s *insistent) Put(ctx context.Context, key, value string) error {
	err := s.Follower.Put(ctx, key, value)
	for pause := 8 * time.Millisecond; err != nil && pause < 64*time.Millisecond; pause *= 2 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		err = s.Follower.Put(ctx, key, value)
	}
	return err
}

// writing waits until every client has had writes acknowledged that began at a time or later.
func (p *town) writing(since time.Time) {
	p.t.Helper()
	for _, w := range p.writers {
		must(p.t, w.Await(soon(p.t), 20, since))
	}
}

// goesOn lets something happen and waits until all clients write again: within a limit. What was before the first time that something happens is the
// machine's affair; from then on all counts.
func (p *town) goesOn(limit time.Duration, happen func()) {
	p.t.Helper()
	began := time.Now()
	if p.watched.IsZero() {
		p.watched = began
	}
	happen()
	p.writing(time.Now())
	longest := p.gap(p.watched)
	p.watched = time.Now()
	p.t.Logf("writes stopped for %v; all clients had written again after %v", round(longest), round(time.Since(began)))
	if longest > limit {
		p.t.Errorf("writes stopped for %v, want %v at most", longest, limit)
	}
}

// gap is the longest time since a moment in which one of the clients got no acknowledgement.
func (p *town) gap(since time.Time) (longest time.Duration) {
	for _, w := range p.writers {
		gap, _ := w.Gap(since)
		longest = max(longest, gap)
	}
	return longest
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// unnoticed fails the test if a client had a failure in spite of its repetitions.
func (p *town) unnoticed() {
	p.t.Helper()
	for _, w := range p.writers {
		if n, err := w.Failures(); n > 0 {
			p.t.Errorf("a client that writes to {%s} noticed %d times: %v", w.tag, n, err)
		}
	}
}

// reckon ends the writing and holds the cluster to what it acknowledged: all of it is there, on all copies.
func (p *town) reckon() harness.Comparison {
	p.t.Helper()
	total := 0
	for _, w := range p.writers {
		w.Stop()
		keys := harness.Keys(w.Acks())
		total += len(keys)
		p.holds(w.tag, keys)
	}
	p.writers = nil
	sum := p.equal()
	p.t.Logf("%d writes were acknowledged; %d copies of %d shards hold the same", total, sum.Copies, sum.Shards)
	return sum
}

// equal waits until all copies are equal, and fails the test if they never will be.
func (p *town) equal() harness.Comparison {
	p.t.Helper()
	sum, err := p.WaitEqual(soon(p.t))
	must(p.t, err)
	if sum.Shards == 0 || sum.Copies < 2*sum.Shards {
		p.t.Errorf("nothing was compared: %+v", sum)
	}
	return sum
}

// missing are those of the keys, all of one tag, that are not there.
func (p *town) missing(keys []string) []string {
	p.t.Helper()
	f := harness.Follow(p.RESP(), attemptLimit)
	defer f.Close()
	var missing []string
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) (err error) { // the first address may be of a dead one
		missing, err = f.Missing(ctx, keys)
		return err
	}))
	return missing
}

func (p *town) holds(tag string, keys []string) {
	p.t.Helper()
	if missing := p.missing(keys); len(missing) > 0 {
		p.t.Errorf("{%s}: %d of %d acknowledged writes are gone, such as %s", tag, len(missing), len(keys), missing[0])
	}
}

// restart begins new lives, and waits until all is well.
func (p *town) restart(members ...*harness.Member) {
	p.t.Helper()
	for _, m := range members {
		must(p.t, m.Start())
	}
	p.green()
}

// run prepares a verb of the binary that knows all nodes.
func (p *town) run(ctx context.Context, args ...string) *exec.Cmd {
	p.t.Helper()
	binary, err := program()
	must(p.t, err)
	var addresses []string
	for _, m := range p.Members {
		addresses = append(addresses, m.Config.HTTP)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "TROUPE_ADDR="+strings.Join(addresses, ","))
	return cmd
}

// troupe runs a verb that must succeed, and returns what it printed.
func (p *town) troupe(args ...string) string {
	p.t.Helper()
	out, err := p.run(soon(p.t), args...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("troupe %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// operate has the cluster do what an operator asks for.
func (p *town) operate(path string) {
	p.t.Helper()
	must(p.t, p.Post(soon(p.t), path, nil))
}

// becomes waits until a member's row is as it should be.
func (p *town) becomes(m *harness.Member, what string, is func(harness.NodeRow) bool) {
	p.t.Helper()
	must(p.t, p.Wait(soon(p.t), func(ctx context.Context) error {
		row, err := p.Node(ctx, m.Name)
		if err == nil && !is(row) {
			err = fmt.Errorf("%s is not yet %s: %+v", m.Name, what, row)
		}
		return err
	}))
}
