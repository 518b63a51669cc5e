package radix

import "slices"

// Watchers is a small tree of watched prefixes: Walk finds everyone who watches a prefix of a key. One goroutine at a
// time; the zero value is empty and costs one comparison per Walk.
//
//	watched: "", user:, user:7      root [""]──"user:" [w1]──"7" [w2]
type Watchers[T any] struct {
	root *watched[T]
	n    int
	last uint64
}

// watched is a run of bytes and who watches the path up to its end. Without a watcher it has two children or more, but for
// the root.
type watched[T any] struct {
	run      string
	watchers []watcher[T]
	children []*watched[T] // sorted by first byte
}

type watcher[T any] struct {
	id   uint64
	what T
}

// Handle names one watcher for Remove.
type Handle struct {
	prefix string
	id     uint64
}

// Len is the number of watchers.
func (w *Watchers[T]) Len() int { return w.n }

// Walk calls visit for every watcher of a prefix of key, shorter prefixes first, and of one prefix in the order of Add.
func (w *Watchers[T]) Walk(key []byte, visit func(T)) {
	for node := w.root; node != nil; {
		if len(key) < len(node.run) || string(key[:len(node.run)]) != node.run {
			return
		}
		key = key[len(node.run):]
		for i := range node.watchers {
			visit(node.watchers[i].what)
		}
		if len(key) == 0 {
			return
		}
		i, found := node.child(key[0])
		if !found {
			return
		}
		node = node.children[i]
	}
}

func (n *watched[T]) child(c byte) (int, bool) {
	return slices.BinarySearchFunc(n.children, c, func(child *watched[T], c byte) int { return int(child.run[0]) - int(c) })
}

// Add watches a prefix; the empty one is that of every key.
func (w *Watchers[T]) Add(prefix []byte, what T) Handle {
	if w.root == nil {
		w.root = &watched[T]{}
	}
	node, rest := w.root, string(prefix)
	for rest != "" {
		i, found := node.child(rest[0])
		if !found {
			node.children = slices.Insert(node.children, i, &watched[T]{run: rest})
		} else if same := shared([]byte(node.children[i].run), []byte(rest)); same < len(node.children[i].run) {
			below := node.children[i]
			node.children[i] = &watched[T]{run: below.run[:same], children: []*watched[T]{below}}
			below.run = below.run[same:]
		}
		node = node.children[i]
		rest = rest[len(node.run):]
	}
	w.n++
	w.last++
	node.watchers = append(node.watchers, watcher[T]{w.last, what})
	return Handle{string(prefix), w.last}
}

// Remove ends a watch and says whether it was there.
func (w *Watchers[T]) Remove(h Handle) bool {
	if w.root == nil {
		return false
	}
	path := []*watched[T]{w.root}
	for node, rest := w.root, h.prefix; rest != ""; rest = rest[len(node.run):] {
		i, found := node.child(rest[0])
		if !found || len(rest) < len(node.children[i].run) || rest[:len(node.children[i].run)] != node.children[i].run {
			return false
		}
		node = node.children[i]
		path = append(path, node)
	}
	node := path[len(path)-1]
	at := slices.IndexFunc(node.watchers, func(x watcher[T]) bool { return x.id == h.id })
	if at < 0 {
		return false
	}
	node.watchers = slices.Delete(node.watchers, at, at+1)
	if w.n--; w.n == 0 {
		w.root = nil
		return true
	}
	prune(path)
	return true
}

// prune takes out the nodes at the end of the path that nobody needs any more, and joins those with one way on.
func prune[T any](path []*watched[T]) {
	for i := len(path) - 1; i > 0; i-- {
		node, above := path[i], path[i-1]
		if len(node.watchers) > 0 || len(node.children) > 1 {
			return
		}
		at, _ := above.child(node.run[0])
		if len(node.children) == 1 {
			below := node.children[0]
			below.run = node.run + below.run
			above.children[at] = below
			return
		}
		above.children = slices.Delete(above.children, at, at+1)
	}
}
