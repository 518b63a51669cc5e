package integration

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// Times of a town in which what passes between nodes is lost in one direction: shorter than the usual ones, so that each verdict comes soon, and
// long enough for a machine that is busy with other tests.
const (
	oneWayLease    = 700 * time.Millisecond
	oneWayElection = 500 * time.Millisecond
	oneWayMute     = 3 * oneWayLease
	oneWayProbe    = 400 * time.Millisecond
	oneWayNever    = time.Hour // what must not happen in a test does not happen by itself
)

// noAnswer is what is said of a node whose heartbeats come, and which does not hear the answers.
const noAnswer = "its heartbeats come, and say that it has had no answer"

// answersRedials is what is said of one that sends no heartbeats, and greets whoever opens a connection to it.
const answersRedials = "yet it answers when it is redialed, so it is not declared dead"

// oneWayLimit bounds how long writes may stop, and how long a verdict may take: each of the times that lie between a cut and the end of what it
// does, and the adaptation of a limit to an uneven network at its most, ten times over. It is no goal; bench/failover measures.
func oneWayLimit(decides time.Duration) time.Duration {
	const adaptation = 2 * time.Second // cluster.liveness.max_adaptation
	return 10 * (oneWayLease + 2*oneWayElection + adaptation + decides)
}

// oneWay is a town of three nodes that vote and one, called data, that does not and so cannot forget who leads.
type oneWay struct {
	*town
	data *harness.Member
	wall *harness.Firewall // nil where there can be none
	tags []string          // one for each shard
}

func newOneWay(t *testing.T) *oneWay {
	t.Helper()
	o, began := &oneWay{}, time.Now()
	change := func(c *harness.Cluster) {
		wall, err := harness.NewFirewall(c)
		if o.wall = wall; err == nil {
			t.Cleanup(wall.Close)
		} else {
			t.Logf("no firewall, since this machine has no second address: %v", err)
		}
		o.data = c.Members[len(c.Members)-1]
		o.data.Config.Args = append(slices.Clone(o.data.Config.Args), "--roles", "data")
	}
	// Under load a node may lead up to two shards more than its share, for the sake of even loads. Of 16 shards three nodes that keep to that cannot lead
	// all, so each node leads some, as these tests need it; of 8 they can.
	const count = 16
	o.town = newTown(t, harness.ClusterConfig{
		Nodes: 4, Keyspaces: []string{fmt.Sprintf("default:shards=%d", count)},
		Args: []string{"--lease", oneWayLease.String(), "--election", oneWayElection.String()},
	}, change)
	o.tags = tagOfEach(&shards.Keyspace{Name: "default", Shards: count})
	must(t, o.WaitVoters(soon(t)))
	if o.wall != nil {
		must(t, o.wall.Know(soon(t), o.Cluster))
	}
	t.Logf("the cluster stands after %v", round(time.Since(began)))
	o.set(cluster.SettingHoldFirst+"=50ms", cluster.SettingHoldMost+"=50ms") // who comes back again and again, as here, is used at once all the same
	return o
}

func (o *oneWay) in(t *testing.T) *oneWay {
	return &oneWay{town: o.town.in(t), data: o.data, wall: o.wall, tags: o.tags}
}

func (o *oneWay) set(settings ...string) {
	o.t.Helper()
	o.troupe(append([]string{"settings", "set"}, settings...)...)
}

// after is a setting of a time.
func after(name string, to time.Duration) string { return name + "=" + to.String() }

// write begins a client that writes without a pause to a shard whose primary is on a member.
func (o *oneWay) write(on *harness.Member) {
	o.t.Helper()
	tag := ""
	must(o.t, o.Wait(soon(o.t), func(ctx context.Context) error {
		rows, err := o.Shards(ctx)
		for i := range rows {
			if r := &rows[i]; r.Role == "p" && r.Node == on.Name && r.Keyspace == "default" {
				n, err := strconv.Atoi(r.Shard)
				tag = o.tags[n]
				return err
			}
		}
		return cmp.Or(err, fmt.Errorf("no shard has its primary on %s", on.Name))
	}))
	store := &insistent{harness.Follow(o.RESP(), attemptLimit)}
	w := &writing{harness.StartWriter(store, tag, fmt.Sprintf("%s/%d", o.t.Name(), len(o.writers))), tag}
	o.writers = append(o.writers, w)
	o.t.Cleanup(func() { w.Stop(); store.Close() })
}

