// Package verify compares what should be stored with what is, as a merge of two streams that are both in key order: nothing
// but the two heads is held in memory.
//
//	local   a  b     d  e      b differs · c is extra · d is missing
//	remote  a  b' c     e
package verify

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// Kind is how a key differs.
type Kind string

// The kinds of difference.
const (
	Missing   Kind = "missing"   // here, but not stored
	Different Kind = "different" // stored with another value
	Extra     Kind = "extra"     // stored, but not here
)

// Difference is one key that differs. Sizes are of the values in bytes; -1 where there is none.
type Difference struct {
	Kind          Kind
	Key           []byte
	Local, Remote int64
}

// Counts add up a comparison.
type Counts struct {
	Same      int64 `json:"same"`
	Missing   int64 `json:"missing"`
	Different int64 `json:"different"`
	Extra     int64 `json:"extra"`
	Expired   int64 `json:"expired"` // not stored, and rightly so: their time has passed
	Bytes     int64 `json:"bytes"`   // of the values that are the same
	Refused   int64 `json:"refused"` // local items that cannot be compared
}

// Differences is how many keys are not as they should be.
func (c *Counts) Differences() int64 { return c.Missing + c.Different + c.Extra }

// ErrOrder says that a stream's keys do not ascend: the comparison would be wrong.
var ErrOrder = errors.New("verify: keys out of order")

// Options say what is reported on the way. All may be nil.
type Options struct {
	Extra    bool               // keys that are stored but not here count as differences
	Found    func(d Difference) // each difference, in key order
	Refused  func(e *source.ItemError)
	Expired  func(at int64) bool      // whether a key of that expiry may be gone by now; nil: none may
	Progress func(items, bytes int64) // local items compared so far, and the bytes of their values
}

// Compare merges both streams. An error of either ends it, except *source.ItemErrors of the local one.
func Compare(local, remote iter.Seq2[source.Sum, error], o Options) (Counts, error) {
	l, r := newHead(local), newHead(remote)
	defer l.stop()
	defer r.stop()
	var c Counts
	err := errors.Join(l.advance(&c, &o), r.advance(&c, &o))
	for err == nil && (l.ok || r.ok && o.Extra) {
		order := 0
		switch {
		case !r.ok:
			order = -1
		case !l.ok:
			order = 1
		default:
			order = bytes.Compare(l.sum.Key, r.sum.Key)
		}
		c.take(order, l.sum, r.sum, &o)
		if order <= 0 {
			err = l.advance(&c, &o)
		}
		if order >= 0 && err == nil {
			err = r.advance(&c, &o)
		}
	}
	return c, err
}

// take counts the lower head, or both if they have one key.
func (c *Counts) take(order int, l, r source.Sum, o *Options) {
	d := Difference{Key: l.Key, Local: l.Size, Remote: r.Size}
	switch {
	case order < 0 && l.ExpireAt != 0 && o.Expired != nil && o.Expired(l.ExpireAt):
		c.Expired++
	case order < 0:
		d.Kind, d.Remote = Missing, -1
		c.Missing++
	case order > 0 && !o.Extra:
		return
	case order > 0:
		d.Kind, d.Key, d.Local = Extra, r.Key, -1
		c.Extra++
	case l.SHA256 != r.SHA256 || l.Size != r.Size:
		d.Kind = Different
		c.Different++
	default:
		c.Same++
		c.Bytes += l.Size
	}
	if o.Progress != nil {
		o.Progress(c.Same+c.Missing+c.Different+c.Expired, c.Bytes)
	}
	if d.Kind != "" && o.Found != nil {
		o.Found(d)
	}
}

// head is the first element of a stream that is not yet compared.
type head struct {
	next func() (source.Sum, error, bool)
	stop func()
	sum  source.Sum
	ok   bool // there is one
}

func newHead(stream iter.Seq2[source.Sum, error]) *head {
	h := &head{}
	h.next, h.stop = iter.Pull2(stream)
	return h
}

// advance goes to the next element and counts the items on the way that cannot be compared.
func (h *head) advance(c *Counts, o *Options) error {
	for {
		sum, err, ok := h.next()
		var bad *source.ItemError
		if errors.As(err, &bad) {
			c.Refused++
			if o.Refused != nil {
				o.Refused(bad)
			}
			continue
		}
		if err != nil {
			return err
		}
		if ok && h.ok && bytes.Compare(h.sum.Key, sum.Key) >= 0 {
			return fmt.Errorf("%w: %q after %q", ErrOrder, sum.Key, h.sum.Key)
		}
		h.sum, h.ok = sum, ok
		return nil
	}
}
