package runtime

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// certificate is what this node shows to clients, or to other nodes, and whom it believes there. Its files are looked at again while the
// node runs, so that a certificate is renewed by writing it where the old one is. Safe for concurrent use.
type certificate struct {
	whom  string   // "clients" or "nodes"
	files []string // certificate, key, and between nodes the authority
	log   *slog.Logger

	shown atomic.Pointer[credential]

	looking sync.Mutex // held by whoever looks at the files; handshakes do not wait for it
	looked  time.Time
	changed []time.Time // of the files, when shown was read
	warned  time.Time   // of the end that is near
	trouble trouble     // the last that was told
}

// trouble is why files that have changed cannot be used. The same one is told once in a while.
type trouble struct {
	changed []time.Time
	text    string
	told    time.Time
}

// credential is one reading of the files.
type credential struct {
	pair      tls.Certificate
	authority *x509.CertPool // between nodes: who must have signed theirs
	until     time.Time      // the end of the certificate, or of the one among its signers that ends first
}

const (
	lookPause = 10 * time.Second    // how long a certificate is shown before its files are looked at again
	endIsNear = 14 * 24 * time.Hour // from when on the log warns
	warnPause = 24 * time.Hour
)

// clientCertificate reads it for the first time; nil if there is none.
func (c *Config) clientCertificate() (*certificate, error) {
	switch {
	case c.ClientTLSCert == "" && c.ClientTLSKey == "":
		return nil, nil
	case c.ClientTLSCert == "" || c.ClientTLSKey == "":
		return nil, invalid("certificate and key for clients come together: one of ClientTLSCert and ClientTLSKey (--client-tls-cert, --client-tls-key) is missing")
	}
	return newCertificate("clients", c.Logger, c.ClientTLSCert, c.ClientTLSKey)
}

// peerCertificate reads it for the first time; nil if there is none.
func (c *Config) peerCertificate() (*certificate, error) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "" && c.TLSCA == "":
		return nil, nil
	case c.TLSCert == "" || c.TLSKey == "" || c.TLSCA == "":
		return nil, invalid("certificate, key and authority for the peer port come together: one of TLSCert, TLSKey and TLSCA (--tls-cert, --tls-key, --tls-ca) is missing")
	}
	return newCertificate("nodes", c.Logger, c.TLSCert, c.TLSKey, c.TLSCA)
}

func newCertificate(whom string, log *slog.Logger, files ...string) (*certificate, error) {
	if log == nil { // a visitor's configuration
		log = slog.New(slog.DiscardHandler)
	}
	own := &certificate{whom: whom, files: files, log: log}
	if err := own.read(); err != nil {
		return nil, invalid("certificate for %s: %w", whom, err)
	}
	return own, nil
}

// read takes certificate, key and authority from their files. What is shown stays as it is if they cannot be used.
func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return err
	}
	fresh := &credential{}
	if fresh.pair, err = tls.LoadX509KeyPair(c.files[0], c.files[1]); err != nil {
		return fmt.Errorf("%s with key %s: %w", c.files[0], c.files[1], err)
	}
	chain, err := parsed(&fresh.pair)
	if err != nil {
		return fmt.Errorf("%s: %w", c.files[0], err)
	}
	fresh.pair.Leaf = chain[0]
	fresh.until = slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	now, first, end := time.Now(), chain[0].NotBefore, chain[0].NotAfter
	switch {
	case now.After(end): // a signer that has ended is not always needed
		return fmt.Errorf("%s ended on %s", c.files[0], end.Format(time.DateOnly))
	case now.Before(first): // shown all the same, every client would refuse it until then
		return fmt.Errorf("%s is not valid before %s, and by this machine's clock it is %s", c.files[0], first.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if len(c.files) > 2 {
		if err := fresh.trust(c.files[2], chain); err != nil {
			return fmt.Errorf("%s: %w", c.files[0], err)
		}
	}
	if len(c.files) == 2 && !forServers(chain[0]) {
		c.log.Warn("the certificate for clients is not made for a server: clients that look at its use refuse this node; make one with the extended key usage serverAuth, or without any", "file", c.files[0])
	}
	c.shown.Store(fresh)
	c.changed = changed
	return nil
}

// forServers says whether who checks a certificate's use takes it of a server.
func forServers(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func parsed(pair *tls.Certificate) (chain []*x509.Certificate, err error) {
	for _, der := range pair.Certificate {
		one, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, one)
	}
	return chain, nil
}

// trust reads the authority, which must have signed the own certificate: other nodes believe the same one.
func (c *credential) trust(file string, own []*x509.Certificate) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	c.authority = x509.NewCertPool()
	if !c.authority.AppendCertsFromPEM(text) {
		return fmt.Errorf("certificate authority %s holds no certificate in PEM", file)
	}
	if c.until, err = signedBy(c.authority, own); err != nil {
		return fmt.Errorf("%w; other nodes would refuse it", err)
	}
	return nil
}

