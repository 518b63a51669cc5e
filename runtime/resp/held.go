package resp

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// What all connections hold together is bounded, for each may hold much more than its part of the machine: a command of which the end
// does not come, a transaction before its EXEC, the names that it subscribes to, replies and messages that it does not take.
//
//	connection ── holding: read buffer ─────┐
//	           ── holding: MULTI and WATCH ─┼─► account ──┐
//	           ── holding: subscriptions ───┘             ├─► pool ≤ MaxMemory
//	           ── batch: values of its replies ► account ─┤
//	hub ───────── parcel: a message, once for all who wait for it
//
// A little of each is free and is not counted, so that ordinary clients work while the pool is full. Who wants more is told OOM, which
// clients repeat after a pause; a write is told so before it is done.
const freeBytes = 32 << 10 // of each holding, and of each batch

// pool is what all connections of a server hold together, in bytes. Safe for concurrent use.
type pool struct {
	limit   int64
	held    atomic.Int64
	refused atomic.Uint64 // times that somebody was refused more
	wanted  atomic.Int64  // the most that one who was refused would have held, since the last sweep
	garbage garbage
}

// take counts n bytes more, or refuses them; all is what they are with what they belong to.
func (p *pool) take(n, all int64) bool {
	if p.held.Add(n) <= p.limit {
		return true
	}
	p.held.Add(-n)
	for was := p.wanted.Load(); was < all && !p.wanted.CompareAndSwap(was, all); was = p.wanted.Load() {
	}
	p.refused.Add(1)
	return false
}

func (p *pool) full() bool { return p.held.Load() >= p.limit }

// account is what one connection holds of the pool. Safe for concurrent use: results of calls come from several goroutines. A nil one
// counts nothing and refuses nothing.
type account struct {
	pool *pool
	held atomic.Int64
}

func (a *account) take(n, all int64) bool {
	if a == nil {
		return true
	}
	if !a.pool.take(n, all) {
		return false
	}
	a.held.Add(n)
	return true
}

// force counts what cannot be refused.
func (a *account) force(n int64) {
	if a != nil && n != 0 {
		a.pool.held.Add(n)
		a.held.Add(n)
	}
}

func (a *account) give(n int64) { a.force(-n) }

// leave counts a buffer that is not used any more.
func (a *account) leave(n int) {
	if a != nil {
		a.pool.leave(n)
	}
}

// replace is leave before a buffer of another size is made in its place.
func (a *account) replace(n, size int) {
	if a != nil && size > freeBytes {
		a.pool.tidy()
	}
	a.leave(n)
}

// close gives back all of it. Nobody may take anything any more.
func (a *account) close() { a.give(a.held.Load()) }

// holding is one thing that a connection keeps, by its size. It belongs to one goroutine.
type holding struct {
	account *account
	size    int64
}

// resize says that the thing has another size, or shall have: false if it must not grow so far, and the size then is what it was.
func (h *holding) resize(size int64) bool {
	if more := beyond(size) - beyond(h.size); more > 0 && !h.account.take(more, beyond(size)) {
		return false
	} else if more < 0 {
		h.account.give(-more)
	}
	h.size = size
	return true
}

// must is resize for what is bounded otherwise.
func (h *holding) must(size int64) {
	h.account.force(beyond(size) - beyond(h.size))
	h.size = size
}

// beyond is what counts of so many bytes.
func beyond(size int64) int64 { return max(size-freeBytes, 0) }

// parcel is a message on its way to several subscribers, who share its bytes. It counts until the last one has let go of it.
type parcel struct {
	data    []byte
	pool    *pool
	holders atomic.Int32
}

// newParcel makes one that the caller holds.
func newParcel(p *pool, data []byte) *parcel {
	all := &parcel{data: data, pool: p}
	all.holders.Store(1)
	p.held.Add(int64(len(data)))
	return all
}

func (p *parcel) hold() { p.holders.Add(1) }

func (p *parcel) letGo() {
	if p.holders.Add(-1) == 0 {
		p.pool.held.Add(-int64(len(p.data)))
	}
}

// standstill is the number of sweeps after which a connection that holds something and does nothing may be closed if others need room.
const standstill = 5

// stalled says that a connection waits for its client, and has for long: for the rest of a command or of a transaction, or for
// replies to be taken. Who listens, and has begun nothing, has nothing to send: he is well while he takes what comes.
func (m *sweepMemory) stalled(busy, listens bool) bool {
	return m.stuck >= standstill || !busy && !listens && m.idle >= standstill
}

// relieve closes connections that hold much and do nothing, the largest first, if somebody was refused since the last sweep: those who
// hold the pool without an end would otherwise keep all others from it. It goes on until a quarter of the pool is free, or
// more if somebody was refused that much.
func (s *Server) relieve(all []*conn) {
	refused := s.pool.refused.Load()
	pressed := refused != s.relieved
	s.relieved = refused
	free := max(s.pool.limit/4, min(s.pool.wanted.Swap(0), s.pool.limit))
	over := s.pool.held.Load() + free - s.pool.limit
	if !pressed || over <= 0 {
		return
	}
	holders := slices.DeleteFunc(slices.Clone(all), func(c *conn) bool {
		return c.account.held.Load() == 0 || !c.swept.stalled(c.busy.Load(), c.facts.isListening() && !c.midway.Load())
	})
	slices.SortFunc(holders, func(a, b *conn) int {
		return cmp.Or(cmp.Compare(b.account.held.Load(), a.account.held.Load()), cmp.Compare(a.id, b.id))
	})
	closed, freed := 0, int64(0)
	for _, c := range holders {
		if freed >= over {
			break
		}
		freed += c.account.held.Load()
		closed++
		_ = c.nc.Close() // its goroutine ends with the failed read or write, and gives back what it holds
	}
	if closed > 0 {
		s.config.Logger.Warn("connections of Redis clients that held much and did nothing were closed: others needed the room", "closed", closed, "bytes", freed, "limit", s.pool.limit)
	}
}

// Held is what all connections hold together, in bytes, how much they may, and how often one was refused more.
func (s *Server) Held() (bytes, limit int64, refused uint64) {
	return s.pool.held.Load(), s.pool.limit, s.pool.refused.Load()
}
