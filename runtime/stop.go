package runtime

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards/wal"
)

// Close stops the node: clients are disconnected, another member takes the lead if this one has it, writes under way end, and
// snapshots are written so that the next start has no log to replay. Other nodes go on with the copies that they have, and with the
// actors: the contexts of handlers end, and 200 ms later they are handled elsewhere, also if a handler has not returned by then. After a
// failure it only lets go of everything, and its error is that of Err with what else went wrong. It returns the same error each time it is
// called, and is safe to call from several goroutines. What is asked of the node from then on, or is under way and can no longer be done, has an error that wraps ErrClosed.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.stopped.Store(true)
		problems := n.close()
		n.closed = lastWords(n.Err(), problems)
		n.failing.Do(func() { close(n.done) })
	})
	return n.closed
}

// lastWords is why a node ends and what went wrong as it did: all that needed its log says why that has failed, and once is enough.
func lastWords(why error, problems []error) error {
	if errors.Is(why, wal.ErrFatal) {
		problems = slices.DeleteFunc(problems, func(err error) bool { return errors.Is(err, wal.ErrFatal) })
	}
	return errors.Join(append([]error{why}, problems...)...)
}

// close stops everything, and returns what went wrong; some are nil.
func (n *Node) close() (problems []error) {
	n.door.close()
	for _, s := range n.servers {
		problems = append(problems, s.close())
	}
	problems = append(problems, n.unbind())
	if n.actors != nil {
		n.actors.Stop()
	}
	if n.guests != nil {
		n.guests.Close()
	}
	n.leave()
	if n.directory != nil {
		n.directory.Close()
	}
	n.stop()
	n.background.Wait()
	if n.directory != nil {
		n.views.Close()
		n.watches.Close()
	}
	for _, h := range n.held() {
		h.Fail(shard.ErrClosed) // from here on nothing is served: the port for peers may go
		problems = append(problems, n.system.Stop(h.ref))
	}
	if l := n.life.Load(); l != nil { // nil: the first one has ended itself
		problems = append(problems, l.end()...)
	}
	if n.actors != nil { // others lead by now: whoever waits for an actor that hangs is this node alone
		n.actors.Close()
	}
	if n.copies != nil {
		n.copies.close()
	}
	if n.placement != nil {
		n.placement.Close()
	}
	problems = append(problems, closeEngine(n.engine))
	problems = append(problems, n.telling.close())
	problems = append(problems, n.closeLog()...)
	if n.system != nil {
		n.system.Close()
	}
	return problems
}

// leaveLimit is how long a node that stops tries to have another one lead.
const leaveLimit = 2 * time.Second

// leave hands the lead of the metadata group to another member, so that nobody has to wait for an election.
func (n *Node) leave() {
	l := n.life.Load()
	if l == nil || n.Err() != nil {
		return
	}
	group := l.group.Load()
	if !group.Status().Won || len(group.Status().Voters) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	defer cancel()
	if err := group.Transfer(ctx); err != nil {
		n.config.Logger.Warn("no other member took the lead; they will elect one", "err", err)
	}
}

// closeLog writes out what is there and closes the log. A folder whose node has stopped so needs no proof of what it holds.
func (n *Node) closeLog() (problems []error) {
	if n.log == nil {
		if n.groupWAL == nil {
			return nil
		}
		return []error{n.groupWAL.Close()}
	}
	if n.committer != nil {
		if n.Err() == nil {
			problems = append(problems, n.committer.Barrier(), n.keeper.SaveAll(func(done, all int) {
				n.config.Progress(Progress{Phase: "save", Shards: done, Of: all})
			}))
		}
		problems = append(problems, n.committer.Close())
		if n.Err() == nil && errors.Join(problems...) == nil {
			n.id.Clean = true
			problems = append(problems, saveIdentity(n.log, n.id))
		}
	}
	return append(problems, n.log.Close())
}
