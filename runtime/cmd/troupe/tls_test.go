package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned writes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &secret.PublicKey, secret)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cert, key = filepath.Join(folder, "own.pem"), filepath.Join(folder, "own.key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestVerbsSpeakTLS(t *testing.T) {
	cert, key := selfSigned(t)
	r := startNode(t, "off", "--client-tls-cert", cert, "--client-tls-key", key)
	r.at(t, 0, "", "put", "k", "v", "--ca", cert)
	if out, _ := r.at(t, 0, "", "get", "k", "--ca", cert); strings.TrimSpace(out) != "v" {
		t.Errorf("get prints %q", out)
	}
	r.at(t, 0, "", "nodes", "--ca", cert)
	r.at(t, 0, "", "explain", "default/0", "--ca", cert)
	other, _ := selfSigned(t)
	for want, args := range map[string][]string{
		"speaks TLS":               {"get", "k"},
		"can be trusted":           {"get", "k", "--ca", other},
		"unknown authority":        {"get", "k", "--addr", "https://" + r.addr},
		"holds no certificate":     {"get", "k", "--ca", key},
		"no such file":             {"get", "k", "--ca", key + ".none"},
		"come together: one of Cl": {"node", "--data", "off", "--client-tls-cert", cert, "--skip-preflight"},
	} {
		_, errs, code := invoke(t, map[string]string{"TROUPE_ADDR": r.addr}, "", args...)
		if code == 0 || !strings.Contains(errs, want) {
			t.Errorf("troupe %s: exit code %d, %q; want %q", strings.Join(args, " "), code, errs, want)
		}
	}
	if out, _, _ := r.stop(); !strings.Contains(out, "redis-cli --tls ") || !strings.Contains(out, "--addr https://") {
		t.Errorf("the greeting does not say how: %s", out)
	}
}
