package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"
)

// ActorInside is the answer of /_actors/inspect: what an actor keeps, and what it is doing.
type ActorInside struct {
	Actor     string          `json:"actor"`
	Shard     string          `json:"shard"`  // keyspace/number
	Node      string          `json:"node"`   // that leads it
	Active    bool            `json:"active"` // it is in memory
	Handling  string          `json:"handling,omitempty"`
	Waiting   int             `json:"waiting"`           // messages in its mailbox
	Version   uint32          `json:"version,omitempty"` // of a kind that was pushed: which one its shard has messages handled by; 0: none yet
	State     json.RawMessage `json:"state,omitempty"`   // absent: none is kept. Of a kind that was pushed the layout of its data
	Data      []ActorDatum    `json:"data"`              // sorted by key
	Reminders []ActorReminder `json:"reminders"`
	Outbox    []ActorSend     `json:"outbox"`         // messages that it has sent and that are not handled yet
	More      bool            `json:"more,omitempty"` // than the first 1000 of a list
}

// ActorDatum is a value that an actor keeps under a key. A key or value that is not UTF-8 is given in base64.
type ActorDatum struct {
	Key     string `json:"key,omitempty"`
	Key64   string `json:"key64,omitempty"`
	Value   string `json:"value,omitempty"`
	Value64 string `json:"value64,omitempty"`
	Size    int    `json:"size"` // of the value, in bytes; of a longer one than 1 KiB the first 1 KiB is given
}

// maxShownValue bounds what is given of a value, in bytes.
const maxShownValue = 1024

// NewActorDatum is a key with its value.
func NewActorDatum(key string, value []byte) ActorDatum {
	d := ActorDatum{Size: len(value)}
	if utf8.ValidString(key) {
		d.Key = key
	} else {
		d.Key64 = base64.StdEncoding.EncodeToString([]byte(key))
	}
	shown := value[:min(len(value), maxShownValue)]
	if utf8.Valid(value) {
		d.Value = strings.ToValidUTF8(string(shown), "") // the cut may go through a rune
	} else {
		d.Value64 = base64.StdEncoding.EncodeToString(shown)
	}
	return d
}

// ActorReminder is a reminder that is to come.
type ActorReminder struct {
	Name   string `json:"name"`
	Due    int64  `json:"due"`             // Unix milliseconds
	Every  int64  `json:"every,omitempty"` // milliseconds; 0: once
	Method string `json:"method"`
}

// ActorSend is a message on its way.
type ActorSend struct {
	Number uint64          `json:"number"` // of a question its token
	To     string          `json:"to"`
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body,omitempty"`
	Asked  bool            `json:"asked,omitempty"` // the reply comes back
}

// inspectActor tells what an actor keeps.
func (s *Server) inspectActor(x *exchange, q *query) error {
	actors, err := s.reachActors()
	if err != nil {
		return err
	}
	text := q.values.Get("actor")
	kind, name, found := strings.Cut(text, "/")
	if !found || kind == "" {
		return invalid("actor is %q; write KIND/NAME, such as actor=counter/page-7", clip(text))
	}
	inside, err := actors.Inspect(x.r.Context(), ActorName{kind, name})
	if err != nil {
		return err
	}
	x.json(http.StatusOK, inside)
	return nil
}
