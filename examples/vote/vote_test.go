// Package vote holds the tests of two kinds of actors; README.md says what they do.
package vote

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/examples/guesttest"
	"github.com/troupe-actors/troupe/wasm"
)

var rewrite = flag.Bool("rewrite", false, "keep the modules that were built")

func engine(t *testing.T) *wasm.Engine {
	t.Helper()
	e, err := wasm.NewEngine(wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestNatively builds both kinds with their unit tests for this machine, and runs them.
func TestNatively(t *testing.T) {
	if testing.Short() {
		t.Skip("the compiler takes its time")
	}
	compiler := guesttest.Rustc(t)
	for _, kind := range []string{"ballot", "voter"} {
		out := filepath.Join(t.TempDir(), kind)
		run(t, compiler, "--edition", "2021", "--test", "-o", out, kind+".rs")
		run(t, out)
	}
}

// step is a command of README.md, or a time that passes there, and what it prints.
type step struct {
	line                   string
	later                  time.Duration
	actor, method, payload string
	want                   string
}

var (
	callLine = regexp.MustCompile(`^\$ troupe actor call (\S+) (\S+)(?: '(.*)'| ([^-\s]\S*))?(?: --json)?$`)
	laters   = map[string]time.Duration{"# half a minute later": 30 * time.Second, "# an hour later": time.Hour}
)

// readme gives the calls of README.md.
func readme(t *testing.T) (steps []step) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, line := range strings.Split(strings.TrimSpace(block[1]), "\n") {
			m := callLine.FindStringSubmatch(line)
			switch {
			case m != nil:
				steps = append(steps, step{line: line, actor: m[1], method: m[2], payload: m[3] + m[4]})
			case laters[line] != 0:
				steps = append(steps, step{later: laters[line]})
			case !strings.HasPrefix(line, "$ ") && len(steps) > 0:
				steps[len(steps)-1].want += line
			case !strings.HasPrefix(line, "$ troupe dev") && !strings.HasPrefix(line, "$ troupe actor push"):
				t.Fatalf("README.md has a line that no test follows: %s", line)
			}
		}
	}
	return steps
}

// TestReadme follows README.md with all messages delivered at once.
func TestReadme(t *testing.T) {
	s := newStage(t, engine(t))
	steps := readme(t)
	if len(steps) < 15 {
		t.Fatalf("README.md has %d steps", len(steps))
	}
	for _, step := range steps {
		if step.later > 0 {
			s.advance(step.later)
			continue
		}
		got, err := s.call(step.actor, step.method, step.payload)
		if err != nil {
			got = fmt.Sprintf("troupe: failed: actor %s, method %s: failed: %v", step.actor, step.method, err)
		}
		s.settle()
		if got != step.want {
			t.Errorf("%s\n%s\nnot\n%s", step.line, got, step.want)
		}
	}
}

// crowd is voters and ballots with what is true of them by the rules alone.
type crowd struct {
	*stage
	voters, ballots []string
	asked           []string // the ballots, and one that nobody opens
	deposited       map[string]int64
	opened          map[string]int64
	cast            map[[2]string]int64 // when the ballot has counted the voter's vote last
}

const halfLife = 160 // seconds: a step is ten

// TestByChance has four voters do what they like, while messages and time pass, and holds what they and three ballots keep to what must be so. A
// fourth ballot is never opened.
func TestByChance(t *testing.T) {
	e := engine(t)
	for seed := range uint64(6) {
		dice := rand.New(rand.NewPCG(9, seed))
		c := &crowd{newStage(t, e), []string{"ann", "ben", "cleo", "dan"}, []string{"lunch", "dinner", "tea"}, []string{"lunch", "dinner", "tea", "supper"}, map[string]int64{}, map[string]int64{}, map[[2]string]int64{}}
		for _, b := range c.ballots {
			c.advance(time.Duration(dice.IntN(9000)) * time.Millisecond)
			if _, err := c.call("ballot/"+b, "open", fmt.Sprintf(`{"candidates":["a","b","c","d"],"choices":2,"half_life_s":%d}`, halfLife)); err != nil {
				t.Fatal(err)
			}
			c.opened[b] = c.now
		}
		for range 500 {
			c.act(dice)
			for range min(dice.IntN(4), len(c.queue)) {
				c.deliverOne()
			}
			if dice.IntN(20) == 0 {
				c.drain()
				c.advance(time.Duration(dice.IntN(40_000)) * time.Millisecond)
				c.check()
			}
		}
		c.drain()
		c.check()
		if seed == 0 {
			t.Logf("fuel: %v", c.most)
		}
	}
}

