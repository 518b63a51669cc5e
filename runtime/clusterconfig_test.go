package runtime

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

func TestClusterDefaults(t *testing.T) {
	var c Config
	if err := c.validate(); err != nil {
		t.Fatal(err)
	}
	if c.Tick != 50*time.Millisecond || c.Heartbeat != 100*time.Millisecond || c.Election != 400*time.Millisecond || c.Lease != 1500*time.Millisecond {
		t.Errorf("times %v %v %v %v", c.Tick, c.Heartbeat, c.Election, c.Lease)
	}
	if roles, err := c.roles(); err != nil || roles != cluster.DefaultRoles {
		t.Errorf("roles %v, %v", roles, err)
	}
	if c.Patience != 5*time.Second || c.NoProof {
		t.Errorf("patience %v, no proof %v", c.Patience, c.NoProof)
	}
	if c.Host == "" || c.Redirect != RedirectAuto || c.Replicas != 1 || c.firstKeyspaces()[0].Replicas != 1 {
		t.Errorf("%+v", c)
	}
	d := Config{Dev: true, Heartbeat: 90 * time.Millisecond, Replicas: shards.NoReplicas}
	if err := d.validate(); err != nil || d.Tick != 20*time.Millisecond || d.Election != 300*time.Millisecond || d.Heartbeat != 100*time.Millisecond {
		t.Errorf("dev: %v, tick %v, election %v, heartbeat %v, which is whole ticks", err, d.Tick, d.Election, d.Heartbeat)
	}
	if k := d.firstKeyspaces()[0]; k.Copies() != 1 {
		t.Errorf("no replicas: %d copies", k.Copies())
	}
}

func TestClusterConfigIsChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"host:port of a node's peer":            {Join: []string{"n1"}, Peer: "127.0.0.1:0"},
		"\":7300\" must be host:port":           {Initial: []string{":7300"}, Peer: "127.0.0.1:0"},
		"is there twice":                        {Join: []string{"a:1", "b:1", "a:1"}, Peer: "127.0.0.1:0"},
		"exclude each other":                    {Join: []string{"a:1"}, Initial: []string{"b:1"}, Peer: "127.0.0.1:0"},
		"needs a peer address":                  {PeersFile: "peers"},
		"without port":                          {Advertise: "n1:7300"},
		"\"http://n1\"":                         {Advertise: "http://n1"},
		"role \"master\"":                       {Roles: []string{"master"}},
		"attribute \"zone\"=\"\"":               {Attributes: map[string]string{"zone": ""}},
		"name \"bad\\nname\\tx\" must":          {Name: "bad\nname\tx"},
		"xxxx\" must have 1 to 256 bytes":       {Name: strings.Repeat("x", 257)},
		"cluster name \"a\\x1b[2J\" must":       {ClusterName: "a\x1b[2J"},
		"cluster name \"\\xff\" must":           {ClusterName: "\xff"},
		"host \"\\x00\" must have":              {Host: "\x00"},
		"17 replicas":                           {Replicas: 17},
		"must be auto, always or never":         {Redirect: "sometimes"},
		"patience -1s":                          {Patience: -time.Second},
		"nor above 24h0m0s":                     {Patience: math.MaxInt64},
		"tick 1µs":                              {Tick: time.Microsecond},
		"heartbeat 10ms must be from 50ms":      {Heartbeat: 10 * time.Millisecond},
		"election 250ms must be from 300ms":     {Election: 250 * time.Millisecond},
		"lease 300ms must be from 400ms":        {Lease: 300 * time.Millisecond},
		"lease 60ms must be from 100ms (twice":  {Tick: time.Millisecond, Heartbeat: 2 * time.Millisecond, Election: 6 * time.Millisecond, Lease: 60 * time.Millisecond},
		"lease 2h0m0s must be":                  {Lease: 2 * time.Hour},
		"come together":                         {TLSCert: "cert.pem"},
		"no such file":                          {TLSCert: "none.pem", TLSKey: "none.pem", TLSCA: "none.pem"},
		"Peer on 0.0.0.0:7300 would be open to": {Peer: "0.0.0.0:7300"},
	} {
		if err := c.validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, which does not say %q", err, want)
		}
	}
	open := Config{Peer: "0.0.0.0:7300", Insecure: true, Join: []string{"[::1]:7300", "n2.example:7300"}, Advertise: "::1", Name: strings.Repeat("é", 128), Host: "rack 3, bay 2"}
	if err := open.validate(); err != nil {
		t.Error(err)
	}
}

