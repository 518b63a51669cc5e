// Package actor is for a kind of virtual actors that is a Wasm module, ABI "act" version 1.
//
//	//go:embed manifest.json
//	var manifest string
//
//	func init() {
//		actor.Use(manifest)
//		actor.Handle("add", func(c *actor.Context, n int) (int, error) {
//			count := 0
//			c.Get("count", &count)
//			if count += n; count < 0 {
//				return 0, actor.Refuse(1, "%s would be below zero", c.Self())
//			}
//			c.Put("count", count)
//			return count, nil
//		})
//	}
//
//	func main() {}
//
// What happens:
//
//	host                              this package                             your functions
//	act_inbox(size) ────────────────► room for the envelope
//	act_handle(event, length) ──────► reads envelope and request ────────────► Handle("add", …), or Replied
//	                                  all that it wrote and sent counts    ◄── a reply and nil
//	                                  nothing has happened                 ◄── an error
//
// A method is a function of the actor's data and of the message: the same on any node, and when it is run again. It keeps in data what
// is to last (Get, Put, Delete, Scan). An instance is shared by all actors of the kind and is thrown away at any time, so that a variable of the
// package may be a table, and nothing else. It does not wait: Ask gives a token, and the answer comes as a message of its own. There is no clock but
// Now, no chance but Random, no file, no network.
//
// Requests, replies and values are JSON, by encoding/json: a small message costs a million of fuel, for which C takes ten thousand. The manifest asks
// for more than the default, for 64 pages or more, and says "reuse": true, since a Go program's memory is too much to be put back after each message.
package actor

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Event is why a message is handled.
type Event int32

// The events.
const (
	Called   Event = iota + 1 // somebody waits for the reply
	Told                      // nobody does
	Answer                    // of what was asked
	Reminded                  // a reminder of this actor
)

// Refusal is an error with a code of the application's own, above 0. Any other error of a method refuses with code 1.
type Refusal struct {
	Code   int
	Text   string
	Reason string // for programs; empty: there is none

	give func(reason string) // tells the host of it: a module that never does need not import that
}

// Error is the text.
func (r *Refusal) Error() string { return r.Text }

// Refuse makes a Refusal.
func Refuse(code int, format string, args ...any) error {
	return &Refusal{Code: code, Text: fmt.Sprintf(format, args...)}
}

// RefuseFor makes a Refusal with a reason for programs, of 1 to 64 bytes: RefuseFor("insufficient-funds", 1, "only %d are there", n). It is "code" over
// HTTP, and virtual.ReasonOf in Go.
func RefuseFor(reason string, code int, format string, args ...any) error {
	return &Refusal{code, fmt.Sprintf(format, args...), reason, hostReason}
}

// kind is what the functions of this module have registered.
var kind struct {
	name    string
	listed  map[string]any // the methods in the manifest
	methods map[string]func(c *Context, payload []byte) ([]byte, error)
	replied func(c *Context, payload []byte) error
	migrate func(c *Context, from int) error
}

// Use names the manifest. It is called once, from init.
func Use(manifest string) {
	var m struct {
		Kind    string         `json:"kind"`
		Methods map[string]any `json:"methods"`
	}
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		panic("actor: the manifest is no JSON: " + err.Error())
	}
	kind.name, kind.listed = m.Kind, m.Methods
}

// Handle gives the method of that name, from init. No request stands for the zero Req; with json.RawMessage a method reads it itself.
func Handle[Req, Resp any](name string, f func(c *Context, request Req) (Resp, error)) {
	if kind.methods == nil {
		kind.methods = map[string]func(*Context, []byte) ([]byte, error){}
	}
	kind.methods[name] = func(c *Context, payload []byte) ([]byte, error) {
		var request Req
		if err := decode(payload, &request); err != nil {
			return nil, &Refusal{Code: -1, Text: "the request: " + err.Error()}
		}
		reply, err := f(c, request)
		if err != nil {
			return nil, err
		}
		return encode(reply)
	}
}

