package virtual

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/troupe-actors/troupe/shards/wire"
)

// What crosses the wire are msgpack arrays, written by hand: each call encodes and decodes two of them.
//
//	message   kind, name, method, payload, client, lane, seq, unsure, event, sender's kind, sender's name, wait
//	answer    body, code, text, kind, name, method                text: Error.said
//
// wait is below 0: what is left of the patience of the sender's node, in nanoseconds, negative; its deadline goes with the call. Above 0 it is the
// deadline, as an earlier release sends it, which does not know that its patience is over when another node says so.
const (
	messageFields = 12
	answerFields  = 6
)

func (m *message) encode() []byte {
	e := wire.NewEncoder(make([]byte, 0, 64+len(m.To.Kind)+len(m.To.Name)+len(m.Method)+len(m.Payload)+len(m.From.Kind)+len(m.From.Name)))
	e.Array(messageFields)
	e.Str(m.To.Kind)
	e.Str(m.To.Name)
	e.Str(m.Method)
	e.Bytes(m.Payload)
	e.Uint(m.Client)
	e.Uint(uint64(m.Lane))
	e.Uint(m.Seq)
	e.Bool(m.Unsure)
	e.Uint(uint64(m.Event))
	e.Str(m.From.Kind)
	e.Str(m.From.Name)
	e.Int(m.Wait)
	return e.Buffer()
}

// decodeMessage gives a message that owns its bytes. One from the wire counts as repeated: a session that broke may have delivered
// it before, and the network can repeat what its sender did not.
func decodeMessage(body []byte) (*message, error) {
	d := wire.NewDecoder(body)
	if n := d.Array(); d.Err() == nil && n != messageFields {
		return nil, fmt.Errorf("virtual: a message has %d fields, not %d", n, messageFields)
	}
	m := &message{To: ID{d.Str(), d.Str()}, Method: d.Str(), Payload: bytes.Clone(d.Bytes()), Client: d.Uint()}
	lane := d.Uint()
	m.Lane, m.Seq, m.Unsure = uint32(lane), d.Uint(), d.Bool()
	event := d.Uint()
	m.Event, m.From, m.Wait, m.Repeated = Event(event), ID{d.Str(), d.Str()}, d.Int(), true
	if lane != uint64(m.Lane) {
		d.Refuse("a lane has 32 bits")
	}
	if event != uint64(m.Event) || m.Event != EventCall && m.Event != EventTell && m.Event != EventReminder {
		d.Refuse("a message is a call, told or a reminder")
	}
	if err := d.Finish(); err != nil {
		return nil, err
	}
	return m, m.To.validate()
}

func (a *answer) encode() []byte {
	e := wire.NewEncoder(make([]byte, 0, 32+len(a.Body)+len(a.Text)+len(a.Actor.Kind)+len(a.Actor.Name)+len(a.Method)))
	e.Array(answerFields)
	e.Bytes(a.Body)
	e.Uint(uint64(a.Code))
	e.Str(a.Text)
	e.Str(a.Actor.Kind)
	e.Str(a.Actor.Name)
	e.Str(a.Method)
	return e.Buffer()
}

// decodeAnswer gives an answer whose body is a view into the frame.
func decodeAnswer(body []byte) (a answer, err error) {
	d := wire.NewDecoder(body)
	if n := d.Array(); d.Err() == nil && n != answerFields {
		return a, fmt.Errorf("virtual: an answer has %d fields, not %d", n, answerFields)
	}
	a.Body = d.Bytes()
	code := d.Uint()
	a.Code, a.Text, a.Actor, a.Method = Code(code), d.Str(), ID{d.Str(), d.Str()}, d.Str()
	if code != uint64(a.Code) {
		d.Refuse("a code has 8 bits")
	}
	return a, d.Finish()
}

// payloadOf is a request as JSON. What is JSON already is taken as it is: what keeps it (withPayloads) refuses what is none.
func payloadOf(request any) (json.RawMessage, error) {
	if raw, is := request.(json.RawMessage); is && len(raw) > 0 {
		return raw, nil
	}
	return writeJSON(request)
}

// withPayloads is the JSON of what is kept and has payloads in it. They stay as they are: json.Marshal would write <, > and & in them otherwise.
func withPayloads(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}
