package wasm

import (
	"io"
	"sync/atomic"
)

// A Swap holds the version of something that is called now, and exchanges it under its callers' feet: a caller keeps the
// version that it acquired until it releases it, and a version is closed when the last of its callers has.
//
//	Acquire ──► users+1 ──► … ──► Release ──► users-1 ──┐
//	Exchange ──► pointer to the new one, users-1 ───────┴──► 0: Close
//
// Each version counts its users, and the Swap itself as one while it is the current one. A count that has reached 0 never
// rises again, so that whoever raised it holds a version that is open. Nobody waits for anybody.
type Swap[T io.Closer] struct {
	current atomic.Pointer[Version[T]]
}

// A Version is one value of a Swap, held by a caller.
type Version[T io.Closer] struct {
	Value T
	users atomic.Int64
	done  chan error
}

// NewSwap begins with a version.
func NewSwap[T io.Closer](first T) *Swap[T] {
	s := &Swap[T]{}
	s.current.Store(newVersion(first))
	return s
}

func newVersion[T io.Closer](value T) *Version[T] {
	v := &Version[T]{Value: value, done: make(chan error, 1)}
	v.users.Store(1)
	return v
}

// Acquire holds the current version. It must be released, once.
func (s *Swap[T]) Acquire() (*Version[T], error) {
	for {
		v := s.current.Load()
		if v == nil {
			return nil, ErrClosed
		}
		for n := v.users.Load(); n > 0; n = v.users.Load() {
			if v.users.CompareAndSwap(n, n+1) {
				return v, nil
			}
		}
	}
}

// Release lets the version go.
func (v *Version[T]) Release() {
	switch n := v.users.Add(-1); {
	case n == 0:
		v.done <- v.Value.Close()
	case n < 0:
		panic("wasm: a version was released more often than acquired")
	}
}

// Exchange makes next the current version. The channel gives the result of closing the old one, once its callers are done.
// On a Swap that is closed, next is closed.
func (s *Swap[T]) Exchange(next T) <-chan error {
	v := newVersion(next)
	for {
		old := s.current.Load()
		if old == nil {
			v.Release()
			return v.done
		}
		if s.current.CompareAndSwap(old, v) {
			old.Release()
			return old.done
		}
	}
}

// Close lets the current version go; nothing can be acquired any more. The channel is as that of Exchange.
func (s *Swap[T]) Close() <-chan error {
	old := s.current.Swap(nil)
	if old == nil {
		done := make(chan error, 1)
		done <- ErrClosed
		return done
	}
	old.Release()
	return old.done
}
