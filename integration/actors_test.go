package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/integration/harness"
)

// polling is one process of examples/embed.
type polling struct {
	program string
	args    []string
	env     []string
	url     string
	admin   string
	process atomic.Pointer[harness.Process]
}

func (p *polling) start(t *testing.T) {
	t.Helper()
	process, err := harness.Start("", p.env, p.program, p.args...)
	must(t, err)
	p.process.Store(process)
}

// startPolling builds the example and runs three of it, each with a folder of its own, and with env in their environments.
func startPolling(t *testing.T, env ...string) []*polling {
	t.Helper()
	program := filepath.Join(t.TempDir(), "embed")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/troupe-actors/troupe/examples/embed")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/embed: %v\n%s", err, out)
	}
	var peers []string
	for range 3 {
		peer, err := harness.FreeAddress()
		must(t, err)
		peers = append(peers, peer)
	}
	var list []*polling
	for i, peer := range peers {
		listen, err := harness.FreeAddress()
		must(t, err)
		admin, err := harness.FreeAddress()
		must(t, err)
		p := &polling{program: program, env: env, url: "http://" + listen, admin: "http://" + admin, args: []string{
			"-name", fmt.Sprint("n", i+1), "-listen", listen, "-admin", admin, "-peer", peer, "-initial", strings.Join(peers, ","), "-data", t.TempDir(),
		}}
		p.start(t)
		t.Cleanup(func() {
			p.process.Load().Kill()
			if t.Failed() {
				t.Logf("the last words of %s:\n%s", p.url, p.process.Load().Output())
			}
		})
		list = append(list, p)
	}
	return list
}

// do sends one request and never repeats it. A status of 0 says that there was no answer.
func (p *polling) do(ctx context.Context, client *http.Client, method, path string, body []byte) (int, string) {
	request, err := http.NewRequestWithContext(ctx, method, p.url+path, io.NopCloser(bytes.NewReader(body))) // without GetBody net/http repeats nothing
	if err != nil {
		return 0, err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// get asks for one page; a status of 0 says that there was no answer.
func get(ctx context.Context, client *http.Client, url string) (int, string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err.Error()
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// votes is what one voter of the test knows of its own.
type votes struct {
	random *rand.Rand
	client *http.Client
	acked  map[string]int // poll by the name of the vote
	sent   int
	fault  string
}

const polls = 5

// cast votes until it is told to stop: each vote once, under a name of its own, at a process chosen at random. The actor refuses a
// name that it has counted: were a call handled twice, the second time would say so.
func (v *votes) cast(ctx context.Context, who int, list []*polling, acked *atomic.Int64, stop *atomic.Bool) {
	for !stop.Load() && ctx.Err() == nil {
		name, poll := fmt.Sprintf("%d-%d", who, v.sent), v.sent%polls
		v.sent++
		status, text := list[v.random.IntN(len(list))].do(ctx, v.client, "POST", fmt.Sprint("/polls/", poll), fmt.Appendf(nil, `{"voter":%q,"choice":"yes"}`, name))
		switch status {
		case http.StatusOK:
			v.acked[name] = poll
			acked.Add(1)
		case http.StatusConflict, http.StatusBadRequest:
			v.fault = fmt.Sprintf("vote %s, sent once, was refused: %s", name, text)
			return
		}
	}
}

// TestActorsSurviveKills ends real processes with SIGKILL while their actors are called. Each call has a name of its own, so that it
// shows whether one that was acknowledged was counted, and whether any was counted twice. TROUPE_KILLS says how often. A kill may
// come before the one that was killed last has its copies again, and take the last of some: then calls go on once it is back.
func TestActorsSurviveKills(t *testing.T) {
	kills := number(t, "TROUPE_KILLS", 4)
	random := dice(t)
	list := startPolling(t)
	client := &http.Client{Timeout: 20 * time.Second}
	must(t, list[0].process.Load().Until(soon(t), func(ctx context.Context) error {
		if status, text := list[0].do(ctx, client, "GET", "/polls/0", nil); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, text)
		}
		return nil
	}))
	must(t, list[0].process.Load().Until(soon(t), func(ctx context.Context) error { // before all three vote, the death of one may be the majority's
		if status, text := get(ctx, client, list[0].admin+"/_nodes"); strings.Count(text, `"voter":true`) < len(list) {
			return fmt.Errorf("%d %s", status, text)
		}
		return nil
	}))
	var acked atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	voters := make([]*votes, 6)
	for i := range voters {
		voters[i] = &votes{random: rand.New(rand.NewPCG(random.Uint64(), uint64(i))), client: client, acked: map[string]int{}}
		running.Go(func() { voters[i].cast(t.Context(), i, list, &acked, &stop) })
	}
	defer running.Wait()
	defer stop.Store(true)
	more := func(n int64) {
		t.Helper()
		acknowledged(t, "calls are acknowledged", acked.Load()+n, &acked)
	}
	for range kills {
		more(1 + random.Int64N(300))
		victim := list[random.IntN(len(list))]
		victim.process.Load().Kill()
		goOn(t, client, list, acked.Load()+1+random.Int64N(300), &acked)
		victim.start(t)
	}
	more(300)
	stop.Store(true)
	running.Wait()
	checkVotes(t, client, list, voters)
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

// checkVotes holds what the actors have counted to what was acknowledged.
func checkVotes(t *testing.T, client *http.Client, list []*polling, voters []*votes) {
	t.Helper()
	var results [polls]struct {
		Choices map[string]string
		Votes   int
	}
	counted, acked, sent := 0, 0, 0
	for i := range results {
		must(t, list[0].process.Load().Until(soon(t), func(ctx context.Context) error {
			status, text := list[0].do(ctx, client, "GET", fmt.Sprint("/polls/", i), nil)
			if status != http.StatusOK {
				return fmt.Errorf("%d %s", status, text)
			}
			return json.Unmarshal([]byte(text), &results[i])
		}))
		counted += results[i].Votes
		if results[i].Votes != len(results[i].Choices) {
			t.Errorf("poll %d has counted %d votes of %d voters", i, results[i].Votes, len(results[i].Choices))
		}
	}
	for _, v := range voters {
		if v.fault != "" {
			t.Error(v.fault)
		}
		for name, poll := range v.acked {
			if results[poll].Choices[name] != "yes" {
				t.Errorf("vote %s in poll %d was acknowledged and is not there", name, poll)
			}
		}
		acked += len(v.acked)
		sent += v.sent
	}
	if counted < acked || counted > sent {
		t.Errorf("%d votes are counted; %d were acknowledged of %d sent", counted, acked, sent)
	}
	t.Logf("%d calls acknowledged of %d sent, %d counted", acked, sent, counted)
}
