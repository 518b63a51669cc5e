package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// tallies are actors that count how often they were asked to count each id, and that refuse nothing: what is handled a second time shows, whenever
// that is. Each tells another of what it counts, which counts as well.
func tallies() *virtual.Kind {
	k := virtual.NewKind[int]("tally")
	more := func(c *virtual.Context[int], id string) (int, error) {
		before, _, err := c.Get(id)
		if err != nil {
			return 0, err
		}
		times, _ := strconv.Atoi(string(before)) // nothing yet: 0
		c.Set(id, strconv.AppendInt(nil, int64(times+1), 10))
		*c.State++
		return times + 1, nil
	}
	virtual.Handle(k, "count", func(c *virtual.Context[int], id string) (int, error) {
		times, err := more(c, id)
		if err != nil {
			return 0, err
		}
		return times, c.Tell(virtual.ID{Kind: "tally", Name: echo(c.Self().Name)}, "hear", id)
	})
	virtual.Handle(k, "hear", more)
	virtual.HandleRead(k, "list", func(c *virtual.Reading[int], _ struct{}) (map[string]int, error) {
		list := map[string]int{}
		for e, err := range c.Scan("") {
			if err != nil {
				return nil, err
			}
			list[e.Key], _ = strconv.Atoi(string(e.Value))
		}
		return list, nil
	})
	return k.Kind
}

// echo is the actor that is told what another counts.
func echo(name string) string { return "echo of " + name }

// votes is what one voter of the test knows of its own.
type votes struct {
	random *rand.Rand
	client *http.Client

	mu    sync.Mutex
	sent  map[string]int // poll by the id of the vote
	acked map[string]time.Time
	again int // votes that were sent again after they had been acknowledged
	fault string
}

const polls = 5

// idsLast is for how long an id of the caller's own is asked for again: it is known for ten minutes.
const idsLast = 8 * time.Minute

