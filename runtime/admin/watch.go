package admin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

var errStopping = errors.New("the node is stopping")

// watch streams changes until the client leaves or the server ends.
//
//	Backend.Watch ──► pump (goroutine) ──lines──► this goroutine ──► client
//	                                    ticker ──►
//
// The pump is there because an iterator cannot be waited for together with a ticker. It ends before watch returns.
func (s *Server) watch(x *exchange, q *query) error {
	k, err := s.keyspace(x)
	if err != nil {
		return err
	}
	o := WatchFrom{Prefix: q.bytes("prefix"), From: q.positions(k.Shards)}
	if q.err != nil {
		return q.err
	}
	x.begin()
	if x.r.Method == http.MethodHead {
		return nil
	}
	if err := x.flush(); err != nil { // the client learns that it is heard
		return err
	}
	ctx, cancel := context.WithCancel(x.r.Context())
	lines := make(chan []byte) // unbuffered: at most two lines are held, the one being written and the next
	var pump sync.WaitGroup
	pump.Go(func() {
		defer close(lines)
		s.pump(ctx, k.ID, o, lines)
	})
	defer pump.Wait()
	defer cancel()
	return s.relay(x, lines)
}

// pump turns events into lines until the watch or the context ends.
func (s *Server) pump(ctx context.Context, keyspace shards.KeyspaceID, o WatchFrom, lines chan<- []byte) {
	held := hold{room: &s.room}
	defer held.release()
	for e, err := range s.backend.Watch(ctx, keyspace, o) {
		if err == nil {
			err = held.reach(2 * eventSize(&e))
		}
		line := errorLine(err)
		if err == nil {
			line = appendEvent(nil, &e)
		}
		select {
		case lines <- line:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// relay writes lines and keepalives.
func (s *Server) relay(x *exchange, lines <-chan []byte) error {
	ticker := time.NewTicker(s.config.Keepalive)
	defer ticker.Stop()
	for {
		var line []byte
		var open bool
		select {
		case line, open = <-lines:
			if !open {
				return nil
			}
			ticker.Reset(s.config.Keepalive)
		case <-ticker.C:
			line = []byte("{}\n")
		case <-x.stopping:
			_, err := x.Write(errorLine(&shards.Error{Kind: shards.KindUnavailable, Err: errStopping}))
			return err
		}
		if _, err := x.Write(line); err != nil {
			return err
		}
		if err := x.flush(); err != nil {
			return err
		}
	}
}

func eventSize(e *Event) int {
	return 6*len(e.Key) + base64.StdEncoding.EncodedLen(len(e.Value)) + 256
}

func appendEvent(dst []byte, e *Event) []byte {
	dst = strconv.AppendUint(append(dst, `{"seq":`...), uint64(e.Seq), 10)
	dst = strconv.AppendInt(append(dst, `,"shard":`...), int64(e.Shard), 10)
	dst = append(append(append(dst, `,"kind":"`...), e.Kind.String()...), '"')
	if e.Kind != store.ChangeResync {
		dst = appendKey(append(dst, ','), e.Key)
	}
	if e.Kind == store.ChangePut {
		dst = appendBase64(append(dst, `,"value":`...), e.Value)
		dst = strconv.AppendInt(append(dst, `,"expire_at":`...), e.ExpireAt, 10)
	}
	return append(dst, "}\n"...)
}

// errorLine is a failure as a line of a stream.
func errorLine(failure error) []byte {
	if failure == nil {
		return nil
	}
	line, err := json.Marshal(asError(failure).answer())
	if err != nil {
		panic(fmt.Sprintf("admin: an error that JSON cannot hold: %v", err))
	}
	return append(line, '\n')
}
