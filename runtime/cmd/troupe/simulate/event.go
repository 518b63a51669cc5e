package simulate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/settings"
	"github.com/troupe-actors/troupe/shards"
)

// silence is how long a node that only falls silent is waited for.
const silence = 2 * time.Second

// event reads a line that changes something. What can be checked without the world is checked now, the rest when it happens.
func (p *player) event(l *line) (func(*World) error, error) {
	verb := l.next()
	switch verb {
	case "nodes", "add":
		if verb == "add" && l.next() != "nodes" {
			return nil, fmt.Errorf("what is to be added? write: add nodes 10")
		}
		n, err := readNodes(l)
		if err != nil {
			return nil, err
		}
		return n.join, nil
	case "keyspace":
		k, err := readKeyspace(l)
		if err != nil {
			return nil, err
		}
		return k.make, nil
	case "setting":
		return readSetting(l)
	case "policy":
		return p.policy(l)
	case "without":
		return p.without(l)
	case "lose", "return":
		return readLoss(l, verb)
	case "grey", "suspect", "well":
		state := map[string]liveness.State{"grey": liveness.Grey, "suspect": liveness.Suspect, "well": liveness.Alive}[verb]
		return each(l, func(w *World, m *cluster.Member) error {
			w.judge(m.ID, state, "the scenario says so")
			return nil
		})
	case "drain", "undrain", "maintain", "unmaintain", "forget":
		return readWord(l, verb)
	case "hot", "grow":
		return readHeat(l, verb)
	case "swing":
		return readSwing(l)
	case "noise":
		return readNoise(l)
	case "fill":
		return readFill(l)
	case "fail":
		return readFail(l)
	}
	return nil, fmt.Errorf("%q is no event; see troupe simulate --help", verb)
}

// each does something to the nodes that a line names.
func each(l *line, do func(*World, *cluster.Member) error) (func(*World) error, error) {
	names := l.words
	if l.words = nil; len(names) == 0 {
		return nil, fmt.Errorf("which nodes?")
	}
	return func(w *World) error {
		for _, name := range names {
			m := w.State.MemberByName(name)
			if m == nil {
				return fmt.Errorf("there is no node %q", name)
			}
			if err := do(w, m); err != nil {
				return err
			}
		}
		return nil
	}, l.done()
}

func readSetting(l *line) (func(*World) error, error) {
	name, err := l.need("the name of the setting")
	if err != nil {
		return nil, err
	}
	value := strings.Join(l.words, " ")
	l.words = nil
	known, err := cluster.CheckSetting(name, value)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return nil, fmt.Errorf("there is no setting %s; troupe settings get lists them", name)
	}
	return func(w *World) error {
		return w.apply(&cluster.Command{Settings: &cluster.SettingsChange{Set: []cluster.Setting{{Name: name, Value: value}}}})
	}, l.done()
}

// Without is a set without the rules of a name.
func Without(s *policies.Set, name string) *policies.Set {
	return &policies.Set{Deciders: slices.DeleteFunc(slices.Clone(s.Deciders), func(d policies.Decider) bool { return d.Name() == name }),
		Scorers: slices.DeleteFunc(slices.Clone(s.Scorers), func(d policies.Scorer) bool { return d.Name() == name })}
}

// Names lists the rules of a set.
func Names(s *policies.Set) (names []string) {
	for _, d := range s.Deciders {
		names = append(names, d.Name())
	}
	for _, d := range s.Scorers {
		names = append(names, d.Name())
	}
	return names
}

// Part says which nodes an event is about: one node, or all of a rack, a zone or a host.
type Part struct{ Kind, Name string }

// Of says whether a member belongs to the part.
func (p Part) Of(m *cluster.Member) bool {
	switch p.Kind {
	case "node":
		return m.Name == p.Name || string(m.ID) == p.Name
	case "host":
		return m.Host == p.Name
	}
	return m.Attribute(p.Kind) == p.Name
}

