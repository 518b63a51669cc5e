package virtual

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Code says what became of a message that was not handled. It crosses the wire: never reorder, only append.
type Code uint8

// The codes.
const (
	CodeFailed     Code = iota + 1 // the handler returned an error; nothing has changed
	CodePanicked                   // the handler panicked; nothing has changed
	CodeBadRequest                 // the request is not what the method takes
	CodeUnknown                    // the kind has no such method
	CodeBusy                       // too many messages wait for the actor; try again later
	CodeTooLarge                   // a request, a reply or a state beyond its limit
	CodeNoKind                     // the node where the actor lives does not know the kind
	CodeHandling                   // a handler has called: while an actor handles a message it sends others, and waits for none
	CodeUnable                     // the node where the actor lives cannot run the code of the kind, and says why
	CodeAsking                     // the actor waits for an answer itself, and holds other messages off (HoldWhileAsking); try again later

	codeUnready  // the kind is not ready on the node yet, or cannot handle the message (Turn.Postpone), which is one that comes again: no caller sees it
	codeCrossing // CodeAsking of a question whose sender waits for an answer of the receiver: no asker and no caller sees it

	CodeBadReply // the message was handled, and its reply is not what the caller takes: the two do not agree on the method's types

	codeGivenUp // the storage has tried for as long as the caller's node is patient (ErrGivenUp), and nothing was handled: no caller sees it
	codeUnsure  // the same, and it may have been handled
)

var codeNames = [...]string{"", "failed", "panicked", "bad request", "unknown", "busy", "too large", "no kind", "handling", "unable", "asking", "unready", "crossing", "bad reply", "given up", "unsure"}

// String is the code's name in messages and in JSON.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "code"
}

// Error is why a message was not handled, or with CodeBadReply why its reply cannot be had. It is the same on whatever node the actor lives.
type Error struct {
	Actor  ID
	Method string
	Code   Code
	Text   string // of the handler's own error, or a sentence
	Reason string // that the handler gave with Fail, a word for programs; empty: it gave none
}

func failed(actor ID, method string, code Code, text string) *Error {
	return &Error{Actor: actor, Method: method, Code: code, Text: text}
}

// Fail makes the error of a handler by which callers can tell why it refused, in a word of the application's own, "insufficient-funds" say:
// it comes with the *Error of CodeFailed from whatever node, in the answers to questions (Answer.Refused), and as "code" over HTTP.
//
//	return 0, virtual.Fail("insufficient-funds", "only %d are there", c.State.Balance)
//
// It may be wrapped: then callers get the text of the whole.
//
//	if virtual.ReasonOf(err) == "insufficient-funds" { … }
func Fail(reason, format string, args ...any) error {
	return &Error{Code: CodeFailed, Text: fmt.Sprintf(format, args...), Reason: strings.ReplaceAll(reason, "\x00", "")}
}

// ReasonOf is the reason that the handler gave with Fail; empty if it gave none, or err is something else.
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// said is text and reason in one, as they cross the wire and are kept: the reason and a byte of 0 go before the text, if there is one.
func (e *Error) said() string {
	if e.Reason == "" && !strings.Contains(e.Text, "\x00") {
		return e.Text
	}
	return e.Reason + "\x00" + e.Text
}

// heard takes apart what said has put together.
func (e *Error) heard(said string) *Error {
	reason, text, both := strings.Cut(said, "\x00")
	if e.Text = said; both {
		e.Reason, e.Text = reason, text
	}
	return e
}

// around is the text of an error that wraps this one, which has no actor yet: with Text in the place of this one.
func (e *Error) around(outer error) string {
	return strings.Replace(outer.Error(), e.Error(), e.Text, 1)
}

// Error names the actor, if it is known already, then what went wrong.
func (e *Error) Error() string {
	text := cmp.Or(e.Text, e.Code.String())
	if e.Actor != (ID{}) {
		text = fmt.Sprintf("actor %s, method %s: %s", e.Actor, e.Method, e.Code)
		if e.Text != "" {
			text += ": " + e.Text
		}
	}
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	return text
}

// CodeOf is the code of an error that Call returned; 0 if it is of another kind: then nobody may have handled the message.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// outcome is what metrics call an error: its code, or else its kind; empty if there is none.
func outcome(err error) string {
	if err == nil {
		return ""
	}
	if code := CodeOf(err); code != 0 {
		return code.String()
	}
	return kindOf(err).String()
}

// refuse makes an error whose actor and method are filled in where they are known.
func refuse(code Code, format string, args ...any) error {
	return &Error{Code: code, Text: fmt.Sprintf(format, args...)}
}
