package runtime

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards/store"
)

// server writes a certificate for 127.0.0.1, with a number to know it by.
func (a *authority) server(number int64) (cert, key string) {
	return a.sign("server", &x509.Certificate{
		SerialNumber: big.NewInt(number), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(must[*x509.Certificate](a.t)(a.parsed()))
	return p
}

func (a *authority) parsed() (*x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(a.file, filepath.Join(a.folder, "ca.key"))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

func TestClientsSpeakTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	cert, key := ours.server(2)
	n := start(t, Config{RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0", ClientTLSCert: cert, ClientTLSKey: key})
	trusting, doubting := &tls.Config{RootCAs: ours.pool()}, &tls.Config{RootCAs: theirs.pool()}

	client := must[*admin.Client](t)(admin.NewClient(admin.ClientConfig{Addresses: []string{n.HTTPAddr()}, TLS: trusting}))
	defer client.Close()
	if _, err := client.Put(t.Context(), "default", []byte("k"), []byte("v"), admin.PutOptions{If: store.Always}); err != nil {
		t.Fatal(err)
	}
	if err := client.Learn(t.Context()); err != nil {
		t.Errorf("the members are not told: %v", err)
	}
	again := must[*admin.Client](t)(client.At(n.HTTPAddr()))
	defer again.Close()
	if v, err := again.Get(t.Context(), "default", []byte("k")); err != nil || string(v.Bytes) != "v" {
		t.Errorf("%q, %v", v.Bytes, err)
	}
	stranger := must[*admin.Client](t)(admin.NewClient(admin.ClientConfig{Addresses: []string{n.HTTPAddr()}, TLS: doubting}))
	defer stranger.Close()
	if _, err := stranger.Get(t.Context(), "default", []byte("k")); err == nil || !strings.Contains(err.Error(), "x509: certificate") {
		t.Errorf("a client that does not trust the certificate: %v", err)
	}
	plain := must[*http.Response](t)(http.Get("http://" + n.HTTPAddr() + "/"))
	defer plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("without TLS: %s", plain.Status)
	}

	conn := must[*tls.Conn](t)(tls.Dial("tcp", n.RESPAddr(), trusting))
	defer conn.Close()
	must[int](t)(conn.Write([]byte("GET k\r\n")))
	answer := make([]byte, 64)
	if got := answer[:must[int](t)(conn.Read(answer))]; string(got) != "$1\r\nv\r\n" {
		t.Errorf("GET answers %q", got)
	}
	if _, err := tls.Dial("tcp", n.RESPAddr(), doubting); err == nil {
		t.Error("a client took a certificate that it does not trust")
	}
}

// A certificate is renewed by writing it where the old one is; while it is half written the old one is shown.
func TestClientCertificateIsRenewed(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server(2)
	var log bytes.Buffer
	c := Config{ClientTLSCert: cert, ClientTLSKey: key, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	shown := must[*certificate](t)(c.clientCertificate())
	number := func() int64 {
		t.Helper()
		return shown.now().pair.Leaf.SerialNumber.Int64()
	}
	if number() != 2 {
		t.Fatal("another certificate is shown")
	}
	a.server(3)
	later := time.Now().Add(time.Minute) // whatever the file system's clock counts in
	for _, name := range []string{cert, key} {
		must[struct{}](t)(struct{}{}, os.Chtimes(name, later, later))
	}
	if number() != 2 {
		t.Error("the files were looked at again at once")
	}
	shown.looked = time.Time{}
	if number() != 3 {
		t.Error("the new certificate is not shown")
	}
	must[struct{}](t)(struct{}{}, os.WriteFile(key, []byte("half"), 0o600))
	shown.looked = time.Time{}
	if number() != 3 || !strings.Contains(log.String(), "the old one is shown") {
		t.Errorf("half a key: number %d, log %s", number(), log.String())
	}
	shown.looked = time.Time{}
	if number(); strings.Count(log.String(), "the old one is shown") != 1 {
		t.Errorf("the same files are told twice: %s", log.String())
	}
	a.sign("server", &x509.Certificate{SerialNumber: big.NewInt(4), NotAfter: time.Now().Add(-time.Minute)})
	shown.looked = time.Time{}
	if number() != 3 || !strings.Contains(log.String(), "ended on") {
		t.Errorf("one that has ended: number %d, log %s", number(), log.String())
	}
	a.sign("server", &x509.Certificate{SerialNumber: big.NewInt(4), NotBefore: time.Now().Add(30 * time.Minute)})
	shown.looked = time.Time{}
	if number() != 3 || !strings.Contains(log.String(), "not valid before") {
		t.Errorf("one that has not begun: number %d, log %s", number(), log.String())
	}
	a.server(5)
	shown.looked = time.Time{}
	if number() != 5 {
		t.Error("once it was half written it is never read again")
	}
	ended, _ := a.sign("ended", &x509.Certificate{SerialNumber: big.NewInt(6), NotAfter: time.Now().Add(-time.Minute)})
	chain := slices.Concat(must[[]byte](t)(os.ReadFile(cert)), must[[]byte](t)(os.ReadFile(ended)))
	must[struct{}](t)(struct{}{}, os.WriteFile(cert, chain, 0o600))
	shown.looked, shown.warned = time.Time{}, time.Time{}
	log.Reset()
	if number() != 5 || !strings.Contains(log.String(), "a signer of the certificate") || strings.Contains(log.String(), "made now are refused") {
		t.Errorf("a signer has ended: number %d, log %s", number(), log.String())
	}
}

func TestClientCertificateIsRefused(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.server(2)
	for want, c := range map[string]*Config{
		"come together": {ClientTLSCert: cert},
		"no such file":  {ClientTLSCert: cert, ClientTLSKey: key + ".none"},
		"PEM":           {ClientTLSCert: key, ClientTLSKey: key},
	} {
		if _, err := c.clientCertificate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, which does not say %q", err, want)
		}
	}
}

// Certificate and authority of a node are renewed while it runs: first all believe both authorities, then each shows its new certificate.
func TestPeerCertificateIsRenewed(t *testing.T) {
	old, next := newAuthority(t), newAuthority(t)
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	identity := func(a *authority, name string) Config {
		cert, key := a.sign(name, &x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: usages})
		return Config{TLSCert: cert, TLSKey: key, TLSCA: filepath.Join(t.TempDir(), "ca.pem")}
	}
	later := time.Now()
	write := func(to string, from ...string) {
		var all []byte
		for _, name := range from {
			all = append(all, must[[]byte](t)(os.ReadFile(name))...)
		}
		later = later.Add(time.Minute) // whatever the file system's clock counts in
		must[struct{}](t)(struct{}{}, errors.Join(os.WriteFile(to, all, 0o600), os.Chtimes(to, later, later)))
	}
	a, b, fresh := identity(old, "a"), identity(old, "b"), identity(next, "c")
	write(a.TLSCA, old.file)
	write(b.TLSCA, old.file)
	write(fresh.TLSCA, next.file, old.file)
	var log bytes.Buffer
	a.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ofA, ofB := must[*certificate](t)(a.peerCertificate()), must[*certificate](t)(b.peerCertificate())
	both := func(why string, good bool, x, y *certificate) {
		t.Helper()
		for _, c := range [][2]*certificate{{x, y}, {y, x}} {
			ofClient, ofServer := shake(t, c[0], c[1])
			if (ofClient == nil && ofServer == nil) != good {
				t.Errorf("%s: %v, %v", why, ofClient, ofServer)
			}
		}
	}
	both("before", true, ofA, ofB)
	write(a.TLSCA, old.file, next.file)
	write(b.TLSCA, old.file, next.file)
	both("nobody has looked yet", false, ofA, must[*certificate](t)(fresh.peerCertificate()))
	ofA.looked, ofB.looked = time.Time{}, time.Time{}
	both("both authorities", true, ofA, must[*certificate](t)(fresh.peerCertificate()))
	write(a.TLSCert, fresh.TLSCert)
	ofA.looked = time.Time{}
	both("a certificate without its key", true, ofA, ofB)
	if !strings.Contains(log.String(), "the certificate for nodes has changed and cannot be used") {
		t.Errorf("log: %s", log.String())
	}
	write(a.TLSKey, fresh.TLSKey)
	ofA.looked = time.Time{}
	both("one is new", true, ofA, ofB)
	write(b.TLSCA, old.file)
	ofB.looked = time.Time{}
	both("the old authority only", false, ofA, ofB)
	write(a.TLSCA, old.file)
	ofA.looked = time.Time{}
	if ofA.now(); !strings.Contains(log.String(), "other nodes would refuse it") {
		t.Errorf("an authority that has not signed it: %s", log.String())
	}
}

// An end that is near is told once a day, be it the certificate's or its authority's, and the end itself when it has come.
func TestEndOfCertificateIsTold(t *testing.T) {
	a := newAuthority(t) // which ends in an hour
	cert, key := a.sign("node", &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(1000 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	var log bytes.Buffer
	c := Config{TLSCert: cert, TLSKey: key, TLSCA: a.file, ClientTLSCert: cert, ClientTLSKey: key, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	nodes, clients := must[*certificate](t)(c.peerCertificate()), must[*certificate](t)(c.clientCertificate())
	now := time.Now()
	for _, step := range []struct {
		after time.Duration
		of    *certificate
		lines int
		says  string
	}{
		{0, clients, 0, ""}, {0, nodes, 1, "the certificate for nodes ends soon"}, {time.Hour / 2, nodes, 1, ""}, {2 * time.Hour, nodes, 2, "the certificate for nodes has ended"}, {3 * time.Hour, nodes, 2, ""},
		{27 * time.Hour, nodes, 3, ""}, {999 * time.Hour, clients, 4, "the certificate for clients ends soon"},
	} {
		step.of.look(now.Add(step.after))
		if n := strings.Count(log.String(), "level=WARN"); n != step.lines || !strings.Contains(log.String(), step.says) {
			t.Errorf("after %v: %d lines, want %d and %q: %s", step.after, n, step.lines, step.says, log.String())
		}
	}
}

// A certificate for clients that is not made for servers is taken, and told of: who looks at its use refuses the node.
func TestClientCertificateThatIsNotForServers(t *testing.T) {
	a := newAuthority(t)
	for want, usages := range map[int][][]x509.ExtKeyUsage{
		0: {nil, {x509.ExtKeyUsageServerAuth}, {x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, {x509.ExtKeyUsageAny}},
		1: {{x509.ExtKeyUsageClientAuth}},
	} {
		for _, usage := range usages {
			var log strings.Builder
			cert, key := a.sign("shown", &x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: usage})
			c := Config{ClientTLSCert: cert, ClientTLSKey: key, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			if _, err := c.clientCertificate(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Count(log.String(), "is not made for a server"); got != want {
				t.Errorf("for %v: %q", usage, log.String())
			}
		}
	}
}
