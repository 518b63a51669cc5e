// Package socket makes TCP connections cheaper where many small messages are read and written.
//
//	net.TCPConn   read ─► entersyscall ─► read(2) ─► exitsyscall       the scheduler is told that the thread may block
//	Direct        read ───────────────► read(2)                       it cannot: the socket does not block
//
// What is told costs more than the telling. A node that answers small requests is idle between them, so the first system call
// after each pause wakes the runtime's monitor thread, which then sleeps and looks every 20 µs, and takes the processor away
// from whoever is inside a call that long: on a loaded machine most writes to a loopback socket are, since the kernel delivers
// within them. Then another thread is woken, to find that there is nothing to do. Of three nodes under writes that was
// a fifth of the processor time at pipeline 1, and a quarter at 16.
//
// The price: while the kernel copies, and delivers what is for this machine, tens of microseconds, a garbage collection that wants to
// begin waits for it. And nobody takes the processor from a goroutine that always finds something to read or write, as the
// scheduler does inside net's calls; so it gives others a turn itself after 16 calls, and after 512 makes one that the scheduler
// hears of, which wakes the monitor. A call that would copy more than 64 KiB is such a one, too.
//
// Package net's poller hears of a socket when something comes, not while something is there, and a read begins by forgetting what was
// heard. So a read must look before it waits, and of the three calls that a small request takes one finds nothing.
// Feed is one read for all of a connection's life: what is heard while a request is served ends the next wait.
//
//	Read   recv: nothing ─► wait ─► recv ─► served, send
//	Feed                    wait ─► recv ─► served, send       and looks each seventh time
//
// For that it must know that nothing was left when it read: the kernel says how much is behind (TCP_INQ, from Linux 4.18; else Feed looks each
// time), or that the other side has finished. It does not say so of a reset; but whoever has been able to send since was not reset by then.
//
// Soundness: calls are made inside [syscall.RawConn], which holds the descriptor open until they return, so a Close at the same time
// neither reuses it under them nor leaves them waiting, and deadlines are the poller's. They ask the kernel not to block whatever
// the descriptor is set to, and for an error instead of a signal where the other side is gone.
package socket
