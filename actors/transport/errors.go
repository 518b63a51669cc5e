package transport

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// Errors of the transport itself; errors.Is tells them. Whatever else a call returns is what Serve answered there, as a
// *shards.NotPrimaryError or a *shards.Error with the kind that it had.
var (
	// ErrNoPeer: there is no connection to that node now. Nothing was sent.
	ErrNoPeer = errors.New("transport: no connection to the node")
	// ErrFull: the receiver has granted no more bytes for this class. Nothing was sent; see SendWait.
	ErrFull = errors.New("transport: the receiver takes no more of this class now")
	// ErrTooLarge: the body is beyond Config.MaxBody. Nothing was sent.
	ErrTooLarge = errors.New("transport: the body is larger than allowed")
	// ErrPeerGone: the connection broke while the call was on its way. It may have been served or not.
	ErrPeerGone = errors.New("transport: the connection to the node broke")
	// ErrRefused: nobody listens at the address, and its machine says so. A node closes its listener last, after it has
	// fenced itself: so at the address of a known life, this proves that life's end.
	ErrRefused = errors.New("transport: connection refused")
	// ErrRejected: a node answers there and will not talk to us, or we not to it; the *RejectedError says why.
	ErrRejected = errors.New("transport: not admitted")
	// ErrClosed: this transport is drained or closed.
	ErrClosed = errors.New("transport: closed")
	// ErrLeft: the other node closed its transport in order, since it stops. It is a Change's Cause. A node that is killed says nothing, and
	// the word of one that stops may not arrive before the connection ends.
	ErrLeft = errors.New("transport: the other node has stopped in order")
)

// RejectedError is a handshake that ended with a refusal. It wraps ErrRejected.
type RejectedError struct {
	Addr   string // who was dialed
	Peer   Hello  // who answered, as far as it said
	Ours   bool   // this side refused the other
	Reason string // one sentence
}

// Error says who refused whom, and why.
func (e *RejectedError) Error() string {
	if e.Ours {
		return fmt.Sprintf("%s is not taken for a peer: %s", e.Addr, e.Reason)
	}
	return fmt.Sprintf("%s refuses this node: %s", e.Addr, e.Reason)
}

// Unwrap is ErrRejected.
func (e *RejectedError) Unwrap() error { return ErrRejected }

// refused is the default of Config.Refused: it looks at the innermost error, the system's own. Go keeps the texts of Unix'
// errors in a table of its own and asks Windows for English, so that they do not change with the machine's language; a
// text that is not known delays a failover to the end of the lease, and no more.
func refused(err error) bool {
	var dial *net.OpError
	if !errors.As(err, &dial) || dial.Op != "dial" {
		return false
	}
	innermost := error(dial)
	for next := errors.Unwrap(innermost); next != nil; next = errors.Unwrap(innermost) {
		innermost = next
	}
	text := innermost.Error()
	return text == "connection refused" || strings.Contains(text, "actively refused")
}