// writeAnywhere begins a client for each member, and waits until all of them have written.
func (o *oneWay) writeAnywhere() {
	o.t.Helper()
	for _, m := range o.Members {
		o.write(m)
	}
	o.writing(time.Time{})
}

// within is a context for what must come to pass in a limit.
func (o *oneWay) within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(o.t.Context(), limit)
	o.t.Cleanup(cancel)
	return ctx
}

// says waits until a member says of another that it is in a state, for a reason that holds these words.
func (o *oneWay) says(limit time.Duration, who, of *harness.Member, state, words string) {
	o.t.Helper()
	began := time.Now()
	must(o.t, o.Wait(o.within(limit), func(ctx context.Context) error {
		s, err := who.Standing(ctx, of.Name)
		if err == nil && (s.State != state || !strings.Contains(s.Reason, words)) {
			err = fmt.Errorf("%s says that %s is %s (%s), want %s (%s)", who.Name, of.Name, s.State, s.Reason, state, words)
		}
		return err
	}))
	o.t.Logf("after %v %s is %s: %s", round(time.Since(began)), of.Name, state, words)
}

// leads waits until a member knows of a leader that is none of those.
func (o *oneWay) leads(limit time.Duration, who *harness.Member, none ...*harness.Member) *harness.Member {
	o.t.Helper()
	var leader *harness.Member
	began := time.Now()
	must(o.t, o.Wait(o.within(limit), func(ctx context.Context) error {
		h, err := who.Health(ctx)
		if err == nil {
			leader, err = o.Member(h.Leader)
		}
		if err == nil && slices.Contains(none, leader) {
			err = fmt.Errorf("%s leads", leader.Name)
		}
		return err
	}))
	o.t.Logf("after %v %s leads", round(time.Since(began)), leader.Name)
	return leader
}

// goOn waits until every client writes again, and each shard has taken a write.
func (o *oneWay) goOn(limit time.Duration) {
	o.t.Helper()
	began := time.Now()
	for _, w := range o.writers {
		must(o.t, w.Await(o.within(limit), 20, began))
	}
	f := harness.Follow(o.RESP(), attemptLimit) // a client that asks another node where one does not reach the primary
	defer f.Close()
	for _, tag := range o.tags {
		must(o.t, o.Wait(o.within(limit), func(ctx context.Context) error { return f.Put(ctx, o.key(tag), o.key(tag)) }))
	}
	o.t.Logf("all shards are written %v later; writes had stopped for %v", round(time.Since(began)), round(o.gap(time.Time{})))
}

func (o *oneWay) key(tag string) string { return "{" + tag + "}:" + o.t.Name() }

// healed ends the cuts and waits until all is as it was: the node that they were about serves, nothing that was acknowledged is lost, and all
// copies are equal.
func (o *oneWay) healed(heal func(), about *harness.Member) {
	o.t.Helper()
	began := time.Now()
	heal()
	o.green()
	o.becomes(about, "alive, with primaries", func(r harness.NodeRow) bool { return r.State == "alive" && r.Primaries > 0 })
	o.write(about)
	o.writing(time.Now())
	for _, tag := range o.tags {
		o.holds(tag, []string{o.key(tag)})
	}
	o.reckon()
	o.t.Logf("%v later all is as it was", round(time.Since(began)))
}

// cuts has members lose what comes from some, or from all others, and says how to end that.
func (o *oneWay) cuts(from []*harness.Member, who ...*harness.Member) (heal func()) {
	o.t.Helper()
	var names []string
	for _, m := range from {
		names = append(names, m.Name)
	}
	for _, m := range who {
		must(o.t, m.Cut(soon(o.t), names, false))
	}
	heal = func() {
		for _, m := range who {
			must(o.t, m.Heal(soon(o.t)))
		}
	}
	return heal
}