// act is one message by chance. Many are refused, and change nothing.
func (c *crowd) act(dice *rand.Rand) {
	pick := func(of []string) string { return of[dice.IntN(len(of))] }
	name, other, n := pick(c.voters), pick(c.voters), 1+dice.Int64N(100)
	switch dice.IntN(8) {
	case 0, 1:
		if _, err := c.call("voter/"+name, "deposit", fmt.Sprint(n)); err == nil {
			c.deposited[name] += n
		}
	case 2:
		_, _ = c.call("voter/"+name, "stake", fmt.Sprint(n))
	case 3:
		_, _ = c.call("voter/"+name, "delegate", fmt.Sprintf(`{"to":%q,"amount":%d}`, other, n))
	case 4:
		_, _ = c.call("voter/"+name, "release", fmt.Sprintf(`{"from":%q,"amount":%d}`, other, n))
	case 5:
		_, _ = c.call("voter/"+name, "vote", fmt.Sprintf(`{"ballot":%q}`, pick(c.asked)))
	default:
		candidates := []string{"a", "b", "c", "d", "nobody"}
		dice.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		text, _ := json.Marshal(candidates[:dice.IntN(4)])
		_, _ = c.call("voter/"+name, "vote", fmt.Sprintf(`{"ballot":%q,"for":%s}`, pick(c.asked), text))
	}
}

// deliverOne delivers a message, and notes when a ballot counts a vote.
func (c *crowd) deliverOne() {
	m := c.queue[0]
	c.deliver()
	if answer := c.queue[max(0, len(c.queue)-1):]; m.Method == "cast" && m.Token != 0 && len(answer) > 0 && answer[0].Self == m.Sender && answer[0].Status == 0 {
		c.cast[[2]string{strings.TrimPrefix(m.Sender, "voter/"), strings.TrimPrefix(m.Self, "ballot/")}] = c.now
	}
}

func (c *crowd) drain() {
	for len(c.queue) > 0 {
		c.deliverOne()
	}
}

// account is what a voter says of itself.
type account struct {
	Free      int64
	Given     map[string]int64
	Releasing map[string]struct{ Amount int64 }
	Power     int64
	Votes     map[string]struct{ For []string }
	Asked     map[string]any
}

// check holds all that is kept to what must be so once all messages have arrived.
func (c *crowd) check() {
	c.t.Helper()
	accounts := map[string]*account{}
	for _, name := range c.voters {
		accounts[name] = ask[account](c, "voter/"+name, "account")
	}
	for name, a := range accounts {
		sum, power := a.Free, int64(0)
		for _, n := range a.Given {
			sum += n
		}
		for _, r := range a.Releasing {
			sum += r.Amount
		}
		for _, other := range accounts {
			power += other.Given[name]
		}
		for ballot, v := range a.Votes {
			if c.opened[ballot] == 0 || len(v.For) == 0 {
				c.t.Fatalf("%s keeps a vote in %s, which has counted none", name, ballot)
			}
		}
		if sum != c.deposited[name] || power != a.Power || len(a.Asked) > 0 {
			c.t.Fatalf("%s has put %d in, and %d is there; %d is given to it, and it votes with %d; %d answers have not come", name, c.deposited[name], sum, power, a.Power, len(a.Asked))
		}
	}
	for _, ballot := range c.ballots {
		step := func(at int64) int64 { return (at - c.opened[ballot]) * 16 / (halfLife * 1000) }
		want, voters := map[string]float64{}, map[string]int{}
		for name, a := range accounts {
			for _, candidate := range a.Votes[ballot].For {
				want[candidate] += float64(a.Power) * math.Exp2(float64(step(c.cast[[2]string{name, ballot}])-step(c.now))/16)
				voters[candidate]++
			}
		}
		type row struct {
			Candidate string
			Weight    float64
			Voters    int
		}
		for _, r := range ask[struct{ Tally []row }](c, "ballot/"+ballot, "tally").Tally {
			if math.Abs(r.Weight-want[r.Candidate]) > 0.001+want[r.Candidate]*1e-4 || r.Voters != voters[r.Candidate] {
				c.t.Fatalf("%s gives %s %v by %d; it must be %v by %d", ballot, r.Candidate, r.Weight, r.Voters, want[r.Candidate], voters[r.Candidate])
			}
		}
	}
}

// ask has an actor say something of itself.
func ask[T any](c *crowd, actor, method string) *T {
	c.t.Helper()
	reply, err := c.call(actor, method, "")
	if err != nil {
		c.t.Fatal(err)
	}
	v := new(T)
	if err := json.Unmarshal([]byte(reply), v); err != nil {
		c.t.Fatal(err)
	}
	return v
}
