package store

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/troupe-actors/troupe/shards/wire"
)

// A transaction is a msgpack array. An operation names in its mask the fields that it has: what is zero is left out, so
// that the usual Set is its key, its value and five bytes. Equal transactions are equal bytes.
//
//	txn   [ time, atomic, [guard ...], [op ...], (client, seq)? ]
//	guard [ condition, key, version, compare ]
//	op    [ kind, mask, key, value?, expireAt?, int?, condition?, version?, compare?, float? ]
//	mask    256    128      64       32         16   8        4        2         1
//	        float  compare  version  condition  int  wantOld  keepTTL  expireAt  value
const (
	maskValue = 1 << iota
	maskExpireAt
	maskKeepTTL // a flag without a field
	maskWantOld // a flag without a field
	maskInt
	maskIf
	maskVersion
	maskCompare
	maskFloat
	maskFields = 1<<iota - 1 - maskKeepTTL - maskWantOld
	maskAll    = maskFields | maskKeepTTL | maskWantOld
)

// AppendTxn appends the encoded transaction to dst. It does not look at limits: see Validate.
func AppendTxn(dst []byte, t *Txn) []byte {
	e := wire.NewEncoder(dst)
	if t.Client == 0 {
		e.Array(txnParts)
	} else {
		e.Array(txnParts + 2)
	}
	e.Int(t.Time)
	e.Bool(t.Atomic)
	e.Array(len(t.Guards))
	for i := range t.Guards {
		g := &t.Guards[i]
		e.Array(4)
		e.Uint(uint64(g.If))
		e.Bytes(g.Key)
		e.Uint(g.Version)
		e.Bytes(g.Compare)
	}
	e.Array(len(t.Ops))
	for i := range t.Ops {
		appendOp(&e, &t.Ops[i])
	}
	if t.Client != 0 {
		e.Uint(t.Client)
		e.Uint(t.Seq)
	}
	return e.Buffer()
}

// txnParts is how many parts a transaction has that is sent once; client and number make two more.
const txnParts = 4

func appendOp(e *wire.Encoder, o *Op) {
	mask := maskOf(o)
	e.Array(3 + bits.OnesCount(mask&maskFields))
	e.Uint(uint64(o.Kind))
	e.Uint(uint64(mask))
	e.Bytes(o.Key)
	if mask&maskValue != 0 {
		e.Bytes(o.Value)
	}
	if mask&maskExpireAt != 0 {
		e.Int(o.ExpireAt)
	}
	if mask&(maskInt|maskIf|maskVersion|maskCompare|maskFloat) != 0 {
		appendRare(e, o, mask)
	}
}

func appendRare(e *wire.Encoder, o *Op, mask uint) {
	if mask&maskInt != 0 {
		e.Int(o.Int)
	}
	if mask&maskIf != 0 {
		e.Uint(uint64(o.If))
	}
	if mask&maskVersion != 0 {
		e.Uint(o.Version)
	}
	if mask&maskCompare != 0 {
		e.Bytes(o.Compare)
	}
	if mask&maskFloat != 0 {
		e.Float(o.Float)
	}
}

func maskOf(o *Op) (mask uint) {
	if len(o.Value) != 0 {
		mask |= maskValue
	}
	if o.ExpireAt != 0 {
		mask |= maskExpireAt
	}
	if o.KeepTTL {
		mask |= maskKeepTTL
	}
	if o.WantOld {
		mask |= maskWantOld
	}
	if o.Int != 0 {
		mask |= maskInt
	}
	if o.If != Always {
		mask |= maskIf
	}
	if o.Version != 0 {
		mask |= maskVersion
	}
	if len(o.Compare) != 0 {
		mask |= maskCompare
	}
	if math.Float64bits(o.Float) != 0 {
		mask |= maskFloat
	}
	return mask
}

