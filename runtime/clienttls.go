package runtime

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificate is what the listeners of clients show. Its files are looked at again while the node runs, so that a certificate is
// renewed by writing it where the old one is. Safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	shown atomic.Pointer[tls.Certificate]

	looking sync.Mutex // held by whoever looks at the files; handshakes do not wait for it
	looked  time.Time
	changed [2]time.Time // of the files, when shown was read
}

// lookPause is how long a certificate is shown before its files are looked at again.
const lookPause = 10 * time.Second

// clientCertificate reads it for the first time; nil if there is none.
func (c *Config) clientCertificate() (*certificate, error) {
	switch {
	case c.ClientTLSCert == "" && c.ClientTLSKey == "":
		return nil, nil
	case c.ClientTLSCert == "" || c.ClientTLSKey == "":
		return nil, invalid("certificate and key for clients come together: one of ClientTLSCert and ClientTLSKey (--client-tls-cert, --client-tls-key) is missing")
	}
	own := &certificate{certFile: c.ClientTLSCert, keyFile: c.ClientTLSKey, log: c.Logger}
	if err := own.read(); err != nil {
		return nil, invalid("certificate for clients: %w", err)
	}
	return own, nil
}

// read takes certificate and key from their files. What is shown stays as it is if they cannot be used.
func (c *certificate) read() error {
	changed, err := c.times()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	if pair.Leaf == nil { // GODEBUG may say so
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return err
		}
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("%s ended on %s", c.certFile, pair.Leaf.NotAfter.Format(time.DateOnly))
	}
	c.shown.Store(&pair)
	c.changed = changed
	return nil
}

func (c *certificate) times() (at [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at[i] = info.ModTime()
	}
	return at, nil
}

// show gives the certificate for a handshake.
func (c *certificate) show(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c.looking.TryLock() {
		defer c.looking.Unlock()
		if now := time.Now(); now.Sub(c.looked) >= lookPause {
			c.looked = now
			c.renew()
		}
	}
	return c.shown.Load(), nil
}

// renew reads files that have changed. One that is half written, or does not fit the other yet, is tried again at the next look.
func (c *certificate) renew() {
	changed, err := c.times()
	if err == nil && changed == c.changed {
		return
	}
	if err == nil {
		err = c.read()
	}
	if err != nil {
		c.log.Warn("the certificate for clients has changed and cannot be used; the old one is shown", "error", err)
		return
	}
	c.log.Info("the certificate for clients was renewed", "until", c.shown.Load().Leaf.NotAfter)
}

// server is how a listener speaks TLS; nil without a certificate.
func (c *certificate) server() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.show}
}
