package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/runtime/cmd/troupe/dev"
	"github.com/troupe-actors/troupe/shards"
)

// defaultAddr is where a node listens for HTTP unless it is told otherwise.
const defaultAddr = "127.0.0.1:7500"

// devAddrs are where the first nodes of troupe dev do.
var devAddrs = []string{"127.0.0.1:7501", "127.0.0.1:7502", "127.0.0.1:7503"}

// remote is the cluster that a verb speaks to, as its flags say.
type remote struct {
	c        *console
	addr     string
	token    string
	ca       string
	keyspace string
	json     bool
	patience time.Duration // how long a request is repeated
}

// withRemote gives a verb the flags that all clients of keys share.
func withRemote(c *console, cmd *cobra.Command) *remote {
	r := withCluster(c, cmd)
	cmd.Flags().StringVar(&r.keyspace, "keyspace", "default", "keyspace to use")
	_ = cmd.RegisterFlagCompletionFunc("keyspace", r.completingFlag(keyspaceNames)) // fails for a flag that there is not
	return r
}

// withCluster gives a verb the flags that all clients share.
func withCluster(c *console, cmd *cobra.Command) *remote {
	r := &remote{c: c, patience: patience}
	f := cmd.Flags()
	f.StringVar(&r.addr, "addr", "", "HTTP `addresses` of nodes, comma separated (TROUPE_ADDR; default "+defaultAddr+", or those of troupe dev)")
	f.StringVar(&r.token, "token", "", "bearer `token` (better as TROUPE_TOKEN)")
	f.StringVar(&r.ca, "ca", "", "`file` with the authority of the nodes' certificates: speak TLS (TROUPE_CA)")
	f.BoolVar(&r.json, "json", false, "print JSON")
	return r
}

// setting is a flag's value, or the environment's if the flag is not given.
func (c *console) setting(flag, variable, otherwise string) string {
	if flag != "" {
		return flag
	}
	if value, ok := c.env(variable); ok && value != "" {
		return value
	}
	return otherwise
}

// addresses are those that the flag or the environment says, or the default.
func (r *remote) addresses() string { return r.c.setting(r.addr, "TROUPE_ADDR", defaultAddr) }

// first are the addresses to begin with. If none are said it is the default one if somebody listens there, and else those of
// troupe dev: not both, since they may be two clusters. One on other ports than usual is found if it is the only one; there being
// several is an error.
func (r *remote) first(ctx context.Context) ([]string, error) {
	if r.c.setting(r.addr, "TROUPE_ADDR", "") != "" {
		return strings.Split(r.addresses(), ","), nil
	}
	list := []string{defaultAddr}
	if listens(defaultAddr) {
		return list, nil
	}
	if slices.ContainsFunc(devAddrs, listens) {
		list = devAddrs
	} else if nodes, err := r.dev(ctx); err != nil {
		return nil, err
	} else if len(nodes) > 0 {
		list = nodes
	}
	r.addr = strings.Join(list, ",") // which is what messages then name
	return list, nil
}

// dev are the nodes of the only troupe dev on other ports than usual; none if there is none.
func (r *remote) dev(ctx context.Context) (list []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, devLimit)
	defer cancel()
	a, err := dev.Ask(ctx, dev.Folder(r.c.env), 0, dev.Request{Action: "status"})
	if several := (*dev.SeveralError)(nil); errors.As(err, &several) {
		return nil, usage("nobody listens at %s, and there are several dev clusters: say which with --addr %s", defaultAddr, several.HTTP())
	} else if errors.Is(err, dev.ErrNone) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("nobody listens at %s (say where with --addr), and where a dev cluster is cannot be found: %w", defaultAddr, err)
	}
	for _, n := range a.Nodes {
		list = append(list, n.HTTP)
	}
	return list, nil
}

// listens says whether somebody takes connections at an address of this machine.
func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// How long a request is repeated while no node can serve it, as in a failover; how long a node may take to begin its answer; and
// how long the members, and troupe dev, may take to be asked for.
const (
	patience   = 10 * time.Second
	attempt    = 5 * time.Second
	learnLimit = 2 * time.Second
	devLimit   = time.Second
)