// signedBy checks a certificate, the first of a chain, against the authority, as a server's and as a client's. until is when the first of
// those ends that it needs.
func signedBy(authority *x509.CertPool, chain []*x509.Certificate) (until time.Time, err error) {
	if len(chain) == 0 {
		return until, errors.New("the other side shows no certificate")
	}
	o := x509.VerifyOptions{Roots: authority, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	ways, err := chain[0].Verify(o)
	if err == nil {
		o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		_, err = chain[0].Verify(o)
	}
	if err != nil {
		return until, fmt.Errorf("it is not signed by this cluster's authority for servers and clients: %w", err)
	}
	for _, way := range ways { // the best of several signers counts
		first := slices.MinFunc(way, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if first.NotAfter.After(until) {
			until = first.NotAfter
		}
	}
	return until, nil
}

func (c *certificate) times() (at []time.Time, err error) {
	for _, name := range c.files {
		info, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at = append(at, info.ModTime())
	}
	return at, nil
}

// now is what to show in a handshake.
func (c *certificate) now() *credential {
	if c.looking.TryLock() {
		defer c.looking.Unlock()
		c.look(time.Now())
	}
	return c.shown.Load()
}

// look reads files that have changed, and warns of an end that is near. The caller is the only one who looks.
func (c *certificate) look(now time.Time) {
	if now.Sub(c.looked) < lookPause {
		return
	}
	c.looked = now
	c.renew(now)
	shown := c.shown.Load()
	left := shown.until.Sub(now)
	endedSince := left <= 0 && c.warned.Before(shown.until) // what was told is no longer so
	if left > endIsNear || now.Sub(c.warned) < warnPause && !endedSince {
		return
	}
	c.warned = now
	what := "the certificate for " + c.whom + " ends soon: write a new one where it is, and it is read while the node runs"
	switch {
	case left > 0:
	case shown.authority == nil && now.Before(shown.pair.Leaf.NotAfter): // whom clients trust is not known here
		what = "a signer of the certificate for " + c.whom + " has ended: who trusts it through that one alone refuses connections; write a new one where it is"
	default:
		what = "the certificate for " + c.whom + " has ended: connections that are made now are refused; write a new one where it is"
	}
	c.log.Warn(what, "until", shown.until, "file", c.files[0])
}

// renew reads files that have changed. One that is half written, or does not fit the others yet, is tried again at the next look.
func (c *certificate) renew(now time.Time) {
	changed, err := c.times()
	if err == nil && slices.EqualFunc(changed, c.changed, time.Time.Equal) {
		return
	}
	if err == nil {
		err = c.read()
	}
	if err != nil {
		if t := &c.trouble; t.text == err.Error() && now.Sub(t.told) < warnPause && slices.EqualFunc(changed, t.changed, time.Time.Equal) {
			return
		}
		c.trouble = trouble{changed, err.Error(), now}
		c.log.Warn("the certificate for "+c.whom+" has changed and cannot be used; the old one is shown", "error", err)
		return
	}
	c.warned, c.trouble = time.Time{}, trouble{}
	c.log.Info("the certificate for "+c.whom+" was renewed", "until", c.shown.Load().until)
}

// server is how a listener for clients speaks TLS; nil without a certificate.
func (c *certificate) server() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &c.now().pair, nil }

// peer is how nodes prove to each other who they are; nil without certificates. Who has a certificate of the authority is one of the
// cluster's nodes, whatever name it is dialled by: nodes have addresses that change, and no names. Connections that are there stay when
// the certificate or the authority changes.
func (c *certificate) peer() *tls.Config {
	if c == nil {
		return nil
	}
	believe := func(s tls.ConnectionState) error {
		_, err := signedBy(c.now().authority, s.PeerCertificates)
		return err
	}
	accept := func() *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS13, GetCertificate: c.get, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: c.now().authority,
			VerifyConnection: believe,
		}
	}
	t := accept()
	t.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return accept(), nil }
	t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.now().pair, nil }
	t.RootCAs = t.ClientCAs
	t.InsecureSkipVerify = true // of the name only: VerifyConnection does the rest
	return t
}

// watchCertificates looks at them until ctx ends, for a node may make no handshake for long.
func (n *Node) watchCertificates(ctx context.Context) {
	if n.shown == nil && n.between == nil {
		return
	}
	look := time.NewTicker(time.Minute)
	defer look.Stop()
	for {
		for _, c := range []*certificate{n.shown, n.between} {
			if c != nil {
				c.now()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// certificateEnds is when the certificates end, by whom they are shown to, in Unix seconds.
func (n *Node) certificateEnds() map[string]int64 {
	ends := map[string]int64{}
	for _, c := range []*certificate{n.shown, n.between} {
		if c != nil {
			ends[c.whom] = c.shown.Load().until.Unix()
		}
	}
	return ends
}
