package store

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// What came of a transaction travels from the node that ran it to the node that asked, as msgpack: either its results, one
// for each operation, or why there are none.
//
//	outcome  91 [result ...]                              it was ordered, and this came of it
//	         95 kind shard term primary text              it failed as a whole: shard, term and primary are 0, 0, "" unless
//	                                                      kind is "not primary"
//	result   [ mask, value?, version?, expireAt?, int?, error? ]
//	mask     64     32       16     8    4         2        1
//	         found  changed  error  int  expireAt  version  value
//	error    1 conflict  2 not a number  3 overflow  4 no key  5 too large  6 invalid  7 full  8 result lost  9 too old
//
// What is zero is left out; a value that is empty but there (a key without content) is kept apart from none. Equal outcomes
// are equal bytes.
const (
	resultValue = 1 << iota
	resultVersion
	resultExpireAt
	resultInt
	resultError
	resultChanged // a flag without a field
	resultFound   // a flag without a field
	resultFields  = resultValue | resultVersion | resultExpireAt | resultInt | resultError
	resultAll     = resultFields | resultChanged | resultFound
)

// resultErrors are the errors of results; a code is the place in this list, counted from 1. Never reorder, only append.
var resultErrors = [...]error{
	ErrConflict, ErrNotNumber, ErrOverflow, ErrNoKey, ErrTooLarge, ErrInvalid, ErrFull, ErrResultLost, ErrTooOld,
}

// MaxFailureText bounds the text of a failure on the wire, in bytes; what is longer is cut.
const MaxFailureText = 1 << 10

// errorCode is the code of a result's error. Results hold no others: that is an invariant of Apply and Read.
func errorCode(err error) uint64 {
	for i, known := range resultErrors {
		if errors.Is(err, known) {
			return uint64(i + 1)
		}
	}
	panic(fmt.Sprintf("store: a result with an error that is not the store's: %v", err))
}

// AppendResult appends one encoded result to dst. Its Err is one of the store's, as Apply and Read give them, else it panics.
func AppendResult(dst []byte, r *Result) []byte {
	mask := uint(0)
	if r.Value != nil {
		mask |= resultValue
	}
	if r.Version != 0 {
		mask |= resultVersion
	}
	if r.ExpireAt != 0 {
		mask |= resultExpireAt
	}
	if r.Int != 0 {
		mask |= resultInt
	}
	if r.Err != nil {
		mask |= resultError
	}
	if r.Changed {
		mask |= resultChanged
	}
	if r.Found {
		mask |= resultFound
	}
	e := wire.NewEncoder(dst)
	e.Array(1 + bits.OnesCount(mask&resultFields))
	e.Uint(uint64(mask))
	if mask&resultValue != 0 {
		e.Bytes(r.Value)
	}
	if mask&resultVersion != 0 {
		e.Uint(r.Version)
	}
	if mask&resultExpireAt != 0 {
		e.Int(r.ExpireAt)
	}
	if mask&resultInt != 0 {
		e.Int(r.Int)
	}
	if mask&resultError != 0 {
		e.Uint(errorCode(r.Err))
	}
	return e.Buffer()
}

// DecodeResult reads the result at the start of frame into r and returns the bytes after it. Value becomes a view into
// frame. The error wraps wire.ErrMalformed; r is then of no use.
func DecodeResult(frame []byte, r *Result) (rest []byte, err error) {
	d := wire.NewDecoder(frame)
	decodeResult(&d, r)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return d.Rest(), nil
}

func decodeResult(d *wire.Decoder, r *Result) {
	*r = Result{}
	n := d.Array()
	mask := uint(d.Uint())
	if d.Err() == nil && (mask > resultAll || n != 1+bits.OnesCount(mask&resultFields)) {
		d.Refuse("the mask of a result does not match its fields")
		return
	}
	r.Found, r.Changed = mask&resultFound != 0, mask&resultChanged != 0
	if mask&resultValue != 0 {
		r.Value = d.Bytes()
	}
	if mask&resultVersion != 0 {
		r.Version = d.Uint()
	}
	if mask&resultExpireAt != 0 {
		r.ExpireAt = d.Int()
	}
	if mask&resultInt != 0 {
		r.Int = d.Int()
	}
	if mask&resultError != 0 {
		code := d.Uint()
		if code-1 >= uint64(len(resultErrors)) {
			d.Refuse("a result with an unknown error")
			return
		}
		r.Err = resultErrors[code-1]
	}
	if d.Err() == nil && len(r.Value) > MaxValue {
		d.Refuse("a value that exceeds its limit")
	}
}

