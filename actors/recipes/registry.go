package recipes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// registry is the state of a registry's actor. Its data:
//
//	k/KEY            what is kept, an Item as JSON
//	s/SESSION/KEY    empty: the keys of a session
type registry struct {
	Revision uint64 // rises with each change
	Keys     int
	Watchers []watcher
	Going    bool `json:",omitempty"` // it was dropped, and its keys are being removed
}

// watcher is an actor that is told of changes.
type watcher struct {
	To             virtual.ID
	Method, Prefix string
}

// Bounds of a registry.
const (
	MaxKeys        = 100_000
	MaxSessionKeys = 500 // of one session in one registry
	MaxWatchers    = 32
	maxKey         = 256
	maxItem        = 64 << 10
	maxPage        = 500 // items, and as many bytes as fit a reply
	maxPageBytes   = 1 << 20
	maxTold        = 4 << 20 // bytes that all watchers together are told in one message of the keys of a session that is over
)

// Item is a key with what is kept under it.
type Item struct {
	Key      string
	Value    []byte
	Session  string // empty: it stays until it is deleted
	Revision uint64 // of the registry, when it was put
	Deleted  bool   // in Changes: it is gone
}

// Changes is what watchers are told.
type Changes struct {
	Registry string
	Items    []Item
	Dropped  bool `json:",omitempty"` // the registry is gone with all of its keys, and nothing more is told of it
}

// putting asks to keep an item.
type putting struct {
	Item
	Fresh bool // only if the key is not there
}

// put says at which revision it was kept; Taken: it was not, since the key is there.
type put struct {
	Revision uint64
	Taken    bool
}

// paging asks for items after a key.
type paging struct{ Prefix, After string }

// page is some of the items.
type page struct {
	Items    []Item
	Revision uint64
	More     bool
}

// watching begins, or ends, to tell a watcher.
type watching struct {
	Watcher watcher
	Ended   bool
}

func registryKind(options []virtual.Option) *virtual.Kind {
	k := virtual.NewKind[registry](KindRegistry, options...)
	virtual.Handle(k, "put", keep)
	virtual.Handle(k, "delete", func(c *virtual.Context[registry], key string) (uint64, error) {
		return c.State.Revision, remove(c, key)
	})
	virtual.Handle(k, "drop", dropRegistry)
	virtual.Handle(k, "purge", func(c *virtual.Context[registry], _ struct{}) (struct{}, error) { return purge(c, c.State.Going) })
	virtual.Handle(k, "get", func(c *virtual.Context[registry], key string) (Item, error) {
		i, _, err := item(c, key)
		return i, err
	})
	virtual.Handle(k, "list", list)
	virtual.HandleRead(k, "status", registryStatus)
	virtual.Handle(k, "revision", func(c *virtual.Context[registry], _ struct{}) (uint64, error) { return c.State.Revision, nil })
	virtual.Handle(k, "watch", func(c *virtual.Context[registry], w watching) (struct{}, error) {
		there := slices.Contains(c.State.Watchers, w.Watcher)
		switch {
		case c.State.Going && !w.Ended:
			return struct{}{}, stillGoing(c.Self())
		case w.Ended:
			c.State.Watchers = slices.DeleteFunc(c.State.Watchers, func(old watcher) bool { return old == w.Watcher })
		case len(w.Watcher.Prefix) > maxKey:
			return struct{}{}, fmt.Errorf("the prefix %.64q… has %d bytes; keys have at most %d", w.Watcher.Prefix, len(w.Watcher.Prefix), maxKey)
		case w.Watcher.To.Check(w.Watcher.Method) != nil:
			return struct{}{}, w.Watcher.To.Check(w.Watcher.Method)
		case !there && len(c.State.Watchers) >= MaxWatchers:
			return struct{}{}, fmt.Errorf("registry %s has %d watchers; that is the most", c.Self().Name, MaxWatchers)
		case !there:
			c.State.Watchers = append(c.State.Watchers, w.Watcher)
		}
		return struct{}{}, nil
	})
	virtual.Handle(k, ended, func(c *virtual.Context[registry], session string) (struct{}, error) {
		return struct{}{}, endSession(c, session)
	})
	return k.Kind
}

// endSession deletes the keys of a session, as one change if all watchers can be told of that in one message; else some, and then the rest.
func endSession(c *virtual.Context[registry], session string) error {
	keys, err := keysOf(c, session)
	if err != nil {
		return err
	}
	some, bytes := 0, 0
	for ; some < len(keys); some++ {
		about, err := json.Marshal(Item{Key: keys[some], Session: session, Revision: math.MaxUint64, Deleted: true})
		if err != nil {
			return err
		}
		if bytes += len(about) * len(c.State.Watchers); bytes > maxTold && some > 0 {
			break
		}
	}
	if err := remove(c, keys[:some]...); err != nil || some == len(keys) {
		return err
	}
	return c.Tell(c.Self(), ended, session)
}

