package placement

import "sync"

// ring keeps the last so many of what happened, numbered from 1 on, and lets others wait for more. Its methods may be called
// concurrently.
type ring[T any] struct {
	mu   sync.Mutex
	most int
	last uint64 // number of the newest
	list []T    // the newest last
	more chan struct{}
}

func newRing[T any](most int) *ring[T] { return &ring[T]{most: most, more: make(chan struct{})} }

// add keeps what of gives for the next number, and wakes who waits.
func (r *ring[T]) add(of func(number uint64) T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	if len(r.list) == r.most {
		copy(r.list, r.list[1:])
		r.list = r.list[:r.most-1]
	}
	r.list = append(r.list, of(r.last))
	close(r.more)
	r.more = make(chan struct{})
}

// after gives what has a higher number, as far as it is kept, the newest number, and a channel that is closed with the next.
func (r *ring[T]) after(number uint64) (list []T, last uint64, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := len(r.list)
	if number <= r.last {
		missing = int(min(uint64(len(r.list)), r.last-number))
	}
	return append(list, r.list[len(r.list)-missing:]...), r.last, r.more
}