// DecodeTxn reads the transaction at the start of frame into t and returns the bytes after it. Keys and values become
// views into frame; the slices of t are used again. Memory grows with the bytes that are really there, never with a count
// that they claim. The error wraps wire.ErrMalformed, ErrInvalid or ErrTooLarge; t is then of no use.
func DecodeTxn(frame []byte, t *Txn) (rest []byte, err error) {
	d := wire.NewDecoder(frame)
	parts := d.Array()
	if parts != txnParts && parts != txnParts+2 && d.Err() == nil {
		d.Refuse("a transaction has 4 parts or 6")
	}
	t.Time = d.Int()
	t.Atomic = d.Bool()
	t.Guards = t.Guards[:0]
	for n := limited(&d, d.Array(), 0); n > 0 && d.Err() == nil; n-- {
		t.Guards = append(t.Guards, decodeGuard(&d))
	}
	t.Ops = t.Ops[:0]
	for n := limited(&d, d.Array(), len(t.Guards)); n > 0 && d.Err() == nil; n-- {
		t.Ops = append(t.Ops, Op{})
		decodeOp(&d, &t.Ops[len(t.Ops)-1])
	}
	t.Client, t.Seq = 0, 0
	if parts != txnParts {
		if t.Client, t.Seq = d.Uint(), d.Uint(); t.Client == 0 {
			d.Refuse("a transaction with a number and no client")
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	if err := t.Validate(); err != nil {
		return nil, err
	}
	return d.Rest(), nil
}

// limited passes a count that keeps a transaction within MaxOps.
func limited(d *wire.Decoder, n, before int) int {
	if n > MaxOps-before {
		d.Refuse("more operations and guards than a transaction may have")
		return 0
	}
	return n
}

func decodeGuard(d *wire.Decoder) Guard {
	if n := d.Array(); n != 4 && d.Err() == nil {
		d.Refuse("a guard has 4 fields")
	}
	return Guard{If: Condition(small(d)), Key: d.Bytes(), Version: d.Uint(), Compare: d.Bytes()}
}

func decodeOp(d *wire.Decoder, o *Op) {
	n := d.Array()
	o.Kind = OpKind(small(d))
	mask := uint(d.Uint())
	if d.Err() == nil && (mask > maskAll || n != 3+bits.OnesCount(mask&maskFields)) {
		d.Refuse("the mask of an operation does not match its fields")
		return
	}
	o.Key = d.Bytes()
	o.KeepTTL = mask&maskKeepTTL != 0
	o.WantOld = mask&maskWantOld != 0
	if mask&maskValue != 0 {
		o.Value = d.Bytes()
	}
	if mask&maskExpireAt != 0 {
		o.ExpireAt = d.Int()
	}
	if mask&maskInt != 0 {
		o.Int = d.Int()
	}
	if mask&maskIf != 0 {
		o.If = Condition(small(d))
	}
	if mask&maskVersion != 0 {
		o.Version = d.Uint()
	}
	if mask&maskCompare != 0 {
		o.Compare = d.Bytes()
	}
	if mask&maskFloat != 0 {
		o.Float = d.Float()
	}
}

// small reads a number that names a kind or a condition.
func small(d *wire.Decoder) uint8 {
	v := d.Uint()
	if v > math.MaxUint8 {
		d.Refuse("no such kind or condition")
		return 0
	}
	return uint8(v)
}

// Validate says whether the transaction may be ordered: known kinds and conditions, and every size within its limit. The
// error wraps ErrInvalid or ErrTooLarge and names the first part that is wrong.
func (t *Txn) Validate() error {
	if len(t.Ops)+len(t.Guards) > MaxOps {
		return fmt.Errorf("%w: %d operations and guards, at most %d", ErrTooLarge, len(t.Ops)+len(t.Guards), MaxOps)
	}
	if (t.Client == 0) != (t.Seq == 0) || t.Seq > sessionLast {
		return fmt.Errorf("%w: client %d with number %d; clients have numbers from 1 to 2^62, and nobody else", ErrInvalid, t.Client, t.Seq)
	}
	size := txnOverhead
	for i := range t.Guards {
		g := &t.Guards[i]
		if err := g.validate(); err != nil {
			return fmt.Errorf("guard %d: %w", i, err)
		}
		size += opOverhead + len(g.Key) + len(g.Compare)
	}
	for i := range t.Ops {
		o := &t.Ops[i]
		if err := o.validate(); err != nil {
			return fmt.Errorf("operation %d: %w", i, err)
		}
		size += opOverhead + len(o.Key) + len(o.Value) + len(o.Compare)
	}
	if size > MaxTxn {
		return fmt.Errorf("%w: a transaction of %d bytes, at most %d", ErrTooLarge, size, MaxTxn)
	}
	return nil
}

// Bounds of what the encoding adds to keys and values.
const (
	txnOverhead = 32
	opOverhead  = 64
)

func (g *Guard) validate() error {
	switch {
	case g.If < IfAbsent || g.If > IfEqual:
		return fmt.Errorf("%w: condition %d", ErrInvalid, g.If)
	case len(g.Key) > MaxKey || len(g.Compare) > MaxValue:
		return ErrTooLarge
	}
	return nil
}

func (o *Op) validate() error {
	switch {
	case o.Kind < OpGet || o.Kind > OpRequire:
		return fmt.Errorf("%w: kind %d", ErrInvalid, o.Kind)
	case o.If > IfHasExpirySooner:
		return fmt.Errorf("%w: condition %d", ErrInvalid, o.If)
	}
	return o.fits()
}

// fits compares the operation with the limits of keys and values.
func (o *Op) fits() error {
	if len(o.Key) > MaxKey || len(o.Value) > MaxValue || len(o.Compare) > MaxValue {
		return ErrTooLarge
	}
	if (o.Kind == OpRename || o.Kind == OpCopy) && len(o.Value) > MaxKey {
		return ErrTooLarge
	}
	return nil
}
