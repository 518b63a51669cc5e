package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Messages to actors and their replies are JSON inside the house. Outside they may be msgpack, each way for itself:
//
//	Content-Type: application/msgpack ─► wire.AppendJSON ─► actor ─► wire.AppendMsgpack ─► Accept: application/msgpack
//	anything else ─────────────────────────────────────────►       ─► JSON
//
// A client that does not say what it accepts gets what it has sent.

const (
	mimeJSON    = "application/json"
	mimeMsgpack = "application/msgpack"
)

// formOf is the one of those two that a media type means, "" for others: msgpack goes by three names.
func formOf(media string) string {
	switch media {
	case mimeMsgpack, "application/x-msgpack", "application/vnd.msgpack":
		return mimeMsgpack
	case mimeJSON:
		return mimeJSON
	}
	return ""
}

// sentForm is the form of a request's body. What says it is something else, as curl does for JSON, is taken for JSON.
func sentForm(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err == nil && formOf(media) == mimeMsgpack {
		return mimeMsgpack
	}
	return mimeJSON
}

// acceptedForm is the form that a client wants its answer in: that with the higher q, the first of equals, and as it sent if it names
// neither.
func acceptedForm(h http.Header) string {
	best, form := 0.0, ""
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept"), ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil || formOf(media) == "" {
			continue
		}
		q := 1.0
		if text, has := params["q"]; has {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if q > best {
			best, form = q, formOf(media)
		}
	}
	if form == "" {
		return sentForm(h)
	}
	return form
}

// growth bounds how many bytes of JSON a byte of msgpack can become: "false," or \u0000.
const growth = 6

// message reads what is sent to an actor, as JSON. Nothing is none.
func (x *exchange) message() ([]byte, error) {
	body, err := x.body(MaxActorBody)
	switch {
	case err != nil || len(body) == 0:
		return nil, err
	case sentForm(x.r.Header) == mimeJSON:
		if !json.Valid(body) {
			return nil, invalid("the body is no JSON: %q; if it is msgpack, send it as Content-Type: %s", clip(string(body)), mimeMsgpack)
		}
		return body, nil
	}
	if err := x.hold.reach(len(body) + min(growth*len(body), MaxActorBody)); err != nil {
		return nil, err
	}
	text, err := wire.AppendJSON(nil, body, wire.Limits{}, MaxActorBody)
	switch {
	case errors.Is(err, wire.ErrLong):
		return nil, tooLarge("%v; actors take what is as long as that in JSON", err)
	case err != nil:
		return nil, invalid("the body: %v", err)
	}
	return text, nil
}

// reply answers with what an actor has replied.
func (x *exchange) reply(text json.RawMessage) error {
	if x.form != mimeMsgpack {
		x.json(http.StatusOK, text)
		return nil
	}
	packed, err := wire.AppendMsgpack(nil, text)
	if err != nil {
		reason := fmt.Sprintf("the actor has handled the message, but its reply cannot be msgpack: %v; ask for JSON", err)
		return &Error{Status: http.StatusNotAcceptable, Kind: shards.KindInvalid.String(), Reason: reason}
	}
	x.text(http.StatusOK, mimeMsgpack, packed)
	return nil
}