// others are all members but some.
func (o *oneWay) others(than ...*harness.Member) []*harness.Member {
	return slices.DeleteFunc(slices.Clone(o.Members), func(m *harness.Member) bool { return slices.Contains(than, m) })
}

// TestOneWay loses what passes between nodes in one direction, while clients write without a pause: what comes to a node from another, as
// `troupe dev cut --one-way` does, or what goes over the connections that one opened to another, as firewalls do. In the second case one is redialed
// and answers, or is heard and hears nothing, and everything else works.
func TestOneWay(t *testing.T) {
	onceIsEnough(t)
	all := []struct {
		name string
		wall bool
		play func(*oneWay)
	}{
		{"a node does not hear the leader", false, (*oneWay).nodeIsDeafToLeader},
		{"a node may not open connections to the leader", true, (*oneWay).nodeMayNotOpenToLeader},
		{"a node hears nobody", false, (*oneWay).nodeIsDeaf},
		{"the leader hears nobody", false, (*oneWay).leaderIsDeaf},
		{"the leader does not hear a node", false, (*oneWay).leaderIsDeafToNode},
		{"nobody hears a node", false, (*oneWay).nodeIsMute},
		{"nobody hears the leader", false, (*oneWay).leaderIsMute},
		{"the leader may not open connections to a node", true, (*oneWay).leaderMayNotOpenToNode},
		{"a node may open connections to nobody", true, (*oneWay).nodeMayOpenToNobody},
	}
	if testing.Short() {
		all = all[:2]
	}
	o := newOneWay(t)
	for _, x := range all {
		ok := t.Run(x.name, func(t *testing.T) {
			if x.wall && o.wall == nil {
				t.Skip("no firewall")
			}
			o := o.in(t)
			o.writeAnywhere()
			x.play(o)
		})
		if !ok {
			return // what is cut stays so
		}
	}
}

// rules sets after which times the lead is handed on for a node without a lease, and such a node is dead.
func (o *oneWay) rules(handOn, mute time.Duration) {
	o.t.Helper()
	o.set(after(cluster.SettingHandOnAfter, handOn), after(cluster.SettingHandOnSettle, oneWayLease), after(cluster.SettingMuteAfter, mute))
}

// patientRules are those of a node that isRescued.
func (o *oneWay) patientRules() {
	o.t.Helper()
	o.rules(oneWayLease, oneWayNever)
	o.set(probes(patient)...)
}

// isRescued expects that a node without a lease is not dead, and that the lead goes to somebody from whom it has one.
func (o *oneWay) isRescued(victim, leader *harness.Member, words string) {
	o.t.Helper()
	limit := oneWayLimit(oneWayLease)
	o.says(limit, leader, victim, "suspect", words)
	next := o.leads(limit, o.other(leader, victim, o.data), leader)
	o.says(limit, next, victim, "alive", "")
	o.goOn(limit)
	o.set(probes(oneWayProbe)...) // whoever is to die now shall not be waited for
}

// nodeIsDeafToLeader: its heartbeats come, and it says that no answer does: a voter that reaches it leads.
func (o *oneWay) nodeIsDeafToLeader() {
	o.patientRules()
	leader := o.leader()
	heal := o.cuts([]*harness.Member{leader}, o.data)
	o.isRescued(o.data, leader, noAnswer)
	o.healed(heal, o.data)
}

// leaderIsDeafToNode: likewise, since others reach it.
func (o *oneWay) leaderIsDeafToNode() {
	o.patientRules()
	leader := o.leader()
	victim := o.other(leader, o.data)
	heal := o.cuts([]*harness.Member{victim}, leader)
	o.isRescued(victim, leader, "members asked reach it, so it is not declared dead")
	o.healed(heal, victim)
}

