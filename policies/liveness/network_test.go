package liveness

import (
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// The network of a world.

func (w *world) cut(from, to *machine) bool {
	return w.cuts[[2]shards.NodeID{from.id, to.id}] || from.vanished || to.vanished
}

// filtered says whether a firewall drops the connections that one opens to another: with them goes all that it sends by itself, and what it
// asks, dials and is answered.
func (w *world) filtered(opener, to *machine) bool {
	return w.filters[[2]shards.NodeID{opener.id, to.id}]
}

// post is send over a connection of the sender's own, as heartbeats go, and the answers to them.
func (w *world) post(from, to *machine, do func()) {
	if !w.filtered(from, to) {
		w.send(from, to, do)
	}
}

// send delivers after a while, unless the network loses it; a stopped process finds it when it goes on.
func (w *world) send(from, to *machine, do func()) {
	if w.cut(from, to) || w.random.Float64() < w.loss {
		return
	}
	delay := int64(w.latency)
	if w.jitter > 0 {
		delay += w.random.Int64N(2*int64(w.jitter)) - int64(w.jitter)
	}
	epoch := to.epoch
	w.at(max(delay, 0), to, func() {
		switch {
		case !to.up || to.vanished || to.epoch != epoch:
		case to.stopped:
			to.inbox = append(to.inbox, do)
		default:
			do()
		}
	})
}

func (w *world) at(delay int64, to *machine, do func()) {
	w.serial++
	e := event{w.now + delay, w.serial, to, do}
	i, _ := slices.BinarySearchFunc(w.queue, e, func(a, b event) int {
		if a.at != b.at {
			return int(max(-1, min(1, a.at-b.at)))
		}
		return a.serial - b.serial
	})
	w.queue = slices.Insert(w.queue, i, e)
}

// look dials: a machine without the process refuses, a process greets, silence ends with the timeout.
func (w *world) look(from, target *machine, timeout int64, answer func(Answer, shards.Epoch)) {
	done := false
	once := func(a Answer, by shards.Epoch) {
		if !done {
			done = true
			answer(a, by)
		}
	}
	w.at(timeout*int64(50*time.Millisecond), from, func() {
		if from.runs() {
			once(NoAnswer, 0)
		}
	})
	if !target.up && !w.cut(from, target) && !w.cut(target, from) && !w.filtered(from, target) {
		w.at(2*int64(w.latency), from, func() { once(Refused, 0) })
		return
	}
	w.post(from, target, func() {
		epoch := target.epoch
		w.send(target, from, func() { once(Answered, epoch) })
	})
}
