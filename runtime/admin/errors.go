package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// Error is a failure as it crosses the wire, and as the Client returns it.
type Error struct {
	Status int    // of HTTP; 0 if no node could be reached, or the answer broke off
	Kind   string // one of shards.ErrorKind's names, or of the Kind constants of this package
	Reason string // for people: what was wrong and, where it is known, what to do
	Code   string // that the handler of an actor's message gave as its reason (virtual.Fail); else empty

	// Repeated says that the Client has sent this call before, and has not heard what became of it: that may have been done, and
	// be why it is answered so now.
	Repeated bool
}

// Kinds that only HTTP has.
const (
	KindNotFound     = "not found"          // no such key, keyspace or path
	KindSecured      = "secured"            // the node speaks TLS, and was asked without
	KindUnauthorized = "unauthorized"       // the bearer token is missing or wrong
	KindMethod       = "method not allowed" // the Allow header names those that are
	KindTooLarge     = "too large"          // body or frame beyond its limit
	KindTimeout      = "timeout"            // the client sent or read too slowly, or a wait_for was in vain
	KindBusy         = "busy"               // too many requests or bytes in flight; repeat after a pause
	KindReadOnly     = "read only"          // the cluster is in maintenance, and takes no writes until an operator ends it
)

// Error is kind and reason.
func (e *Error) Error() string { return e.Kind + ": " + e.Reason }

// ErrorKind is the shards.ErrorKind of the same name; kinds that only HTTP has map to the nearest.
func (e *Error) ErrorKind() shards.ErrorKind {
	for k := shards.KindUnknown; k <= shards.KindCorrupt; k++ {
		if k.String() == e.Kind {
			return k
		}
	}
	switch e.Kind {
	case KindBusy, KindTimeout, KindReadOnly:
		return shards.KindUnavailable
	case KindNotFound, KindUnauthorized, KindMethod, KindTooLarge:
		return shards.KindInvalid
	}
	return shards.KindUnknown
}

// NotFound says whether err is the answer that a key, keyspace or path does not exist.
func NotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == KindNotFound
}

// Conflict says whether err is the answer that a condition did not hold.
func Conflict(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.ErrorKind() == shards.KindConflict
}

// statusOf gives each kind of failure its HTTP status.
//
// A full keyspace is 507 and not 429: it stays full until somebody acts, and clients repeat a 429 by themselves.
var statusOf = map[shards.ErrorKind]int{
	shards.KindUnknown:        http.StatusInternalServerError,
	shards.KindInvalid:        http.StatusBadRequest,
	shards.KindConflict:       http.StatusConflict,
	shards.KindFull:           http.StatusInsufficientStorage,
	shards.KindDiskFull:       http.StatusInsufficientStorage,
	shards.KindUnavailable:    http.StatusServiceUnavailable,
	shards.KindNotPrimary:     http.StatusMisdirectedRequest,
	shards.KindOutcomeUnknown: http.StatusGatewayTimeout,
	shards.KindCorrupt:        http.StatusInternalServerError,
}

// asError finds out what to answer for a failure.
func asError(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if closed := (interface{ ReadOnly() bool })(nil); errors.As(err, &closed) && closed.ReadOnly() {
		return &Error{Status: http.StatusServiceUnavailable, Kind: KindReadOnly, Reason: err.Error()}
	}
	kind := kindOf(err)
	return &Error{Status: statusOf[kind], Kind: kind.String(), Reason: err.Error()}
}

func kindOf(err error) shards.ErrorKind {
	var kinded interface{ ErrorKind() shards.ErrorKind }
	switch {
	case errors.As(err, &kinded):
		if kind := kinded.ErrorKind(); statusOf[kind] != 0 {
			return kind
		}
	case errors.Is(err, store.ErrConflict):
		return shards.KindConflict
	case errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrInvalid):
		return shards.KindInvalid
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return shards.KindUnavailable
	}
	return shards.KindUnknown
}

func invalid(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Kind: shards.KindInvalid.String(), Reason: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Kind: shards.KindConflict.String(), Reason: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *Error {
	return &Error{Status: http.StatusNotFound, Kind: KindNotFound, Reason: fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Kind: KindTooLarge, Reason: fmt.Sprintf(format, args...)}
}

func busy(format string, args ...any) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Kind: KindBusy, Reason: fmt.Sprintf(format, args...)}
}
