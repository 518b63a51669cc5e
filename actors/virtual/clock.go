package virtual

import (
	"container/heap"
	"time"
)

// timed is a chore's place in the clock.
type timed struct {
	at    time.Time
	job   chore
	place int // in the clock, from 1; 0: nowhere
}

// clock holds chores by their time, the next one first. It implements heap.Interface.
type clock []*timed

// set puts a chore into the clock, or moves it.
func (c *clock) set(t *timed, job chore, at time.Time) {
	t.at, t.job = at, job
	if t.place > 0 {
		heap.Fix(c, t.place-1)
		return
	}
	heap.Push(c, t)
}

// remove takes a chore out, if it is in.
func (c *clock) remove(t *timed) {
	if t.place > 0 {
		heap.Remove(c, t.place-1)
	}
}

func (c *clock) pop() chore { return heap.Pop(c).(*timed).job }

// Len is how many chores wait.
func (c clock) Len() int { return len(c) }

// Less orders by time.
func (c clock) Less(i, k int) bool { return c[i].at.Before(c[k].at) }

// Swap exchanges two places.
func (c clock) Swap(i, k int) {
	c[i], c[k] = c[k], c[i]
	c[i].place, c[k].place = i+1, k+1
}

// Push is for package heap.
func (c *clock) Push(x any) {
	t := x.(*timed)
	*c = append(*c, t)
	t.place = len(*c)
}

// Pop is for package heap.
func (c *clock) Pop() any {
	n := len(*c) - 1
	t := (*c)[n]
	(*c)[n] = nil
	*c = (*c)[:n]
	t.place = 0
	return t
}
