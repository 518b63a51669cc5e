package admin

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// target is the keyspace and key of a path.
func (s *Server) target(x *exchange) (shards.KeyspaceID, []byte, error) {
	k, err := s.keyspace(x)
	if err != nil {
		return 0, nil, err
	}
	key := []byte(x.r.PathValue("key"))
	if len(key) > store.MaxKey {
		return 0, nil, invalid("the key has %d bytes; at most %d are allowed", len(key), store.MaxKey)
	}
	return k.ID, key, nil
}

func (s *Server) getKey(x *exchange, q *query) error {
	keyspace, key, err := s.target(x)
	if err != nil {
		return err
	}
	from := q.reading()
	if q.err != nil {
		return q.err
	}
	v, found, err := s.backend.Get(x.r.Context(), keyspace, key, from)
	if err != nil {
		return err
	}
	if !found {
		return notFound("no key %q in keyspace %q", clip(string(key)), x.r.PathValue("keyspace"))
	}
	if err := x.hold.reach(len(v.Bytes)); err != nil {
		return err
	}
	x.Header().Set(headerVersion, strconv.FormatUint(v.Version, 10))
	if v.ExpireAt != 0 {
		x.Header().Set(headerExpireAt, strconv.FormatInt(v.ExpireAt, 10))
	}
	x.text(http.StatusOK, "application/octet-stream", v.Bytes)
	return nil
}

func (s *Server) putKey(x *exchange, q *query) error {
	keyspace, key, err := s.target(x)
	if err != nil {
		return err
	}
	w := Write{Key: key}
	w.If, w.Version = q.condition()
	q.expiry(0)
	if q.err != nil {
		return q.err
	}
	if w.Value, err = x.body(store.MaxValue); err != nil {
		return err
	}
	w.ExpireAt = q.expiry(s.backend.Now()) // counted from when the whole value is here
	version, err := s.backend.Put(x.r.Context(), keyspace, w)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, map[string]uint64{"version": version})
	return nil
}

// body reads the whole body. Memory follows what has really come, not what a header claims.
func (x *exchange) body(limit int) ([]byte, error) {
	if x.r.ContentLength > int64(limit) {
		return nil, tooLarge("the body has %d bytes; at most %d are allowed", x.r.ContentLength, limit)
	}
	buffer := make([]byte, 0, min(max(x.r.ContentLength, 512), smallHold))
	for {
		if len(buffer) == cap(buffer) {
			size := 2 * cap(buffer)
			if x.r.ContentLength >= 0 {
				size = min(size, int(x.r.ContentLength)+1) // a byte more, to see the end
			}
			if err := x.hold.reach(size); err != nil {
				return nil, err
			}
			buffer = append(make([]byte, 0, size), buffer...)
		}
		n, err := x.r.Body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case len(buffer) > limit:
			return nil, tooLarge("the body is larger than %d bytes", limit)
		case err == io.EOF:
			return buffer, nil
		case err != nil:
			return nil, unread(err)
		}
	}
}

// unread is a body that did not come to its end.
func unread(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	return invalid("the body broke off: %v", err)
}

func (s *Server) deleteKey(x *exchange, q *query) error {
	keyspace, key, err := s.target(x)
	if err != nil {
		return err
	}
	w := Write{Key: key}
	w.If, w.Version = q.condition()
	if q.values.Has("ttl") {
		q.fail("parameter \"ttl\" is not for DELETE")
	}
	if q.err != nil {
		return q.err
	}
	found, err := s.backend.Delete(x.r.Context(), keyspace, w)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, map[string]bool{"found": found})
	return nil
}

func (s *Server) deletePrefix(x *exchange, q *query) error {
	k, err := s.keyspace(x)
	if err != nil {
		return err
	}
	prefix, all := q.bytes("prefix"), q.flag("all")
	if q.err != nil {
		return q.err
	}
	if len(prefix) == 0 && !all {
		return invalid("without a prefix every key of %q would be deleted: give prefix=P, or all=true to mean it", k.Name)
	}
	deleted, err := s.backend.DeletePrefix(x.r.Context(), k.ID, prefix)
	if err != nil {
		return err
	}
	x.json(http.StatusOK, map[string]int64{"deleted": deleted})
	return nil
}
