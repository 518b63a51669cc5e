package virtual

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// What is refused for good leaves the way of what follows it, and waits for people:
//
//	o/{a}/7  told ──────┐                              ┌─ Redrive ─► o/{a}/9   a new number: behind all that a has sent since
//	o/{a}/8  answer ────┼─ setAside ─► a/{a}/7, 8, NAME ┼─ Redrive ─► its handler at once
//	m/{a}/NAME reminder ┘   7 days                      ├─ Redrive ─► m/{a}/NAME, due now
//	                                                    └─ Drop
//
// Each arrow is one commit that takes its key away, by the actor that keeps it, in its turn and under the guard of its state: of two that
// send the same message again, or drop it, one finds nothing.

// Aside is a message between actors, an answer or a reminder, that was refused so often that it was set aside.
type Aside struct {
	ID       string `json:"-"`          // among all that are set aside in the cluster, printable ASCII; CompareAsides says their order
	Event    Event  `json:",omitempty"` // EventTell, EventReply or EventReminder; 0: an earlier release has kept it, which did not say
	From, To ID
	Method   string
	Payload  json.RawMessage
	Refused  *Error `json:",omitempty"` // of an answer: why its question was not handled; nil: it was, and Payload is the reply
	Reason   string // of the last refusal
	Tries    int
	At       time.Time
}

// AsidePage says which of the messages are listed that were set aside.
type AsidePage struct {
	After    string // those behind this ID; empty: from the first
	Limit    int    // at most so many, at least 1
	NoBodies bool   // without Payload
	From, To string // of this sender, to this receiver: a kind, or an actor as ID.String writes it; empty: of all
}

// ErrNotAside says that there is no such message: it has been sent again, or dropped, or a week is over.
var ErrNotAside = errors.New("virtual: no message of that id is set aside, or not any more")

// setAside puts a message that an actor keeps where Aside finds it, for as long as receivers remember senders.
func (h *Host) setAside(keeper ID, key string, a *Aside) error {
	k := h.kind(keeper.Kind)
	if k == nil {
		return failed(keeper, a.Method, CodeNoKind, "its kind is not registered on this node")
	}
	values, err := h.c.Storage.Read(h.ctx, k.keyspace, []string{key})
	if err != nil || values[0].Version == 0 { // a try of which nobody knew the outcome has set it aside: by now it may have been sent again
		return err
	}
	a.At = time.Now()
	value, err := withPayloads(a)
	if err != nil {
		return err
	}
	ops := []Op{{Key: key, Delete: true}, {Key: "a" + key[1:], Value: value, TTL: sentTTL}}
	if _, err := h.c.Storage.Commit(h.ctx, k.keyspace, ops, Guard{key, values[0].Version}); err != nil {
		return err
	}
	h.c.Figures.SetAside(keeper.Kind)
	h.c.Log.Warn("a message between actors was set aside", "from", a.From.String(), "to", a.To.String(), "method", a.Method, "tries", a.Tries, "reason", a.Reason)
	return nil
}

// A page looks at no more than this, whatever it lists: a body has up to MaxPayload bytes, and perhaps none of them is from who is asked for.
const (
	asideVisits = 1000
	asideBytes  = 1 << 20
)

// Aside lists messages that actors of a shard have set aside which this node leads, by ID. next is the ID up to which it has looked: AsidePage.After of
// the next page; empty: that is all. A page may have few messages, or none, and not be the last: some 1000 are looked at for one, of 1 MiB
// together or a single one, or those up to the end of ctx. The error is like those of Storage.Read, and wraps shards.ErrClosed once this node stops.
func (h *Host) Aside(ctx context.Context, shard shards.ShardID, p AsidePage) (list []Aside, next string, err error) {
	if h.ctx.Err() != nil {
		return nil, "", errClosed
	}
	visits, size := 0, 0
	for e, err := range h.c.Storage.ScanShard(ctx, shard, Span{Prefix: "a/", From: "a/" + asideKey(p.After) + "\x00"}) {
		size += len(e.Value)
		switch {
		case err != nil && (visits == 0 || ctx.Err() == nil):
			return nil, "", err
		case err != nil, visits == asideVisits, visits > 0 && size > asideBytes:
			return list, next, nil
		}
		a := asideOf(&e)
		if isOf(p.From, a.From) && isOf(p.To, a.To) {
			if len(list) > 0 && len(list) >= p.Limit {
				return list, next, nil
			}
			if p.NoBodies {
				a.Payload = nil
			}
			list = append(list, a)
		}
		visits, next = visits+1, a.ID
	}
	return list, "", nil
}

