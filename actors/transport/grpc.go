package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

const (
	streamMethod = "/troupe.Peer/Stream"
	mostMessage  = messageBytes + flatBytes + chunkBytes + 64<<10 // see lane.take
	socketBuffer = 32 << 10                                       // of gRPC, each way, per connection

	// A machine that vanished without a word is noticed by its missing acknowledgements: gRPC turns silence into the
	// socket's user timeout where the system has one. A process that stands still is not: that is for heartbeats to find.
	silenceTime    = 10 * time.Second // gRPC's floor
	silenceTimeout = 3 * time.Second
)

// Listen starts a transport over gRPC. Whoever calls it closes it.
func Listen(c Config) (*Transport, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("transport: listen on %s: %w", c.Listen, err)
	}
	if c.Self.Address == "" {
		c.Self.Address = c.Advertise(l.Addr().String())
	}
	t := newTransport(c)
	g := &rpc{t: t, listener: &held{Listener: l, socket: c.Socket}}
	var creds credentials.TransportCredentials = insecure.NewCredentials()
	if c.TLS != nil {
		g.dialing, creds = secure(t, c.TLS)
	}
	g.server = grpc.NewServer(g.serverOptions(creds)...)
	g.server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "troupe.Peer",
		HandlerType: (*any)(nil),
		Streams:     []grpc.StreamDesc{{StreamName: "Stream", Handler: g.handle, ServerStreams: true, ClientStreams: true}},
	}, nil)
	t.carrier = g
	g.serving.Add(1)
	go func() {
		defer g.serving.Done()
		if err := g.server.Serve(g.listener); err != nil && !g.listener.stopped.Load() {
			c.Log.Error("peers cannot connect any more", "address", g.address(), "error", err)
		}
	}()
	return t, nil
}

// rpc is the carrier over gRPC.
type rpc struct {
	t        *Transport
	listener *held
	server   *grpc.Server
	dialing  credentials.TransportCredentials // nil: no TLS
	serving  sync.WaitGroup
}

func (g *rpc) serverOptions(creds credentials.TransportCredentials) []grpc.ServerOption {
	window := int32(g.t.config.Window)
	return []grpc.ServerOption{
		grpc.Creds(creds),
		grpc.ForceServerCodecV2(raw{}),
		grpc.MaxRecvMsgSize(mostMessage),
		grpc.MaxSendMsgSize(mostMessage),
		grpc.MaxConcurrentStreams(uint32(2 * classes)),
		grpc.MaxHeaderListSize(8 << 10),
		grpc.ConnectionTimeout(g.t.config.Timeout),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(connWindow(window)),
		grpc.ReadBufferSize(socketBuffer),
		grpc.WriteBufferSize(socketBuffer),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: silenceTime / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 3 * silenceTime, Time: silenceTime, Timeout: silenceTimeout}),
	}
}

// connWindow is large enough that streams which stand still leave room for the others.
func connWindow(stream int32) int32 {
	return int32(min(int64(stream)*int64(classes+1), 1<<31-1))
}

func (g *rpc) address() string { return g.listener.Addr().String() }

// handle runs one stream from outside. What it returns ends the stream, and the other side gets to read it.
func (g *rpc) handle(_ any, s grpc.ServerStream) error {
	remote := ""
	if p, ok := grpcpeer.FromContext(s.Context()); ok {
		remote = p.Addr.String()
	}
	return status.Error(codes.Unavailable, g.t.accept(&grpcStream{s}, remote).Error())
}

// stop ends the server. The port stays.
func (g *rpc) stop() {
	g.server.Stop()
	g.serving.Wait()
}

func (g *rpc) release() error { return g.listener.Listener.Close() }

// held is a listener that outlives the server: Close ends Accept and keeps the port, so that the system goes on to complete
// handshakes with whoever dials.
type held struct {
	net.Listener
	socket  func(net.Conn, time.Duration) net.Conn // Config's
	stopped atomic.Bool
}

