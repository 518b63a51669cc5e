package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// joining is an input of a node that would join a cluster of which n1 and n2 are members, n3 does not answer.
func joining() Input {
	return Input{Peer: "127.0.0.1:0", Join: []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}, Format: 2,
		Ask: func(_ context.Context, address string, _ Identity) (Peer, error) {
			n := address[strings.LastIndex(address, ":")+1:]
			if n == "3" {
				return Peer{}, context.DeadlineExceeded
			}
			return Peer{Name: "n" + n, Cluster: "c1", Release: "0.3", Format: 2}, nil
		}}
}

func TestJoin(t *testing.T) {
	results := Run(t.Context(), joining())
	for name, want := range map[string]Level{
		"address for members": OK, "member 127.0.0.1:1": OK, "member 127.0.0.1:2": OK, "member 127.0.0.1:3": Warn, "cluster": OK, "wire format": OK,
	} {
		if r := find(t, results, name); r.Level != want || (r.Fix == "") != (want == OK) {
			t.Errorf("%+v, want %s", r, want)
		}
	}
	if r := find(t, results, "member 127.0.0.1:1"); r.Found != "n1 of cluster c1, release 0.3" {
		t.Errorf("%+v", r)
	}
	for _, r := range Run(t.Context(), Input{Peer: "127.0.0.1:0"}) {
		if r.Name == "cluster" || strings.HasPrefix(r.Name, "member") {
			t.Errorf("a node that joins nobody: %+v", r)
		}
	}
}

func TestWhatStopsAJoin(t *testing.T) {
	old := joining().Ask
	for _, c := range []struct {
		name   string
		change func(*Input)
		check  string
		fix    string
	}{
		{"nobody answers", func(in *Input) { in.Join = in.Join[2:] }, "member 127.0.0.1:3", "open the port"},
		{"no peer address", func(in *Input) { in.Peer = "" }, "address for members", "--peer"},
		{"a bad peer address", func(in *Input) { in.Peer = "7300" }, "address for members", "host:port"},
		{"loopback to another machine", func(in *Input) { in.Join[1] = "192.0.2.7:2" }, "address for members", "192.0.2.7:2 is on another machine"},
		{"advertised loopback", func(in *Input) { in.Join[0], in.Advertise = "192.0.2.7:1", "localhost" }, "address for members", "--advertise"},
		{"two clusters", func(in *Input) {
			in.Ask = func(ctx context.Context, address string, own Identity) (Peer, error) {
				p, err := old(ctx, address, own)
				p.Cluster += address[len(address)-1:]
				return p, err
			}
		}, "cluster", "two clusters"},
		{"another cluster's folder", func(in *Input) {
			in.Data, in.Syncs = t.TempDir(), 1
			in.Identity = func(string) (Identity, bool, error) { return Identity{Node: "n9", Cluster: "c9"}, true, nil }
		}, "cluster", "of cluster c9"},
		{"a name that is taken", func(in *Input) {
			in.Ask = func(ctx context.Context, address string, own Identity) (Peer, error) {
				p, err := old(ctx, address, own)
				if p.Name == "n2" { // the first has not heard yet
					p.Objection = "the name n9 belongs to node n2"
				}
				return p, err
			}
		}, "admission", "the name n9"},
		{"a release from the past", func(in *Input) { in.Format = 1 }, "wire format", "release 0.3"},
	} {
		in := joining()
		c.change(&in)
		results := Run(t.Context(), in)
		if r := find(t, results, c.check); r.Level != Fail || !strings.Contains(r.Fix, c.fix) || ExitCode(results) != 1 {
			t.Errorf("%s: %+v, want a failure with advice about %q", c.name, r, c.fix)
		}
	}
}

func TestAddressesForMembers(t *testing.T) {
	for _, in := range []Input{
		{Peer: "127.0.0.1:0", Join: []string{"localhost:1"}},
		{Peer: "127.0.0.1:0", Advertise: "192.0.2.9", Join: []string{"192.0.2.7:1"}},
		{Peer: "0.0.0.0:0", Join: []string{"192.0.2.7:1"}},
		{Peer: ":0", Join: []string{"192.0.2.7:1"}},
	} {
		in.Ask = joining().Ask
		if r := find(t, Run(t.Context(), in), "address for members"); r.Level != OK {
			t.Errorf("%+v: %+v", in.Join, r)
		}
	}
}

