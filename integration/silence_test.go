package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// intruder is a client that knows nothing of what happens: it stays with one node, which is cut off or stands still, writes
// keys of its own there and reads a register that others write elsewhere.
//
//	+OK                             the write must be there when all is over
//	-CLUSTERDOWN -TRYAGAIN -LOADING nothing was done: it must never be there
//	-MOVED                          likewise
//	any other error, or none        it may be there or not
//	a register's value              never one that is older than the last acknowledged before the question
type intruder struct {
	t        *testing.T
	writes   *harness.Conn
	reads    *harness.Conn
	tag      string
	asked    int
	acked    []string
	refused  []string
	unknown  int
	pending  []string
	register string
}

func (p *town) intrude(m *harness.Member, tag string) *intruder {
	p.t.Helper()
	i := &intruder{
		t: p.t, writes: connect(p.t, m.Config.RESP), reads: connect(p.t, m.Config.RESP), tag: tag, register: "{" + tag + "}:register",
	}
	do(p.t, i.writes, "PING")
	do(p.t, i.reads, "PING")
	return i
}

// send puts writes on their way, and a read. A node that cannot reach the primary is patient for some seconds with each read of
// its socket, so they go in one piece.
func (i *intruder) send(count int) {
	i.t.Helper()
	for range count {
		key := fmt.Sprintf("{%s}:intruder:%d", i.tag, i.asked)
		i.asked++
		i.writes.Send("SET", key, key)
		i.pending = append(i.pending, key)
	}
	i.reads.Send("GET", i.register)
	must(i.t, i.writes.Flush())
	must(i.t, i.reads.Flush())
}

// receive takes the answers. newest is the register's last acknowledged value; "" if an older one is still right.
func (i *intruder) receive(newest string) {
	i.t.Helper()
	for _, key := range i.pending {
		_, err := i.writes.Receive()
		switch {
		case err == nil:
			i.acked = append(i.acked, key)
		case undone(err):
			i.refused = append(i.refused, key)
		default:
			i.unknown++
		}
	}
	i.pending = nil
	if v, err := i.reads.Receive(); err == nil && newest != "" && v != newest {
		i.t.Errorf("a read gave %q, and %q was acknowledged before it", v, newest)
	}
}

// undone says that an error means that nothing has happened, and never will.
func undone(err error) bool {
	word, _, _ := strings.Cut(err.Error(), " ")
	return word == "CLUSTERDOWN" || word == "TRYAGAIN" || word == "LOADING" || word == "MOVED"
}

// reckon compares the answers with what is there when all is over.
func (i *intruder) reckon(p *town) {
	i.t.Helper()
	i.t.Logf("of %d writes %d were acknowledged, %d refused; of %d it is not known", i.asked, len(i.acked), len(i.refused), i.unknown)
	p.holds(i.tag, i.acked)
	if missing := p.missing(i.refused); len(missing) != len(i.refused) {
		i.t.Errorf("{%s}: %d of %d writes that were refused are there", i.tag, len(i.refused)-len(missing), len(i.refused))
	}
}

// set writes the register by way of the cluster, until that is acknowledged.
func (p *town) set(i *intruder, value string) {
	p.t.Helper()
	f := harness.Follow(p.RESP(), attemptLimit)
	defer f.Close()
	p.waitFor("the register is written", func() bool { return f.Put(soon(p.t), i.register, value) == nil })
}

// TestMinorityIsCutOff is T6: a node with primaries, then the leader, is cut off from the two others. They go on; it refuses
// writes at once and reads when its lease is over. When it is back, nothing that it refused is there.
func TestMinorityIsCutOff(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{})
	p.attempt = attemptLimit
	for _, aim := range []string{"a node with primaries", "the leader"} {
		t.Run(aim, func(t *testing.T) {
			p := p.in(t)
			victim := p.leader()
			if aim != "the leader" {
				victim = p.other(victim)
			}
			if testing.Short() && aim == "the leader" {
				t.Skip("its lease has to end, and so has the patience of its clients")
			}
			p.write(2, victim)
			early, late := p.intrude(victim, p.tag(victim)), p.intrude(victim, p.tag(victim))
			p.set(late, "old")
			p.goesOn(leaseLimit, func() {
				must(t, victim.Cut(soon(t), nil, true))
				early.send(2) // it is primary still, and cannot have them acknowledged
			})
			p.set(late, "new")
			late.send(1)
			late.receive("new")
			early.receive("")
			for _, i := range []*intruder{early, late} {
				if len(i.acked) > 0 {
					t.Errorf("%s acknowledged %d writes while it was cut off", victim.Name, len(i.acked))
				}
			}
			must(t, victim.Heal(soon(t)))
			p.green()
			late.send(4)
			late.receive("new")
			p.reckon()
			early.reckon(p)
			late.reckon(p)
		})
	}
}

// TestPausedNodeWakes is T9: the process of primaries stands still, for longer than its lease, and finds writes in its socket
// when it wakes. It must not forward them: then it would be another node that answers.
func TestPausedNodeWakes(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{Args: []string{"--redirect", "always"}})
	p.attempt = attemptLimit
	for _, pause := range []time.Duration{3 * time.Second, 12 * time.Second} {
		for _, aim := range []string{"a node with primaries", "the leader"} {
			if testing.Short() && aim == "the leader" || pause > 3*time.Second && aim != "the leader" {
				continue // the leader has primaries, too
			}
			t.Run(fmt.Sprintf("%s for %v", aim, pause), func(t *testing.T) {
				p := p.in(t)
				victim := p.leader()
				if aim != "the leader" {
					victim = p.other(victim)
				}
				p.write(2, victim)
				i := p.intrude(victim, p.tag(victim))
				p.set(i, "old")
				over := time.After(pause)
				p.goesOn(leaseLimit, func() {
					if err := victim.Pause(); err != nil {
						t.Skip(err)
					}
				})
				p.set(i, "new")
				i.send(50)
				<-over
				must(t, victim.Resume())
				i.receive("new")
				p.green()
				p.reckon()
				i.reckon(p)
			})
		}
	}
}