// nodeIsDeaf: nobody would do better as leader: it is dead, and what it held is served by others.
func (o *oneWay) nodeIsDeaf() {
	o.rules(oneWayLease, oneWayMute)
	leader, limit := o.leader(), oneWayLimit(oneWayMute)
	heal := o.cuts(nil, o.data)
	o.says(limit, leader, o.data, "suspect", noAnswer)
	o.says(limit, leader, o.data, "dead", noAnswer+" for longer than")
	if now := o.leads(limit, leader); now != leader {
		o.t.Errorf("the lead has moved from %s to %s, which does not reach %s either", leader.Name, now.Name, o.data.Name)
	}
	o.goOn(limit)
	o.healed(heal, o.data)
}

// nodeIsMute: it hears all that happens, also of its own death.
func (o *oneWay) nodeIsMute() {
	leader, limit := o.leader(), oneWayLimit(oneWayLease)
	victim := o.other(leader, o.data)
	heal := o.cuts([]*harness.Member{victim}, o.others(victim)...)
	o.says(limit, leader, victim, "dead", "members asked cannot reach it")
	o.goOn(limit)
	o.healed(heal, victim)
}

// leaderIsDeaf: it has no majority any more and knows it: others hear that, and elect one of them. It takes nobody with it.
func (o *oneWay) leaderIsDeaf() {
	leader, limit := o.leader(), oneWayLimit(oneWayLease)
	lives := map[string]uint64{}
	for _, m := range o.others(leader) {
		s, err := m.Standing(soon(o.t), m.Name)
		must(o.t, err)
		lives[m.Name] = s.Epoch
	}
	heal := o.cuts(nil, leader)
	o.succeeded(limit, leader)
	for _, m := range o.others(leader) {
		if s, err := m.Standing(soon(o.t), m.Name); err != nil || s.Epoch != lives[m.Name] {
			o.t.Errorf("%s is in its life %d, and was in %d (%v): what a leader said that heard nobody was agreed on", m.Name, s.Epoch, lives[m.Name], err)
		}
	}
	o.goOn(limit)
	o.healed(heal, leader)
}

// leaderIsMute: nobody knows that it leads still, and it hears who does.
func (o *oneWay) leaderIsMute() {
	leader, limit := o.leader(), oneWayLimit(oneWayLease)
	heal := o.cuts([]*harness.Member{leader}, o.others(leader)...)
	o.succeeded(limit, leader)
	o.goOn(limit)
	o.healed(heal, leader)
}

// succeeded expects another leader, for whom the one before is dead.
func (o *oneWay) succeeded(limit time.Duration, leader *harness.Member) {
	o.t.Helper()
	next := o.leads(limit, o.other(leader, o.data), leader)
	o.says(limit, next, leader, "dead", "members asked cannot reach it")
}

// leaderMayNotOpenToNode: its heartbeats come over connections that it opened; the answers to them would go over one that the leader opened.
func (o *oneWay) leaderMayNotOpenToNode() {
	o.patientRules()
	leader := o.leader()
	o.wall.Drop(leader, o.data)
	o.isRescued(o.data, leader, noAnswer)
	o.healed(o.opens, o.data)
}

// nodeMayNotOpenToLeader: it answers whoever opens a connection, and sends no heartbeat: whether others would hear it is tried.
func (o *oneWay) nodeMayNotOpenToLeader() {
	o.patientRules()
	leader := o.leader()
	o.wall.Drop(o.data, leader)
	o.isRescued(o.data, leader, answersRedials)
	o.healed(o.opens, o.data)
}

// nodeMayOpenToNobody: whoever leads would not hear it, though it answers.
func (o *oneWay) nodeMayOpenToNobody() {
	o.rules(oneWayNever, oneWayMute)
	leader, limit := o.leader(), oneWayLimit(oneWayMute)
	for _, m := range o.others(o.data) {
		o.wall.Drop(o.data, m)
	}
	o.says(limit, leader, o.data, "suspect", answersRedials)
	o.says(limit, leader, o.data, "dead", "that it answers when it is redialed does not count for longer than")
	o.goOn(limit)
	o.healed(o.opens, o.data)
}

// opens ends what the firewall does.
func (o *oneWay) opens() {
	o.t.Helper()
	if o.wall.Lost() == 0 {
		o.t.Error("nothing was dropped")
	}
	o.wall.Heal()
}
