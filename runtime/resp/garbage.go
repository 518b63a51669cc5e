package resp

import (
	goruntime "runtime"
	"sync"
	"sync/atomic"
)

// A long command is read into a buffer that doubles, and each that it leaves, or that a client leaves who goes, is memory until the
// garbage collector runs. It does so when what the process holds has doubled: without more a node whose clients fill the pool takes
// twice the pool. So what they leave counts beside what they hold, and when both together are more than the pool, garbage is collected
// before any buffer grows.

// minGarbage is collected whenever the collector thinks so.
const minGarbage = 64 << 20

// garbage is what was left since it was collected last, in bytes. Safe for concurrent use.
type garbage struct {
	bytes      atomic.Int64
	collecting sync.Mutex
	collected  uint64 // times; guarded by collecting
}

// leave counts a buffer that nobody uses any more.
func (p *pool) leave(n int) {
	if n > freeBytes {
		p.garbage.bytes.Add(int64(n))
	}
}

// tidy has what was left collected if that is much. It comes before each growth, so that what is allocated meanwhile is little.
func (p *pool) tidy() {
	if p.garbage.bytes.Load() <= p.garbageLimit() {
		return
	}
	p.garbage.collecting.Lock()
	defer p.garbage.collecting.Unlock()
	if bytes := p.garbage.bytes.Load(); bytes > p.garbageLimit() { // who came before has not done it
		goruntime.GC()
		p.garbage.bytes.Add(-bytes)
		p.garbage.collected++
	}
}

// garbageLimit is the room that is left in the pool, or a quarter of it, so that a full one does not keep the collector busy.
func (p *pool) garbageLimit() int64 { return max(p.limit-p.held.Load(), p.limit/4, minGarbage) }