// Replied gives the function that gets the answers to what was asked, from init: see Context.Token, Answered and Sender. If the actor did not
// answer, the answer is of the zero value, and refusal the text of why.
func Replied[Resp any](f func(c *Context, answer Resp, refusal string) error) {
	kind.replied = func(c *Context, payload []byte) error {
		var answer Resp
		var refusal string
		to := any(&answer)
		if !c.Answered() {
			to = &refusal
		}
		if err := decode(payload, to); err != nil {
			return &Refusal{Code: -1, Text: "the answer: " + err.Error()}
		}
		return f(c, answer, refusal)
	}
}

// Migrate gives a function that is called, before the first message, for an actor whose data was written under a lower "data" of the manifest.
func Migrate(f func(c *Context, from int) error) { kind.migrate = f }

func decode(payload []byte, v any) error {
	if len(payload) == 0 {
		return nil
	}
	return json.Unmarshal(payload, v)
}

// encode writes JSON as the SDKs of all languages do: < and > and & stay as they are.
func encode(v any) ([]byte, error) {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(out.String(), "\n")), nil
}

// must is for what the application itself is to blame for: the message traps, and says why.
func must[T any](v T, err error) T {
	if err != nil {
		panic("actor: " + err.Error())
	}
	return v
}

// Context is the message that is being handled, and what its actor can do. It ends with the message.
type Context struct {
	event                Event
	now                  int64
	token, number        uint64
	refused              bool
	self, sender, method string
	payload              []byte
}

// Self is this actor, as kind/name.
func (c *Context) Self() string { return c.self }

// Name is its name.
func (c *Context) Name() string { return NameOf(c.self) }

// Sender is the actor that sends the message, as kind/name; empty: it comes from outside of actors.
func (c *Context) Sender() string { return c.sender }

// Event is why it is handled.
func (c *Context) Event() Event { return c.event }

// Now is its time: the same when it is run again.
func (c *Context) Now() time.Time { return time.UnixMilli(c.now).UTC() }

// Token is, of an answer, what Ask gave.
func (c *Context) Token() uint64 { return c.token }

// Answered says, of an answer, whether the actor answered, or refused.
func (c *Context) Answered() bool { return !c.refused }

// Peer is another actor of this kind, as Tell and Ask take it.
func (c *Context) Peer(name string) string { return kindOf(c.self) + "/" + name }

// NameOf is the name in kind/name.
func NameOf(actor string) string {
	_, name, _ := strings.Cut(actor, "/")
	return name
}

func kindOf(actor string) string {
	kind, _, _ := strings.Cut(actor, "/")
	return kind
}

// Get reads a value that is JSON into what v points to, and says whether there is one; v stays as it is if there is none. What this message
// has written is seen. A value that does not fit traps.
func (c *Context) Get(key string, v any) bool {
	value, found := c.Bytes(key)
	if found {
		must(0, json.Unmarshal(value, v))
	}
	return found
}

// Bytes gives a value as it is.
func (c *Context) Bytes(key string) (value []byte, found bool) {
	return grown(func(out []byte) int32 { return hostGet(key, out) })
}

// grown calls what writes into room and gives a length, with more room if that was too little; -1 is nothing.
func grown(f func(out []byte) int32) ([]byte, bool) {
	out := make([]byte, 256)
	for {
		n := int(f(out))
		switch {
		case n < 0:
			return nil, false
		case n <= len(out):
			return out[:n], true
		}
		out = make([]byte, n)
	}
}

// Put keeps a value, as JSON.
func (c *Context) Put(key string, v any) { hostPut(key, must(encode(v))) }

// PutBytes keeps a value as it is.
func (c *Context) PutBytes(key string, value []byte) { hostPut(key, value) }

// Delete drops a key.
func (c *Context) Delete(key string) { hostDelete(key) }

// Scan gives the entries whose keys begin with prefix, in the order of keys' bytes. Sixteen may be begun in a message. What is written on the way is
// seen if its key is yet to come.
func (c *Context) Scan(prefix string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		cursor := hostScan(prefix)
		for {
			entry, more := grown(func(out []byte) int32 { return hostNext(cursor, out) })
			if !more {
				return
			}
			key := int(u32(entry))
			if !yield(string(entry[4:4+key]), entry[4+key:]) {
				return
			}
		}
	}
}