// send has an actor count a vote once more, at a process chosen at random, and says whether that was acknowledged. One with a name of its own carries
// that as the request's id.
func (v *votes) send(ctx context.Context, id string, poll int, list []*polling) bool {
	header := http.Header{}
	if named(id) {
		header.Set("Idempotency-Key", id)
	}
	status, text := ask(ctx, v.client, http.MethodPost, fmt.Sprintf("%s/actors/tally/%d/count", list[v.random.IntN(len(list))].admin, poll), []byte(strconv.Quote(id)), header)
	if status != http.StatusOK {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if got := strings.TrimSpace(text); got != "1" {
		v.fault = fmt.Sprintf("vote %s in poll %d is answered with %s: it was counted before", id, poll, got)
	}
	if _, before := v.acked[id]; !before {
		v.acked[id] = time.Now()
	}
	return true
}

// named says whether a vote carries its id in a header, so that its voter may send it again: every other one.
func named(id string) bool { return strings.HasSuffix(id, "n") }

// cast sends votes, each once, until it is told to stop.
func (v *votes) cast(ctx context.Context, who int, list []*polling, acked *atomic.Int64, stop *atomic.Bool) {
	for i := 0; !stop.Load() && ctx.Err() == nil; i++ {
		id, poll := fmt.Sprintf("%d-%d%s", who, i, [...]string{"", "n"}[i%2]), i%polls
		v.mu.Lock()
		v.sent[id] = poll
		bad := v.fault != ""
		v.mu.Unlock()
		if bad {
			return
		}
		if v.send(ctx, id, poll, list) {
			acked.Add(1)
		}
	}
}

// repeat sends votes with an id again, until each is answered: all that were not acknowledged, and so many at most of those that were, since a
// moment. They are answered as they were then.
func (v *votes) repeat(t *testing.T, since time.Time, most int, list []*polling) {
	t.Helper()
	v.mu.Lock()
	late := map[string]int{}
	for id, poll := range v.sent {
		at, before := v.acked[id]
		if !named(id) || before && (most == 0 || at.Before(since)) {
			continue
		}
		if before {
			most--
			v.again++
		}
		late[id] = poll
	}
	v.mu.Unlock()
	for id, poll := range late {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for !v.send(ctx, id, poll, list) {
			if ctx.Err() != nil {
				t.Fatalf("vote %s in poll %d is sent again, and not answered", id, poll)
			}
		}
		cancel()
	}
}

// TestActorsSurviveKills ends real processes with SIGKILL while their actors are called. Each call has an id of its own, so that it
// shows whether one that was acknowledged was counted, and whether any was counted twice: at once, when it is sent again after the failover, or
// after everything, when nobody sends anything any more. TROUPE_KILLS says how often. A kill may
// come before the one that was killed last has its copies again, and take the last of some: then calls go on once it is back.
func TestActorsSurviveKills(t *testing.T) {
	onceIsEnough(t)
	kills := number(t, "TROUPE_KILLS", 4)
	random := dice(t)
	list := startLedgers(t)
	client := &http.Client{Timeout: 20 * time.Second}
	for _, p := range list { // before all three vote, the death of one may be the majority's
		p.until(t, "all nodes vote, and have their copies", func(ctx context.Context) bool {
			_, nodes := get(ctx, client, p.admin+"/_nodes")
			_, health := get(ctx, client, p.admin+"/_cluster/health")
			return strings.Count(nodes, `"voter":true`) == len(list) && strings.Contains(health, `"status":"green"`)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var acked atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	voters := make([]*votes, 6)
	for i := range voters {
		voters[i] = &votes{random: rand.New(rand.NewPCG(random.Uint64(), uint64(i))), client: client, sent: map[string]int{}, acked: map[string]time.Time{}}
		running.Go(func() { voters[i].cast(ctx, i, list, &acked, &stop) })
	}
	defer running.Wait()
	defer cancel()
	late := &votes{random: random, client: client, sent: map[string]int{}, acked: map[string]time.Time{}}
	more := func(n int64) {
		t.Helper()
		acknowledged(t, "calls are acknowledged", acked.Load()+n, &acked)
	}
	for range kills {
		begin := time.Now()
		more(1 + random.Int64N(300))
		victim := list[random.IntN(len(list))]
		victim.process.Load().Kill()
		goOn(t, client, list, acked.Load()+1+random.Int64N(300), &acked)
		victim.start(t)
		late.takeOver(voters)
		late.repeat(t, begin, 30, list)
	}
	more(300)
	stop.Store(true)
	running.Wait()
	late.takeOver(voters)
	checkVotes(t, client, list, late)
	late.repeat(t, time.Now().Add(-idsLast), 2000, list)
	for poll := range polls {
		settled(t, client, list[0], strconv.Itoa(poll))
	}
	checkVotes(t, client, list, late)
	t.Logf("%d calls acknowledged of %d sent, %d sent again after they were acknowledged", len(late.acked), len(late.sent), late.again)
}

// takeOver learns what voters know.
func (v *votes) takeOver(voters []*votes) {
	for _, other := range voters {
		other.mu.Lock()
		for id, poll := range other.sent {
			v.sent[id] = poll
		}
		for id, at := range other.acked {
			v.acked[id] = at
		}
		if other.fault != "" {
			v.fault = other.fault
		}
		other.mu.Unlock()
	}
}

// acknowledged waits for a number of acknowledgements.
func acknowledged(t *testing.T, what string, n int64, acked *atomic.Int64) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for ctx := soon(t); acked.Load() < n; {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s: %d, and not %d within %v", what, acked.Load(), n, patience)
		}
	}
}

// goOn waits for a number of acknowledgements while one process is dead, or until the others have said for a while, which is longer than
// a failover takes, that shards have no primary.
func goOn(t *testing.T, client *http.Client, list []*polling, n int64, acked *atomic.Int64) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	ctx := soon(t)
	for red := 0; acked.Load() < n; red++ {
		last := ""
		for _, p := range list {
			if status, text := get(ctx, client, p.admin+"/_cluster/health"); status != 0 && strings.Contains(text, `"status":"red"`) {
				last = text
			}
		}
		switch {
		case last == "":
			red = 0
		case red == 100:
			t.Logf("with one process dead, shards wait for it: %.400s", last)
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("calls are acknowledged while one process is dead: %d, and not %d within %v", acked.Load(), n, patience)
		}
	}
}

// settled waits until a tally and its echo have nothing to do, and nothing between them is on its way.
func settled(t *testing.T, client *http.Client, p *polling, name string) {
	t.Helper()
	for _, actor := range []string{name, echo(name)} {
		p.until(t, "tally "+actor+" has nothing to do", func(ctx context.Context) bool {
			var inside struct {
				Handling string
				Waiting  int
				Outbox   []json.RawMessage
			}
			status, text := get(ctx, client, p.admin+"/_actors/inspect?actor=tally/"+url.PathEscape(actor))
			return status == http.StatusOK && json.Unmarshal([]byte(text), &inside) == nil && inside.Handling == "" && inside.Waiting+len(inside.Outbox) == 0
		})
	}
}

// counts is how often a tally has counted each id.
func counts(t *testing.T, client *http.Client, p *polling, name string) (list map[string]int) {
	t.Helper()
	p.until(t, "tally "+name+" tells what it has counted", func(ctx context.Context) bool {
		status, text := ask(ctx, client, http.MethodPost, p.admin+"/actors/tally/"+url.PathEscape(name)+"/list", nil, http.Header{})
		return status == http.StatusOK && json.Unmarshal([]byte(text), &list) == nil
	})
	return list
}

// checkVotes holds what the actors have counted to what was acknowledged: that once, what was not at most once, nothing else, and each told on once.
func checkVotes(t *testing.T, client *http.Client, list []*polling, all *votes) {
	t.Helper()
	if all.fault != "" {
		t.Error(all.fault)
	}
	counted := map[string]int{}
	for poll := range polls {
		name := strconv.Itoa(poll)
		settled(t, client, list[0], name)
		here, heard := counts(t, client, list[0], name), counts(t, client, list[0], echo(name))
		for id, times := range here {
			if at, sent := all.sent[id]; !sent || at != poll || times != 1 || heard[id] != 1 {
				t.Errorf("vote %s in poll %d: counted %d times, told on and counted %d times", id, poll, times, heard[id])
			}
			counted[id] = times
		}
		for id := range heard {
			if here[id] == 0 {
				t.Errorf("vote %s in poll %d is told on, and not counted", id, poll)
			}
		}
	}
	for id := range all.acked {
		if counted[id] == 0 {
			t.Errorf("vote %s in poll %d was acknowledged and is not there", id, all.sent[id])
		}
	}
	t.Logf("%d calls acknowledged, %d counted", len(all.acked), len(counted))
}
