package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// secure makes the credentials of both directions out of one configuration: TLS 1.3, and certificates both ways. A
// certificate is valid for the host that is dialed, be it a name or an address, or for ServerName if that is given.
//
// What is to change while the node runs is asked for at each handshake: the own certificate through GetCertificate and
// GetClientCertificate; the authorities for incoming connections through GetConfigForClient; those for outgoing ones through
// VerifyConnection together with InsecureSkipVerify. ClientCAs are RootCAs if not given.
func secure(t *Transport, c *tls.Config) (dialing, accepting credentials.TransportCredentials) {
	client := c.Clone()
	client.MinVersion = tls.VersionTLS13
	client.GetConfigForClient = nil
	server := strict(c)
	if ask := c.GetConfigForClient; ask != nil {
		server.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := ask(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return withProtocol(strict(chosen)), nil
		}
	}
	return credentials.NewTLS(client), &telling{credentials.NewTLS(server), t}
}

// strict is a server's configuration that takes nobody without a certificate.
func strict(c *tls.Config) *tls.Config {
	s := c.Clone()
	s.MinVersion = tls.VersionTLS13
	if s.ClientAuth < tls.RequireAndVerifyClientCert {
		s.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if s.ClientCAs == nil {
		s.ClientCAs = s.RootCAs
	}
	return s
}

// withProtocol says that HTTP/2 is spoken, which credentials.NewTLS adds to configurations that it sees.
func withProtocol(c *tls.Config) *tls.Config {
	c.NextProtos = []string{"h2"}
	return c
}

// telling logs whom it refuses, once.
type telling struct {
	credentials.TransportCredentials
	t *Transport
}

// ServerHandshake takes a connection or refuses it.
func (s *telling) ServerHandshake(socket net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := s.TransportCredentials.ServerHandshake(socket)
	who := host(socket.RemoteAddr().String())
	switch {
	case err == nil:
	case brokenOff(err): // whoever dialed has given up, or died: no certificate was judged
		s.t.noteError(slog.LevelDebug, "a connection ended before its handshake", who, err, "whoever dialed has hung up")
	case alerted(err): // it is the other node that judged
		s.t.noteError(slog.LevelWarn, "a node that has dialed refuses this one", who, err, "it does not take the certificate of this node, or how this node speaks TLS")
	default:
		s.t.noteError(slog.LevelWarn, refusedNote, who, err, required(err))
	}
	return secured, info, err
}

// required is what whoever is refused lacks.
func required(err error) string {
	var judged *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &judged):
		return "its certificate must be signed by this cluster's authority"
	case errors.As(err, &plain):
		return "it does not speak TLS: a node of this cluster needs a certificate, its key and the authority (--tls-cert, --tls-key, --tls-ca)"
	}
	return "it must speak TLS 1.3, and show a certificate that this cluster's authority has signed"
}

// alerted says that the other side has ended the handshake, and said why.
func alerted(err error) bool {
	var failed *net.OpError
	return errors.As(err, &failed) && failed.Op == "remote error"
}

// Clone is for gRPC, which copies credentials.
func (s *telling) Clone() credentials.TransportCredentials {
	return &telling{s.TransportCredentials.Clone(), s.t}
}

// ClientHandshake is not used: a server accepts.
func (s *telling) ClientHandshake(ctx context.Context, authority string, socket net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return s.TransportCredentials.ClientHandshake(ctx, authority, socket)
}

// encrypt makes the TLS handshake on a socket that was dialed; if it fails the socket is closed.
//
// It then waits for the first byte. In TLS 1.3 a client has done its part before the server has looked at its certificate: what
// the server thinks of that is the answer to the first read, and would be lost if that read came after a failed write. A server
// of HTTP/2 speaks first.
func (g *rpc) encrypt(ctx context.Context, addr string, socket net.Conn) (net.Conn, error) {
	name := addr
	if asked := g.t.config.TLS.ServerName; asked != "" {
		name = asked
	}
	secured, _, err := g.dialing.ClientHandshake(ctx, name, socket)
	if err != nil {
		socket.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	deadline, _ := ctx.Deadline() // connect has one
	begun := &begun{Conn: secured, first: make([]byte, 1)}
	if err = secured.SetReadDeadline(deadline); err == nil {
		_, err = io.ReadFull(secured, begun.first)
	}
	if err == nil {
		err = secured.SetReadDeadline(time.Time{})
	}
	if err != nil {
		secured.Close()
		return nil, fmt.Errorf("TLS: it does not take this node's certificate: %w", err)
	}
	return begun, nil
}

// begun is a connection whose first byte has been read already.
type begun struct {
	net.Conn
	first []byte
}

// Read gives the first byte, then what follows.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
