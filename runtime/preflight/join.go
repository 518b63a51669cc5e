package preflight

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Peer is what a member says of itself.
type Peer struct {
	Name, Cluster, Release string
	Format                 uint32 // of the wire between nodes, as the member speaks it
	Objection              string // why its cluster would not let this node in; empty: nothing is known
}

// ErrRefused is what Input.Ask returns, wrapped or not, if nobody listens at the address.
var ErrRefused = errors.New("connection refused")

// patience is how long a member has to answer.
const patience = 3 * time.Second

// join checks what a node needs that is to become a member: an address of its own that others can reach, members that
// answer, and a cluster and a release that go together with its own.
func join(ctx context.Context, in *Input) []Result {
	switch {
	case in.refused:
		return nil
	case len(in.Join) == 0:
		return comesBack(ctx, in)
	}
	results := []Result{reachable(in)}
	var peers []Peer
	first := len(results)
	for _, address := range in.Join {
		r := Result{Name: "member " + address, Level: OK, Want: "a member that lets this node in"}
		peer, err := in.ask(ctx, address)
		if err != nil {
			r.Level, r.Found, r.Fix = Fail, err.Error(), adviceOf(err)
		} else {
			peers = append(peers, peer)
			r.Found = described(peer)
		}
		results = append(results, r)
	}
	if len(peers) == 0 {
		return results
	}
	for i := range results[first:] { // one that answers is enough
		if r := &results[first+i]; r.Level == Fail {
			r.Level = Warn
		}
	}
	if in.Ask != nil {
		results = append(results, sameCluster(in, peers), formats(in, peers), admission(peers))
	}
	return results
}

// comesBack checks what a node needs that goes on with its folder, and names no member to join: those of its first list that answer are
// asked. It need not reach any now.
func comesBack(ctx context.Context, in *Input) []Result {
	if in.owned.Cluster == "" || in.Ask == nil {
		return nil
	}
	var peers []Peer
	for _, address := range in.Initial {
		if peer, err := in.ask(ctx, address); err == nil {
			peers = append(peers, peer)
		}
	}
	if len(peers) == 0 {
		return nil
	}
	return []Result{sameCluster(in, peers), formats(in, peers), admission(peers)}
}

// ask finds out who listens at a member's address, or at least that somebody does.
func (in *Input) ask(ctx context.Context, address string) (Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if in.Ask != nil {
		return in.Ask(ctx, address, in.owned)
	}
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return Peer{}, err
	}
	return Peer{}, connection.Close()
}

func described(p Peer) string {
	if p.Cluster == "" {
		return "somebody listens there"
	}
	return fmt.Sprintf("%s of cluster %s, release %s", p.Name, p.Cluster, p.Release)
}

func adviceOf(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrRefused):
		return "nobody listens there: start that node first, or correct the address (it is the peer address, port 7300 unless changed)"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return "nothing answers: correct the address, or open the port in the firewall between the two machines, in both directions"
	}
	return "see what that node logs, and name a member's peer address"
}

// reachable checks that the node does not offer members on other machines an address that only its own machine knows.
func reachable(in *Input) Result {
	host, _, err := net.SplitHostPort(in.Peer)
	r := Result{Name: "address for members", Level: OK, Want: "one that every member can reach"}
	switch {
	case in.Peer == "":
		r.Level, r.Found, r.Fix = Fail, "none", "members call back: listen for them with --peer"
		return r
	case err != nil:
		r.Level, r.Found, r.Fix = Fail, err.Error(), "give host:port, as in 10.0.0.5:7300"
		return r
	case in.Advertise != "":
		host = in.Advertise
	}
	if isUnspecified(host) {
		r.Found = "the machine's name"
		return r
	}
	r.Found = host
	for _, address := range in.Join {
		other, _, err := net.SplitHostPort(address)
		if err == nil && isLoopback(host) && !isLoopback(other) {
			r.Level = Fail
			r.Fix = fmt.Sprintf("%s is on another machine, which cannot reach %s here: listen on an address of the network with --peer, or name one with --advertise", address, host)
		}
	}
	return r
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// sameCluster checks that all members belong to one cluster, and the folder to that or none.
func sameCluster(in *Input, peers []Peer) Result {
	r := Result{Name: "cluster", Level: OK, Found: peers[0].Cluster, Want: "one, and the data folder's own if it has one"}
	for _, p := range peers {
		if p.Cluster != peers[0].Cluster {
			r.Level, r.Found = Fail, fmt.Sprintf("%s is of %s, %s of %s", peers[0].Name, peers[0].Cluster, p.Name, p.Cluster)
			r.Fix = "these are two clusters: name members of one"
			return r
		}
	}
	if in.owned.Cluster != "" && in.owned.Cluster != peers[0].Cluster {
		r.Level = Fail
		r.Fix = fmt.Sprintf("the data folder is of cluster %s: give this node an empty folder, or name members of that cluster", in.owned.Cluster)
	}
	return r
}

// admission checks that the cluster has nothing against this node: one member that has is enough, others may not have heard yet.
func admission(peers []Peer) Result {
	r := Result{Name: "admission", Level: OK, Found: "no objection", Want: "a name that is free, a folder that was not forgotten"}
	for _, p := range peers {
		if p.Objection != "" {
			r.Level, r.Found, r.Fix = Fail, "refused by "+p.Name, p.Objection
			return r
		}
	}
	return r
}

// formats checks that no member speaks a format that this release does not know. An older one is spoken as long as there is
// a member that knows no other.
func formats(in *Input, peers []Peer) Result {
	r := Result{Name: "wire format", Level: OK, Want: fmt.Sprintf("%d or lower", in.Format)}
	newest := peers[0]
	for _, p := range peers {
		if p.Format > newest.Format {
			newest = p
		}
	}
	r.Found = fmt.Sprintf("members speak %d", newest.Format)
	if newest.Format > in.Format {
		r.Level = Fail
		r.Fix = fmt.Sprintf("%s runs release %s: install that release, or a newer one, on this machine", newest.Name, newest.Release)
	}
	return r
}
