package resp

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// replyError is the text of an error reply, code included.
type replyError string

func (e replyError) Error() string { return string(e) }

// Error replies, in Redis' words.
const (
	errSyntax       = replyError("ERR syntax error")
	errNotInteger   = replyError("ERR value is not an integer or out of range")
	errNotFloat     = replyError("ERR value is not a valid float")
	errOverflow     = replyError("ERR increment or decrement would overflow")
	errDecrOverflow = replyError("ERR decrement would overflow")
	errTimeout      = replyError("ERR timeout is not an integer or out of range")
	errLateTimeout  = replyError("ERR timeout is negative")
	errNaN          = replyError("ERR increment would produce NaN or Infinity")
	errNoKey        = replyError("ERR no such key")
	errSameObject   = replyError("ERR source and destination objects are the same")
	errCrossSlot    = replyError("CROSSSLOT Keys in request don't hash to the same slot")
	errOffset       = replyError("ERR offset is out of range")
	errTooLong      = replyError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
	errLongKey      = replyError("ERR key exceeds 65535 bytes")
	errManyKeys     = replyError("ERR too many keys in one command")
	errNoAuth       = replyError("NOAUTH Authentication required.")
	errNested       = replyError("ERR MULTI calls can not be nested")
	errExecAlone    = replyError("ERR EXEC without MULTI")
	errDiscardAlone = replyError("ERR DISCARD without MULTI")
	errWatchInside  = replyError("ERR WATCH inside MULTI is not allowed")
	errNotInside    = replyError("ERR Command not allowed inside a transaction")
	errAborted      = replyError("EXECABORT Transaction discarded because of previous errors.")
	errLongQueue    = replyError("ERR transaction exceeds its limit")
	errDB           = replyError("ERR DB index is out of range")
	errCursor       = replyError("ERR invalid cursor")
	errPattern      = replyError("ERR pattern is too long")
	errLongReply    = replyError("ERR reply exceeds the server's limit")
	errHeld         = replyError("OOM command not allowed: the clients of this node hold all the memory that they may together (maxmemory-clients)")
	errMaxClients   = replyError("ERR max number of clients reached")
	errWrongPass    = replyError("WRONGPASS invalid username-password pair or user is disabled.")
	errNoProto      = replyError("NOPROTO unsupported protocol version")
	errCounted      = replyError("ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
	errNotCounted   = replyError("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")
	errNotTracked   = replyError("ERR idle time is not tracked: the keyspace has no LRU maxmemory policy")
	errNumKeys      = replyError("ERR invalid numkeys value")
	errPairs        = replyError("ERR wrong number of key-value pairs")
	errDump         = replyError("ERR DUMP payload version or checksum are wrong")
	errBadData      = replyError("ERR Bad data format")
	errBusyKey      = replyError("BUSYKEY Target key name already exists.")
	errTTL          = replyError("ERR Invalid TTL value, must be >= 0")
	errIdleTime     = replyError("ERR Invalid IDLETIME value, must be >= 0")
	errFreq         = replyError("ERR Invalid FREQ value, must be >= 0 and <= 255")
	errLCSOptions   = replyError("ERR If you want both the length and indexes, please just use IDX.")
	errLCSTable     = replyError("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
	errLCSMemory    = replyError("ERR Insufficient memory, failed allocating transient memory for LCS")
	errShuttingDown = replyError("ERR server is shutting down")
)

// panicError reports a defect without ending the process.
type panicError struct{ cause any }

func (e *panicError) Error() string { return fmt.Sprintf("internal error: %v", e.cause) }

// storeErrors are the replies to failed operations. ErrConflict is missing: what it means depends on the command.
var storeErrors = []struct {
	is   error
	text replyError
}{
	{store.ErrNotNumber, errNotInteger}, {store.ErrOverflow, errOverflow}, {store.ErrNoKey, errNoKey}, {store.ErrTooLarge, errTooLong},
}

// errorText is the reply to an error: its own text if it is a reply already, else Redis' for its kind.
//
//	KindFull         OOM           KindUnavailable                     CLUSTERDOWN, or LOADING with ErrLoading
//	KindDiskFull     MISCONF       KindNotPrimary, primary known       TRYAGAIN (where the client follows redirections: MOVED, ASK)
//	all others       ERR           KindNotPrimary, there is none       CLUSTERDOWN
//
// Clients for a Redis cluster repeat a command that got LOADING, CLUSTERDOWN or TRYAGAIN after a pause: in each of these cases
// nothing was done. KindOutcomeUnknown is ERR, which nobody repeats by himself.
func errorText(err error) string {
	var reply replyError
	if errors.As(err, &reply) {
		return string(reply)
	}
	for _, e := range storeErrors {
		if errors.Is(err, e.is) {
			return string(e.text)
		}
	}
	var kinded interface{ ErrorKind() shards.ErrorKind }
	if errors.As(err, &kinded) {
		switch kinded.ErrorKind() {
		case shards.KindFull:
			return "OOM command not allowed when used memory > 'maxmemory'."
		case shards.KindDiskFull:
			return "MISCONF Errors writing to the log: " + err.Error()
		case shards.KindUnavailable:
			if errors.Is(err, ErrLoading) {
				return "LOADING Troupe is loading the dataset in memory: " + err.Error()
			}
			return "CLUSTERDOWN " + err.Error()
		case shards.KindNotPrimary:
			return notPrimaryText(err)
		}
	}
	return "ERR " + err.Error()
}

// notPrimaryText tells a shard that is elsewhere, where asking again helps, from one that is nowhere.
func notPrimaryText(err error) string {
	var (
		moved *shards.NotPrimaryError
		ask   *HandOverError
	)
	if errors.As(err, &ask) || errors.As(err, &moved) && moved.Primary != "" {
		return "TRYAGAIN " + err.Error()
	}
	return "CLUSTERDOWN Hash slot not served: " + err.Error()
}
