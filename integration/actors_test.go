package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/troupe-actors/troupe/integration/harness"
)

// polling is one process of examples/embed, or of TestLedgerNode.
type polling struct {
	program string
	args    []string
	env     []string
	url     string
	admin   string
	process atomic.Pointer[harness.Process]
}

func (p *polling) start(t *testing.T) {
	t.Helper()
	process, err := harness.Start("", p.env, p.program, p.args...)
	must(t, err)
	p.process.Store(process)
}

// startPolling builds the example and runs three of it, each with a folder of its own, and with env in their environments.
func startPolling(t *testing.T, env ...string) []*polling {
	t.Helper()
	program := filepath.Join(t.TempDir(), "embed")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/troupe-actors/troupe/examples/embed")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build examples/embed: %v\n%s", err, out)
	}
	var peers []string
	for range 3 {
		peer, err := harness.FreeAddress()
		must(t, err)
		peers = append(peers, peer)
	}
	var list []*polling
	for i, peer := range peers {
		listen, err := harness.FreeAddress()
		must(t, err)
		admin, err := harness.FreeAddress()
		must(t, err)
		p := &polling{program: program, env: env, url: "http://" + listen, admin: "http://" + admin, args: []string{
			"-name", fmt.Sprint("n", i+1), "-listen", listen, "-admin", admin, "-peer", peer, "-initial", strings.Join(peers, ","), "-data", t.TempDir(),
		}}
		p.start(t)
		t.Cleanup(func() {
			p.process.Load().Kill()
			if t.Failed() {
				t.Logf("the last words of %s:\n%s", p.url, p.process.Load().Output())
			}
		})
		list = append(list, p)
	}
	return list
}

// do sends one request and never repeats it. A status of 0 says that there was no answer.
func (p *polling) do(ctx context.Context, client *http.Client, method, path string, body []byte) (int, string) {
	return ask(ctx, client, method, p.url+path, body, http.Header{})
}

// get asks for one page; a status of 0 says that there was no answer.
func get(ctx context.Context, client *http.Client, url string) (int, string) {
	return ask(ctx, client, http.MethodGet, url, nil, http.Header{})
}

func ask(ctx context.Context, client *http.Client, method, url string, body []byte, header http.Header) (int, string) {
	request, err := http.NewRequestWithContext(ctx, method, url, io.NopCloser(bytes.NewReader(body))) // without GetBody net/http repeats nothing
	if err != nil {
		return 0, err.Error()
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}
