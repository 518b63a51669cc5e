package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/integration/harness"
	"github.com/troupe-actors/troupe/shards"
)

// TestBadJoins: whoever does not belong to a cluster is refused with a sentence that says what to do, and the cluster takes no
// harm.
func TestBadJoins(t *testing.T) {
	onceIsEnough(t)
	p := newTown(t, harness.ClusterConfig{})
	p.write(1, p.Members[0])
	t.Run("the data of another cluster", func(t *testing.T) {
		stranger := lonely(t)
		n := start(t, stranger)
		fill(t, n, "stranger:", 10)
		stop(t, n)
		for _, flag := range []string{"--join", "--initial"} {
			again := *stranger
			again.Args = []string{flag, p.Members[0].Config.Peer}
			refusesToStart(t, &again, "belongs to cluster", "use another folder")
		}
		expect(t, connect(t, start(t, stranger).RESP), "value of stranger:9", "GET", "stranger:9")
	})
	t.Run("a life that is over", func(t *testing.T) {
		p := p.in(t)
		m := p.Members[2]
		must(t, m.Stop(soon(t)))
		backup := filepath.Join(t.TempDir(), "backup")
		must(t, os.CopyFS(backup, os.DirFS(m.Config.Data)))
		old := m.Config
		old.Data = backup
		for range 2 {
			p.restart(m)
			must(t, m.Stop(soon(t)))
			for range 2 { // a supervisor tries again: the life that each try begins is the same one
				refusesToStart(t, &old, "a life of this node that is past", "start the node on its newer folder")
			}
		}
		p.restart(m)
	})
	t.Run("a cluster that has forgotten it", func(t *testing.T) {
		p := p.in(t)
		m := p.Members[2]
		must(t, m.Stop(soon(t)))
		p.waitFor("it is forgotten", func() bool { return p.Post(soon(t), "/_nodes/"+m.Name+"/forget", nil) == nil }) // once it is dead, and others have its copies
		refusesToStart(t, &m.Config, "has forgotten this node", "an empty data folder and --join")
		must(t, os.RemoveAll(m.Config.Data))
		p.restart(m)
	})
	t.Run("a name that is taken", func(t *testing.T) {
		c := lonely(t)
		c.Args = []string{"--name", "n1", "--join", p.Members[1].Config.Peer}
		refusesToStart(t, c, "the name n1 belongs to")
	})
	t.Run("a later format, another cluster, noise", func(t *testing.T) { p.in(t).forge() })
	p.unharmed()
}

// unharmed is the end of a test in which nobody was let in.
func (p *town) unharmed() {
	p.t.Helper()
	p.green()
	rows, err := p.Nodes(soon(p.t))
	must(p.t, err)
	if len(rows) != 3 {
		p.t.Errorf("the cluster has %d members: %+v", len(rows), rows)
	}
	p.writing(time.Now())
	p.unnoticed()
	p.reckon()
}

// lonely is the config of a node that has an empty folder, and paths for nothing.
func lonely(t *testing.T) *harness.NodeConfig {
	t.Helper()
	c := newNode(t)
	c.Args = []string{"--name", "stranger"}
	return c
}

// refusesToStart starts a node that has to end by itself, with an error that holds these words.
func refusesToStart(t *testing.T, c *harness.NodeConfig, words ...string) {
	t.Helper()
	n, err := harness.Launch(c)
	must(t, err)
	defer n.Kill()
	select {
	case <-n.Exited():
	case <-soon(t).Done():
		t.Fatalf("it runs\n%s", n.Output())
	}
	if code := n.ExitCode(); code == 0 {
		t.Errorf("it ended as if all were well")
	}
	for _, word := range words {
		if !strings.Contains(n.Output(), word) {
			t.Errorf("it does not say %q:\n%s", word, n.Output())
		}
	}
}

