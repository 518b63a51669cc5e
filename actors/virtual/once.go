package virtual

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// MaxRequestID bounds the id of a request, in bytes.
const MaxRequestID = 256

// CallOnce is Call for a request that has an id of the caller's own: whoever calls the actor again with that id, from whatever process and by way
// of whatever node, gets the answer of the first call, a refusal of the handler included, and the message is handled once. So a caller whose node dies, or who does not
// know what became of a call (KindOutcomeUnknown), repeats it without harm.
//
// That holds for ten minutes from when the message was handled, for this actor: an id says nothing to another. Two requests need two ids, whatever is in them: with an id
// that it has seen the actor does not look at method and request again. What was refused before it came to the actor (CodeBusy, CodeNoKind,
// CodeUnknown, CodeUnable), or until somebody has acted (Turn.Postpone), was not handled, and is not remembered; nor are answers of methods that only read. Each answer is kept: one of a method that
// changes nothing costs a write, too.
func CallOnce[Req, Resp any](ctx context.Context, h *Host, to ID, id, method string, request Req) (reply Resp, err error) {
	return ask[Resp](to, method, request, func(payload []byte) ([]byte, error) { return h.CallOnce(ctx, to, id, method, payload) })
}

// CallOnce is the function CallOnce for payloads that are JSON already. Errors are those of Call; an id that is empty, or longer than MaxRequestID, is
// a *shards.Error of KindInvalid.
func (h *Host) CallOnce(ctx context.Context, to ID, id, method string, payload []byte) ([]byte, error) {
	if id == "" || len(id) > MaxRequestID {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: fmt.Errorf("virtual: the id of a request to %s has %d bytes; from 1 to %d", to, len(id), MaxRequestID)}
	}
	if err := h.may(ctx, to, method, payload); err != nil {
		return nil, err
	}
	ctx, span := h.calling(ctx, to, method, EventCall)
	sum := sha256.Sum256([]byte(id)) // a client of its own, with one call: an earlier try may be anywhere
	m := &message{To: to, Method: method, Payload: payload, Event: EventCall, Seq: namedSeq, Repeated: true, Unsure: true}
	m.Client, m.Lane = max(1, binary.LittleEndian.Uint64(sum[:])), binary.LittleEndian.Uint32(sum[8:])
	body, err := h.deliver(ctx, m)
	end(span, err)
	return body, err
}
