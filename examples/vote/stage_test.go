package vote

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/guest"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// stage has both kinds in memory: what they tell and ask each other arrives, each once and in order, and time passes when it is told to.
type stage struct {
	t         *testing.T
	kinds     map[string]*guest.Rehearsal
	now       int64
	number    uint64
	tokens    map[string]uint64 // by kind: how many questions were asked
	queue     []guest.Request
	reminders []reminder
	most      map[string]uint64 // fuel, by kind and method
}

type reminder struct {
	name string
	due  int64
	guest.Request
}

func newStage(t *testing.T, e *wasm.Engine) *stage {
	t.Helper()
	s := &stage{t: t, kinds: map[string]*guest.Rehearsal{}, now: 1767225600000, tokens: map[string]uint64{}, most: map[string]uint64{}}
	for _, kind := range []string{"ballot", "voter"} {
		m, err := guest.Load(context.Background(), e, module(t, kind), wasm.Host{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		s.kinds[kind] = guest.NewRehearsal(m, false)
	}
	return s
}

// call is a call from outside, and gives the reply or the text of the refusal.
func (s *stage) call(actor, method, payload string) (reply string, err error) {
	s.t.Helper()
	raw, err := s.handle(guest.Request{Event: act.Call, Envelope: act.Envelope{Self: actor, Method: method, Payload: json.RawMessage(payload)}})
	return string(raw), err
}

// handle has an actor handle a message, and puts what it sends on the way.
func (s *stage) handle(q guest.Request) (json.RawMessage, error) {
	s.t.Helper()
	kind, _, _ := strings.Cut(q.Self, "/")
	s.number++
	q.Now, q.Number, q.Seed = s.now, s.number, s.number
	o, err := s.kinds[kind].Handle(context.Background(), q)
	if err != nil {
		s.t.Fatal(err)
	}
	s.most[kind+" "+q.Method] = max(s.most[kind+" "+q.Method], o.Fuel)
	if o.Err != nil {
		var own *virtual.Error
		if !errors.As(o.Err, &own) || own.Code != virtual.CodeFailed {
			s.t.Fatalf("%s %s %s: %v", q.Self, q.Method, q.Payload, o.Err)
		}
		return nil, errors.New(own.Text)
	}
	for _, effect := range o.Effects {
		s.send(kind, q.Self, effect)
	}
	return o.Reply, nil
}

// send reads an effect of a message: "tell TO METHOD JSON", "ask TO METHOD JSON", "remind NAME after D every D METHOD JSON".
func (s *stage) send(kind, from, effect string) {
	verb, rest, _ := strings.Cut(effect, " ")
	switch verb {
	case "tell", "ask":
		w := strings.SplitN(rest, " ", 3)
		m := guest.Request{Event: act.Tell, Envelope: act.Envelope{Self: w[0], Sender: from, Method: w[1], Payload: json.RawMessage(w[2])}}
		if verb == "ask" {
			s.tokens[kind]++
			m.Event, m.Token = act.Call, s.tokens[kind]
		}
		s.queue = append(s.queue, m)
	case "remind":
		w := strings.SplitN(rest, " ", 7)
		after, err := time.ParseDuration(w[2])
		if err != nil {
			s.t.Fatal(err)
		}
		r := guest.Request{Event: act.Reminder, Envelope: act.Envelope{Self: from, Sender: from, Method: w[5], Payload: json.RawMessage(w[6])}}
		s.reminders = append(s.reminders, reminder{w[0], s.now + after.Milliseconds(), r})
	}
}

// deliver delivers the first message that is on its way. Nothing that these kinds tell each other may be refused.
func (s *stage) deliver() {
	s.t.Helper()
	m := s.queue[0]
	s.queue = s.queue[1:]
	reply, err := s.handle(m)
	switch {
	case m.Event == act.Call:
		answer := guest.Request{Event: act.Reply, Envelope: act.Envelope{Self: m.Sender, Sender: m.Self, Method: m.Method, Token: m.Token, Payload: reply}}
		if err != nil {
			text, _ := json.Marshal(err.Error())
			answer.Status, answer.Payload = act.Refused, text
		}
		s.queue = append(s.queue, answer)
	case err != nil:
		s.t.Fatalf("%v %s %s %s was refused: %v", m.Event, m.Self, m.Method, m.Payload, err)
	}
}

func (s *stage) settle() {
	s.t.Helper()
	for len(s.queue) > 0 {
		s.deliver()
	}
}

// advance lets time pass: reminders come when they are due.
func (s *stage) advance(d time.Duration) {
	s.t.Helper()
	end := s.now + d.Milliseconds()
	for {
		s.settle()
		slices.SortStableFunc(s.reminders, func(a, b reminder) int { return int(a.due - b.due) })
		if len(s.reminders) == 0 || s.reminders[0].due > end {
			break
		}
		r := s.reminders[0]
		s.reminders = s.reminders[1:]
		s.now = max(s.now, r.due)
		if _, err := s.handle(r.Request); err != nil {
			s.t.Fatalf("reminder %s of %s was refused: %v", r.name, r.Self, err)
		}
	}
	s.now = end
}

// module builds a kind, or takes the one that is kept where there is no compiler, or another.
func module(t *testing.T, kind string) []byte {
	t.Helper()
	kept, err := os.ReadFile(kind + ".wasm")
	if err != nil {
		t.Fatal(err)
	}
	const compiler = "/usr/bin/rustc"
	text, err := exec.Command(compiler, "--version").Output()
	if err != nil || testing.Short() || !strings.HasPrefix(string(text), "rustc 1.63.") {
		t.Logf("no rustc 1.63 here, or no time for it: %s.wasm is tested as it was built", kind)
		return kept
	}
	if built[kind] == nil {
		out := t.TempDir() + "/" + kind + ".wasm"
		run(t, compiler, "--edition", "2021", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "-C", "opt-level=3", "-C", "panic=abort", "-C", "lto",
			"-C", "linker=wasm-ld-14", "-C", "strip=symbols", "-C", "link-arg=-zstack-size=16384", "-o", out, kind+".rs")
		if built[kind], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
		if *rewrite {
			if err := os.WriteFile(kind+".wasm", built[kind], 0o644); err != nil {
				t.Fatal(err)
			}
		} else if string(built[kind]) != string(kept) {
			t.Errorf("%s.wasm is not what its source gives; run: go test ./examples/vote -rewrite", kind)
		}
	}
	return built[kind]
}

// built keeps what was built once.
var built = map[string][]byte{}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	c := exec.Command(program, arguments...)
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c, err, text)
	}
}
