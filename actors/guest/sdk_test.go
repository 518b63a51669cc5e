package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// counters is where the SDKs of wasm/guest keep one kind in four languages.
const counters = "../../wasm/guest/testdata/actor"

// counterIn gives that kind in a language. The one in Go is built.
func counterIn(t *testing.T, language string) []byte {
	t.Helper()
	path, manifest := filepath.Join(counters, language+".wasm"), filepath.Join(counters, "manifest.json")
	if language == "go" {
		if testing.Short() {
			t.Skip("the compiler takes its time")
		}
		path, manifest = filepath.Join(t.TempDir(), "go.wasm"), filepath.Join(counters, "go/manifest.json")
		c := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", path, "./go")
		c.Dir, c.Env = counters, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		if text, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if binary, err = act.WithManifest(binary, text); err != nil {
		t.Fatal(err)
	}
	return binary
}

// anyMessage is a message for one of three counters, by chance: the same for the same dice.
func anyMessage(dice *rand.Rand, number uint64) Request {
	name := func() string { return []string{"ann", "ben", "cleo/é"}[dice.IntN(3)] }
	word := func() string {
		return []string{"", "x", "a \"quoted\" \\ one", "tab\tline\nend\x01", "déjà 😀", strings.Repeat("long ", 200)}[dice.IntN(6)]
	}
	r := Request{Event: act.Event(1 + dice.IntN(4)), Envelope: act.Envelope{Now: 1767225600000 + int64(number), Seed: dice.Uint64(), Number: number, Self: "counter/" + name()}}
	var payload any
	switch method := dice.IntN(10); method {
	case 0:
		r.Method, payload = "add", dice.Int64N(1<<50)-1<<49
	case 1, 2:
		r.Method, payload = "add", dice.IntN(9)-4
	case 3:
		r.Method = "value"
	case 4:
		r.Method, payload = "note", map[string]any{name(): word(), "x": word(), "gone": nil}
	case 5:
		r.Method = "notes"
	case 6:
		r.Method, payload = "pay", map[string]any{"to": name(), "amount": dice.IntN(100) - 5}
	case 7:
		r.Method, payload = "compare", "counter/"+name()
	case 8:
		r.Method, payload = []string{"later", "forget"}[dice.IntN(2)], map[string]any{"after": dice.IntN(5000), "every": 1000 * dice.IntN(3), "amount": 7}
	case 9:
		r.Method, payload = []string{"dice", "about"}[dice.IntN(2)], map[string]any{"count": dice.IntN(10), "below": 1 + dice.Uint64N(1<<62)}
	}
	if r.Event == act.Reply {
		r.Token, r.Sender, r.Method, payload = dice.Uint64N(1<<62), "bank/"+name(), "value", dice.Int64N(1<<50)
		switch dice.IntN(8) {
		case 0:
			payload = json.RawMessage([]string{"0e400", "0.0E+999", "0e-400"}[dice.IntN(3)]) // scaled, these are infinity by nothing
		case 1, 2, 3:
			r.Status, payload = act.Refused, word()
		}
	}
	if payload != nil {
		r.Payload, _ = json.Marshal(payload)
	}
	return r
}

// spoken is a message with what came of it.
func spoken(t *testing.T, q *Request, o *Outcome) string {
	t.Helper()
	text := fmt.Sprintf("%v %s %s %.100s\n  %.200s", q.Event, q.Self, q.Method, q.Payload, o.Reply)
	if own := (*virtual.Error)(nil); errors.As(o.Err, &own) {
		if text += fmt.Sprintf("%s: %s", own.Code, own.Text); own.Reason != "" {
			text += " (" + own.Reason + ")"
		}
	} else if o.Err != nil {
		t.Fatal(o.Err)
	}
	return strings.Join(append([]string{text}, o.Effects...), "\n  ")
}

// TestLanguagesHandleAlike gives the counter of each SDK the same sequences of messages. What they reply, refuse, keep and send is the same, byte for
// byte, and of the first messages it is in answers.txt. Half of the sequences meet an instance of their own with each message, but those in C: memory
// that is put back, or kept, makes no difference.
func TestLanguagesHandleAlike(t *testing.T) {
	heard := map[string][]string{}
	for _, language := range []string{"c", "rust", "assemblyscript", "go"} {
		t.Run(language, func(t *testing.T) {
			module := load(t, engine(), counterIn(t, language))
			most := uint64(0)
			for sequence := range uint64(6) {
				r := NewRehearsal(module, language != "c" && sequence%2 == 1)
				dice := rand.New(rand.NewPCG(5, sequence))
				for number := range uint64(100) {
					q := anyMessage(dice, number)
					if dice.IntN(8) == 0 { // one that a version before has written
						q.Self = fmt.Sprint("counter/old-", number)
						r.Give(q.Self, 1, map[string]string{"n": strconv.Itoa(dice.IntN(50) - 10), "note/x": `"kept"`})
					}
					o, err := r.Handle(context.Background(), q)
					if err != nil {
						t.Fatal(err)
					}
					heard[language] = append(heard[language], spoken(t, &q, &o))
					most = max(most, o.Fuel)
				}
			}
			t.Logf("a message uses at most %d of fuel", most)
		})
	}
	first := heard["c"]
	if first == nil {
		return // -run names another language alone
	}
	for language, answers := range heard {
		for i, got := range answers {
			if got != first[i] {
				t.Fatalf("message %d of sequence %d: %s says\n%s\nand c\n%s", i%100, i/100, language, got, first[i])
			}
		}
	}
	path := filepath.Join(counters, "answers.txt")
	got := strings.Join(first[:60], "\n") + "\n"
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(path); err != nil || string(want) != got {
		t.Errorf("%s says otherwise, %v; if the change is meant: go test ./actors/guest -run Alike -rewrite", path, err)
	}
}