// open makes the client, and asks for the other members: one address is enough to go on when that node dies.
func (r *remote) open(ctx context.Context) (*admin.Client, error) {
	trusted, err := r.trusted()
	if err != nil {
		return nil, err
	}
	first, err := r.first(ctx)
	if err != nil {
		return nil, err
	}
	client, err := admin.NewClient(admin.ClientConfig{
		Addresses: first, TLS: trusted, Token: r.c.setting(r.token, "TROUPE_TOKEN", ""), By: whoami(), Patience: r.patience, Attempt: attempt,
	})
	if err != nil {
		return nil, usage("--addr: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, learnLimit)
	defer cancel()
	_ = client.Learn(ctx) // the verb itself will say what is wrong, if it needs more than one node at all
	return client, nil
}

// whoami is the person at this terminal, for histories; what cannot be found out is left out.
func whoami() string {
	who := ""
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		who += "@" + host
	}
	return who
}

// trusted is whose certificates are believed; nil: whose this machine believes, where an address says https.
func (r *remote) trusted() (*tls.Config, error) {
	file := r.c.setting(r.ca, "TROUPE_CA", "")
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usage("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, usage("--ca: %s holds no certificate in PEM", file)
	}
	return &tls.Config{RootCAs: pool}, nil
}

// with runs a verb with a client, and explains its failure.
func (r *remote) with(ctx context.Context, do func(context.Context, *admin.Client) error) error {
	client, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	return r.explain(do(ctx, client))
}

// lastAnswer is how much longer than its --timeout a verb waits for an answer: that of a node which was asked to take so long is on its way then.
const lastAnswer = 1500 * time.Millisecond

// errLate ends what a verb waits for.
var errLate = errors.New("no answer in the time that --timeout gives")

// within is with for a verb that has a time limit, with all that it does: finding the members, and asking one that takes connections and never
// answers. end is when the time is over; what the verb says then it may still ask for.
func (r *remote) within(ctx context.Context, limit time.Duration, do func(ctx context.Context, client *admin.Client, end time.Time) error) error {
	end := time.Now().Add(limit)
	ctx, cancel := context.WithDeadlineCause(ctx, end.Add(lastAnswer), errLate)
	defer cancel()
	err := r.with(ctx, func(ctx context.Context, client *admin.Client) error { return do(ctx, client, end) })
	if errors.Is(err, errLate) {
		return fmt.Errorf("%s: no answer within %v: the log of a node that takes connections says what holds it up", r.addresses(), limit)
	}
	return err
}

// again runs a watch again and again when its node is lost, until ctx ends (which is how a watch does) or none is there.
func (r *remote) again(ctx context.Context, watch func() error) error {
	for {
		began := time.Now()
		err := watch()
		var own *fatal
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil || errors.As(err, &own) || !temporary(err) || time.Since(began) < time.Second && unreachable(err.Error()):
			return err
		}
		select {
		case <-time.After(againPause):
		case <-ctx.Done():
		}
	}
}

// againPause is between two watches.
const againPause = 100 * time.Millisecond

// acknowledge prints that a change was made.
func (r *remote) acknowledge(a *admin.Acknowledged, done string) error {
	if r.json {
		return printJSON(r.c.out, a)
	}
	if !a.Changed {
		done += " (as it was)"
	}
	r.warn(a)
	_, err := fmt.Fprintln(r.c.out, done)
	return err
}

// warn prints what may not be what was meant.
func (r *remote) warn(a *admin.Acknowledged) {
	for _, w := range a.Warnings {
		fmt.Fprintf(r.c.err, "troupe: warning: %s\n", w)
	}
}

