package hosted

// late are the rows of shards that have changed, and are not in the image yet as they are. A guest of the house looks at no shard but the one
// that it is asked about, so that it is enough to write that one before:
//
//	rows that differ ──► late ──► of the shard in question: written, and listed for the guests
//
// A row that changes twice before somebody asks about it is written once, and one that nobody asks about never. Others' guests may look at any
// shard, and find each copy in the slot where it was: where there is one, all is written at once.
type late struct {
	on bool
	is []bool // by place of the shard
}

// put adds rows.
func (l *late) put(rows ...int32) {
	for _, i := range rows {
		l.is[i] = true
	}
}

// clear is for an image that has been drawn, of so many shards: nothing is late.
func (l *late) clear(shards int) {
	if l.on {
		l.is = make([]bool, shards)
	}
}

// catchUp writes the row of a shard, if it is late.
func (b *board) catchUp(shard int) {
	if !b.shy.on || b.copies == nil || !b.shy.is[shard] {
		return
	}
	r := &b.view.State.Shards[shard]
	if len(r.Copies) > b.slots {
		b.err = b.draw()
		return
	}
	b.shy.is[shard] = false
	b.put(r, shard, b.sit(shard, r))
}
