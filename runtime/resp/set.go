package resp

import (
	"math"

	"github.com/troupe-actors/troupe/shards/store"
)

// setOptions are the words after SET key value, or after GETEX key.
type setOptions struct {
	condition store.Condition
	get       bool
	keep      bool
	persist   bool
	at        int64 // Unix milliseconds
	timed     bool
}

// expiryUnits are the options that take a time: milliseconds in a unit, and whether it counts from now.
var expiryUnits = map[string]struct {
	unit     int64
	relative bool
}{"EX": {1000, true}, "PX": {1, true}, "EXAT": {1000, false}, "PXAT": {1, false}}

// upper is a short option in capitals; longer words give "".
func upper(word []byte) string {
	var buffer [maxName]byte
	if len(word) > len(buffer) {
		return ""
	}
	for i, c := range word {
		if c-'a' < 26 {
			c -= 0x20
		}
		buffer[i] = c
	}
	return string(buffer[:len(word)])
}

// parseSetOptions reads options from place i on. Which are allowed depends on the command; contradictions are errors. Of times in the
// same unit the last one counts, and it is looked at when all options are known to be right, as in Redis.
func (q *request) parseSetOptions(i int, set bool) (o setOptions, err error) {
	var chosen string
	var time []byte
	for ; i < len(q.args); i++ {
		word := upper(q.args[i])
		_, timed := expiryUnits[word]
		switch {
		case timed && (chosen == "" || chosen == word) && !o.keep && !o.persist && i+1 < len(q.args):
			i++
			chosen, time = word, q.args[i]
		case set && word == "NX" && o.condition != store.IfPresent:
			o.condition = store.IfAbsent
		case set && word == "XX" && o.condition != store.IfAbsent:
			o.condition = store.IfPresent
		case set && word == "GET":
			o.get = true
		case set && word == "KEEPTTL" && chosen == "":
			o.keep = true
		case !set && word == "PERSIST" && chosen == "":
			o.persist = true
		default:
			return o, errSyntax
		}
	}
	if chosen != "" {
		unit := expiryUnits[chosen]
		o.timed = true
		o.at, err = q.expiry(time, unit.unit, unit.relative)
	}
	return o, err
}

// expiry turns an argument into Unix milliseconds. Like Redis it refuses zero, negative and overflowing times.
func (q *request) expiry(arg []byte, unit int64, relative bool) (int64, error) {
	n, ok := parseInt(arg)
	if !ok {
		return 0, errNotInteger
	}
	base := int64(0)
	if relative {
		base = q.now
	}
	if n <= 0 || n > (math.MaxInt64-base)/unit {
		return 0, invalidExpire(q.cmd)
	}
	return base + n*unit, nil
}

func invalidExpire(cmd *command) error {
	return replyError("ERR invalid expire time in '" + cmd.name + "' command")
}

func compileSet(q *request) error {
	if len(q.args) == 3 {
		q.op(store.Op{Kind: store.OpSet, Key: q.args[1], Value: q.args[2]})
		return nil
	}
	o, err := q.parseSetOptions(3, true)
	if err != nil {
		return err
	}
	if o.get {
		q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	}
	q.op(store.Op{Kind: store.OpSet, If: o.condition, KeepTTL: o.keep, Key: q.args[1], Value: q.args[2], ExpireAt: o.at})
	return nil
}

// compileMSetEX is MSET with the options of SET, for all keys alike.
func compileMSetEX(q *request) error {
	n, ok := parseInt(q.args[1])
	switch {
	case !ok || n < 1 || n > math.MaxInt32:
		return errNumKeys
	case n > int64(len(q.args)-2)/2:
		return errPairs
	}
	end := 2 + 2*int(n)
	o, err := q.parseSetOptions(end, true)
	if err != nil {
		return err
	}
	if o.get {
		return errSyntax
	}
	for i := 2; i < end; i += 2 {
		q.op(store.Op{Kind: store.OpSet, If: o.condition, KeepTTL: o.keep, Key: q.args[i], Value: q.args[i+1], ExpireAt: o.at})
	}
	if o.condition != store.Always {
		q.allOrNothing()
	}
	return nil
}

// compileGetEX only reads if no expiry is asked for.
func compileGetEX(q *request) error {
	o, err := q.parseSetOptions(2, false)
	if err != nil {
		return err
	}
	q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	switch {
	case o.timed:
		q.op(store.Op{Kind: store.OpExpireAt, Key: q.args[1], ExpireAt: o.at})
	case o.persist:
		q.op(store.Op{Kind: store.OpExpireAt, If: store.IfHasExpiry, Key: q.args[1]})
	}
	return nil
}
