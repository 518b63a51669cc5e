package runtime

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/resp"
)

// A node that waits for a majority of its cluster may do so for hours. Its listeners are open, so who connects is told what it
// waits for; but not at once, since most starts are over before a client loses its patience.
const (
	startingQuiet = 2 * time.Second // from the beginning of the start: who connects waits
	startingLast  = time.Second     // for a request that is under way when the node serves
	startingMost  = 64              // Redis clients that are answered at a time; one more is closed
)

// starting answers at the listeners of a node until it serves.
type starting struct {
	node    *Node
	lent    []*lent
	stop    context.CancelFunc
	working sync.WaitGroup
}

// answerMeanwhile begins to answer; end gives the listeners back.
func (n *Node) answerMeanwhile() *starting {
	ctx, stop := context.WithCancel(context.Background())
	s := &starting{node: n, stop: stop}
	borrow := func(l net.Listener) *lent {
		loan := &lent{l.(*net.TCPListener)}
		s.lent = append(s.lent, loan)
		return loan
	}
	if n.listeners.http != nil {
		l := borrow(n.listeners.http)
		s.working.Go(func() { s.afterQuiet(ctx, func() { s.answerHTTP(ctx, l) }) })
	}
	if n.listeners.resp != nil {
		l := borrow(n.listeners.resp)
		s.working.Go(func() { s.afterQuiet(ctx, func() { s.answerRedis(ctx, l) }) })
	}
	return s
}

// end returns when nobody is answered any more. Who has connected and was not answered waits for the node.
func (s *starting) end() error {
	s.stop()
	var problems []error
	for _, l := range s.lent {
		problems = append(problems, l.Close())
	}
	s.working.Wait()
	for _, l := range s.lent {
		problems = append(problems, l.giveBack())
	}
	return errors.Join(problems...)
}

func (s *starting) afterQuiet(ctx context.Context, answer func()) {
	select {
	case <-ctx.Done():
	case <-time.After(startingQuiet):
		answer()
	}
}

func (s *starting) answerHTTP(ctx context.Context, l net.Listener) {
	c := &s.node.config
	if t := s.node.shown.server(); t != nil {
		l = tls.NewListener(l, t)
	}
	server := &http.Server{
		Handler: admin.Starting(admin.ServerConfig{Token: c.Token}, s.why), ReadTimeout: stopLimit, WriteTimeout: stopLimit,
		ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		c.Logger.Warn("HTTP is not answered until the node serves", "err", err)
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), startingLast)
		defer cancel()
		if server.Shutdown(last) != nil {
			server.Close()
		}
		<-ended
	}
}

func (s *starting) answerRedis(ctx context.Context, l net.Listener) {
	var answering sync.WaitGroup
	defer answering.Wait()
	places := make(chan struct{}, startingMost)
	for ctx.Err() == nil {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				s.node.config.Logger.Warn("Redis clients are not answered until the node serves", "err", err)
			}
			return
		}
		if t := s.node.shown.server(); t != nil {
			nc = tls.Server(nc, t)
		}
		why := "the node is starting"
		if s.node.config.Password == "" {
			why = s.why()
		}
		select {
		case places <- struct{}{}:
			hangUp := context.AfterFunc(ctx, func() { nc.Close() })
			answering.Go(func() {
				defer func() { hangUp(); <-places }()
				resp.Starting(nc, why)
			})
		default:
			nc.Close()
		}
	}
}

// why says what the start waits for.
func (s *starting) why() string {
	l := s.node.life.Load()
	if l == nil {
		if waits := s.node.roomless.Load(); waits != nil {
			return "the node is starting: " + *waits
		}
		return "the node is starting: it opens its data folder"
	}
	group := l.group.Load()
	if group == nil {
		return "the node is starting"
	}
	select {
	case <-group.Joined():
		return "the node is starting: it is a member of its cluster, and waits for its keyspaces"
	default:
	}
	waits := group.Waits()
	if waits == "" {
		waits = "a majority of its voters must run and be reached"
	}
	return fmt.Sprintf("the node is starting: it is no member of its cluster yet: %s", waits)
}

// lent is a listener whose borrower closes it, and which listens on: only Accept ends.
type lent struct{ *net.TCPListener }

func (l *lent) Close() error { return l.SetDeadline(time.Unix(1, 0)) }

func (l *lent) giveBack() error { return l.SetDeadline(time.Time{}) }
