package resp

import "github.com/troupe-actors/troupe/shards"

func runKeySlot(_ *conn, q *request) { q.out = appendInt(q.out, int64(shards.SlotOf(q.args[2]))) }

func slotArg(arg []byte) (shards.Slot, error) {
	n, ok := parseInt(arg)
	if !ok {
		return 0, errNotInteger
	}
	if n < 0 || n >= shards.Slots {
		return 0, replyError("ERR Invalid slot")
	}
	return shards.Slot(n), nil
}

func runCountKeysInSlot(c *conn, q *request) {
	slot, err := slotArg(q.args[2])
	n := int64(0)
	if err == nil {
		n, err = c.s.backend.Count(c.s.context, c.space, slot, slot)
	}
	if err != nil {
		q.fail(err)
		return
	}
	q.out = appendInt(q.out, n)
}

func runGetKeysInSlot(c *conn, q *request) {
	slot, err := slotArg(q.args[2])
	if err != nil {
		q.fail(err)
		return
	}
	limit, ok := parseInt(q.args[3])
	if !ok {
		q.fail(errNotInteger)
		return
	}
	if limit < 0 {
		q.fail(replyError("ERR Invalid number of keys"))
		return
	}
	var items []byte
	var refused error
	n := 0
	err = c.s.backend.KeysInSlot(c.s.context, c.space, slot, int(min(limit, maxKeysInSlot)), func(key []byte) bool {
		items = appendBulk(items, key)
		n++
		refused = c.grown(q, int64(len(items)))
		return refused == nil
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		q.fail(err)
		return
	}
	q.out = append(appendArray(q.out, n), items...)
}

// maxKeysInSlot bounds one reply of CLUSTER GETKEYSINSLOT.
const maxKeysInSlot = 1 << 20
