package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"
)

// authority signs certificates for nodes on the loopback.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, plan, plan, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.certificate)
	return a
}

// sign makes a certificate for a node.
func (a *authority) sign(t *testing.T, serial int64) *tls.Certificate {
	t.Helper()
	return a.signUntil(t, serial, time.Now().Add(time.Hour))
}

func (a *authority) signUntil(t *testing.T, serial int64, end time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: end, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, plan, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// config is what a node of this authority is started with.
func (a *authority) config(t *testing.T) func(*Config) {
	certificate := a.sign(t, 2)
	return func(c *Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{*certificate}, RootCAs: a.pool}
	}
}

var sockets = land{Listen, "127.0.0.1:0"}

func TestMutualTLS(t *testing.T) {
	ours := newAuthority(t)
	a, b := sockets.start(t, "a", 1, ours.config(t)), sockets.start(t, "b", 1, ours.config(t))
	a.up(t, b)
	body := strings.Repeat("x", 100_000)
	if answer, err := a.Call(soon(t), "b", KindForward, []byte(body)); err != nil || string(answer) != "echo "+body {
		t.Fatalf("%d bytes, %v", len(answer), err)
	}
	b.Close()
	if _, err := a.Probe(soon(t), b.Address()); !errors.Is(err, ErrRefused) {
		t.Errorf("the closed port: %v", err)
	}
}

func TestWrongCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	b := sockets.start(t, "b", 1, ours.config(t))
	signed := ours.sign(t, 3)
	for _, c := range []struct {
		why, want string
		change    func(*Config)
	}{
		{"of another authority", "signed by unknown authority", theirs.config(t)},
		{"of another authority, and trusts ours", "remote error: tls: unknown certificate authority", func(c *Config) {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{*theirs.sign(t, 2)}, RootCAs: ours.pool}
		}},
		{"none", "remote error: tls: certificate required", func(c *Config) { c.TLS = &tls.Config{RootCAs: ours.pool} }},
		{"no TLS at all", "this node has no certificate", func(*Config) {}},
		{"old TLS", "no supported versions", func(c *Config) { c.TLS = &tls.Config{RootCAs: ours.pool, MaxVersion: tls.VersionTLS12} }},
		{"the wrong name", "wanted to match elsewhere", func(c *Config) {
			c.TLS = &tls.Config{Certificates: []tls.Certificate{*signed}, RootCAs: ours.pool, ServerName: "elsewhere"}
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			a := sockets.start(t, "a", 1, c.change)
			_, err := a.Probe(soon(t), b.Address())
			if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrRejected) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v", err)
			}
		})
	}
	sockets.start(t, "c", 1, theirs.config(t)).SetPeers([]Address{{"b", 1, b.Address()}})
	sockets.start(t, "d", 1, ours.config(t)).up(t, b)
	if n := b.log.count("level=WARN"); n == 0 || n > 6 {
		t.Errorf("%d lines about wrong certificates:\n%s", n, b.log.text.String())
	}
}

// Certificates and authorities can be replaced while nodes run: old connections stay, new ones use what is new.
func TestRotation(t *testing.T) {
	old, next := newAuthority(t), newAuthority(t)
	both := x509.NewCertPool()
	both.AddCert(old.certificate)
	both.AddCert(next.certificate)
	var certificate atomic.Pointer[tls.Certificate]
	certificate.Store(old.sign(t, 10))
	rotating := func(c *Config) {
		c.TLS = &tls.Config{
			RootCAs:              both,
			GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Load(), nil },
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate.Load(), nil },
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return &tls.Config{ClientCAs: both, Certificates: []tls.Certificate{*certificate.Load()}}, nil
			},
		}
	}
	a, b := sockets.start(t, "a", 1, rotating), sockets.start(t, "b", 1, rotating)
	a.up(t, b)
	certificate.Store(next.sign(t, 11))
	if _, err := a.Call(soon(t), "b", KindQuery, nil); err != nil {
		t.Fatalf("on the old connection: %v", err)
	}
	onlyNext := sockets.start(t, "c", 1, next.config(t))
	if _, err := onlyNext.Probe(soon(t), b.Address()); err != nil {
		t.Fatalf("who knows the new authority only: %v", err)
	}
	onlyOld := sockets.start(t, "d", 1, old.config(t))
	if _, err := onlyOld.Probe(soon(t), b.Address()); err == nil {
		t.Fatal("b still shows its old certificate")
	}
}

