package virtual

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/troupe-actors/troupe/shards"
)

// ID names a virtual actor. Both parts may be any text; a kind has no slash. One that is no UTF-8 can be called, but not be sent to by actors.
type ID struct{ Kind, Name string }

// String is kind/name.
func (id ID) String() string { return id.Kind + "/" + id.Name }

// ParseID reads what String wrote.
func ParseID(text string) (ID, error) {
	kind, name, found := strings.Cut(text, "/")
	id := ID{kind, name}
	if !found {
		return id, fmt.Errorf("%q is no actor: write KIND/NAME, such as counter/page-7", text)
	}
	return id, id.validate()
}

// MaxName bounds an actor's kind and name together, in bytes.
const MaxName = 1024

func (id ID) validate() error {
	switch {
	case id.Kind == "" || strings.Contains(id.Kind, "/"):
		return fmt.Errorf("virtual: %q is no kind: it is not empty, and has no slash", id.Kind)
	case len(id.Kind)+len(id.Name) > MaxName:
		return fmt.Errorf("virtual: the name of actor %.64q… has %d bytes; at most %d", id.String(), len(id.Kind)+len(id.Name), MaxName)
	}
	return nil
}

// CheckText refuses what is no UTF-8, as a *shards.Error of KindInvalid. Messages are JSON, which has no other text: it would come out as another, and
// two names could become one.
func CheckText(what, text string) error {
	if err := notText(what, text); err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	return nil
}

func notText(what, text string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return fmt.Errorf("virtual: %s %.64q is no UTF-8", what, text)
}