func readLoss(l *line, verb string) (func(*World) error, error) {
	kind, err := l.need("what: node, rack, zone or host")
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"node", "rack", "zone", "host"}, kind) {
		return nil, fmt.Errorf("%q cannot be lost; write node, rack, zone or host, and a name", kind)
	}
	last := ""
	if n := len(l.words); n > 0 && (verb == "lose" && l.words[n-1] == "silent" || verb == "return" && l.words[n-1] == "empty") {
		last, l.words = l.words[n-1], l.words[:n-1]
	}
	names := l.words
	if l.words = nil; len(names) == 0 {
		return nil, fmt.Errorf("which %s?", kind)
	}
	return func(w *World) error {
		for _, name := range names {
			if verb == "lose" {
				err = w.Lose(Part{kind, name}, last == "silent")
			} else {
				err = w.back(Part{kind, name}, last == "empty")
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, l.done()
}

// Lose kills all nodes of a part. silent: nobody has proof of it, and it takes a while until they are declared dead.
func (w *World) Lose(p Part, silent bool) error {
	found := false
	for i := range w.State.Members {
		m := w.State.Members[i]
		if !p.Of(&m) {
			continue
		}
		found = true
		x := w.machines[m.ID]
		if x.dead {
			continue
		}
		x.dead = true
		for n := range w.State.Shards {
			r := &w.State.Shards[n]
			if c := r.CopyOn(m.ID); c != nil && c.Started {
				x.kept[r.ID] = true
			}
		}
		if !silent {
			w.judge(m.ID, liveness.Dead, "it was lost: nobody listens on its address")
			continue
		}
		w.judge(m.ID, liveness.Suspect, "its heartbeats stopped")
		w.later(w.ticks+w.ticksOf(silence), func() error {
			if now := w.State.Member(m.ID); now != nil && now.Epoch == m.Epoch && w.machines[m.ID].dead {
				w.judge(m.ID, liveness.Dead, fmt.Sprintf("silent for %v", silence))
			}
			return nil
		})
	}
	if !found {
		return fmt.Errorf("there is no %s %q", p.Kind, p.Name)
	}
	return nil
}

// back brings the lost nodes of a part back.
func (w *World) back(p Part, empty bool) error {
	found := false
	for i := range w.State.Members {
		m := w.State.Members[i]
		if !p.Of(&m) {
			continue
		}
		found = true
		x := w.machines[m.ID]
		if !x.dead {
			return fmt.Errorf("node %s is there: it cannot return", m.Name)
		}
		if empty {
			if err := w.wiped(&m); err != nil {
				return err
			}
		}
		m.Epoch++
		m.Down = false
		if err := w.apply(&cluster.Command{Join: &cluster.Join{Member: m}}); err != nil {
			return err
		}
		x.dead = false
		w.judge(m.ID, liveness.Alive, "")
	}
	if !found {
		return fmt.Errorf("there is no %s %q", p.Kind, p.Name)
	}
	return nil
}

// wiped has a node say, when it is back, that its copies are not there. It is asked once it has joined.
func (w *World) wiped(m *cluster.Member) error {
	w.machines[m.ID].kept = map[shards.ShardID]bool{}
	id := m.ID
	w.later(w.ticks, func() error {
		now := w.State.Member(id)
		f := &cluster.Failed{Node: id, Epoch: now.Epoch, Reason: "the disk is empty"}
		for i := range w.State.Shards {
			if c := w.State.Shards[i].CopyOn(id); c != nil {
				f.Copies = append(f.Copies, cluster.ShardCopy{Shard: w.State.Shards[i].ID, Copy: c.ID})
			}
		}
		return w.failed(f)
	})
	return nil
}

// failed has copies given up, and remembers when.
func (w *World) failed(f *cluster.Failed) error {
	if err := w.apply(&cluster.Command{Failed: f}); err != nil {
		return err
	}
	for _, c := range f.Copies {
		at, found := slices.BinarySearchFunc(w.setbacks, c.Shard, func(s policies.Setback, id shards.ShardID) int { return int(int64(s.Shard) - int64(id)) })
		if !found {
			w.setbacks = slices.Insert(w.setbacks, at, policies.Setback{Shard: c.Shard})
		}
		w.setbacks[at].Ticks = w.ticks
	}
	return nil
}

func readWord(l *line, verb string) (func(*World) error, error) {
	yes, no := true, false
	return each(l, func(w *World, m *cluster.Member) error {
		c := &cluster.MemberChange{Node: m.ID}
		switch verb {
		case "drain":
			c.Draining = &yes
		case "undrain":
			c.Draining = &no
		case "maintain":
			c.Maintained = &yes
		case "unmaintain":
			c.Maintained = &no
		case "forget":
			c.Forget = true
			if err := w.stop(m); err != nil {
				return err
			}
		}
		if err := w.apply(&cluster.Command{Member: c}); err != nil {
			return err
		}
		if c.Forget {
			w.evidence = slices.DeleteFunc(w.evidence, func(e liveness.Status) bool { return e.Node == m.ID })
		}
		return nil
	})
}

// stop ends a node that is empty, since only one that has ended is forgotten.
func (w *World) stop(m *cluster.Member) error {
	if m.Down || slices.ContainsFunc(w.State.Shards, func(r cluster.Shard) bool { return r.CopyOn(m.ID) != nil }) {
		return nil
	}
	return w.apply(&cluster.Command{Reroute: &cluster.Reroute{Down: []cluster.Death{{Node: m.ID, Epoch: m.Epoch, Reason: "it was stopped"}}}})
}

// readHeat reads: hot shards 2% x6, hot shard orders/3 x6, hot keyspace orders x2, grow keyspace orders x3.
func readHeat(l *line, verb string) (func(*World) error, error) {
	kind, err := l.need("what: shards, shard or keyspace")
	if err != nil {
		return nil, err
	}
	name, err := l.need("which")
	if err != nil {
		return nil, err
	}
	text, err := l.need("a factor, such as x6")
	if err != nil {
		return nil, err
	}
	times, err := factor(text)
	if err != nil {
		return nil, err
	}
	share := 0.0
	switch {
	case kind == "shards" && verb == "hot":
		if share, err = fraction("the share of shards", name, 0, 1); err != nil {
			return nil, err
		}
	case kind != "shard" && kind != "keyspace":
		return nil, fmt.Errorf("%s %q; write %s keyspace NAME x2, or %s shard NAME/3 x6", verb, kind, verb, verb)
	}
	return func(w *World) error {
		ids, err := w.chosen(kind, name, share)
		if err != nil {
			return err
		}
		for _, id := range ids {
			c := w.costs[id]
			if verb == "hot" {
				c.hot = times
				continue
			}
			for _, l := range []*policies.Load{&c.primary, &c.replica} {
				l.Disk *= times
				l.Memory *= times
			}
		}
		return nil
	}, l.done()
}

func (w *World) chosen(kind, name string, share float64) (ids []shards.ShardID, err error) {
	switch kind {
	case "shards":
		count := int(math.Ceil(share * float64(len(w.State.Shards))))
		for _, i := range w.dice.Perm(len(w.State.Shards))[:count] {
			ids = append(ids, w.State.Shards[i].ID)
		}
	case "shard":
		id, err := w.shardNamed(name)
		return []shards.ShardID{id}, err
	case "keyspace":
		k := w.State.KeyspaceByName(name)
		if k == nil {
			return nil, fmt.Errorf("there is no keyspace %q", name)
		}
		for _, r := range w.State.ShardsOf(k.ID) {
			ids = append(ids, r.ID)
		}
	}
	return ids, nil
}

func (w *World) shardNamed(name string) (shards.ShardID, error) {
	keyspace, digits, found := strings.Cut(name, "/")
	k := w.State.KeyspaceByName(keyspace)
	i, err := strconv.Atoi(digits)
	if !found || k == nil || err != nil || i < 0 || i >= k.Shards {
		return 0, fmt.Errorf("there is no shard %q", name)
	}
	return shards.NewShardID(k.ID, i), nil
}

func readFill(l *line) (func(*World) error, error) {
	what, err := l.need("what: disk or memory")
	if err != nil {
		return nil, err
	}
	if what != "disk" && what != "memory" {
		return nil, fmt.Errorf("%q cannot be filled; write disk or memory", what)
	}
	if len(l.words) < 2 {
		return nil, fmt.Errorf("write: fill %s n3 92%%, or a size", what)
	}
	text := l.words[len(l.words)-1]
	l.words = l.words[:len(l.words)-1]
	share, percent := 0.0, strings.HasSuffix(text, "%")
	if percent {
		share, err = fraction("the share", text, 0, 1)
	} else {
		var n int64
		n, err = settings.ParseSize(text)
		share = float64(n)
	}
	if err != nil {
		return nil, err
	}
	return each(l, func(w *World, m *cluster.Member) error {
		x := w.machines[m.ID]
		capacity, other := &x.capacity.Disk, &x.other.Disk
		if what == "memory" {
			capacity, other = &x.capacity.Memory, &x.other.Memory
		}
		if *capacity == 0 {
			return fmt.Errorf("nobody knows how much %s node %s has; say %s=… where it is added", what, m.Name, what)
		}
		if *other = share; percent {
			*other = share * *capacity
		}
		return nil
	})
}

// readFail reads: fail copy orders/3 n2, or primary or replica in place of a node.
func readFail(l *line) (func(*World) error, error) {
	if l.next() != "copy" {
		return nil, fmt.Errorf("write: fail copy orders/3 n2")
	}
	name, err := l.need("the shard")
	if err != nil {
		return nil, err
	}
	where, err := l.need("the node, or primary or replica")
	if err != nil {
		return nil, err
	}
	return func(w *World) error {
		id, err := w.shardNamed(name)
		if err != nil {
			return err
		}
		r := w.State.Shard(id)
		at := slices.IndexFunc(r.Copies, func(c cluster.Copy) bool {
			return where == "primary" && c.ID == r.Primary || where == "replica" && c.ID != r.Primary || w.State.NodeName(c.Node) == where
		})
		if at < 0 {
			return fmt.Errorf("shard %s has no copy on %s", name, where)
		}
		c := r.Copies[at]
		return w.failed(&cluster.Failed{Node: c.Node, Epoch: w.State.Member(c.Node).Epoch, Reason: "damaged by the scenario", Copies: []cluster.ShardCopy{{Shard: id, Copy: c.ID}}})
	}, l.done()
}