// Whoever dials and gives up, or dies, before the handshake is done has shown no certificate that could be wrong: who is refused is one that
// says something else than a node does.
func TestWhoHangsUpIsNotRefused(t *testing.T) {
	a := newAuthority(t)
	c := &tls.Config{Certificates: []tls.Certificate{*a.sign(t, 2)}, ClientCAs: a.pool, RootCAs: a.pool}
	for _, x := range []struct {
		says    string
		refused bool
	}{{"", false}, {"GET / HTTP/1.1\r\n\r\n", true}} {
		var log strings.Builder
		own := &Transport{config: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, noted: map[note]bool{}}
		s := &telling{credentials.NewTLS(c), own}
		dialed, accepted := net.Pipe()
		ended := make(chan error, 1)
		go func() {
			_, _, err := s.ServerHandshake(accepted)
			ended <- err
		}()
		if x.says != "" {
			if _, err := dialed.Write([]byte(x.says)); err != nil {
				t.Error(err)
			}
		}
		if err := dialed.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil || strings.Contains(log.String(), "certificate") != x.refused {
			t.Errorf("after %q: %v, log %q", x.says, err, log.String())
		}
	}
}

// One line of the log says whose certificate it is that somebody does not take, and it comes once, though what x509 says names the time.
func TestWhoseCertificateIsRefused(t *testing.T) {
	ours := newAuthority(t)
	ended := ours.signUntil(t, 2, time.Now().Add(-time.Minute))
	for _, x := range []struct {
		dials, accepts *tls.Certificate
		says           string
	}{
		{ended, ours.sign(t, 3), "its certificate must be signed"},
		{ours.sign(t, 4), ended, "it does not take the certificate of this node"},
	} {
		var log strings.Builder
		own := &Transport{config: Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, noted: map[note]bool{}}
		at := time.Now()
		for range 2 {
			at = at.Add(time.Second)
			now := func() time.Time { return at }
			s := &telling{credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{*x.accepts}, ClientCAs: ours.pool, ClientAuth: tls.RequireAndVerifyClientCert, Time: now}), own}
			dialed, accepted := overLoopback(t)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				client := tls.Client(dialed, &tls.Config{Certificates: []tls.Certificate{*x.dials}, RootCAs: ours.pool, ServerName: "127.0.0.1", Time: now})
				if client.Handshake() == nil { // in TLS 1.3 the answer to its certificate comes later
					_, _ = client.Read(make([]byte, 1))
				}
			}()
			if _, _, err := s.ServerHandshake(accepted); err == nil {
				t.Errorf("%s: the certificate that has ended is taken", x.says)
			}
			dialed.Close()
			accepted.Close()
			<-ended
		}
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), x.says) {
			t.Errorf("want one line with %q: %s", x.says, log.String())
		}
	}
}

// Who is refused without a judgement of its certificate is not told that it must be signed.
func TestWhatWhoIsRefusedLacks(t *testing.T) {
	ended := x509.CertificateInvalidError{Reason: x509.Expired, Detail: "current time 2030-01-01T00:00:00Z is after 2029-01-01T00:00:00Z"}
	for want, err := range map[string]error{
		"must be signed": fmt.Errorf("TLS: %w", &tls.CertificateVerificationError{Err: ended}),
		"does not speak": fmt.Errorf("TLS: %w", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}),
		"speak TLS 1.3":  errors.New("tls: client didn't provide a certificate"),
	} {
		if got := required(err); !strings.Contains(got, want) {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if text := timeless(fmt.Errorf("TLS: %w", ended)); strings.Contains(text, "2030") || !strings.Contains(text, "expired") {
		t.Errorf("the time is in %q", text)
	}
	if text := timeless(errors.New("node x: current time is over")); text != "node x: current time is over" {
		t.Errorf("of what x509 has not said comes %q", text)
	}
}

// overLoopback is a connection over the loopback, which unlike net.Pipe takes what both sides write at once.
func overLoopback(t *testing.T) (dialed, accepted net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if dialed, err = net.Dial("tcp", listener.Addr().String()); err == nil {
		accepted, err = listener.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	return dialed, accepted
}