// asideID writes the key of a message without its class in printable ASCII, since names are of any bytes; most are as they were.
func asideID(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// asideKey undoes asideID. What that has not written is taken as it is, and found nowhere.
func asideKey(id string) string {
	if key, err := url.PathUnescape(id); err == nil {
		return key
	}
	return id
}

// CompareAsides is the order in which Aside lists messages, by their IDs: that of the keys under which they are kept.
func CompareAsides(a, b string) int { return strings.Compare(asideKey(a), asideKey(b)) }

func asideOf(e *Entry) (a Aside) {
	keeper, rest, _ := idOf(e.Key)
	if err := json.Unmarshal(e.Value, &a); err != nil {
		a = Aside{From: keeper, Reason: "it cannot be read: " + err.Error()}
	}
	_, number := numberOf(rest)
	switch {
	case a.Event != 0:
	case a.From != keeper:
		a.Event = EventReply
	case number:
		a.Event = EventTell
	default:
		a.Event = EventReminder
	}
	if a.Event == EventReply { // the key has the bytes of the keeper's name, JSON perhaps not
		a.To = keeper
	} else {
		a.From = keeper
	}
	a.ID = asideID(strings.TrimPrefix(e.Key, "a/"))
	return a
}

// numberOf reads the number of a message out of the end of its key.
func numberOf(rest string) (number uint64, is bool) {
	number, err := strconv.ParseUint(strings.TrimPrefix(rest, "/"), 16, 64)
	return number, err == nil && len(rest) == 17
}

// isOf says whether an actor is the one, or of the kind, that a text names; an empty text names all.
func isOf(text string, id ID) bool {
	return text == "" || text == id.Kind || text == id.String()
}

// Keeper is the actor that keeps a message which was set aside, and whose shard says where Redrive and Drop are called.
func Keeper(aside string) (ID, error) {
	key := "a/" + asideKey(aside)
	id, rest, ok := idOf(key)
	if !ok || rest == "" || id.validate() != nil || id.key("a", rest) != key {
		return ID{}, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("virtual: %.80q is no id of a message that was set aside", aside)}
	}
	return id, nil
}

