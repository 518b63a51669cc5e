// Command embed is a plain HTTP service that keeps its state in Troupe, inside its own process. Three of it form a cluster:
//
//	embed -listen 127.0.0.1:8001 -peer 127.0.0.1:9001 -initial 127.0.0.1:9001,127.0.0.1:9002,127.0.0.1:9003 -data ./n1
//
// and the same with 2 and 3. Any of them takes votes for any poll:
//
//	curl -d '{"voter":"anna","choice":"tea"}' 127.0.0.1:8002/polls/drinks
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
)

// poll is what each actor keeps: who chose what, and how many votes were counted.
type poll struct {
	Choices map[string]string `json:"choices"` // by voter
	Votes   int               `json:"votes"`
}

type vote struct {
	Voter  string `json:"voter"`
	Choice string `json:"choice"`
}

func polls() *virtual.Kind {
	k := virtual.NewKind[poll]("poll")
	virtual.Handle(k, "vote", func(c *virtual.Context[poll], v vote) (int, error) {
		if v.Voter == "" || v.Choice == "" {
			return 0, errors.New("a vote has a voter and a choice")
		}
		if c.State.Choices == nil {
			c.State.Choices = map[string]string{}
		}
		if _, voted := c.State.Choices[v.Voter]; voted {
			return 0, errors.New(v.Voter + " has voted already")
		}
		c.State.Choices[v.Voter] = v.Choice
		c.State.Votes++
		return c.State.Votes, nil
	})
	virtual.Handle(k, "result", func(c *virtual.Context[poll], _ struct{}) (poll, error) { return *c.State, nil })
	return k.Kind
}

// service is the embedder's own HTTP, and what a monitor and an orchestrator ask of the node.
func service(node *runtime.Node) http.Handler {
	mux, actors := http.NewServeMux(), node.Actors()
	for _, path := range []string{"GET /metrics", "GET /livez", "GET /readyz"} {
		mux.Handle(path, node.Handler())
	}
	mux.HandleFunc("POST /polls/{poll}", func(w http.ResponseWriter, r *http.Request) {
		var v vote
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&v); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		votes, err := virtual.Call[vote, int](r.Context(), actors, virtual.ID{Kind: "poll", Name: r.PathValue("poll")}, "vote", v)
		answer(w, votes, err)
	})
	mux.HandleFunc("GET /polls/{poll}", func(w http.ResponseWriter, r *http.Request) {
		result, err := virtual.Call[struct{}, poll](r.Context(), actors, virtual.ID{Kind: "poll", Name: r.PathValue("poll")}, "result", struct{}{})
		answer(w, result, err)
	})
	return mux
}

// answer tells three things apart: it is done, it was refused and nothing has changed, or nobody knows.
func answer(w http.ResponseWriter, value any, err error) {
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(value) // a client that went away is not our failure
	case virtual.CodeOf(err) != 0:
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

func main() {
	var listen, initial string
	var c runtime.Config
	flag.StringVar(&listen, "listen", "127.0.0.1:8000", "address of this service")
	flag.StringVar(&c.Name, "name", "", "name of this node")
	flag.StringVar(&c.Peer, "peer", "", "address for the other nodes")
	flag.StringVar(&c.HTTP, "admin", "", "address of Troupe's own HTTP API, for the troupe command and the console")
	flag.StringVar(&c.Data, "data", "", "folder for data; none: in memory")
	flag.StringVar(&initial, "initial", "", "peer addresses of all nodes that form the cluster, comma separated")
	flag.Parse()
	if initial != "" {
		c.Initial = strings.Split(initial, ",")
	}
	c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", listen)
	if err == nil {
		err = run(ctx, c, l)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, c runtime.Config, l net.Listener) error {
	c.Kinds = []*virtual.Kind{polls()}
	node, err := runtime.Start(ctx, c)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: service(node), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err = <-ended: // the listener broke
	case <-node.Done():
		err = server.Close() // the node's own Close says why it has failed
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = server.Shutdown(last)
	}
	return errors.Join(err, node.Close())
}