func item(c *virtual.Context[registry], key string) (i Item, there bool, err error) {
	kept, there, err := c.Get("k/" + key)
	if err != nil || !there || c.State.Going {
		return i, false, err
	}
	return i, true, json.Unmarshal(kept, &i)
}

func keep(c *virtual.Context[registry], p putting) (put, error) {
	if c.State.Going {
		return put{}, stillGoing(c.Self())
	}
	old, there, err := item(c, p.Key)
	if err != nil {
		return put{}, err
	}
	owned, err := keysOf(c, p.Session)
	switch {
	case err != nil:
		return put{}, err
	case p.Key == "" || len(p.Key) > maxKey || len(p.Value) > maxItem:
		return put{}, fmt.Errorf("key %.64q with %d bytes, value with %d; a key has at least 1 byte, at most %d, a value at most %d", p.Key, len(p.Key), len(p.Value), maxKey, maxItem)
	case there && p.Fresh && (old.Session != p.Session || p.Session == ""):
		return put{old.Revision, true}, nil
	case !there && c.State.Keys >= MaxKeys:
		return put{}, fmt.Errorf("registry %s has %d keys; that is the most", c.Self().Name, MaxKeys)
	case p.Session != "" && old.Session != p.Session && len(owned) >= MaxSessionKeys:
		return put{}, fmt.Errorf("session %s has %d keys in registry %s; that is the most", p.Session, MaxSessionKeys, c.Self().Name)
	}
	disown(c.Turn, &old)
	if p.Session != "" {
		c.Set("s/"+p.Session+"/"+p.Key, nil)
		if len(owned) == 0 {
			if err := c.Tell(sessionID(p.Session), "attach", c.Self()); err != nil {
				return put{}, err
			}
		}
	}
	if !there {
		c.State.Keys++
	}
	c.State.Revision++
	p.Item.Revision, p.Deleted = c.State.Revision, false
	kept, err := json.Marshal(p.Item)
	if err != nil {
		return put{}, err
	}
	c.Set("k/"+p.Key, kept)
	return put{Revision: c.State.Revision}, tell(c, p.Item)
}

// disown takes a key from its session, which stays attached, perhaps without a key: its process counts the registry until the session is over.
func disown(t *virtual.Turn, i *Item) {
	if i.Session != "" {
		t.Delete("s/" + i.Session + "/" + i.Key)
	}
}

// keysOf lists the keys of a session; of none if there is no session.
func keysOf(c *virtual.Context[registry], session string) (keys []string, err error) {
	if session == "" {
		return nil, nil
	}
	prefix := "s/" + session + "/"
	for e, err := range c.Scan(prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, strings.TrimPrefix(e.Key, prefix))
	}
	return keys, nil
}

// remove deletes keys, as one change.
func remove(c *virtual.Context[registry], keys ...string) error {
	var gone []Item
	for _, key := range keys {
		i, there, err := item(c, key)
		if err != nil {
			return err
		}
		if there {
			disown(c.Turn, &i)
			c.Delete("k/" + key)
			c.State.Keys--
			gone = append(gone, Item{Key: key, Session: i.Session, Revision: c.State.Revision + 1, Deleted: true})
		}
	}
	if len(gone) == 0 {
		return nil
	}
	c.State.Revision++
	return tell(c, gone...)
}

// tell tells the watchers of what they watch. Those that cannot be told, as earlier releases took them, hold nobody up.
func tell(c *virtual.Context[registry], items ...Item) error {
	c.State.Watchers = slices.DeleteFunc(c.State.Watchers, func(w watcher) bool { return w.To.Check(w.Method) != nil })
	for _, w := range c.State.Watchers {
		told := Changes{Registry: c.Self().Name}
		for i := range items {
			if strings.HasPrefix(items[i].Key, w.Prefix) {
				told.Items = append(told.Items, items[i])
			}
		}
		if len(told.Items) == 0 {
			continue
		}
		if err := c.Tell(w.To, w.Method, told); err != nil {
			return err
		}
	}
	return nil
}

func list(c *virtual.Context[registry], p paging) (out page, err error) {
	if out.Revision = c.State.Revision; c.State.Going {
		return out, nil
	}
	bytes := 0
	for e, err := range c.Range(virtual.Span{Prefix: "k/" + p.Prefix, From: "k/" + p.After + "\x00"}) { // what comes right behind it
		switch {
		case err != nil:
			return out, err
		case len(out.Items) == maxPage || bytes > maxPageBytes:
			out.More = true
			return out, nil
		}
		var i Item
		if err := json.Unmarshal(e.Value, &i); err != nil {
			return out, err
		}
		bytes += len(e.Value)
		out.Items = append(out.Items, i)
	}
	return out, nil
}