// Accept waits for a connection.
func (h *held) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if h.stopped.Load() {
		if err == nil {
			c.Close()
		}
		return nil, net.ErrClosed
	}
	if err != nil {
		return nil, err
	}
	return h.socket(c, silenceTimeout), nil
}

// Close ends Accept.
func (h *held) Close() error {
	h.stopped.Store(true)
	if l, ok := h.Listener.(*net.TCPListener); ok {
		return l.SetDeadline(time.Unix(1, 0))
	}
	return nil
}

// dial makes the TCP connection and the TLS handshake itself, so that their errors come as they are, and lends the result to
// gRPC for one connection: reconnecting is for peer to do.
func (g *rpc) dial(ctx context.Context, addr string) (conn, error) {
	var d net.Dialer
	socket, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	socket = g.t.config.Socket(socket, silenceTimeout)
	if g.dialing != nil {
		if socket, err = g.encrypt(ctx, addr, socket); err != nil {
			return nil, err
		}
	}
	lent := make(chan net.Conn, 1)
	lent <- socket
	window := int32(g.t.config.Window)
	cc, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			select {
			case c := <-lent:
				return c, nil
			default:
				return nil, errors.New("the connection broke")
			}
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(mostMessage), grpc.MaxCallSendMsgSize(mostMessage)),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithDisableHealthCheck(), grpc.WithIdleTimeout(0),
		grpc.WithMaxHeaderListSize(8<<10),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(connWindow(window)),
		grpc.WithReadBufferSize(socketBuffer),
		grpc.WithWriteBufferSize(socketBuffer),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silenceTime, Timeout: silenceTimeout, PermitWithoutStream: true}),
	)
	if err != nil {
		socket.Close()
		return nil, err
	}
	c := &grpcConn{cc: cc, lent: lent}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// grpcConn is one connection that was dialed.
type grpcConn struct {
	cc     *grpc.ClientConn
	lent   chan net.Conn
	ctx    context.Context // of its streams
	cancel context.CancelFunc
}

var streamDesc = &grpc.StreamDesc{StreamName: "Stream", ServerStreams: true, ClientStreams: true}

func (c *grpcConn) open() (stream, error) {
	s, err := c.cc.NewStream(c.ctx, streamDesc, streamMethod)
	if err != nil {
		return nil, plain(err)
	}
	return &grpcStream{s}, nil
}

func (c *grpcConn) close() {
	c.cancel()
	c.cc.Close() // its only error is that it was closed before
	select {
	case socket := <-c.lent: // gRPC never came for it
		socket.Close()
	default:
	}
}

// grpcStream is one end of a stream.
type grpcStream struct {
	s interface {
		SendMsg(any) error
		RecvMsg(any) error
	}
}

func (s *grpcStream) send(message mem.BufferSlice) error { return plain(s.s.SendMsg(message)) }

func (s *grpcStream) recv() (mem.BufferSlice, error) {
	var message mem.BufferSlice
	err := s.s.RecvMsg(&message)
	return message, plain(err)
}

// plain takes gRPC's wrapping off an error: what is left is a sentence. What ended the session on the other side comes as that sentence.
func plain(err error) error {
	if s, ok := status.FromError(err); ok && err != nil {
		if s.Code() == codes.Unavailable && s.Message() == ErrClosed.Error() {
			return ErrLeft
		}
		return errors.New(s.Message())
	}
	return err
}

// raw is the codec: messages are bytes already.
type raw struct{}

// Marshal passes a message on.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	message, ok := v.(mem.BufferSlice)
	if !ok {
		return nil, fmt.Errorf("transport: a %T on a stream of bytes", v)
	}
	return message, nil
}

// Unmarshal keeps the message's buffers for whoever receives it.
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	message, ok := v.(*mem.BufferSlice)
	if !ok {
		return fmt.Errorf("transport: a %T for a stream of bytes", v)
	}
	data.Ref()
	*message = append(mem.BufferSlice(nil), data...)
	return nil
}

// Name is the content subtype that both sides use.
func (raw) Name() string { return "troupe" }
