package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/wasm/abi/act"
)

// Rehearsal has actors of one module handle messages without a cluster: what they keep is in memory, and what they send goes nowhere but into
// the Outcome. The same module and the same messages give the same outcomes, on every machine. One goroutine at a time uses it.
type Rehearsal struct {
	module *Module
	fresh  bool
	actors map[string]*rehearsed
	tokens uint64
}

// NewRehearsal begins without actors. With fresh, each message meets an instance that has handled nothing else.
func NewRehearsal(m *Module, fresh bool) *Rehearsal {
	return &Rehearsal{module: m, fresh: fresh, actors: map[string]*rehearsed{}}
}

// rehearsed is an actor, and what the message that it handles has done.
type rehearsed struct {
	rehearsal *Rehearsal
	layout    int // 0: nothing was kept yet
	data      map[string]string
	sets      map[string]*string // of this message; nil: deleted
	sent      []string
}

// Outcome is what came of a message.
type Outcome struct {
	Reply   json.RawMessage
	Err     error    // of *virtual.Error: nothing was kept or sent
	Effects []string // "put KEY VALUE", "del KEY", "tell TO METHOD JSON", "ask TO METHOD JSON", "remind NAME …", "forget NAME"; keys and values quoted where that is needed
	Fuel    uint64
	Hash    string // SHA-256 of all of the above, shortened: equal if and only if the guest did the same
}

// Give sets what an actor keeps, written in a layout; for fixtures.
func (r *Rehearsal) Give(actor string, layout int, data map[string]string) {
	a := r.actor(actor)
	a.layout, a.data = layout, maps.Clone(data)
	if a.data == nil {
		a.data = map[string]string{}
	}
}

// Data is what an actor keeps, and its layout.
func (r *Rehearsal) Data(actor string) (data map[string]string, layout int) {
	a := r.actor(actor)
	return maps.Clone(a.data), a.layout
}

func (r *Rehearsal) actor(name string) *rehearsed {
	if r.actors[name] == nil {
		r.actors[name] = &rehearsed{rehearsal: r, data: map[string]string{}}
	}
	return r.actors[name]
}

// Handle has Request.Self handle a message; Request.Data is the rehearsal's to say. An error is of the rehearsal and none of the guest's.
func (r *Rehearsal) Handle(ctx context.Context, q Request) (o Outcome, err error) {
	a := r.actor(q.Self)
	a.sets, a.sent = map[string]*string{}, nil
	tokens := r.tokens
	q.Data = a.layout
	if r.fresh {
		o.Reply, o.Fuel, o.Err = r.module.handleFresh(ctx, a, &q)
	} else {
		o.Reply, o.Fuel, o.Err = r.module.Handle(ctx, a, &q)
	}
	if o.Err != nil {
		r.tokens = tokens // nobody was asked
	}
	var own *virtual.Error
	if o.Err != nil && !errors.As(o.Err, &own) {
		return o, o.Err
	}
	if o.Err == nil {
		o.Effects = a.commit(r.module.Manifest.Data)
		if len(o.Reply) == 0 {
			o.Reply = json.RawMessage("null")
		}
	}
	o.Hash = o.hash()
	return o, nil
}

// handleFresh is Handle on an instance of its own.
func (m *Module) handleFresh(ctx context.Context, turn Turn, r *Request) (reply []byte, fuel uint64, err error) {
	if err := m.admit(r); err != nil {
		return nil, 0, err
	}
	i, err := m.code.Instantiate(ctx, m.host)
	if err == nil {
		defer func() { _ = i.Close() }()
		err = m.ready(i)
	}
	if err != nil {
		return nil, 0, refuse(virtual.CodePanicked, "%s does not start: %v", m.name(), err)
	}
	return m.run(i, turn, r)
}

// hash is of what the message gave and did.
func (o *Outcome) hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n%s\n%v\n", o.Fuel, o.Reply, o.Err)
	for _, e := range o.Effects {
		fmt.Fprintln(h, e)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// commit keeps what the message has changed, and tells of it.
func (a *rehearsed) commit(layout int) (effects []string) {
	for _, key := range slices.Sorted(maps.Keys(a.sets)) {
		if value := a.sets[key]; value == nil {
			delete(a.data, key)
			effects = append(effects, "del "+Quote(key))
		} else {
			a.data[key] = *value
			effects = append(effects, "put "+Quote(key)+" "+Quote(*value))
		}
	}
	if len(a.sets) > 0 {
		a.layout = layout
	}
	return append(effects, a.sent...)
}

// Quote is a key or value as people read and write it: as it is if it is printable and has no blanks, else in quotes with escapes.
func Quote(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r == 0x7f || r == '\ufffd' }) {
		return text
	}
	return fmt.Sprintf("%q", text)
}

// Get is part of Turn.
func (a *rehearsed) Get(key string) ([]byte, bool, error) {
	value, found := a.data[key]
	return []byte(value), found, nil
}

// Scan is part of Turn.
func (a *rehearsed) Scan(prefix string) iter.Seq2[virtual.Entry, error] {
	return func(yield func(virtual.Entry, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(a.data)) {
			if strings.HasPrefix(key, prefix) && !yield(virtual.Entry{Key: key, Value: []byte(a.data[key])}, nil) {
				return
			}
		}
	}
}

// Set is part of Turn.
func (a *rehearsed) Set(key string, value []byte) {
	text := string(value)
	a.sets[key] = &text
}

// Delete is part of Turn.
func (a *rehearsed) Delete(key string) { a.sets[key] = nil }

func (a *rehearsed) note(verb string, words ...any) {
	a.sent = append(a.sent, verb+" "+strings.TrimSuffix(fmt.Sprintln(words...), "\n"))
}

// Tell is part of Turn.
func (a *rehearsed) Tell(to virtual.ID, method string, request any) error {
	a.note("tell", to, method, string(request.(json.RawMessage)))
	return nil
}

// Ask is part of Turn. Tokens are 1, 2, 3, …
func (a *rehearsed) Ask(to virtual.ID, method string, request any, _ string) (uint64, error) {
	a.rehearsal.tokens++
	a.note("ask", to, method, string(request.(json.RawMessage)))
	return a.rehearsal.tokens, nil
}

// Remind is part of Turn.
func (a *rehearsed) Remind(name string, after, every time.Duration, method string, request any) error {
	a.note("remind", name, "after", after, "every", every, method, string(request.(json.RawMessage)))
	return nil
}

// Forget is part of Turn.
func (a *rehearsed) Forget(name string) { a.note("forget", name) }

// Event finds an event by its name: call, tell, reply or reminder.
func Event(name string) (act.Event, bool) {
	e := act.EventOf(name)
	return e, e != 0 && e != act.Activate
}
