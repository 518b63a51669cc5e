// Command chat is an instant messenger on virtual actors: WebSocket gateways, a session actor for each user, an actor for each
// conversation.
//
//	browser ── WebSocket ──► gateway ── say ──► conversation/lunch   m/1 m/2 m/3: the order of all
//	                            ▲                   │ event, to each member (kept until it has arrived)
//	                            │ pull              ▼
//	                            └────────────── user/bob             inbox: 17 18 19, kept until bob's client acknowledges
//	                            ▲                   │ wake
//	                            └── take ─── gateway/XYZ: who has something
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/troupe-actors/troupe/runtime"
)

const usage = `usage:
  chat serve [-listen A] [-name N -peer A -initial A,B,C] [-data D] [-admin A]   one node with its gateway
  chat load -gateways A,B,C [-clients N] [-messages N] …             clients that talk, and check what they get
  chat demo [-clients N] [-messages N] [-fault kill|drain|none] …    three nodes on this machine, clients, and a fault half-way`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		log.Fatal(usage)
	}
	verbs := map[string]func(context.Context, []string, io.Writer) error{"serve": serve, "load": talk, "demo": demo}
	verb := verbs[os.Args[1]]
	if verb == nil {
		log.Fatal(usage)
	}
	if err := verb(ctx, os.Args[2:], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// drainTime is how long clients have to go elsewhere.
const drainTime = 10 * time.Second

// serve runs a node and its gateway until ctx ends, then sends the clients elsewhere and hands over what the node leads.
func serve(ctx context.Context, args []string, _ io.Writer) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	var c runtime.Config
	listen := flags.String("listen", "127.0.0.1:8000", "address of the gateway")
	flags.StringVar(&c.Name, "name", "", "name of this node")
	flags.StringVar(&c.Peer, "peer", "", "address for the other nodes")
	flags.StringVar(&c.Data, "data", "", "folder for data; none: in memory")
	flags.StringVar(&c.HTTP, "admin", "", "address of Troupe's own HTTP API")
	initial := flags.String("initial", "", "peer addresses of all nodes that form the cluster, comma separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *initial != "" {
		c.Initial = strings.Split(*initial, ",")
	}
	c.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("on", c.Name)
	node, err := runtime.Start(ctx, c)
	if err != nil {
		return err
	}
	g := newGateway(node.Actors(), c.Logger)
	return errors.Join(g.serve(ctx, node, *listen), node.Close())
}

func (g *gateway) serve(ctx context.Context, node *runtime.Node, listen string) error {
	if err := errors.Join(node.Register(ctx, conversations()), node.Register(ctx, users()), node.Register(ctx, gateways())); err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: g.handler(), ReadHeaderTimeout: 10 * time.Second}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() { g.run(running) })
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-node.Done():
		return server.Close() // the node's own Close says why it has failed
	case <-ctx.Done():
	}
	draining, done := context.WithTimeout(running, drainTime)
	defer done()
	g.drain(draining)
	return server.Close()
}

// loadFlags are those of clients that talk.
func loadFlags(flags *flag.FlagSet) (l *load, limit *time.Duration) {
	l = &load{run: fmt.Sprintf("r%x", time.Now().UnixMilli())}
	flags.IntVar(&l.clients, "clients", 1000, "clients")
	flags.IntVar(&l.talkers, "talkers", 5, "clients in a conversation")
	flags.IntVar(&l.messages, "messages", 5, "messages of each client")
	flags.DurationVar(&l.every, "every", 2*time.Second, "pause between two messages of a client")
	return l, flags.Duration("limit", 5*time.Minute, "when to give up")
}

func talk(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	l, limit := loadFlags(flags)
	gateways := flags.String("gateways", "127.0.0.1:8000", "addresses of gateways, comma separated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	l.gateways = strings.Split(*gateways, ",")
	return l.conclude(ctx, *limit, out)
}

// conclude runs the clients, and fails if a promise was not held.
func (l *load) conclude(ctx context.Context, limit time.Duration, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r := l.talk(ctx)
	fmt.Fprint(out, r)
	if r.Lost+r.Duplicated+r.Disordered > 0 {
		return errors.New("a promise was not held")
	}
	return nil
}

// demo starts three nodes as processes, has clients talk, and takes one node away when half is said.
func demo(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	l, limit := loadFlags(flags)
	fault := flags.String("fault", "kill", "what becomes of a node half-way: kill, drain or none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	nodes, err := startNodes(ctx, l)
	for _, n := range nodes {
		defer func() { _ = n.Process.Kill(); _ = n.Wait() }()
	}
	if err != nil {
		return err
	}
	l.half = func() {
		fmt.Fprintf(out, "half is said: %s n2\n", *fault)
		switch *fault {
		case "kill":
			_ = nodes[1].Process.Kill()
		case "drain":
			_ = nodes[1].Process.Signal(os.Interrupt)
		}
	}
	return l.conclude(ctx, *limit, out)
}

// startNodes starts three and waits until their gateways are ready.
func startNodes(ctx context.Context, l *load) (nodes []*exec.Cmd, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var peers []string
	for range 6 {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		peers = append(peers, address)
	}
	peers, l.gateways = peers[:3], peers[3:]
	for i := range 3 {
		n := exec.Command(self, "serve", "-name", fmt.Sprint("n", i+1), "-listen", l.gateways[i], "-peer", peers[i], "-initial", strings.Join(peers, ","))
		n.Stderr = io.Discard
		if os.Getenv("CHAT_LOG") != "" {
			n.Stderr = os.Stderr
		}
		if err := n.Start(); err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for _, address := range l.gateways {
		for !ready(address) {
			select {
			case <-again.C:
			case <-ctx.Done():
				return nodes, fmt.Errorf("the gateway at %s is not ready: %w", address, ctx.Err())
			}
		}
	}
	return nodes, nil
}

func ready(address string) bool {
	response, err := http.Get("http://" + address + "/ready")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// freeAddress is one that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
