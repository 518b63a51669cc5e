package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/troupe-actors/troupe/runtime/resp"
)

// server is one listener with whoever answers it. Its goroutine ends with close.
type server struct {
	close func() error
}

// stopLimit is how long clients have to take what they are owed when the node stops.
const stopLimit = 5 * time.Second

// bind opens the configured listeners, so that others can be told where this node is reached. Nobody serves there yet.
func (n *Node) bind() (err error) {
	if n.shown, err = n.config.clientCertificate(); err != nil {
		return err
	}
	if n.between, err = n.config.peerCertificate(); err != nil {
		return err
	}
	if n.config.RESP != "" {
		if n.listeners.resp, err = listen("the Redis protocol", n.config.RESP); err != nil {
			return err
		}
	}
	if n.config.HTTP != "" {
		n.listeners.http, err = listen("HTTP", n.config.HTTP)
	}
	return err
}

// unbind closes the listeners that nobody has begun to answer.
func (n *Node) unbind() error {
	var problems []error
	for _, l := range []*net.Listener{&n.listeners.resp, &n.listeners.http} {
		if *l == nil {
			continue
		}
		if err := (*l).Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

// serve answers at the listeners.
func (n *Node) serve(background context.Context) error {
	if n.listeners.resp != nil {
		if err := n.serveRESP(); err != nil {
			return err
		}
	}
	if n.listeners.http != nil {
		n.serveHTTP(background)
	}
	return nil
}

func listen(what, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s cannot listen: %w: is another node running? choose another address", what, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen: %w", what, err)
	}
	return l, nil
}

func (n *Node) serveRESP() (err error) {
	l := n.listeners.resp
	var redirect resp.Redirect
	if err := redirect.UnmarshalText([]byte(n.config.Redirect)); err != nil {
		return err
	}
	n.resp, err = resp.New(newRedis(n), resp.Config{
		Password: n.config.Password, MaxClients: n.config.MaxClients, Logger: n.config.Logger, Redirect: redirect, TLS: n.shown.server(), Limits: n.config.Redis,
	})
	if err != nil {
		return err
	}
	n.resp.MapChanged() // what clients hear of later are the differences
	n.speaker.Store(n.resp)
	served := make(chan error, 1)
	go func() { served <- n.resp.Serve(l) }()
	n.servers = append(n.servers, &server{close: func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		err := n.resp.Close(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			n.config.Logger.Warn("some Redis clients did not take their replies in time and were cut off")
			err = nil
		}
		if ended := <-served; !errors.Is(ended, resp.ErrClosed) {
			err = errors.Join(err, ended)
		}
		return err
	}})
	return nil
}

func (n *Node) serveHTTP(background context.Context) {
	l := n.listeners.http
	ctx, cancel := context.WithCancel(background)
	handler := n.admin()
	served := make(chan error, 1)
	go func() { served <- handler.Serve(ctx, l) }()
	n.servers = append(n.servers, &server{close: func() error {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}})
}

// RESPAddr is where the node speaks the Redis protocol, as host:port; empty if it does not.
func (n *Node) RESPAddr() string { return addressOf(n.listeners.resp) }

// HTTPAddr is where the node speaks HTTP, as host:port; empty if it does not.
func (n *Node) HTTPAddr() string { return addressOf(n.listeners.http) }

// PeerAddr is where other nodes reach this one, as host:port; empty if they do not.
func (n *Node) PeerAddr() string {
	if l := n.life.Load(); l != nil {
		return l.address
	}
	return ""
}

func addressOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}
