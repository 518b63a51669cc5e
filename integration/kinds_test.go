package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// tally is a caller of a counter of its own, one call after the other. The sums that come back show whether a call that was
// acknowledged was lost, or one that was sent once was applied twice.
type tally struct {
	name    string
	members []*harness.Member
	random  *rand.Rand
	client  *http.Client
	sum     int // that came back last
	unknown int // calls without an answer since: each may have been applied or not
	fault   string
}

// unsent stands for the status of a message that nobody has got: its member is dead.
const unsent = -1

// post sends a message to an actor, once, at a member chosen at random.
func (v *tally) post(ctx context.Context, actor, method, body string) (int, string) {
	m := v.members[v.random.IntN(len(v.members))]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+m.Config.HTTP+"/actors/"+actor+"/"+method, io.NopCloser(strings.NewReader(body))) // without GetBody net/http repeats nothing
	if err != nil {
		return 0, err.Error()
	}
	response, err := v.client.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return unsent, err.Error()
	}
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, strings.TrimSpace(string(text))
}

// count adds ones until it is told to stop.
func (v *tally) count(ctx context.Context, acked *atomic.Int64, stop *atomic.Bool) {
	for !stop.Load() && ctx.Err() == nil && v.fault == "" {
		switch status, text := v.post(ctx, v.name, "add", "1"); {
		case status == http.StatusOK:
			v.acknowledge(text)
			acked.Add(1)
		case status >= 400 && status < 500:
			v.fault = fmt.Sprintf("a call of %s was refused: %d %s", v.name, status, text)
		case status != unsent:
			v.unknown++
		}
	}
}

// acknowledge compares a sum that came back with what it must be.
func (v *tally) acknowledge(text string) {
	sum, err := strconv.Atoi(text)
	if err != nil || sum <= v.sum || sum > v.sum+1+v.unknown {
		v.fault = fmt.Sprintf("%s was %d, then %d calls were not answered, and one more gives %s", v.name, v.sum, v.unknown, text)
	}
	v.sum, v.unknown = sum, 0
}

// misuse calls an actor whose code does what it should not, until it is told to stop.
func (v *tally) misuse(ctx context.Context, refused *atomic.Int64, stop *atomic.Bool) {
	for i := 0; !stop.Load() && ctx.Err() == nil && v.fault == ""; i++ {
		commands := []string{`"p x 1;L"`, `"F 1000000 kit/victim run"`, `"p x 1;U"`, `"K 900000"`, `"R"`}[i%5]
		switch status, text := v.post(ctx, "kit/bad", "run", commands); {
		case status == http.StatusOK:
			v.fault = fmt.Sprintf("kit/bad was allowed to do %s: %s", commands, text)
		case status == http.StatusInternalServerError || status == http.StatusRequestEntityTooLarge:
			refused.Add(1)
		}
	}
}

func guestModule(name string) string { return filepath.Join("..", "actors", "guest", "testdata", name) }

