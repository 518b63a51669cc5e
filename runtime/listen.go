package runtime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/resp"
)

// server is one listener with whoever answers it. Its goroutine ends with close.
type server struct {
	close func() error
}

// stopLimit is how long clients have to take what they are owed when the node stops.
const stopLimit = 5 * time.Second

// listen opens the configured listeners. The first error ends it; Close closes those that are open by then.
func (n *Node) listen(background context.Context) error {
	if n.config.RESP != "" {
		if err := n.listenRESP(); err != nil {
			return err
		}
	}
	if n.config.HTTP != "" {
		return n.listenHTTP(background)
	}
	return nil
}

func bind(what, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s cannot listen: %w: is another node running? choose another address", what, err)
	}
	return l, nil
}

func (n *Node) listenRESP() error {
	l, err := bind("the Redis protocol", n.config.RESP)
	if err != nil {
		return err
	}
	n.resp, err = resp.New(newRedis(n), resp.Config{Password: n.config.Password, MaxClients: n.config.MaxClients, Logger: n.config.Logger})
	if err != nil {
		return errors.Join(err, l.Close())
	}
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
	n.respAddress = l.Addr().String()
	return nil
}

func (n *Node) listenHTTP(background context.Context) error {
	l, err := bind("HTTP", n.config.HTTP)
	if err != nil {
		return err
	}
	n.httpAddress = l.Addr().String()
	ctx, cancel := context.WithCancel(background)
	handler := admin.NewServer(api{n}, admin.ServerConfig{Token: n.config.Token, Dev: n.config.Dev, Logger: n.config.Logger})
	served := make(chan error, 1)
	go func() { served <- handler.Serve(ctx, l) }()
	n.servers = append(n.servers, &server{close: func() error {
		cancel()
		if err := <-served; err != nil && !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}})
	return nil
}

// RESPAddr is where the node speaks the Redis protocol, as host:port; empty if it does not.
func (n *Node) RESPAddr() string { return n.respAddress }

// HTTPAddr is where the node speaks HTTP, as host:port; empty if it does not.
func (n *Node) HTTPAddr() string { return n.httpAddress }

// Version is the version of Troupe in this program, as in "v0.1.0" or "devel".
func Version() string {
	const path = "github.com/troupe-actors/troupe"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == path && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}
