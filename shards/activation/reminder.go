package activation

import "cmp"

// Reminder says when a message of an actor to itself comes, and under which number: one that is set, and comes again and again.
//
//	set          comes             comes late                    comes
//	 7 ──────────── 7 ──────────────── 8 · · · · · · · · · · · · · 9 ──
//	             ▲  due        ▲  due    ▲ missed  ▲ missed     ▲ due       every: from one ▲ to the next
//
// It is kept in the actor's shard, and changed there only when its message has been handled: so it comes at least once, through
// failovers and restarts, and by its number it is handled once. Those that were missed come as one.
//
// The number under which it is set is one of what the actor sends, which rise. Those that follow the actor does not know of: when it sets the
// reminder anew, on a node whose clock is behind, it may take one that has been used. Hence they have a lane of their own, for each time
// that the reminder was set.
type Reminder struct {
	Number uint64 // of its next message
	Set    uint64 `json:",omitempty"` // the number under which it was set; 0: Number
	Due    int64  // of its next message, in Unix milliseconds
	Every  int64  // milliseconds; 0: it comes once
}

// Again moves a reminder to its next time after now, in Unix milliseconds.
func (r *Reminder) Again(now int64) {
	r.Set = cmp.Or(r.Set, r.Number)
	r.Number++
	if r.Due <= now {
		r.Due += r.Every * ((now-r.Due)/r.Every + 1)
	} else {
		r.Due += r.Every
	}
}

// Call is what the rules look at of its next message, in the name of a client that is the reminder's alone.
func (r *Reminder) Call(client uint64) Call {
	c := Call{Client: client, Seq: r.Number, Repeated: true, Again: true}
	if r.Set != 0 {
		c.Lane = max(1, uint32(r.Set)) // two of one lane were set at least an hour apart, by their numbers: those of the later are all higher
	}
	return c
}
