package dev

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/runtime/admin"
)

// Request is what another terminal asks for. Action is one of Cluster.Do, "cut", "heal" or "status".
type Request struct {
	Action string   `json:"action"`
	Node   string   `json:"node"`    // heal and status: may be empty, for all
	From   []string `json:"from"`    // cut: from these; from all others if empty
	OneWay bool     `json:"one_way"` // cut: what goes to them still arrives
}

// Answer is what came of it.
type Answer struct {
	Error string `json:"error,omitempty"`
	Nodes []Node `json:"nodes"` // after it
}

// file is what a control file holds.
type file struct {
	PID     int    `json:"pid"`
	Base    int    `json:"base"`
	Address string `json:"address"` // of the control port
	Token   string `json:"token"`
	Data    string `json:"data"`
}

// Folder is where control files are: only their owner can read it.
func Folder(env func(string) (string, bool)) string {
	if dir, ok := env("XDG_RUNTIME_DIR"); ok && dir != "" {
		return filepath.Join(dir, "troupe-dev")
	}
	return filepath.Join(os.TempDir(), "troupe-dev-"+strconv.Itoa(os.Getuid()))
}

func filePath(folder string, base int) string {
	return filepath.Join(folder, strconv.Itoa(base)+".json")
}

// Control listens for other terminals until Close.
type Control struct {
	cluster *Cluster
	token   string
	path    string
	server  http.Server
	serving sync.WaitGroup
}

// Listen makes a cluster's control port and the file that names it.
func Listen(c *Cluster, folder string) (*Control, error) {
	if other, err := readFile(filePath(folder, c.config.Base)); err == nil {
		if _, err := other.call(context.Background(), Request{Action: "status"}); err == nil {
			return nil, fmt.Errorf("a dev cluster runs on these ports already, as process %d: use that, end it with Ctrl-C, or choose another --base-port", other.PID)
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &Control{cluster: c, token: rand.Text(), path: filePath(folder, c.config.Base)}
	text, err := json.Marshal(file{PID: os.Getpid(), Base: c.config.Base, Address: l.Addr().String(), Token: k.token, Data: c.config.Data})
	if err == nil {
		err = os.WriteFile(k.path, text, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	k.server = http.Server{Handler: k, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	k.serving.Go(func() { k.server.Serve(l) }) // it ends with Close
	return k, nil
}

// Close ends the control port and removes the file.
func (k *Control) Close() error {
	err := k.server.Close()
	k.serving.Wait()
	return errors.Join(err, os.Remove(k.path))
}

// maxControl bounds a request and an answer, in bytes.
const maxControl = 64 << 10

// ServeHTTP does what is asked.
func (k *Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	var request Request
	if subtle.ConstantTimeCompare([]byte(given), []byte(k.token)) != 1 {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxControl)).Decode(&request); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var answer Answer
	if err := k.cluster.carryOut(r.Context(), &request); err != nil {
		answer.Error = err.Error()
	}
	answer.Nodes = k.cluster.Nodes()
	json.NewEncoder(w).Encode(answer) // who asked may have gone
}

func (c *Cluster) carryOut(ctx context.Context, r *Request) error {
	switch r.Action {
	case "status":
		return nil
	case "cut":
		return c.cut(ctx, r)
	case "heal":
		return c.heal(ctx, r.Node)
	}
	return c.Do(r.Action, r.Node)
}

// cut has a node lose what comes from others.
func (c *Cluster) cut(ctx context.Context, r *Request) error {
	m, err := c.find(r.Node)
	if err != nil {
		return err
	}
	from := "all others"
	if len(r.From) > 0 {
		from = strings.Join(r.From, ", ")
	}
	if r.OneWay {
		from += ", one way"
	}
	return c.tell(ctx, m, from, func(client *admin.Client) error { return client.Cut(ctx, r.From, r.OneWay) })
}

// heal ends the cuts of one node, or of all that run.
func (c *Cluster) heal(ctx context.Context, name string) error {
	if name != "" {
		m, err := c.find(name)
		if err != nil {
			return err
		}
		return c.tell(ctx, m, "", func(client *admin.Client) error { return client.Heal(ctx) })
	}
	var problems []error
	for _, m := range c.members {
		m.mu.Lock()
		isCut := m.node.Cut != ""
		m.mu.Unlock()
		if isCut {
			problems = append(problems, c.heal(ctx, m.node.Name))
		}
	}
	return errors.Join(problems...)
}

// tell asks a node's own API for something, and notes from whom it is then cut off.
func (c *Cluster) tell(ctx context.Context, m *member, cut string, ask func(*admin.Client) error) error {
	client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{m.node.HTTP}, Token: os.Getenv("TROUPE_TOKEN"), Attempt: 5 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := ask(client); err != nil {
		return fmt.Errorf("%s: %w", m.node.Name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.node.Cut = cut
	return nil
}

// ErrNone says that no dev cluster runs.
var ErrNone = errors.New("no dev cluster runs here; start one with: troupe dev")

// SeveralError says that who named no ports may mean any of several dev clusters.
type SeveralError struct {
	Bases []int // ports that they count from
}

func (e *SeveralError) Error() string {
	return "there are several dev clusters: say which with --base-port " + e.either(strconv.Itoa)
}

// HTTP is where their first nodes listen for HTTP, as words of a sentence.
func (e *SeveralError) HTTP() string {
	return e.either(func(base int) string { return address(base + httpPorts + 1) })
}

func (e *SeveralError) either(word func(base int) string) string {
	words := make([]string, len(e.Bases))
	for i, base := range e.Bases {
		words[i] = word(base)
	}
	return strings.Join(words, " or ")
}

// find reads the control file of the cluster on these ports, or of the only one that answers if base is 0.
func find(ctx context.Context, folder string, base int) (*file, error) {
	if base != 0 {
		return readFile(filePath(folder, base))
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var alive []*file
	var bases []int
	failed := ErrNone
	for _, path := range paths {
		f, err := readFile(path)
		if err == nil {
			_, err = f.call(ctx, Request{Action: "status"})
		}
		if err != nil {
			failed = err
			continue
		}
		alive = append(alive, f)
		bases = append(bases, f.Base)
	}
	switch len(alive) {
	case 0:
		return nil, failed
	case 1:
		return alive[0], nil
	}
	slices.Sort(bases)
	return nil, &SeveralError{bases}
}

func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNone
	}
	var f file
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return nil, fmt.Errorf("the control file %s of a dev cluster cannot be read: %w; remove it", path, err)
	}
	return &f, nil
}

// Ask has the dev cluster on these ports (0: the only one) do something, from another process.
func Ask(ctx context.Context, folder string, base int, r Request) (Answer, error) {
	f, err := find(ctx, folder, base)
	if err != nil {
		return Answer{}, err
	}
	a, err := f.call(ctx, r)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	return a, err
}

func (f *file) call(ctx context.Context, r Request) (a Answer, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+f.Address+"/", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	request.Header.Set("Authorization", "Bearer "+f.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return a, fmt.Errorf("%w (process %d, which ran one, is gone)", ErrNone, f.PID)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return a, fmt.Errorf("%w (at the port of process %d, which ran one, somebody else listens)", ErrNone, f.PID)
	}
	return a, json.NewDecoder(io.LimitReader(response.Body, maxControl)).Decode(&a)
}