// Redrive sends a message again that was set aside, by its ID, on the node where the actor lives that keeps it (Keeper). What was told goes behind
// all that its sender has told the receiver since, and is set aside again if it is refused as often again; a reminder comes at once; an answer
// is handled before Redrive returns, and stays where it is if it is refused again. However often Redrive is called, and on whatever nodes: it is
// sent once, and the others get ErrNotAside. Other errors are those of Call; after KindOutcomeUnknown it may have been sent. Unlike Call it does not
// look for the actor: where that does not live the error is a *shards.NotPrimaryError, or another of Storage.Read's; Where says which node to ask.
func (h *Host) Redrive(ctx context.Context, id string) error {
	keeper, err := Keeper(id)
	if err != nil {
		return err
	}
	k, key := h.kind(keeper.Kind), "a/"+asideKey(id)
	if k == nil {
		return failed(keeper, "", CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s", keeper.Kind, h.c.Name))
	}
	values, err := h.c.Storage.Read(ctx, k.keyspace, []string{key})
	if err != nil {
		return err
	}
	if values[0].Version == 0 {
		return ErrNotAside
	}
	a := asideOf(&Entry{key, values[0].Bytes})
	if a.Method == "" {
		return refuse(CodeFailed, "%s; it can be dropped", a.Reason)
	}
	if a.Event == EventReply {
		return h.answerAgain(ctx, key, &a, values[0].Bytes)
	}
	return h.mend(ctx, k, keeper, "redrive", key, func(t *Turn) error {
		if a.Event == EventTell {
			return t.Tell(a.To, a.Method, a.Payload)
		}
		name := strings.TrimPrefix(key, keeper.key("a", "/"))
		set, err := h.c.Storage.Read(t.ctx, k.keyspace, []string{keeper.key("m", "/"+name)})
		if err != nil {
			return t.told(err)
		}
		if set[0].Version != 0 {
			return refuse(CodeFailed, "it has set its reminder %q anew: that would be lost; drop the one that was set aside", name)
		}
		return t.Remind(name, 0, 0, a.Method, a.Payload)
	})
}

// Drop removes a message that was set aside. What Redrive says of its calls and errors holds for it.
func (h *Host) Drop(ctx context.Context, id string) error {
	keeper, err := Keeper(id)
	if err != nil {
		return err
	}
	k := h.kind(keeper.Kind)
	if k == nil {
		return failed(keeper, "", CodeNoKind, fmt.Sprintf("kind %s is not registered on node %s", keeper.Kind, h.c.Name))
	}
	return h.mend(ctx, k, keeper, "drop", "a/"+asideKey(id), func(*Turn) error { return nil })
}

// answerAgain has the asker handle the answer: its commit takes the key away, as that of any answer takes away its question.
func (h *Host) answerAgain(ctx context.Context, key string, a *Aside, kept []byte) error {
	var said struct{ Event Event }
	_, rest, _ := idOf(key)
	number, is := numberOf(rest)
	if err := json.Unmarshal(kept, &said); err != nil || said.Event == 0 || !is {
		return refuse(CodeFailed, "an earlier release has set this answer aside, and did not keep whether its question was handled: it can be dropped, not sent again")
	}
	m := &message{To: a.To, From: a.From, Method: a.Method, Payload: a.Payload, Event: EventReply, Seq: number, answer: &answering{key, a.Refused}}
	_, err := h.handle(ctx, m)
	if CodeOf(err) == codeUnready {
		err = &shards.Error{Kind: shards.KindUnavailable, Err: err}
	}
	return err
}

// mend has an actor take the key of a message away that it has set aside, in a turn of its own, together with what f does.
func (h *Host) mend(ctx context.Context, k *Kind, id ID, name, key string, f func(t *Turn) error) error {
	gone := false
	m := &message{To: id, Method: name, Event: eventMend, mend: func(t *Turn) error {
		values, err := h.c.Storage.Read(t.ctx, t.kind.keyspace, []string{key})
		if err != nil {
			return t.told(err)
		}
		if gone = values[0].Version == 0; gone {
			return ErrNotAside
		}
		t.ops = append(t.ops, Op{Key: key, Delete: true})
		return f(t)
	}}
	a, shard, err := h.find(id, k)
	if err != nil {
		return err
	}
	if !h.c.Storage.Leads(shard) {
		return &shards.NotPrimaryError{Shard: shard}
	}
	d := &delivery{ctx: ctx, m: m}
	for a == nil || !a.enqueue(k, d) {
		a = h.activate(id, k, shard)
	}
	select {
	case <-d.done:
		err = d.err
	case <-ctx.Done():
		_, err = h.giveUp(ctx, a, d)
		return err // the turn may yet be under way, and gone with it
	}
	if err != nil && gone {
		return ErrNotAside
	}
	return err
}

// DropAsides drops messages that the actor has told others and that were set aside, with the commit of this message: those of which drop says so,
// which is asked about each, the newest first, until it has said so of as many as most. Who sends something again and again so keeps one who never
// takes it from making a shard full. It reads what was set aside, however much that is. Error: as of OnTheirWay.
func (t *Turn) DropAsides(most int, drop func(a *Aside) bool) error {
	if err := t.used(); err != nil {
		return err
	}
	for e, err := range t.host.c.Storage.Scan(t.ctx, t.kind.keyspace, Span{Prefix: t.self.key("a", "/"), Last: true}) {
		if err != nil {
			return t.told(err)
		}
		if most <= 0 {
			return nil
		}
		if a := asideOf(&e); a.Event == EventTell && drop(&a) {
			t.ops = append(t.ops, Op{Key: e.Key, Delete: true})
			most--
		}
	}
	return nil
}
