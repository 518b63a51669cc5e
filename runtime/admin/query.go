package admin

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// query reads the parameters of a request. The first that cannot be used sticks: read them all, then ask Err.
type query struct {
	values url.Values
	err    error
}

// parseQuery refuses what the path does not know, and what is there twice: a misspelt limit must not delete too much.
// Every path knows pretty.
func parseQuery(raw string, known []string) (*query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, invalid("query %q: %v", clip(raw), err)
	}
	for name, all := range values {
		if name != "pretty" && !slices.Contains(known, name) {
			if len(known) == 0 {
				return nil, invalid("parameter %q: this path takes none", clip(name))
			}
			return nil, invalid("parameter %q is not known here; there are %s", clip(name), strings.Join(known, ", "))
		}
		if len(all) > 1 {
			return nil, invalid("parameter %q is there %d times", name, len(all))
		}
	}
	return &query{values: values}, nil
}

// clip shortens what a client sent, for a message.
func clip(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}

func (q *query) fail(format string, args ...any) {
	if q.err == nil {
		q.err = invalid(format, args...)
	}
}

// bytes is a parameter as it is; nil if it is not there.
func (q *query) bytes(name string) []byte {
	if !q.values.Has(name) {
		return nil
	}
	value := []byte(q.values.Get(name))
	if len(value) > store.MaxKey {
		q.fail("parameter %q has %d bytes; a key has at most %d", name, len(value), store.MaxKey)
	}
	return value
}

// flag is a boolean: ?v is true.
func (q *query) flag(name string) bool {
	if !q.values.Has(name) {
		return false
	}
	switch value := q.values.Get(name); value {
	case "", "1", "true":
		return true
	case "0", "false":
		return false
	default:
		q.fail("parameter %q is %q; must be true or false", name, clip(value))
		return false
	}
}

// count is a number that is not negative; 0 if it is not there.
func (q *query) count(name string) int {
	text := q.values.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		q.fail("parameter %q is %q; must be a number from 0 on", name, clip(text))
	}
	return int(n)
}

// maxTTL keeps expiries far from the end of time: a hundred years.
const maxTTL = 100 * 365 * 24 * time.Hour

// expiry turns ttl into the moment of expiry in Unix milliseconds; 0 if there is none.
func (q *query) expiry(now int64) int64 {
	text := q.values.Get("ttl")
	if !q.values.Has("ttl") {
		return 0
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < time.Millisecond || ttl > maxTTL {
		q.fail("parameter \"ttl\" is %q; must be a duration from 1ms to 876000h, as in 10s or 1h30m", clip(text))
		return 0
	}
	return now + ttl.Milliseconds()
}

// condition reads if and version, of a write.
func (q *query) condition() (store.Condition, uint64) {
	if q.values.Has("read") || q.values.Has("within") {
		q.fail("parameters \"read\" and \"within\" are for GET")
	}
	guard := q.values.Get("if")
	if q.values.Has("version") {
		version, err := strconv.ParseUint(q.values.Get("version"), 10, 64)
		if err != nil {
			q.fail("parameter \"version\" is %q; must be a number", clip(q.values.Get("version")))
		}
		if q.values.Has("if") {
			q.fail("parameters \"if\" and \"version\" exclude each other")
		}
		return store.IfVersion, version
	}
	switch guard {
	case "absent":
		return store.IfAbsent, 0
	case "present":
		return store.IfPresent, 0
	}
	if q.values.Has("if") {
		q.fail("parameter \"if\" is %q; must be absent or present", clip(guard))
	}
	return store.Always, 0
}

// reading reads read and within.
func (q *query) reading() (r Reading) {
	switch from := q.values.Get("read"); from {
	case "", "primary":
	case "replica":
		r.Replica = true
	default:
		q.fail("parameter \"read\" is %q; must be primary or replica", clip(from))
	}
	if !q.values.Has("within") {
		return r
	}
	text := q.values.Get("within")
	within, err := time.ParseDuration(text)
	if err != nil || within <= 0 {
		q.fail("parameter \"within\" is %q; must be a duration above 0, as in 1s or 500ms", clip(text))
	}
	if !r.Replica {
		q.fail("parameter \"within\" is for read=replica")
	}
	r.Within = within
	return r
}

// span is a scan's range.
func (q *query) span() Range {
	r := Range{Prefix: q.bytes("prefix"), After: q.bytes("after"), To: q.bytes("to"), Reverse: q.flag("reverse"), Limit: q.count("limit")}
	if len(r.To) == 0 {
		r.To = nil
	}
	return r
}

// positions reads from: one number for every shard, or "SHARD:SEQ,SHARD:SEQ".
func (q *query) positions(shardCount int) []shards.SeqNo {
	text := q.values.Get("from")
	if text == "" {
		return nil
	}
	from := make([]shards.SeqNo, shardCount)
	if all, err := strconv.ParseUint(text, 10, 64); err == nil {
		for i := range from {
			from[i] = shards.SeqNo(all)
		}
		return from
	}
	for pair := range strings.SplitSeq(text, ",") {
		left, right, _ := strings.Cut(pair, ":")
		shard, err := strconv.Atoi(left)
		seq, err2 := strconv.ParseUint(right, 10, 64)
		if err != nil || err2 != nil || shard < 0 || shard >= shardCount {
			q.fail("parameter \"from\" is wrong at %q; must be a number, or SHARD:NUMBER,… with shards from 0 to %d", clip(pair), shardCount-1)
			return nil
		}
		from[shard] = shards.SeqNo(seq)
	}
	return from
}
