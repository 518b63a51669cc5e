package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// TestPausesDoNotDiverge stops the processes of leaders and primaries for about as long as an election takes, again and again,
// under load: at this length the old and the new leader, or primary, are awake together with the most left to say. Nothing may
// differ afterwards, on any copy of any shard, and in what the nodes have agreed on. (A Raft library that is in wide use fails
// this test.) TROUPE_PAUSES says how often.
func TestPausesDoNotDiverge(t *testing.T) {
	onceIsEnough(t)
	pauses := number(t, "TROUPE_PAUSES", 8)
	if testing.Short() {
		pauses = min(pauses, 2)
	}
	random := dice(t)
	p := newTown(t, harness.ClusterConfig{})
	p.attempt = attemptLimit
	const election = 500 * time.Millisecond // and up to twice as long
	const episode = 10                      // pauses between two comparisons
	compared := harness.Comparison{}
	for done := 0; done < pauses; {
		p := p.in(t)
		p.tags = done << 16
		p.writeEverywhere(1)
		for range min(episode, pauses-done) {
			victim := p.leader()
			if random.IntN(2) == 0 {
				victim = p.Members[random.IntN(len(p.Members))]
			}
			p.vary(p.writers[random.IntN(len(p.writers))].tag, done)
			if err := victim.Pause(); err != nil {
				t.Skip(err)
			}
			<-time.After(election/2 + time.Duration(random.Int64N(int64(2*election))))
			must(t, victim.Resume())
			p.writing(time.Now())
			p.leader() // there is one
			done++
		}
		p.green()
		compared = p.reckon()
		t.Logf("%d pauses", done)
	}
	if words := p.Output(); strings.Contains(words, "diverged") {
		t.Error("a node has found a difference")
	}
	t.Logf("%d pauses without one difference; %d transactions on %d copies", pauses, compared.Applied, compared.Copies)
}

// vary writes in ways that depend on what was there before, and on time. Whether that succeeds does not matter here.
func (p *town) vary(tag string, n int) {
	f := harness.Follow(p.RESP(), attemptLimit)
	defer f.Close()
	key := func(name string) string { return fmt.Sprintf("{%s}:%s", tag, name) }
	for i := range 5 {
		for _, command := range [][]string{
			{"INCR", key("counter")}, {"APPEND", key("text"), strconv.Itoa(n)}, {"SET", key("brief" + strconv.Itoa(i)), "x", "PX", "300"},
			{"SET", key("once"), strconv.Itoa(n), "NX"}, {"DEL", key("brief" + strconv.Itoa(i+1))},
		} {
			_, _ = f.Do(p.t.Context(), command...) // acknowledged or not: the copies shall agree on it
		}
	}
}