// saysInVain starts a node that goes on trying, and says why it is in vain.
func saysInVain(t *testing.T, c *harness.NodeConfig, word string) {
	t.Helper()
	n, err := harness.Launch(c)
	must(t, err)
	defer n.Kill()
	must(t, n.Until(soon(t), func(context.Context) error {
		if text := n.Output(); !strings.Contains(text, word) {
			return fmt.Errorf("it does not say %q", word)
		}
		return nil
	}))
}

// forge introduces nodes that there cannot be, and sends what no node sends.
func (p *town) forge() {
	t := p.t
	victim := p.Members[0]
	for _, c := range []struct {
		hello transport.Hello
		says  string
	}{
		{transport.Hello{Format: 99, Node: "forged", Epoch: 1, Name: "forged"}, "upgrade node " + victim.Name},
		{transport.Hello{Format: 1, Cluster: "another", Node: "forged", Epoch: 1, Name: "forged"}, "a data folder belongs to one cluster"},
	} {
		if err := p.introduce(victim, c.hello); !errors.Is(err, transport.ErrRejected) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want a refusal with %q", c.hello, err, c.says)
		}
	}
	for _, noise := range []string{"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + strings.Repeat("\xff", 100), strings.Repeat("\x00", 1<<16)} {
		c, err := net.Dial("tcp", victim.Config.Peer)
		must(t, err)
		_, _ = io.WriteString(c, noise) // it may hang up before it has read all
		must(t, c.Close())
	}
	if victim.Node() == nil {
		t.Errorf("%s is dead", victim.Name)
	}
}

// introduce says hello to a member as somebody else.
func (p *town) introduce(m *harness.Member, hello transport.Hello) error {
	p.t.Helper()
	tr, err := transport.Listen(transport.Config{
		Self: hello, Listen: "127.0.0.1:0", Receive: func(transport.Hello, transport.Class, transport.Kind, []byte) {},
		Serve: func(context.Context, transport.Hello, transport.Kind, []byte) ([]byte, error) {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("a forger serves nothing")}
		},
	})
	must(p.t, err)
	defer tr.Close()
	_, err = tr.Probe(soon(p.t), m.Config.Peer)
	return err
}

// TestCertificates: nodes with certificates of one authority form a cluster; one with another's is refused, and so is one
// without.
func TestCertificates(t *testing.T) {
	if testing.Short() {
		t.Skip("the refusals are those of transport's own tests")
	}
	flags := authority(t).flags(t, "node")
	p := newTown(t, harness.ClusterConfig{Args: flags})
	p.write(1, p.Members[0])
	for name, args := range map[string][]string{"another authority": authority(t).flags(t, "node"), "no certificate": nil} {
		t.Run(name, func(t *testing.T) {
			c := lonely(t)
			c.Args = append([]string{"--name", "stranger", "--join", p.Members[0].Config.Peer}, args...)
			saysInVain(t, c, "no member has taken this node in yet")
		})
	}
	p.unharmed()
}

// issuer signs certificates.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func authority(t *testing.T) *issuer {
	t.Helper()
	a := &issuer{}
	a.cert, a.key = issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	return a
}

// issue makes a key and a certificate for it; without an issuer it signs itself.
func issue(t *testing.T, template *x509.Certificate, by *issuer) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if by == nil {
		by = &issuer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, &key.PublicKey, by.key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert, key
}

// flags are those of a node with a certificate of this authority.
func (a *issuer) flags(t *testing.T, name string) []string {
	t.Helper()
	cert, key := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	dir := t.TempDir()
	var flags []string
	for _, file := range []struct {
		flag, kind string
		der        []byte
	}{{"cert", "CERTIFICATE", cert.Raw}, {"key", "PRIVATE KEY", der}, {"ca", "CERTIFICATE", a.cert.Raw}} {
		path := filepath.Join(dir, file.flag+".pem")
		must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), 0o600))
		flags = append(flags, "--tls-"+file.flag, path)
	}
	return flags
}
