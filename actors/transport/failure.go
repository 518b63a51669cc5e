package transport

import (
	"errors"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// The body of a failure, msgpack:
//
//	93  kind  shard  text                            becomes a *shards.Error
//	96  kind  shard  text  id  primary  term         becomes a *shards.NotPrimaryError; kind is shards.KindNotPrimary

// kinded is an error that says what the caller may do about it.
type kinded interface {
	error
	ErrorKind() shards.ErrorKind
}

// encodeFailure writes an error of Serve as the caller shall get it.
func encodeFailure(err error) []byte {
	var elsewhere *shards.NotPrimaryError
	if errors.As(err, &elsewhere) {
		e := wire.NewEncoder(nil)
		e.Array(6)
		e.Uint(uint64(shards.KindNotPrimary))
		e.Str("")
		e.Str(clip(err.Error()))
		e.Uint(uint64(elsewhere.Shard))
		e.Str(string(elsewhere.Primary))
		e.Uint(uint64(elsewhere.Term))
		return e.Buffer()
	}
	kind, shard, text := shards.KindUnknown, "", err.Error()
	var known kinded
	if errors.As(err, &known) {
		kind = known.ErrorKind()
	}
	if bare, ok := err.(*shards.Error); ok { // its text without the shard's name, which it puts in front by itself
		shard, text = bare.Shard, bare.Err.Error()
	}
	e := wire.NewEncoder(nil)
	e.Array(3)
	e.Uint(uint64(kind))
	e.Str(clip(shard))
	e.Str(clip(text))
	return e.Buffer()
}

// decodeFailure is the error that a failure frame carries; one that cannot be read is an error as well.
func decodeFailure(body []byte) error {
	d := wire.NewDecoder(body)
	fields := d.Array()
	kind := d.Uint()
	shard, text := d.Str(), d.Str()
	if fields >= 6 && kind == uint64(shards.KindNotPrimary) {
		elsewhere := &shards.NotPrimaryError{Shard: shards.ShardID(d.Uint()), Primary: shards.NodeID(d.Str()), Term: shards.Term(d.Uint())}
		if d.Err() == nil {
			return elsewhere
		}
	}
	if err := d.Err(); err != nil || kind > 0xff {
		return &shards.Error{Kind: shards.KindUnknown, Err: errors.New("the call failed, and its error could not be read")}
	}
	return &shards.Error{Kind: shards.ErrorKind(kind), Shard: shard, Err: errors.New(text)}
}

// failed is an error of a kind, with a text.
func failed(kind shards.ErrorKind, text string) error {
	return &shards.Error{Kind: kind, Err: errors.New(text)}
}
