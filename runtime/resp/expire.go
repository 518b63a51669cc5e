package resp

import (
	"errors"
	"math"

	"github.com/troupe-actors/troupe/shards/store"
)

// expireConditions are the options of EXPIRE and its kin.
var expireConditions = map[string]store.Condition{
	"NX": store.IfNoExpiry, "XX": store.IfHasExpiry, "GT": store.IfLater, "LT": store.IfSooner,
}

// compileExpire takes times in the past as well: the key is then gone at once, as in Redis. Options are looked at before the time.
func compileExpire(q *request) error {
	condition, err := expireCondition(q.args[3:])
	if err != nil {
		return err
	}
	at, err := q.deadline()
	if err != nil {
		return err
	}
	q.op(store.Op{Kind: store.OpExpireAt, If: condition, Key: q.args[1], ExpireAt: max(at, 1)})
	return nil
}

// deadline is the time argument in Unix milliseconds.
func (q *request) deadline() (int64, error) {
	n, ok := parseInt(q.args[2])
	if !ok {
		return 0, errNotInteger
	}
	unit, base := int64(1000), q.now
	switch q.cmd.name {
	case "pexpire":
		unit = 1
	case "expireat":
		base = 0
	case "pexpireat":
		unit, base = 1, 0
	}
	if n > math.MaxInt64/unit || n < math.MinInt64/unit || n*unit > math.MaxInt64-base {
		return 0, invalidExpire(q.cmd)
	}
	return base + n*unit, nil
}

// expireCondition reads NX, XX, GT and LT. XX with GT means GT, since a key without expiry is never before another time.
func expireCondition(words [][]byte) (store.Condition, error) {
	var seen [store.IfSooner + 1]bool
	for _, word := range words {
		condition, ok := expireConditions[upper(word)]
		if !ok {
			return 0, replyError("ERR Unsupported option " + clip(word, 128))
		}
		seen[condition] = true
	}
	nx, xx, gt, lt := seen[store.IfNoExpiry], seen[store.IfHasExpiry], seen[store.IfLater], seen[store.IfSooner]
	switch {
	case nx && (xx || gt || lt):
		return 0, replyError("ERR NX and XX, GT or LT options at the same time are not compatible")
	case gt && lt:
		return 0, replyError("ERR GT and LT options at the same time are not compatible")
	case xx && lt:
		return store.IfHasExpirySooner, nil
	case nx:
		return store.IfNoExpiry, nil
	case gt:
		return store.IfLater, nil
	case lt:
		return store.IfSooner, nil
	case xx:
		return store.IfHasExpiry, nil
	}
	return store.Always, nil
}

func compilePersist(q *request) error {
	q.op(store.Op{Kind: store.OpExpireAt, If: store.IfHasExpiry, Key: q.args[1]})
	return nil
}

// resultTTL replies -2 for no key and -1 for no expiry.
func resultTTL(q *request, _ int, r *store.Result) {
	if !r.Found {
		q.out = append(q.out, ":-2\r\n"...)
		return
	}
	if r.ExpireAt == 0 {
		q.out = append(q.out, ":-1\r\n"...)
		return
	}
	n := r.ExpireAt
	if q.cmd.name == "ttl" || q.cmd.name == "pttl" {
		n = max(n-q.now, 0)
	}
	if q.cmd.name == "ttl" || q.cmd.name == "expiretime" {
		n = n/1000 + (n%1000+500)/1000 // the sum of n and 500 may not fit
	}
	q.out = appendInt(q.out, n)
}

// notDone says whether an operation was skipped because its condition did not hold.
func notDone(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNoKey)
}