// Without Ask the addresses are dialed.
func TestJoinByDialing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	if r := find(t, Run(t.Context(), Input{Peer: "127.0.0.1:0", Join: []string{at}}), "member "+at); r.Level != OK {
		t.Errorf("%+v", r)
	}
	l.Close()
	results := Run(t.Context(), Input{Peer: "127.0.0.1:0", Join: []string{at}})
	if r := find(t, results, "member "+at); r.Level != Fail || !strings.Contains(r.Fix, "start that node") {
		t.Errorf("%+v", r)
	}
}

func TestAdvice(t *testing.T) {
	for want, err := range map[string]error{
		"firewall":            fmt.Errorf("dial: %w", context.DeadlineExceeded),
		"start that node":     fmt.Errorf("visit: %w", ErrRefused),
		"what that node logs": errors.New("certificate refused"),
	} {
		if got := adviceOf(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}

// Members are asked about whom the folder belongs to, and only with a configuration that a node can run with.
func TestMembersHearWhoComes(t *testing.T) {
	in := joining()
	in.Data, in.Syncs = t.TempDir(), 1
	in.Identity = func(string) (Identity, bool, error) { return Identity{Node: "id9", Cluster: "c1"}, true, nil }
	ask, heard := in.Ask, Identity{}
	in.Ask = func(ctx context.Context, address string, own Identity) (Peer, error) {
		heard = own
		return ask(ctx, address, own)
	}
	if r := find(t, Run(t.Context(), in), "admission"); r.Level != OK || heard != (Identity{Node: "id9", Cluster: "c1"}) {
		t.Errorf("%+v, asked about %+v", r, heard)
	}
	in.Config = func() error { return errors.New("no such key") }
	results := Run(t.Context(), in)
	if r := find(t, results, "configuration"); r.Level != Fail || r.Fix != "no such key" || ExitCode(results) != 1 {
		t.Errorf("%+v", r)
	}
	for _, r := range results {
		if strings.HasPrefix(r.Name, "member") {
			t.Errorf("asked with it all the same: %+v", r)
		}
	}
}

// What a file of peers names is asked like what was given; without the file a node starts.
func TestFileOfPeers(t *testing.T) {
	in := joining()
	in.Seeds = func() ([]string, error) { return []string{"127.0.0.1:12"}, nil }
	if r := find(t, Run(t.Context(), in), "member 127.0.0.1:12"); r.Level != OK {
		t.Errorf("%+v", r)
	}
	in.Seeds = func() ([]string, error) { return nil, errors.New("no such file") }
	results := Run(t.Context(), in)
	if r := find(t, results, "file of peers"); r.Level != Warn || r.Found != "no such file" || ExitCode(results) != 0 {
		t.Errorf("%+v", r)
	}
}

// A node that goes on with its folder, as its unit starts it, hears what those members have against it that answer; that none does stops nothing.
func TestANodeThatComesBackHearsObjections(t *testing.T) {
	in := joining()
	in.Initial, in.Join = in.Join, nil
	in.Data, in.Syncs = t.TempDir(), 1
	in.Identity = func(string) (Identity, bool, error) { return Identity{Node: "id9", Cluster: "c1"}, true, nil }
	ask := in.Ask
	in.Ask = func(ctx context.Context, address string, own Identity) (Peer, error) {
		p, err := ask(ctx, address, own)
		p.Objection = "the cluster has forgotten " + own.Node
		return p, err
	}
	if r := find(t, Run(t.Context(), in), "admission"); r.Level != Fail || r.Fix != "the cluster has forgotten id9" {
		t.Errorf("%+v", r)
	}
	in.Initial = in.Initial[2:] // who does not answer
	if results := Run(t.Context(), in); slices.ContainsFunc(results, func(r Result) bool { return r.Name == "admission" || r.Name == "cluster" }) {
		t.Errorf("%+v", results)
	}
}