// explain turns an answer of the API into an error that says what to do, with the exit code that belongs to it.
func (r *remote) explain(err error) error {
	var e *admin.Error
	if !errors.As(err, &e) {
		return err
	}
	_, each, several := strings.Cut(e.Reason, "\n") // a line for each address
	switch {
	case strings.Contains(e.Reason, "x509: ") || strings.Contains(e.Reason, "tls: "):
		return fmt.Errorf("%s: no TLS that can be trusted: is it the authority of the node's --client-tls-cert that --ca or TROUPE_CA names, and does the node speak TLS?\n  %s", r.addresses(), e.Reason)
	case e.Kind == admin.KindSecured:
		return fmt.Errorf("%s speaks TLS: name the authority of its certificate with --ca or TROUPE_CA, or write https:// in --addr", r.addresses())
	case e.Status == 0 && strings.Contains(e.Reason, admin.MuteReason) && several:
		return fmt.Errorf("no node answers this in time: the log of a node that takes connections says what holds it up\n%s", each)
	case e.Status == 0 && strings.Contains(e.Reason, admin.MuteReason):
		return fmt.Errorf("%s takes connections and does not answer this in time: the node's log says what holds it up\n  %s", r.addresses(), e.Reason)
	case e.Status == 0 && e.Kind == shards.KindUnavailable.String() && unreachable(e.Reason) && several:
		return fmt.Errorf("cannot reach any node: is one running? start one with: troupe node --data ./data, or several with: troupe dev (or say where with --addr)\n%s", each)
	case e.Status == 0 && e.Kind == shards.KindUnavailable.String() && unreachable(e.Reason):
		return fmt.Errorf("cannot reach %s: is a node running? start one with: troupe node --data ./data, or several with: troupe dev (or say where with --addr)\n  %s", r.addresses(), e.Reason)
	case e.Status == http.StatusUnauthorized && r.c.setting(r.token, "TROUPE_TOKEN", "") != "":
		return fmt.Errorf("%s does not take this token: it is what the node was started with (--token or TROUPE_TOKEN there)", r.addresses())
	case e.Status == http.StatusUnauthorized:
		return fmt.Errorf("%s asks for a token: give it as TROUPE_TOKEN or --token", r.addresses())
	case e.Kind == admin.KindReadOnly:
		return fmt.Errorf("%w (troupe maintenance --cluster off)", err)
	case e.Kind == admin.KindNotFound:
		return &failure{exitNotFound, err}
	case e.ErrorKind() == shards.KindConflict:
		return &failure{exitDifferent, err}
	}
	return err
}

// mistaken marks what the node does not understand as a mistake in the command line, for verbs that leave it to the node to read a flag.
func mistaken(err error) error {
	if refused := (*admin.Error)(nil); errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return &failure{exitUsage, err}
	}
	return err
}

// unreachable tells "nobody listens" from an answer that broke off.
func unreachable(reason string) bool {
	return strings.Contains(reason, "dial ") || strings.Contains(reason, "no answer")
}

// keyText is a key for people: as it is if it is printable text, quoted otherwise.
func keyText(key []byte) string {
	if printable(key, false) && len(key) > 0 {
		return string(key)
	}
	return fmt.Sprintf("%q", key)
}

// lineText is a text for people that may be empty.
func lineText(text string) string {
	if text == "" {
		return ""
	}
	return keyText([]byte(text))
}

// printable says whether bytes are text that does a terminal no harm. Line feeds and tabs may be allowed.
func printable(p []byte, lines bool) bool {
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		bad := r == utf8.RuneError && n == 1 || r < 0x20 || r >= 0x7f && r < 0xa0
		if bad && !(lines && (r == '\n' || r == '\t' || r == '\r')) {
			return false
		}
		p = p[n:]
	}
	return true
}

// jsonKey is how keys appear in JSON: text if they are UTF-8, base64 otherwise, as in the HTTP API.
type jsonKey struct {
	Key   *string `json:"key,omitempty"`
	Key64 []byte  `json:"key64,omitempty"`
}

func keyJSON(key []byte) jsonKey {
	if utf8.Valid(key) {
		s := string(key)
		return jsonKey{Key: &s}
	}
	return jsonKey{Key64: key}
}

// printJSON writes a value as one line.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
