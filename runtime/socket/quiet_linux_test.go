//go:build !386 && !s390x

package socket

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	goruntime "runtime"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The scheduler hears of a connection that is never found empty, and of a call that copies much; else of none.
func TestTheSchedulerHearsOfABusyConnection(t *testing.T) {
	near, far := pair(t, Direct)
	d := near.(*direct)
	if _, err := far.Write(make([]byte, 10*mostQuiet)); err != nil {
		t.Fatal(err)
	}
	whole(t, near, 10*mostQuiet)
	p := make([]byte, 1)
	for i := range 3 * mostQuiet {
		if _, err := io.ReadFull(near, p); err != nil {
			t.Fatal(err)
		}
		if want := int32((i + 1) % (mostQuiet + 1)); d.quiet.Load() != want {
			t.Fatalf("after %d reads in a row, %d count as not heard of, want %d", i+1, d.quiet.Load(), want)
		}
	}
	if !d.silent(mostBytes) || d.silent(mostBytes+1) || d.quiet.Load() != 0 {
		t.Error("what a call copies does not say whether the scheduler hears of it")
	}
	d.quiet.Store(mostQuiet)
	if _, err := io.ReadFull(near, make([]byte, 7*mostQuiet)); err != nil {
		t.Fatal(err)
	}
	d.quiet.Store(mostQuiet / 2)
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = near.Read(p) })
	for d.quiet.Load() != 0 { // until the reader finds nothing
		goruntime.Gosched()
	}
	near.Close()
	reading.Wait()
}

// whole waits until so many bytes can be read at once: the system brings them over in its own time.
func whole(t *testing.T, c net.Conn, bytes int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for there, failed := 0, error(nil); there < bytes; goruntime.Gosched() {
		if err := raw.Control(func(fd uintptr) { there, failed = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
	}
}

// TLS is above a direct connection as it is above any other.
func TestTLSAboveDirect(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	authority := x509.NewCertPool()
	authority.AddCert(certified.Certificate())
	near, far := pair(t, Direct)
	server := tls.Server(near, certified.TLS)
	client := tls.Client(far, &tls.Config{RootCAs: authority, ServerName: "example.com"})
	sent := make([]byte, 5<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(sent) // never fails, says its documentation
	var writing sync.WaitGroup
	for _, c := range []*tls.Conn{server, client} {
		writing.Go(func() {
			if _, err := c.Write(sent); err != nil {
				t.Error(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Error(err)
			}
		})
	}
	for _, c := range []*tls.Conn{server, client} {
		writing.Go(func() {
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes of %d, or others: %v", len(got), len(sent), err)
			}
		})
	}
	writing.Wait()
}