// Check says why no message of a method could ever be sent to an actor of that name, as the *shards.Error of KindInvalid that Call would give; nil: one
// could, if its kind is registered and has the method. It is for whoever is told where to send what comes later.
func (id ID) Check(method string) error {
	err := id.validate()
	if err == nil {
		err = cmp.Or(notText("the name of actor", id.String()), notText("the method", method))
	}
	if err == nil && (method == "" || len(method) > MaxName) {
		err = fmt.Errorf("virtual: %.64q with %d bytes is no method of actor %s: its name has at least 1 byte, at most %d", method, len(method), id, MaxName)
	}
	if err != nil {
		return &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	return nil
}

var escape = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")

// key is where the actor keeps something; all of it lies in one slot.
func (id ID) key(class, rest string) string {
	var room [128]byte
	return string(append(id.appendPlace(append(room[:0], class...)), rest...))
}

// replyKey is where the actor keeps its last reply to one lane of a caller.
func (id ID) replyKey(client uint64, lane uint32) string {
	const digits = "0123456789abcdef"
	var room [128]byte
	key := append(id.appendPlace(append(room[:0], 'r')), '/')
	for shift := 60; shift >= 0; shift -= 4 {
		key = append(key, digits[client>>shift&0xf])
	}
	return string(strconv.AppendUint(append(key, '.'), uint64(lane), 10))
}

// appendPlace appends the part of its keys that says who it is, and in which slot they lie.
func (id ID) appendPlace(key []byte) []byte {
	key = append(key, "/{"...)
	if hasBraces(id.Kind) || hasBraces(id.Name) {
		key = append(key, escape.Replace(id.String())...)
	} else {
		key = append(append(append(key, id.Kind...), '/'), id.Name...)
	}
	return append(key, '}')
}

// hasBraces says whether a text has something in it that escape replaces.
func hasBraces(text string) bool {
	for i := range len(text) {
		if c := text[i]; c == '{' || c == '}' || c == '%' {
			return true
		}
	}
	return false
}

// sentKey is where the actor keeps a message that it has sent: their order is that of their numbers.
func (id ID) sentKey(class string, number uint64) string {
	return id.key(class, fmt.Sprintf("/%016x", number))
}

// idOf reads an actor's name out of one of its keys, and what follows it.
func idOf(key string) (id ID, rest string, ok bool) {
	from, to := strings.IndexByte(key, '{'), strings.IndexByte(key, '}')
	if from != 2 || to < from {
		return id, "", false
	}
	name := strings.NewReplacer("%7D", "}", "%7B", "{", "%25", "%").Replace(key[from+1 : to])
	id.Kind, id.Name, ok = strings.Cut(name, "/")
	return id, key[to+1:], ok
}

// Defaults of a kind.
const (
	defaultKeyspace = "actors"
	defaultIdle     = 5 * time.Minute
	defaultMailbox  = 1024
)

// Kind is what actors of one kind do. It is made with NewKind, and complete before it is registered.
type Kind struct {
	name     string
	keyspace string
	idle     time.Duration
	mailbox  int
	fresh    func() any // a pointer to a zero state
	zero     []byte     // that state as it would be kept: an actor that was only asked keeps nothing
	methods  map[string]method
	others   method // for methods that are not in there; without run: none
	reads    bool   // one of the methods does

	activated   method // run when an actor has come into memory, if there is one
	passivating func(id ID, state any)

	strict  bool                                          // about requests
	holds   bool                                          // other messages off while an actor waits for an answer
	unready func() (again <-chan struct{}, reason string) // what messages wait for (ReadyWhen); nil: nothing
	waiting atomic.Int64                                  // messages, for that
}

// method is what a kind does with messages of one name.
type method struct {
	run     func(t *Turn, state any, payload []byte) (any, error) // state is a pointer, as fresh gives it
	answers bool                                                  // it takes answers to questions
	reads   bool                                                  // it changes nothing, and need not wait its turn
}

// method finds what handles a message; without run nothing does.
func (k *Kind) method(name string) method {
	if m, found := k.methods[name]; found {
		return m
	}
	return k.others
}

func (k *Kind) add(name string, m method) {
	if _, twice := k.methods[name]; twice || name == "" {
		panic(fmt.Sprintf("virtual: kind %s has a method %q already, or that is no name", k.name, name))
	}
	k.methods[name] = m
	k.reads = k.reads || m.reads
}

// Name is the kind's name.
func (k *Kind) Name() string { return k.name }

// Keyspace is where the actors of the kind live.
func (k *Kind) Keyspace() string { return k.keyspace }

// Option changes a kind.
type Option func(*Kind)

// InKeyspace has the actors live in another keyspace than "actors": how many copies there are, and how durable what they did is
// when a call returns, are settings of the keyspace. One that gives up keys when it is full is none for actors: Register refuses it.
func InKeyspace(name string) Option { return func(k *Kind) { k.keyspace = name } }

// IdleAfter is how long an activation stays in memory after its last message. Default 5 min. What the actor keeps is in its
// shard: only the next message is slower.
func IdleAfter(d time.Duration) Option { return func(k *Kind) { k.idle = d } }

// Mailbox bounds the messages that wait for one actor; one more is refused as busy. Default 1024.
func Mailbox(messages int) Option { return func(k *Kind) { k.mailbox = messages } }

// Strict has requests refused as bad that have fields which the method's type has not, or are null where that has no nil. Otherwise they
// are read as encoding/json does: unknown fields are passed over, and null leaves the zero value. Callers of a later release of the program
// may send fields that this one does not know, so a kind is strict only if its callers are never newer.
func Strict() Option { return func(k *Kind) { k.strict = true } }

// KindOf is a Kind whose actors have a state of type S: what encoding/json can write and read. A new actor has the zero value.
type KindOf[S any] struct{ *Kind }

// NewKind makes a kind without methods. It panics if the name is none, and if an option says what cannot be, an idle time below 0 or a mailbox for
// nothing: these are mistakes in the program.
func NewKind[S any](name string, options ...Option) *KindOf[S] {
	if err := (ID{Kind: name}).validate(); err != nil {
		panic(err)
	}
	k := &Kind{name: name, keyspace: defaultKeyspace, idle: defaultIdle, mailbox: defaultMailbox, methods: map[string]method{}, fresh: func() any { return new(S) }}
	for _, option := range options {
		option(k)
	}
	if k.idle <= 0 || k.mailbox < 1 || k.keyspace == "" {
		panic(fmt.Sprintf("virtual: kind %s: idle time %v and mailbox %d must be above 0, and the keyspace named", name, k.idle, k.mailbox))
	}
	k.zero, _ = encodeState(0, k.fresh(), nil) // a state that cannot be written is an error of each message
	return &KindOf[S]{k}
}

// Handle adds a method to a kind. f gets the request as its caller gave it and the actor's state, which it may change; what it
// returns goes back to the caller. If it returns an error (Fail gives one with a reason that programs can tell), or panics, nothing has
// changed, and the message is refused, with a *shards.Error that f has from elsewhere as well: only with an error that c itself has given, for
// want of a primary say, it is tried again. f has no other side effects that matter: after a failover it may run again for the same message,
// on the state from before. f calls no other actor, since two that wait for each other wait for ever: it sends them messages (Turn.Tell),
// and has their answers come back as such (Turn.Ask).
//
// A handler that ends its goroutine (runtime.Goexit, as t.FailNow and require do) has panicked: CodePanicked.
//
// Req and Resp are what encoding/json can write and read; a request without a body is the zero value, and what else is passed over says
// Strict. It panics if the kind has the method already.
func Handle[S, Req, Resp any](k *KindOf[S], name string, f func(c *Context[S], request Req) (Resp, error)) {
	k.add(name, method{run: func(t *Turn, state any, payload []byte) (any, error) {
		request, err := decodeRequest[Req](t, name, payload)
		if err != nil {
			return nil, err
		}
		c := &Context[S]{Turn: t, State: state.(*S)}
		reply, err := f(c, request)
		return reply, c.settle(state.(*S), err)
	}})
}

func decodeRequest[Req any](t *Turn, name string, payload []byte) (request Req, err error) {
	if len(payload) == 0 {
		return request, nil
	}
	if t.kind.strict {
		request, err = strictly[Req](payload)
	} else {
		request, err = readJSON[Req](payload)
	}
	if err != nil {
		return request, refuse(CodeBadRequest, "%s of %s takes %T: %v", name, t.self, request, err)
	}
	return request, nil
}

// strictly reads JSON which has nothing in it that T does not.
func strictly[T any](text []byte) (value T, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&value); err != nil {
		return value, err
	}
	if _, err := d.Token(); err != io.EOF { // More would take a bracket for the end of what it is in
		return value, errors.New("something follows it")
	}
	if string(bytes.TrimSpace(text)) != "null" {
		return value, nil
	}
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return value, nil
	}
	if _, own := any(&value).(json.Unmarshaler); own || reflect.TypeFor[T]() == reflect.TypeFor[struct{}]() {
		return value, nil
	}
	return value, errors.New("it is null")
}

// Context is what a handler works with.
type Context[S any] struct {
	*Turn
	State *S // the actor's own; it may be changed until the handler returns. What it points to then is kept: another S may take its place, nil may not
}

// settle takes over the state that the handler leaves, unless it has failed.
func (c *Context[S]) settle(state *S, err error) error {
	switch {
	case err != nil || c.State == state:
		return err
	case c.State == nil:
		return refuse(CodeFailed, "it leaves c.State nil, which is no state: Clear has the actor keep nothing")
	}
	*state = *c.State
	return nil
}
