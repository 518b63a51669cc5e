package virtual

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"

	rules "github.com/troupe-actors/troupe/shards/activation"
)

// Requests, replies and states are JSON, as encoding/json has it. Many requests and replies are one number, one truth or one short text: those are
// written and read here, in the same words, since the library takes some eight times as long for them and leaves garbage. Whatever is not of
// the plainest form is the library's, errors among it.

// writeJSON is json.Marshal.
func writeJSON(value any) ([]byte, error) {
	switch v := value.(type) {
	case int:
		return strconv.AppendInt(nil, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(nil, v, 10), nil
	case uint64:
		return strconv.AppendUint(nil, v, 10), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case string:
		if isPlain(v) {
			return append(append(append(make([]byte, 0, len(v)+2), '"'), v...), '"'), nil
		}
	}
	return json.Marshal(value)
}

// readJSON is json.Unmarshal into a new T.
func readJSON[T any](text []byte) (T, error) {
	var value T
	switch into := any(&value).(type) {
	case *int:
		if n, is := plainNumber(text); is {
			*into = int(n)
			return value, nil
		}
	case *int64:
		if n, is := plainNumber(text); is {
			*into = n
			return value, nil
		}
	case *bool:
		if *into = string(text) == "true"; *into || string(text) == "false" {
			return value, nil
		}
	case *string:
		if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' && isPlain(text[1:n-1]) {
			*into = string(text[1 : n-1])
			return value, nil
		}
	}
	return unmarshal[T](text)
}

// unmarshal has a variable of its own, so that readJSON's does not go to the heap.
func unmarshal[T any](text []byte) (value T, err error) {
	err = json.Unmarshal(text, &value)
	return value, err
}

// plainNumber reads what strconv writes of a number that surely fits: up to 18 digits, or 9 where an int has 32 bits.
func plainNumber(text []byte) (n int64, is bool) {
	digits, negative := text, false
	if len(text) > 0 && text[0] == '-' {
		digits, negative = text[1:], true
	}
	if len(digits) == 0 || len(digits) > strconv.IntSize*9/32 || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, digit := range digits {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		n = 10*n + int64(digit-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// isPlain says that a text is printable ASCII which JSON holds as it is, and encoding/json as well, which writes <, > and & otherwise.
func isPlain[T string | []byte](text T) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// stateWriter writes states as JSON, in room that it keeps.
type stateWriter struct {
	room bytes.Buffer
	json *json.Encoder // to room
}

var stateWriters = sync.Pool{New: func() any {
	w := &stateWriter{}
	w.json = json.NewEncoder(&w.room)
	return w
}}

// keptRoom bounds what a stateWriter keeps, in bytes.
const keptRoom = 64 << 10

// encodeState gives a state as it is kept, with the number of the last message that was sent. It is before itself, if that says just this. Errors
// are *Error.
func encodeState(sent uint64, state any, before []byte) ([]byte, error) {
	w := stateWriters.Get().(*stateWriter)
	defer w.forget()
	var room [16]byte
	head := rules.AppendState(room[:0], sent)
	w.room.Write(head)
	if err := w.json.Encode(state); err != nil {
		return nil, refuse(CodeFailed, "its state cannot be written as JSON: %v", err)
	}
	kept := bytes.TrimSuffix(w.room.Bytes(), []byte("\n")) // the encoder's own
	if n := len(kept) - len(head); n > MaxPayload {
		return nil, refuse(CodeTooLarge, "its state has %d bytes; at most %d: keep what is large with Set, key by key", n, MaxPayload)
	}
	if bytes.Equal(kept, before) {
		return before, nil
	}
	return bytes.Clone(kept), nil
}

func (w *stateWriter) forget() {
	if w.room.Cap() <= keptRoom {
		w.room.Reset()
		stateWriters.Put(w)
	}
}

// caught makes a panic of a state or a reply that is written or read, whose types may have methods of their own for that, the error of this message.
// It is deferred.
func (a *activation) caught(method string, err *error) {
	reason := recover()
	if reason == nil {
		return
	}
	a.host.c.Log.Error("the state or the reply of an actor panicked when it was written or read as JSON; nothing of what the message did is kept", "actor", a.id.String(), "method", method, "reason", reason, "stack", string(debug.Stack()))
	*err = failed(a.id, method, CodePanicked, fmt.Sprint(reason))
}
