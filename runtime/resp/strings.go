package resp

import (
	"bytes"
	"errors"
	"math"
	"math/big"
	"strconv"

	"github.com/troupe-actors/troupe/shards/store"
)

// stringRows are the commands on values.
var stringRows = []command{
	{name: "get", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Returns the string value of a key.", syntax: "key", compile: compileGet, result: resultValue},
	{name: "set", arity: -3, flags: flagWrite | flagDenyOOM | flagGives, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
		syntax:  "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
		compile: compileSet, result: resultSet},
	{name: "setnx", arity: 3, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Set the string value of a key only when the key doesn't exist.", syntax: "key value", compile: compileSetNX, result: resultDone},
	{name: "setex", arity: 4, flags: flagWrite | flagDenyOOM, first: 1, final: 1, step: 1, group: "string", since: "2.0.0",
		summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.", syntax: "key seconds value", compile: compileSetEX, result: resultSet},
	{name: "psetex", arity: 4, flags: flagWrite | flagDenyOOM, first: 1, final: 1, step: 1, group: "string", since: "2.6.0",
		summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.", syntax: "key milliseconds value", compile: compileSetEX, result: resultSet},
	{name: "getset", arity: 3, flags: flagWrite | flagDenyOOM | flagFast | flagGives, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Returns the previous string value of a key after setting it to a new value.", syntax: "key value", compile: compileGetSet, result: resultFirst},
	{name: "getdel", arity: 2, flags: flagWrite | flagFast | flagGives, first: 1, final: 1, step: 1, group: "string", since: "6.2.0",
		summary: "Returns the string value of a key after deleting the key.", syntax: "key", compile: compileGetDel, result: resultFirst},
	{name: "getex", arity: -2, flags: flagWrite | flagFast, first: 1, final: 1, step: 1, group: "string", since: "6.2.0",
		summary: "Returns the string value of a key after setting its expiration time.",
		syntax:  "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]", compile: compileGetEX, result: resultFirst},
	{name: "mget", arity: -2, flags: flagRead | flagFast | flagFan, first: 1, final: -1, step: 1, group: "string", since: "1.0.0",
		summary: "Atomically returns the string values of one or more keys.", syntax: "key [key ...]", compile: compileMGet, result: resultItem},
	{name: "mset", arity: -3, flags: flagWrite | flagDenyOOM, first: 1, final: -1, step: 2, group: "string", since: "1.0.1",
		summary: "Atomically creates or modifies the string values of one or more keys.", syntax: "key value [key value ...]", compile: compileMSet, result: resultMSet},
	{name: "msetnx", arity: -3, flags: flagWrite | flagDenyOOM, first: 1, final: -1, step: 2, group: "string", since: "1.0.1",
		summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.", syntax: "key value [key value ...]", compile: compileMSetNX, result: resultMSetNX},
	{name: "msetex", arity: -4, flags: flagWrite | flagDenyOOM, first: 2, step: 2, group: "string", since: "8.4.0",
		summary: "Atomically sets multiple string keys with a shared expiration in a single operation.",
		syntax:  "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]", compile: compileMSetEX, result: resultMSetNX},
	{name: "append", arity: 3, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "2.0.0",
		summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.", syntax: "key value", compile: compileAppend, result: resultInt},
	{name: "strlen", arity: 2, flags: flagRead | flagFast, first: 1, final: 1, step: 1, group: "string", since: "2.2.0",
		summary: "Returns the length of a string value.", syntax: "key", compile: compileGet, result: resultLength},
	{name: "getrange", arity: 4, flags: flagRead, first: 1, final: 1, step: 1, group: "string", since: "2.4.0",
		summary: "Returns a substring of the string stored at a key.", syntax: "key start end", compile: compileGetRange, result: resultRange},
	{name: "substr", arity: 4, flags: flagRead, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Returns a substring from a string value.", syntax: "key start end", compile: compileGetRange, result: resultRange},
	{name: "lcs", arity: -3, flags: flagRead, first: 1, final: 2, step: 1, group: "string", since: "7.0.0",
		summary: "Finds the longest common substring.", syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", compile: compileLCS, result: resultLCS, finish: finishLCS},
	{name: "setrange", arity: 4, flags: flagWrite | flagDenyOOM, first: 1, final: 1, step: 1, group: "string", since: "2.2.0",
		summary: "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.", syntax: "key offset value", compile: compileSetRange, result: resultSetRange},
	{name: "incr", arity: 2, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", syntax: "key", compile: compileIncr, result: resultInt},
	{name: "decr", arity: 2, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.", syntax: "key", compile: compileIncr, result: resultInt},
	{name: "incrby", arity: 3, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.", syntax: "key increment", compile: compileIncr, result: resultInt},
	{name: "decrby", arity: 3, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "1.0.0",
		summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.", syntax: "key decrement", compile: compileIncr, result: resultInt},
	{name: "incrbyfloat", arity: 3, flags: flagWrite | flagDenyOOM | flagFast, first: 1, final: 1, step: 1, group: "string", since: "2.6.0",
		summary: "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.", syntax: "key increment", compile: compileIncrFloat, result: resultFloat},
}

func compileGet(q *request) error {
	q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	return nil
}

// resultValue replies with the value of a read key.
func resultValue(q *request, _ int, r *store.Result) {
	if !r.Found {
		q.out = appendNull(q.out, q.v3)
		return
	}
	q.bulk(r.Value)
}

// resultFirst replies with the first operation's value, and with an error if a later one failed.
func resultFirst(q *request, i int, r *store.Result) {
	switch {
	case i == 0:
		resultValue(q, i, r)
	case r.Err != nil && !notDone(r.Err):
		q.fail(r.Err)
	}
}

// resultSet replies to SET: OK, or null if its condition did not hold, or with GET the value before.
func resultSet(q *request, i int, r *store.Result) {
	switch {
	case len(q.Txn.Ops) == 2:
		resultFirst(q, i, r)
	case errors.Is(r.Err, store.ErrConflict):
		q.out = appendNull(q.out, q.v3)
	case r.Err != nil:
		q.fail(r.Err)
	default:
		q.out = append(q.out, "+OK\r\n"...)
	}
}

// resultDone replies 1 if the operation did something and 0 if its condition did not hold.
func resultDone(q *request, _ int, r *store.Result) {
	switch {
	case r.Err != nil && !notDone(r.Err):
		q.fail(r.Err)
	case r.Changed && r.Err == nil:
		q.out = append(q.out, ":1\r\n"...)
	default:
		q.out = append(q.out, ":0\r\n"...)
	}
}

// resultInt replies with the number that the operation computed.
func resultInt(q *request, _ int, r *store.Result) {
	if r.Err != nil {
		q.fail(r.Err)
		return
	}
	q.out = appendInt(q.out, r.Int)
}

func resultLength(q *request, _ int, r *store.Result) { q.out = appendInt(q.out, int64(len(r.Value))) }

// resultFloat replies with what the last addition came to, or why one was not done.
func resultFloat(q *request, i int, r *store.Result) {
	if r.Err != nil {
		q.sum++
	}
	switch {
	case errors.Is(r.Err, store.ErrNotNumber):
		q.fail(errNotFloat)
	case errors.Is(r.Err, store.ErrOverflow):
		q.fail(errNaN)
	case r.Err != nil:
		q.fail(r.Err)
	case q.last(i) && q.sum == 0:
		q.out = appendBulk(q.out, r.Value)
	}
}

func compileSetNX(q *request) error {
	q.op(store.Op{Kind: store.OpSet, If: store.IfAbsent, Key: q.args[1], Value: q.args[2]})
	return nil
}

func compileSetEX(q *request) error {
	unit := int64(1000)
	if q.cmd.name == "psetex" {
		unit = 1
	}
	at, err := q.expiry(q.args[2], unit, true)
	if err != nil {
		return err
	}
	q.op(store.Op{Kind: store.OpSet, Key: q.args[1], Value: q.args[3], ExpireAt: at})
	return nil
}

// compileGetSet reads and writes in one transaction.
func compileGetSet(q *request) error {
	q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	q.op(store.Op{Kind: store.OpSet, Key: q.args[1], Value: q.args[2]})
	return nil
}

func compileGetDel(q *request) error {
	q.op(store.Op{Kind: store.OpGet, Key: q.args[1]})
	q.op(store.Op{Kind: store.OpDelete, Key: q.args[1]})
	return nil
}

func compileMGet(q *request) error {
	for _, key := range q.args[1:] {
		q.op(store.Op{Kind: store.OpGet, Key: key})
	}
	return nil
}

func resultItem(q *request, i int, r *store.Result) {
	if i == 0 && !q.part { // in parts, the head of the reply belongs to the whole
		q.out = appendArray(q.out, len(q.Txn.Ops))
	}
	resultValue(q, i, r)
	q.ends = append(q.ends, len(q.out))
}

func compilePairs(q *request, condition store.Condition) error {
	if len(q.args)%2 == 0 {
		return wrongArity(q.cmd)
	}
	for i := 1; i < len(q.args); i += 2 {
		q.op(store.Op{Kind: store.OpSet, If: condition, Key: q.args[i], Value: q.args[i+1]})
	}
	return nil
}

func compileMSet(q *request) error { return compilePairs(q, store.Always) }

func resultMSet(q *request, i int, r *store.Result) {
	switch {
	case r.Err != nil:
		q.fail(r.Err)
	case q.last(i) && len(q.out) == 0:
		q.out = append(q.out, "+OK\r\n"...)
	}
}

// compileMSetNX makes the transaction all or nothing. A key given twice is set to its last value.
func compileMSetNX(q *request) error {
	if err := compilePairs(q, store.IfAbsent); err != nil {
		return err
	}
	q.allOrNothing()
	return nil
}

// allOrNothing has the transaction's conditions hold for all of its keys, as they are before it, or does nothing.
func (q *request) allOrNothing() {
	seen := make(map[string]struct{}, len(q.Txn.Ops))
	for i := range q.Txn.Ops {
		key := string(q.Txn.Ops[i].Key)
		if _, twice := seen[key]; twice {
			q.Txn.Ops[i].If = store.Always
		}
		seen[key] = struct{}{}
	}
	q.Txn.Atomic = true
}

func resultMSetNX(q *request, i int, r *store.Result) {
	if r.Err != nil && !errors.Is(r.Err, store.ErrConflict) {
		q.fail(r.Err)
		return
	}
	if r.Err != nil {
		q.sum++
	}
	if q.last(i) && len(q.out) == 0 {
		q.out = appendInt(q.out, int64(btoi(q.sum == 0)))
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compileAppend(q *request) error {
	q.op(store.Op{Kind: store.OpAppend, Key: q.args[1], Value: q.args[2]})
	return nil
}

func compileIncr(q *request) error {
	n := int64(1)
	if len(q.args) == 3 {
		var ok bool
		if n, ok = parseInt(q.args[2]); !ok {
			return errNotInteger
		}
	}
	if q.cmd.name[0] == 'd' {
		if n == math.MinInt64 {
			return errDecrOverflow
		}
		n = -n
	}
	q.op(store.Op{Kind: store.OpIncrement, Key: q.args[1], Int: n})
	return nil
}

// compileIncrFloat adds a number of more digits than a float64 has in two steps: 9007199254740993 is 9007199254740992 and 1.
func compileIncrFloat(q *request) error {
	f, ok := parseFloat(q.args[2])
	if !ok {
		return errNotFloat
	}
	if math.IsInf(f, 0) {
		return errNaN
	}
	q.op(store.Op{Kind: store.OpIncrementFloat, Key: q.args[1], Float: f})
	if rest := beyondFloat(q.args[2], f); rest != 0 {
		q.op(store.Op{Kind: store.OpIncrementFloat, Key: q.args[1], Float: rest})
	}
	return nil
}

// Every decimal number of exactDigits digits is told by a float64. What Redis reads an increment into has a mantissa of longMantissa bits.
const (
	exactDigits  = 15
	longMantissa = 64
)

// beyondFloat is what the number in s, which was read as f, is more than the shortest decimal number that f stands for.
func beyondFloat(s []byte, f float64) float64 {
	digits := 0
	for _, c := range s {
		digits += btoi(c-'0' <= 9)
	}
	if digits <= exactDigits || f == 0 {
		return 0
	}
	whole, _, err := big.ParseFloat(string(s), 10, longMantissa, big.ToNearestEven)
	if err != nil { // a hexadecimal one
		return 0
	}
	most, _, err := big.ParseFloat(strconv.FormatFloat(f, 'g', -1, 64), 10, longMantissa, big.ToNearestEven)
	if err != nil {
		return 0
	}
	rest, _ := whole.Sub(whole, most).Float64() // exact, for both are nearly the same
	return rest
}

// parseFloat takes what C's strtold takes of a whole word: no blanks, no underscores, no NaN.
func parseFloat(s []byte) (float64, bool) {
	if len(s) == 0 || len(s) > 256 || bytes.IndexByte(s, '_') >= 0 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || math.IsNaN(f) {
		return 0, false
	}
	return f, err == nil
}

// compileGetRange checks the offsets now and applies them to the value later.
func compileGetRange(q *request) error {
	for _, offset := range q.args[2:4] {
		if _, ok := parseInt(offset); !ok {
			return errNotInteger
		}
	}
	return compileGet(q)
}

func resultRange(q *request, _ int, r *store.Result) {
	start, _ := parseInt(q.args[2])
	end, _ := parseInt(q.args[3])
	n := int64(len(r.Value))
	if start < 0 && end < 0 && start > end {
		n = 0
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	end = min(end, n-1)
	if n == 0 || start > end {
		q.out = append(q.out, "$0\r\n\r\n"...)
		return
	}
	q.bulk(r.Value[start : end+1])
}

// compileSetRange refuses offsets beyond the largest value; an empty value changes nothing and only tells the length.
func compileSetRange(q *request) error {
	offset, ok := parseInt(q.args[2])
	switch {
	case !ok:
		return errNotInteger
	case offset < 0:
		return errOffset
	case len(q.args[3]) == 0:
		return compileGet(q)
	case offset > store.MaxValue-int64(len(q.args[3])):
		return errTooLong
	}
	q.op(store.Op{Kind: store.OpSetRange, Key: q.args[1], Value: q.args[3], Int: offset})
	return nil
}

func resultSetRange(q *request, i int, r *store.Result) {
	if q.Txn.Ops[i].Kind == store.OpGet {
		resultLength(q, i, r)
		return
	}
	resultInt(q, i, r)
}
