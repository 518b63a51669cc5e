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
// The price: while the kernel copies, tens of microseconds at most, a garbage collection that wants to begin waits for it. And
// the monitor, which also interrupts goroutines that compute for more than 10 ms, is not woken by a request, but by the next
// timer of the process.
package socket
