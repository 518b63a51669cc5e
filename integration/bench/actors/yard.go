package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/shards"
)

// counter is the actor that is called.
type counter struct{ Count int }

func counters() *virtual.Kind {
	k := virtual.NewKind[counter]("counter", virtual.IdleAfter(time.Second))
	virtual.Handle(k, "look", func(c *virtual.Context[counter], _ int) (int, error) { return c.State.Count, nil })
	virtual.Handle(k, "add", func(c *virtual.Context[counter], n int) (int, error) {
		c.State.Count += n
		return c.State.Count, nil
	})
	return k.Kind
}

// yard is where all are called: two nodes, a system of protoactor, a gRPC server.
type yard struct {
	nodes  [2]*runtime.Node
	alone  *runtime.Node // leads all of its shards
	system *actor.ActorSystem
	pid    *actor.PID
	server *grpc.Server
	client *grpc.ClientConn
	here   virtual.ID // led by the first node
	there  []virtual.ID
	served chan error
	fresh  atomic.Int64
}

func newYard(ctx context.Context, root string) (*yard, error) {
	y := &yard{served: make(chan error, 1)}
	space := []shards.Keyspace{{Name: "default", Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}, {Name: "actors", Shards: 16, Durability: shards.DurabilityMemory, Replicas: shards.NoReplicas}}
	for i := range y.nodes {
		c := runtime.Config{Name: fmt.Sprint("n", i+1), Peer: "127.0.0.1:0", Keyspaces: space}
		if i > 0 {
			c.Join, c.Keyspaces = []string{y.nodes[0].PeerAddr()}, nil
		}
		node, err := runtime.Start(ctx, c)
		if err != nil {
			return nil, err
		}
		y.nodes[i] = node
		if err := node.Register(ctx, counters()); err != nil {
			return nil, err
		}
	}
	var err error
	if y.alone, err = runtime.Start(ctx, runtime.Config{Keyspaces: space, HTTP: "127.0.0.1:0"}); err != nil {
		return nil, err
	}
	if err := y.alone.Register(ctx, counters()); err != nil {
		return nil, err
	}
	if err := pushGuests(ctx, root, y.alone); err != nil {
		return nil, err
	}
	y.system = actor.NewActorSystem()
	y.pid = y.system.Root.Spawn(actor.PropsFromFunc(func(c actor.Context) {
		if n, is := c.Message().(int); is {
			c.Respond(n + 1)
		}
	}))
	return y, errors.Join(y.serveGRPC(), y.place(ctx))
}

// serveGRPC serves one unary method that adds one to a number.
func (y *yard) serveGRPC() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	y.server = grpc.NewServer()
	y.server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Add",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var n wrapperspb.Int64Value
			err := decode(&n)
			n.Value++
			return &n, err
		},
	}}}, nil)
	go func() { y.served <- y.server.Serve(l) }()
	y.client, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return err
}

// place waits until both nodes lead shards, and finds actors that live here and there.
func (y *yard) place(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := 0; len(y.there) < 64 || y.here.Kind == ""; i++ {
		id := virtual.ID{Kind: "counter", Name: strconv.Itoa(i % 4096)}
		if _, err := virtual.Call[int, int](ctx, y.nodes[0].Actors(), id, "add", 1); err != nil {
			return fmt.Errorf("both nodes should lead shards by now: %w", err)
		}
		if y.nodes[1].Actors().Active() > len(y.there) { // it has just been woken there
			y.there = append(y.there, id)
		} else {
			y.here = id
		}
	}
	return nil
}

func (y *yard) contestants() []*contestant {
	h := y.nodes[0].Actors()
	call := func(id virtual.ID, method string) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			_, err := virtual.Call[int, int](ctx, h, id, method, 1)
			return err
		}
	}
	return append([]*contestant{
		{name: "protoactor RequestFuture", inFlight: 1, call: func(context.Context, int) error {
			_, err := y.system.Root.RequestFuture(y.pid, 1, 5*time.Second).Result()
			return err
		}},
		{name: "local, state unchanged", inFlight: 1, call: call(y.here, "look"), against: "protoactor RequestFuture", target: 1.2},
		{name: "local, state in memory", inFlight: 1, call: call(y.here, "add"), against: "protoactor RequestFuture", target: 3},
		{name: "local, woken by the call", inFlight: 1, call: func(ctx context.Context, _ int) error {
			_, err := virtual.Call[int, int](ctx, y.alone.Actors(), virtual.ID{Kind: "counter", Name: "fresh-" + strconv.FormatInt(y.fresh.Add(1), 36)}, "look", 1)
			return err
		}, against: "local, state unchanged"},
		{name: "gRPC unary", inFlight: 64, call: func(ctx context.Context, _ int) error {
			var reply wrapperspb.Int64Value
			return y.client.Invoke(ctx, "/bench/Add", wrapperspb.Int64(1), &reply)
		}},
		{name: "other node, state unchanged", inFlight: 64, call: func(ctx context.Context, caller int) error {
			_, err := virtual.Call[int, int](ctx, h, y.there[caller], "look", 1)
			return err
		}, against: "gRPC unary", target: 0.3},
		{name: "other node, state in memory", inFlight: 64, call: func(ctx context.Context, caller int) error {
			_, err := virtual.Call[int, int](ctx, h, y.there[caller], "add", 1)
			return err
		}, against: "gRPC unary"},
	}, guestContestants(y.alone.Actors())...)
}

func (y *yard) close() error {
	y.server.Stop()
	y.system.Shutdown()
	return errors.Join(y.client.Close(), <-y.served, y.alone.Close(), y.nodes[1].Close(), y.nodes[0].Close())
}