// Tell sends a message when this one commits: once, whatever fails. to is kind/name.
func (c *Context) Tell(to, method string, request any) { hostTell(to, method, must(encode(request))) }

// Ask sends one that is answered, and gives the token by which to know the answer, which comes to the function of Replied.
func (c *Context) Ask(to, method string, request any) uint64 {
	return hostAsk(to, method, must(encode(request)))
}

// Remind has a message sent to this actor after some time, and, if every is not 0, again each so long, a second at least. A name has one reminder.
func (c *Context) Remind(name string, after, every time.Duration, method string, request any) {
	hostRemind(name, after.Milliseconds(), every.Milliseconds(), method, must(encode(request)))
}

// Forget takes a reminder back.
func (c *Context) Forget(name string) { hostForget(name) }

// Random is chance, the same when the message is run again.
func (c *Context) Random() uint64 {
	var b [8]byte
	hostRandom(b[:])
	return u64(b[:])
}

// Below is one of 0 to n - 1, each as likely.
func (c *Context) Below(n uint64) uint64 {
	if n < 2 {
		return 0
	}
	const most = 1<<64 - 1
	for limit := most - most%n; ; {
		if v := c.Random(); v < limit {
			return v % n
		}
	}
}

// Log writes a line to the host's log, in slog's levels: -4 debug, 0 info, 4 warn, 8 error.
func (c *Context) Log(level int32, format string, args ...any) {
	if hostLogEnabled(level) {
		hostLog(level, fmt.Sprintf(format, args...))
	}
}

func u32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
func u64(b []byte) uint64 { return uint64(u32(b)) | uint64(u32(b[4:]))<<32 }

// open reads an envelope.
func open(event Event, e []byte) (*Context, error) {
	if len(e) < 80 || u32(e) != 0x54434154 || u32(e[4:])&0xffff != 1 {
		return nil, &Refusal{Code: -1, Text: "the message is no envelope of ABI version 1"}
	}
	part := func(field int) []byte { return e[u32(e[field:]):][:u32(e[field+4:])] }
	return &Context{event: event, now: int64(u64(e[8:])), token: u64(e[24:]), number: u64(e[32:]), refused: u32(e[72:]) != 0,
		self: string(part(40)), sender: string(part(48)), method: string(part(56)), payload: part(64)}, nil
}

// handle is act_handle, on an envelope.
func handle(event Event, e []byte) int32 {
	defer trapped()
	c, err := open(event, e)
	if err == nil {
		err = c.dispatch()
	}
	return refused(err)
}

func (c *Context) dispatch() error {
	method := kind.methods[c.method]
	switch {
	case c.event < Called || c.event > Reminded:
		return &Refusal{Code: -1, Text: fmt.Sprintf("event %d is not known here", c.event)}
	case c.event == Answer && kind.replied == nil:
		return nil
	case c.event == Answer:
		return kind.replied(c, c.payload)
	case method == nil:
		return &Refusal{Code: -1, Text: "there is no method " + c.method}
	}
	reply, err := method(c, c.payload)
	if err == nil && string(reply) != "null" {
		hostReply(reply)
	}
	return err
}

// migrated is act_migrate, on an envelope.
func migrated(from int32, e []byte) int32 {
	defer trapped()
	if kind.migrate == nil {
		return 0
	}
	c, err := open(Called, e)
	if err == nil {
		err = kind.migrate(c, int(from))
	}
	return refused(err)
}

// refused tells the host why, and gives the code: 0 if there is no error.
func refused(err error) int32 {
	if err == nil {
		return 0
	}
	hostError(err.Error())
	r := (*Refusal)(nil)
	if !errors.As(err, &r) {
		return 1
	}
	if r.give != nil {
		r.give(r.Reason)
	}
	if r.Code != 0 {
		return int32(r.Code)
	}
	return 1
}

// trapped tells the host of a panic, which goes on and traps.
func trapped() {
	if p := recover(); p != nil {
		hostError(fmt.Sprint(p))
		panic(p)
	}
}