// BeginResults appends the head of an outcome of n results: the caller then appends so many with AppendResult, as Apply
// hands them out.
func BeginResults(dst []byte, n int) []byte {
	e := wire.NewEncoder(dst)
	e.Array(1)
	e.Array(n)
	return e.Buffer()
}

// AppendResults appends the outcome of a transaction that was ordered: the results of all its operations.
func AppendResults(dst []byte, rs []Result) []byte {
	dst = BeginResults(dst, len(rs))
	for i := range rs {
		dst = AppendResult(dst, &rs[i])
	}
	return dst
}

// AppendFailure appends the outcome of a transaction that failed as a whole. An error with the method ErrorKind keeps its
// kind, a *shards.NotPrimaryError all its fields; of others the text remains, under shards.KindUnknown.
func AppendFailure(dst []byte, err error) []byte {
	var (
		moved  *shards.NotPrimaryError
		kinded interface{ ErrorKind() shards.ErrorKind }
		kind   = shards.KindUnknown
	)
	if errors.As(err, &kinded) {
		kind = kinded.ErrorKind()
	}
	if !errors.As(err, &moved) {
		moved = &shards.NotPrimaryError{}
	}
	text := err.Error()
	e := wire.NewEncoder(dst)
	e.Array(5)
	e.Uint(uint64(kind))
	e.Uint(uint64(moved.Shard))
	e.Uint(uint64(moved.Term))
	e.Str(string(moved.Primary))
	e.Str(text[:min(len(text), MaxFailureText)])
	return e.Buffer()
}

// DecodeOutcome reads the outcome at the start of frame. Either failure is set: a *shards.NotPrimaryError, or a
// *shards.Error of any other kind. Or results holds as many results as the transaction had operations, in the memory of
// rs where that suffices, with views into frame as values; the caller compares the number with what it asked. The error wraps
// wire.ErrMalformed: whoever sent the frame does not speak this format.
func DecodeOutcome(frame []byte, rs []Result) (results []Result, failure error, rest []byte, err error) {
	d := wire.NewDecoder(frame)
	switch parts := d.Array(); {
	case d.Err() != nil:
	case parts == 5:
		failure = decodeFailure(&d)
	case parts == 1:
		results = rs[:0]
		for n := limited(&d, d.Array(), 0); n > 0 && d.Err() == nil; n-- {
			results = append(results, Result{})
			decodeResult(&d, &results[len(results)-1])
		}
	default:
		d.Refuse("an outcome has 1 part or 5")
	}
	if err := d.Err(); err != nil {
		return nil, nil, nil, err
	}
	return results, failure, d.Rest(), nil
}

func decodeFailure(d *wire.Decoder) error {
	kind, id, term := d.Uint(), d.Uint(), shards.Term(d.Uint())
	primary, text := d.Bytes(), d.Bytes()
	switch {
	case d.Err() != nil:
		return nil
	case kind > uint64(shards.KindCorrupt) || id > 1<<32-1 || len(primary) > MaxFailureText || len(text) > MaxFailureText:
		d.Refuse("a failure outside its limits")
		return nil
	case shards.ErrorKind(kind) == shards.KindNotPrimary:
		return &shards.NotPrimaryError{Shard: shards.ShardID(id), Primary: shards.NodeID(primary), Term: term}
	}
	return &shards.Error{Kind: shards.ErrorKind(kind), Err: errors.New(string(text))}
}

// AppendTxns appends a list of n transactions on one shard, which run in this order, each as one step.
func AppendTxns(dst []byte, n int, at func(i int) *Txn) []byte {
	e := wire.NewEncoder(dst)
	e.Array(n)
	dst = e.Buffer()
	for i := range n {
		dst = AppendTxn(dst, at(i))
	}
	return dst
}

// DecodeTxns reads the list of transactions at the start of frame into the memory of txns where that suffices, and returns
// the bytes after it. Keys and values become views into frame. The error is as DecodeTxn's; the list is then of no use.
func DecodeTxns(frame []byte, txns []Txn) (list []Txn, rest []byte, err error) {
	d := wire.NewDecoder(frame)
	n := limited(&d, d.Array(), 0)
	if err := d.Err(); err != nil {
		return nil, nil, err
	}
	rest, list = d.Rest(), txns[:0]
	for range n {
		if len(list) < cap(list) {
			list = list[:len(list)+1] // the slices of the one that was there are used again
		} else {
			list = append(list, Txn{})
		}
		if rest, err = DecodeTxn(rest, &list[len(list)-1]); err != nil {
			return nil, nil, err
		}
	}
	return list, rest, nil
}
