package transport

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
)

// BenchmarkWire compares what a message and a call cost with a plain gRPC call over the same loopback, in one run:
//
//	go test ./actors/transport -bench Wire -run - -benchmem
//
// Both ends are in this process, so that processor time per operation is that of both nodes.
func BenchmarkWire(b *testing.B) {
	var arrived atomic.Int64
	var step atomic.Pointer[chan struct{}]
	config := func(n string) Config {
		return Config{
			Self: Hello{Node: "x"}, Listen: "127.0.0.1:0",
			Receive: func(_ Hello, class Class, _ Kind, _ []byte) {
				arrived.Add(1)
				if class == Control {
					*step.Load() <- struct{}{}
				}
			},
			Serve: func(_ context.Context, _ Hello, _ Kind, body []byte) ([]byte, error) { return body, nil },
		}
	}
	up := make(chan Change, 2)
	ca, cb := config("a"), config("b")
	ca.Self.Node, cb.Self.Node = "a", "b"
	ca.Changed = func(c Change) { up <- c }
	ta, err := Listen(ca)
	if err != nil {
		b.Fatal(err)
	}
	defer ta.Close()
	tb, err := Listen(cb)
	if err != nil {
		b.Fatal(err)
	}
	defer tb.Close()
	ta.SetPeers([]Address{{"b", 0, tb.Address()}})
	<-up
	ctx := context.Background()

	b.Run("send 200 B", func(b *testing.B) {
		b.ReportAllocs()
		defer measured(b)()
		before := arrived.Load()
		for b.Loop() {
			body := make([]byte, 200)
			if err := ta.Send("b", Replicate, KindReplicate, body); err != nil {
				if err := ta.SendWait(ctx, "b", Replicate, KindReplicate, body); err != nil {
					b.Fatal(err)
				}
			}
		}
		for arrived.Load() < before+int64(b.N) {
			ta.Call(ctx, "b", KindQuery, nil)
		}
	})
	b.Run("send and wait for arrival", func(b *testing.B) {
		b.ReportAllocs()
		defer measured(b)()
		got := make(chan struct{}, 1)
		step.Store(&got)
		for b.Loop() {
			if err := ta.Send("b", Control, KindRaft, make([]byte, 200)); err != nil {
				b.Fatal(err)
			}
			<-got
		}
	})
	call := func() error { _, err := ta.Call(ctx, "b", KindForward, make([]byte, 200)); return err }
	plain := plainCall(b)
	for _, c := range []struct {
		name string
		do   func() error
	}{{"call", call}, {"grpc unary", plain}} {
		b.Run(c.name+", 1 in flight", func(b *testing.B) {
			b.ReportAllocs()
			defer measured(b)()
			defer measured(b)()
			for b.Loop() {
				if err := c.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+", 64 in flight", func(b *testing.B) {
			b.ReportAllocs()
			defer measured(b)()
			defer measured(b)()
			var left atomic.Int64
			left.Store(int64(b.N))
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						if err := c.do(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// measured reports processor time per operation from here until what it returns is called.
func measured(b *testing.B) func() {
	before := processorTime()
	return func() { b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op") }
}

// plainCall is a unary call of gRPC with the same bytes and nothing of this package around it but the codec.
func plainCall(b *testing.B) func() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "plain", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var request mem.BufferSlice
			err := decode(&request)
			return request, err
		},
	}}}, nil)
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(listener) })
	cc, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cc.Close(); server.Stop(); serving.Wait() })
	return func() error {
		var answer mem.BufferSlice
		err := cc.Invoke(context.Background(), "/plain/Echo", mem.BufferSlice{mem.SliceBuffer(make([]byte, 200))}, &answer)
		answer.Free()
		return err
	}
}