// TestKindsFromOutside pushes a kind of actors whose code is WebAssembly to three processes. While its actors are called, beside a kind
// that does all that it should not, primaries are killed and a second version that moves data is pushed; then it is taken back.
func TestKindsFromOutside(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{Keyspaces: []string{"actors:shards=8,replicas=1"}})
	must(t, p.WaitVoters(soon(t)))
	if out := p.troupe("actor", "push", guestModule("counter.wasm")); !strings.Contains(out, "3/3 nodes are ready, and it is in use") {
		t.Fatalf("pushed: %s", out)
	}
	p.troupe("actor", "push", guestModule("kit.wasm"))
	random := dice(t)
	client := &http.Client{Timeout: 20 * time.Second}
	var acked, refused atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	tallies := make([]*tally, 8)
	for i := range tallies {
		v := &tally{name: fmt.Sprint("counter/", i), members: p.Members, random: rand.New(rand.NewPCG(random.Uint64(), uint64(i))), client: client}
		tallies[i] = v
		running.Go(func() { v.count(t.Context(), &acked, &stop) })
	}
	bad := &tally{name: "kit/bad", members: p.Members, random: rand.New(rand.NewPCG(random.Uint64(), 99)), client: client}
	running.Go(func() { bad.misuse(t.Context(), &refused, &stop) })
	defer running.Wait()
	defer stop.Store(true)
	more := func(n int64) {
		t.Helper()
		acknowledged(t, "calls are acknowledged", acked.Load()+n, &acked)
	}
	kill := func() {
		t.Helper()
		victim, err := p.Primary(soon(t), "actors", "s/{counter/"+strconv.Itoa(random.IntN(len(tallies)))+"}")
		must(t, err)
		victim.Kill()
		more(300)
		p.restart(victim)
	}

	more(300)
	kill()
	if out := p.troupe("actor", "push", guestModule("counter2.wasm")); !strings.Contains(out, "version 2 (2.0.0)") || !strings.Contains(out, "in use") {
		t.Fatalf("pushed: %s", out)
	}
	more(300)
	kill()
	acknowledged(t, "what misbehaves is refused", 5, &refused)
	stop.Store(true)
	running.Wait()
	if bad.fault != "" {
		t.Error(bad.fault)
	}
	for _, v := range tallies {
		p.settled(t, v)
	}
	page, err := p.Members[0].Node().Fetch(soon(t), "/metrics")
	must(t, err)
	for _, want := range []string{`troupe_guest_messages_total{kind="counter",outcome="handled",version="2.0.0"}`, `troupe_guest_messages_total{kind="kit",outcome="stopped",version="1.0.0"}`} {
		if !strings.Contains(string(page), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	if out := p.troupe("actor", "inspect", "counter/0"); !strings.Contains(out, "version 2 of the kind handles its messages") || !strings.Contains(out, "sum") {
		t.Errorf("after the second version: %s", out)
	}
	p.rolledBack(t, tallies[0])
}

// settled reads a counter, and holds it to what was acknowledged.
func (p *town) settled(t *testing.T, v *tally) {
	t.Helper()
	var text string
	must(t, p.Wait(soon(t), func(ctx context.Context) error {
		var status int
		if status, text = v.post(ctx, v.name, "read", ""); status != http.StatusOK {
			return fmt.Errorf("%s: %d %s", v.name, status, text)
		}
		return nil
	}))
	if v.fault != "" {
		t.Error(v.fault)
		return
	}
	if sum, err := strconv.Atoi(text); err != nil || sum < v.sum || sum > v.sum+v.unknown {
		t.Errorf("%s is %s; acknowledged are %d, and %d calls were not answered", v.name, text, v.sum, v.unknown)
	}
}

// rolledBack takes the kind back to its first version and forth again. Data that has moved waits for the second.
func (p *town) rolledBack(t *testing.T, v *tally) {
	t.Helper()
	if out := p.denied("actor", "rollback", "counter"); !strings.Contains(out, "--older") {
		t.Errorf("refused without the way out: %s", out)
	}
	p.troupe("actor", "rollback", "counter", "--older")
	if status, text := v.post(soon(t), v.name, "read", ""); status != http.StatusUnprocessableEntity || !strings.Contains(text, "was written in layout 2") {
		t.Errorf("data of layout 2 with version 1: %d %s", status, text)
	}
	if status, text := v.post(soon(t), "counter/fresh", "add", "7"); status != http.StatusOK || text != "7" {
		t.Errorf("a new actor with version 1: %d %s", status, text)
	}
	p.troupe("actor", "rollback", "counter")
	p.settled(t, v)
	if status, text := v.post(soon(t), "counter/fresh", "add", "7"); status != http.StatusOK || text != "14" {
		t.Errorf("data of layout 1 with version 2: %d %s", status, text)
	}
}
