package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// Inspection is what is known of an actor where it lives. Lists are in order and have at most MaxInspected entries.
type Inspection struct {
	Shard         shards.ShardID
	Active        bool            // it is in memory
	Handling      string          // the method that it is handling; empty: none
	Waiting       int             // messages in its mailbox
	State         json.RawMessage // as it is kept; empty: nothing is
	Data          []Entry
	MoreData      bool // than Data has
	Reminders     []InspectedReminder
	MoreReminders bool
	Outbox        []InspectedSend // messages that it has sent and that are not handled yet, and questions without an answer
	MoreSends     bool
	Markers       map[string][]byte // of its shard, those that were asked for and are there
}

// InspectedReminder is a reminder that is to come.
type InspectedReminder struct {
	Name   string
	Due    time.Time
	Every  time.Duration // 0: once
	Method string
}

// InspectedSend is a message on its way.
type InspectedSend struct {
	Number  uint64 // of a question its token
	To      ID
	Method  string
	Payload json.RawMessage
	Asked   bool // its reply comes back
}

// MaxInspected bounds the lists of an Inspection.
const MaxInspected = 1000

// Where says which shard an actor belongs to, and which node leads that as far as this one knows; none if the node is empty. For a kind that is
// not registered here it may ask other nodes (Config.KeyspaceOf).
func (h *Host) Where(id ID) (shards.ShardID, shards.NodeID, error) {
	if err := id.validate(); err != nil {
		return 0, "", &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	return h.c.Storage.Locate(h.findKeyspace(h.ctx, id.Kind), id.key("s", ""))
}

// Inspect reads what an actor keeps that lives on this node, and changes nothing. It does not wait its turn: it may see data from before
// a commit and messages from after it. Errors are like those of Storage.Read.
func (h *Host) Inspect(ctx context.Context, id ID, markers ...string) (*Inspection, error) {
	shard, _, err := h.Where(id)
	if err != nil {
		return nil, err
	}
	i := &Inspection{Shard: shard, Markers: map[string][]byte{}}
	keyspace := h.keyspaceOf(id.Kind)
	keys := []string{id.key("s", "")}
	values, err := h.c.Storage.Read(ctx, keyspace, keys)
	if err != nil {
		return nil, err
	}
	if s := values[0].Bytes; len(s) >= 8 {
		i.State = s[8:]
	}
	for _, name := range markers {
		key, err := h.markerKey(keyspace, shard, name)
		if err != nil {
			return nil, err
		}
		if values, err = h.c.Storage.Read(ctx, keyspace, []string{key}); err != nil {
			return nil, err
		}
		if values[0].Version != 0 {
			i.Markers[name] = values[0].Bytes
		}
	}
	if found, there := h.active.Load(id); there {
		a := found.(*activation)
		a.mu.Lock()
		i.Active, i.Waiting = !a.gone, len(a.queue)
		if a.running {
			i.Handling = a.method
		}
		a.mu.Unlock()
	}
	return i, h.inspectLists(ctx, keyspace, id, i)
}

// KeptActor is an actor that has kept something.
type KeptActor struct {
	ID    ID
	Blank bool // its state is what a new actor's is, as far as the kind is known here; under keys of its own it may keep more
}

// CompareNames is the order in which Kept lists actors of a kind: that of the bytes of their names, with { and } where % stands.
func CompareNames(a, b string) int { return strings.Compare(escape.Replace(a), escape.Replace(b)) }

// Kept lists actors of a kind that have kept something in a shard which this node leads, asleep or not: at most limit of those whose names come
// after one, and whether there are more. However many there are, it looks at few more than it gives. Who has only been asked is not there,
// unless a try of the question was lost; such a one, and one that has cleared itself (Context.Clear), is there as blank for ten minutes, if those
// are asked for. Who has kept something else stays. Errors are like those of Storage.Read.
func (h *Host) Kept(ctx context.Context, shard shards.ShardID, kind, after string, limit int, blank bool) (list []KeptActor, more bool, err error) {
	limit = max(limit, 0)
	// The key of a name ends with }, hence it stands behind those of names that it begins, up to "|":
	//
	//	by name   a   a1   a10   b          by key   s/{k/a10}   s/{k/a1}   s/{k/a}   s/{k/b}
	//
	// All that come after a name have keys from its own letters on. Once there are enough, only what the last of them begins with may be missing.
	k := h.kind(kind)
	prefix, from := strings.TrimSuffix(ID{Kind: kind}.key("s", ""), "}"), escape.Replace(after)
	last := ""
	add := func(e *Entry) {
		id, rest, ok := idOf(e.Key)
		if !ok || rest != "" || CompareNames(id.Name, after) <= 0 && after != "" {
			return // no state, or of an earlier page
		}
		bare := k != nil && len(e.Value) >= 8 && len(k.zero) >= 8 && bytes.Equal(e.Value[8:], k.zero[8:])
		if blank || !bare {
			list, last = append(list, KeptActor{id, bare}), e.Key
		}
	}
	for e, err := range h.c.Storage.ScanShard(ctx, shard, Span{Prefix: prefix, From: prefix + from}) {
		if err != nil {
			return nil, false, err
		}
		if add(&e); len(list) > limit {
			break
		}
	}
	if len(list) > limit {
		for end, found := len(last)-2, last; end >= len(prefix); end-- { // all that last begins with
			if key := found[:end] + "}"; key > found {
				for e, err := range h.c.Storage.ScanShard(ctx, shard, Span{Prefix: key}) {
					if err != nil {
						return nil, false, err
					}
					add(&e)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b KeptActor) int { return CompareNames(a.ID.Name, b.ID.Name) })
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	return list, more, nil
}

func (h *Host) inspectLists(ctx context.Context, keyspace string, id ID, i *Inspection) error {
	visit := func(class string, take func(rest string, e Entry) (more bool)) error {
		prefix := id.key(class, "/")
		for e, err := range h.c.Storage.Scan(ctx, keyspace, Span{Prefix: prefix}) {
			if err != nil {
				return err
			}
			if !take(strings.TrimPrefix(e.Key, prefix), e) {
				return nil
			}
		}
		return nil
	}
	err := visit("d", func(key string, e Entry) bool {
		if i.MoreData = len(i.Data) == MaxInspected; !i.MoreData {
			i.Data = append(i.Data, Entry{key, e.Value})
		}
		return !i.MoreData
	})
	if err != nil {
		return err
	}
	err = visit("m", func(name string, e Entry) bool {
		var r reminder
		if json.Unmarshal(e.Value, &r) != nil {
			return true
		}
		if i.MoreReminders = len(i.Reminders) == MaxInspected; !i.MoreReminders {
			i.Reminders = append(i.Reminders, InspectedReminder{name, time.UnixMilli(r.Due), time.Duration(r.Every) * time.Millisecond, r.Method})
		}
		return !i.MoreReminders
	})
	if err != nil {
		return err
	}
	return visit("o", func(_ string, e Entry) bool {
		k, err := keptOf(&e)
		if err != nil {
			return true
		}
		if i.MoreSends = len(i.Outbox) == MaxInspected; !i.MoreSends {
			i.Outbox = append(i.Outbox, InspectedSend{k.number, k.To, k.Method, k.Payload, k.Answer != ""})
		}
		return !i.MoreSends
	})
}
