package runtime

import (
	"net/http"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Handler answers the paths of the HTTP API (runtime/admin/API.md) on a server of the program's own, whether Config.HTTP has a listener for
// them or not: the metrics and the probes of an orchestrator, say, beside what the program serves.
//
//	mux.Handle("GET /metrics", node.Handler())
//	mux.Handle("GET /livez", node.Handler())
//	mux.Handle("GET /readyz", node.Handler())
//
// Whoever reaches a path may do what it does, after Config.Token if that is set; what is not in the mux is not reached. "/" is all of them, also
// those that write and remove: then a path of the API that the mux has for itself is the program's. Unlike the listener of Config.HTTP it does not look at the
// name that a request was sent to; that is for the server. /_metrics/recent, of which the console draws, is kept only with Config.HTTP.
//
// Close has what is under way end, and waits for it for 5 s at most. From then on everything is answered by 503, but /livez.
func (n *Node) Handler() http.Handler {
	inner := n.admin().Handler(n.door.stopping)
	closed := admin.Starting(admin.ServerConfig{Token: n.config.Token}, errClosed.Error)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !n.door.enter() {
			closed.ServeHTTP(w, r)
			return
		}
		defer n.door.leave()
		inner.ServeHTTP(w, r)
	})
}

// door is where requests come in that the program's own servers take.
type door struct {
	stopping chan struct{} // closed with shut
	left     chan struct{} // closed when it is shut and nobody is inside

	mutex  sync.Mutex
	shut   bool
	inside int // requests under way
}

func newDoor() door { return door{stopping: make(chan struct{}), left: make(chan struct{})} }

// enter says whether a request may begin; leave is its end.
func (d *door) enter() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if !d.shut {
		d.inside++
	}
	return !d.shut
}

func (d *door) leave() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.inside--; d.shut && d.inside == 0 {
		close(d.left)
	}
}

// close lets nobody in any more, and returns when all have left, or are late. It is called once.
func (d *door) close() {
	d.mutex.Lock()
	d.shut = true
	close(d.stopping)
	if d.inside == 0 {
		close(d.left)
	}
	d.mutex.Unlock()
	select {
	case <-d.left:
	case <-time.After(stopLimit):
	}
}

// newAdmin makes what answers the HTTP API, for the listener and for Handler.
func (n *Node) newAdmin() *admin.Server {
	return admin.NewServer(api{n}, admin.ServerConfig{
		Plans: n.plans, Token: n.config.Token, TLS: n.shown.server(), Pprof: n.config.Pprof, Dev: n.config.Dev, Logger: n.config.Logger, Messages: n.telling.messages,
		Stories: n.Failovers, Actors: actorsAPI{n}, Coordination: coordinationAPI{n}, Collectors: n.collectors(),
	})
}
