package resp

import (
	"context"
	"errors"
	"testing"

	"github.com/troupe-actors/troupe/shards"
)

// fullBackend refuses all that comes in one piece if any of it would grow, as a shard does.
type fullBackend struct{ *localBackend }

func (b fullBackend) Do(ctx context.Context, keyspace int, calls []*Call) {
	for _, call := range calls {
		if call.Txn.Grows() {
			for _, call := range calls {
				call.Err = &shards.Error{Kind: shards.KindFull, Err: errors.New("full")}
			}
			return
		}
	}
	b.localBackend.Do(ctx, keyspace, calls)
}

// What needs no room is done, whoever's write it shares a pipeline with.
func TestFullStoreRefusesOnlyWhatGrows(t *testing.T) {
	b := newStillBackend()
	_, addr := startServer(t, b, Config{})
	c := dial(t, addr)
	c.expect("+OK", "MSET", "{k}a", "1", "{k}b", "2", "{k}c", "3")
	_, addr = startServer(t, fullBackend{b}, Config{})
	c = dial(t, addr)
	c.send(encode("GET", "{k}a") + encode("SET", "{k}a", "9") + encode("GET", "{k}a") + encode("DEL", "{k}b") + encode("APPEND", "{k}c", "x") +
		encode("EXPIRE", "{k}c", "100") + encode("TTL", "{k}c") + encode("MGET", "{k}b", "other", "{k}c") + encode("DEL", "other", "{k}c"))
	full := "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
	for _, want := range []string{"$1\r\n1\r\n", full, "$1\r\n1\r\n", ":1\r\n", full, ":1\r\n", ":100\r\n", "*3\r\n$-1\r\n$-1\r\n$1\r\n3\r\n", ":1\r\n"} {
		if got := c.reply(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