func TestInitialListNamesTheNodeItself(t *testing.T) {
	for _, c := range []struct {
		own  string
		list []string
		may  bool
	}{
		{"127.0.0.1:7300", nil, true},
		{"127.0.0.1:7300", []string{"127.0.0.1:7301", "127.0.0.1:7300"}, true},
		{"127.0.0.1:7300", []string{"127.0.0.1:7301", "localhost:7300"}, true},
		{"[::1]:7300", []string{"[0:0:0:0:0:0:0:1]:7300"}, true},
		{"127.0.0.1:7300", []string{"127.0.0.1:7301", "n2.example:7300"}, true},
		{"n1.example:7300", []string{"192.0.2.1:7300"}, true},
		{"127.0.0.1:7300", []string{"127.0.0.1:7301", "127.0.0.1:7302"}, false},
		{"192.0.2.1:7300", []string{"192.0.2.2:7300", "localhost:7301"}, false},
	} {
		if mayLeadTo(c.list, c.own) != c.may {
			t.Errorf("%s and %v: not %v", c.own, c.list, c.may)
		}
	}
	own, other := freeAddress(t), "127.0.0.1:1"
	if _, err := Start(t.Context(), Config{Peer: own, Initial: []string{other}}); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "none of the initial addresses") {
		t.Errorf("a list without the node: %v", err)
	}
}

func TestAdvertised(t *testing.T) {
	c := Config{Advertise: "n1.example"}
	if got := c.advertised("0.0.0.0:7300"); got != "n1.example:7300" {
		t.Error(got)
	}
	c.Advertise = ""
	for bound, want := range map[string]string{"127.0.0.1:1": "127.0.0.1:1", "[::]:2": net.JoinHostPort(machineName(), "2"), ":3": net.JoinHostPort(machineName(), "3"), "": ""} {
		if got := c.advertised(bound); got != want {
			t.Errorf("%q is advertised as %q, want %q", bound, got, want)
		}
	}
}

// Three nodes on one machine form a cluster although none was given a name.
func TestDefaultName(t *testing.T) {
	host := machineName()
	for peer, want := range map[string]string{"": host, "127.0.0.1:7300": host, ":0": host, "127.0.0.1:7310": host + "-7310", "[::1]:7320": host + "-7320"} {
		if c := (Config{Peer: peer}); DefaultName(peer) != want {
			t.Errorf("%q: %s", peer, DefaultName(peer))
		} else if c.fill(); c.Name != want {
			t.Errorf("%q is filled with %s", peer, c.Name)
		}
	}
}

// authority signs certificates for a test.
type authority struct {
	t      *testing.T
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	file   string
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, folder: t.TempDir()}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.file, _ = a.sign("ca", a.cert)
	return a
}

// sign writes a certificate and its key.
func (a *authority) sign(name string, c *x509.Certificate) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.key == nil {
		a.key = key
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.folder, name+".pem"), filepath.Join(a.folder, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestPeerCertificates(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	node := func(a *authority, usages ...x509.ExtKeyUsage) Config {
		cert, key := a.sign("node", &x509.Certificate{SerialNumber: big.NewInt(2), ExtKeyUsage: usages})
		return Config{TLSCert: cert, TLSKey: key, TLSCA: a.file}
	}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	good, stranger := node(ours, both...), node(theirs, both...)
	if _, problem := handshake(t, &good, &good); problem != nil {
		t.Errorf("two nodes of one cluster: %v", problem)
	}
	client, server := handshake(t, &good, &stranger)
	if client == nil && server == nil {
		t.Error("a stranger was let in")
	}
	cert, _ := ours.sign("half", &x509.Certificate{SerialNumber: big.NewInt(3), ExtKeyUsage: both[:1]})
	half := Config{TLSCert: cert, TLSKey: filepath.Join(ours.folder, "half.key"), TLSCA: ours.file}
	wrong := good
	wrong.TLSCA = theirs.file
	for want, c := range map[string]*Config{"servers and clients": &half, "other nodes would refuse it": &wrong} {
		if _, err := c.peerCertificate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, which does not say %q", err, want)
		}
	}
}

// handshake connects a client of one config with a server of another.
func handshake(t *testing.T, client, server *Config) (ofClient, ofServer error) {
	t.Helper()
	return shake(t, must[*certificate](t)(client.peerCertificate()), must[*certificate](t)(server.peerCertificate()))
}

// shake is handshake with what two nodes have read.
func shake(t *testing.T, client, server *certificate) (ofClient, ofServer error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server.peer())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	answer := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = conn.Write([]byte("x"))
			conn.Close()
		}
		answer <- err
	}()
	conn, ofClient := tls.Dial("tcp", l.Addr().String(), client.peer())
	if ofClient == nil {
		_, ofClient = conn.Read(make([]byte, 1))
		conn.Close()
	}
	return ofClient, <-answer
}