// Registry holds keys, of which some live as long as a session: who is there, what belongs to whom. It is there as soon as somebody
// uses it.
type Registry struct {
	host *virtual.Host
	id   virtual.ID
}

// NewRegistry names a registry.
func NewRegistry(h *virtual.Host, name string) Registry {
	return Registry{h, virtual.ID{Kind: KindRegistry, Name: name}}
}

// Put keeps a value under a key, until it is deleted, replaced, or the session ends; nil: no session. It gives the registry's revision. Error:
// ErrSessionOver, ErrSessionFull, ErrDropping, that of ctx, or the actor's.
func (r Registry) Put(ctx context.Context, key string, value []byte, s *Session) (revision uint64, err error) {
	p, err := r.put(ctx, putting{Item: Item{Key: key, Value: value}}, s)
	return p.Revision, err
}

// Create is Put for a key that is not there; false if it is. A session that has it may create it again.
func (r Registry) Create(ctx context.Context, key string, value []byte, s *Session) (created bool, err error) {
	p, err := r.put(ctx, putting{Item: Item{Key: key, Value: value}, Fresh: true}, s)
	return err == nil && !p.Taken, err
}

func (r Registry) put(ctx context.Context, p putting, s *Session) (put, error) {
	if err := cmp.Or(virtual.CheckText("name", r.id.Name), virtual.CheckText("key", p.Key)); err != nil {
		return put{}, err
	}
	if s != nil && s.Over() {
		return put{}, ErrSessionOver
	}
	if s != nil {
		if err := s.puts(r.id); err != nil {
			return put{}, err
		}
		p.Session = s.name
	}
	done, err := virtual.Call[putting, put](ctx, r.host, r.id, "put", p)
	return done, dropping(err)
}

// Delete removes a key; one that is not there is no error.
func (r Registry) Delete(ctx context.Context, key string) error {
	if err := virtual.CheckText("key", key); err != nil {
		return err
	}
	_, err := virtual.Call[string, uint64](ctx, r.host, r.id, "delete", key)
	return err
}

// Get gives what is kept under a key; its Revision is 0 if there is nothing.
func (r Registry) Get(ctx context.Context, key string) (Item, error) {
	if err := virtual.CheckText("key", key); err != nil {
		return Item{}, err
	}
	return virtual.Call[string, Item](ctx, r.host, r.id, "get", key)
}

// List gives the items whose keys begin with prefix, in order, and a revision: all that was there then and has not changed since is
// listed as it was. Long lists are read in parts, and may hold changes from after it.
func (r Registry) List(ctx context.Context, prefix string) (items []Item, revision uint64, err error) {
	if err := virtual.CheckText("prefix", prefix); err != nil {
		return nil, 0, err
	}
	for p := (paging{Prefix: prefix}); ; p.After = items[len(items)-1].Key {
		got, err := virtual.Call[paging, page](ctx, r.host, r.id, "list", p)
		if err != nil {
			return nil, 0, err
		}
		items, revision = append(items, got.Items...), cmp.Or(revision, got.Revision)
		if !got.More {
			return items, revision, nil
		}
	}
}

// Await returns when the registry has a later revision than the given one, or an earlier one, since it was dropped meanwhile: then List it again. It
// gives that revision.
func (r Registry) Await(ctx context.Context, revision uint64) (now uint64, err error) {
	err = await(ctx, func() (bool, error) {
		now, err = virtual.Call[struct{}, uint64](ctx, r.host, r.id, "revision", struct{}{})
		return now != revision, err
	})
	return now, err
}

// Watch has a method of an actor told, as Changes, what happens to keys that begin with prefix from now on: every change, in order.
// Where nothing can be sent (virtual.ID.Check) is refused.
func (r Registry) Watch(ctx context.Context, prefix string, to virtual.ID, method string) error {
	if err := cmp.Or(virtual.CheckText("name", r.id.Name), virtual.CheckText("prefix", prefix), to.Check(method)); err != nil {
		return err
	}
	_, err := virtual.Call[watching, struct{}](ctx, r.host, r.id, "watch", watching{Watcher: watcher{to, method, prefix}})
	return dropping(err)
}

// Unwatch ends that.
func (r Registry) Unwatch(ctx context.Context, prefix string, to virtual.ID, method string) error {
	_, err := virtual.Call[watching, struct{}](ctx, r.host, r.id, "watch", watching{watcher{to, method, prefix}, true})
	return err
}
