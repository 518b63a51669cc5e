package runtime

import (
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// machineName is the name that the operating system gives the machine.
func machineName() string {
	if host, err := os.Hostname(); err == nil && host != "" {
		return host
	}
	return "localhost"
}

// standardPort is where nodes listen for others unless told otherwise.
const standardPort = "7300"

// DefaultName is the name of a node that was given none and listens for others at this address: the machine's, with the port if that
// is not 7300, since several nodes of a cluster may run on one machine and no two may have one name.
func DefaultName(peer string) string {
	name := machineName()
	if _, port, err := net.SplitHostPort(peer); err == nil && port != standardPort && port != "0" {
		name += "-" + port
	}
	return name
}

// The values of Config.Redirect.
const (
	RedirectAuto   = "auto"
	RedirectAlways = "always"
	RedirectNever  = "never"
)

// fillCluster fills the defaults of what concerns other nodes.
func (c *Config) fillCluster() {
	setDefault(&c.Replicas, 1)
	setDefault(&c.Host, machineName())
	if len(c.Roles) == 0 {
		c.Roles = []string{"meta", "data"}
	}
	tick, election := 50*time.Millisecond, 400*time.Millisecond
	if c.Dev {
		tick, election = 20*time.Millisecond, 300*time.Millisecond
	}
	setDefault(&c.Tick, tick)
	setDefault(&c.Heartbeat, 100*time.Millisecond)
	setDefault(&c.Election, election)
	setDefault(&c.Lease, 1500*time.Millisecond)
	setDefault(&c.Patience, 5*time.Second)
	setDefault(&c.Redirect, RedirectAuto)
	setDefault(&c.Guests, GuestsCompiled)
	c.Join, c.Initial, c.Roles = slices.Clone(c.Join), slices.Clone(c.Initial), slices.Clone(c.Roles)
	c.Attributes = maps.Clone(c.Attributes)
}

func (c *Config) validateCluster() error {
	if err := c.validatePeers(); err != nil {
		return err
	}
	if _, err := c.roles(); err != nil {
		return err
	}
	for _, f := range []struct{ what, text string }{{"name", c.Name}, {"cluster name", c.ClusterName}, {"host", c.Host}} {
		if len(f.text) > cluster.MaxText || !plainText(f.text) {
			return invalid("%s %.80q must have 1 to %d bytes of text without line breaks", f.what, f.text, cluster.MaxText)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		if !attributeText(name) || !attributeText(c.Attributes[name]) {
			return invalid("attribute %q=%q: name and value must have 1 to 255 bytes of text without line breaks", name, c.Attributes[name])
		}
	}
	if c.Replicas < shards.NoReplicas || c.Replicas > shards.MaxReplicas {
		return invalid("%d replicas; must be 1 to %d, or shards.NoReplicas", c.Replicas, shards.MaxReplicas)
	}
	if !slices.Contains([]string{RedirectAuto, RedirectAlways, RedirectNever}, c.Redirect) {
		return invalid("redirect %q; must be auto, always or never", c.Redirect)
	}
	if !slices.Contains([]string{GuestsCompiled, GuestsInterpreted, GuestsOff}, c.Guests) {
		return invalid("guests %q; must be compiled, interpreted or off", c.Guests)
	}
	if c.Patience < 0 || c.Patience > longestPatience {
		return invalid("patience %v must not be negative, nor above %v", c.Patience, longestPatience)
	}
	if _, err := c.peerCertificate(); err != nil {
		return err
	}
	return c.validateTimes()
}

// longestPatience bounds Config.Patience: what may be tried again for so long is remembered for twice that.
const longestPatience = 24 * time.Hour

func attributeText(s string) bool { return len(s) <= 255 && plainText(s) }

// plainText says that a text is one that tables and lines of logs can show.
func plainText(s string) bool {
	return len(s) > 0 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}

// validatePeers checks the addresses of other nodes.
func (c *Config) validatePeers() error {
	for _, list := range []struct {
		name      string
		addresses []string
	}{{"join", c.Join}, {"initial", c.Initial}} {
		for i, address := range list.addresses {
			host, port, err := net.SplitHostPort(address)
			if err != nil || host == "" || port == "" || port == "0" {
				return invalid("%s address %q must be host:port of a node's peer listener", list.name, address)
			}
			if slices.Contains(list.addresses[:i], address) {
				return invalid("%s address %s is there twice", list.name, address)
			}
		}
	}
	switch {
	case len(c.Join) > 0 && len(c.Initial) > 0:
		return invalid("join and initial exclude each other: initial is for nodes that begin a cluster, join for those that come to one")
	case (len(c.Join) > 0 || len(c.Initial) > 0 || c.PeersFile != "") && c.Peer == "":
		return invalid("a node of a larger cluster needs a peer address to listen on")
	case strings.ContainsAny(c.Advertise, "/ ") || c.Advertise != "" && isHostPort(c.Advertise):
		return invalid("advertise %q must be a host name or an address, without port", c.Advertise)
	}
	return nil
}

// mayLeadTo says whether one of the addresses may be that of this node. It cannot be known while one has a name: that may stand for any
// machine. An empty list leads to nobody and need not.
func mayLeadTo(list []string, own string) bool {
	host, port, err := net.SplitHostPort(own)
	if len(list) == 0 || err != nil || !numeric(host) {
		return true
	}
	return slices.ContainsFunc(list, func(address string) bool {
		h, p, err := net.SplitHostPort(address)
		return err != nil || !numeric(h) || p == port && (h == host || net.ParseIP(h).Equal(net.ParseIP(host)) || h == "localhost" || host == "localhost")
	})
}

// numeric says that a host is known without being looked up.
func numeric(host string) bool { return host == "localhost" || net.ParseIP(host) != nil }

func isHostPort(s string) bool {
	_, _, err := net.SplitHostPort(s)
	return err == nil && net.ParseIP(s) == nil
}

// roles are the node's roles as the cluster state has them.
func (c *Config) roles() (cluster.Roles, error) {
	roles, err := cluster.ParseRoles(strings.Join(c.Roles, ","))
	if err != nil {
		return 0, invalid("%w", err)
	}
	return roles, nil
}

// maxTime bounds every time of the protocols between nodes.
const maxTime = time.Hour

func (c *Config) validateTimes() error {
	lease, why := 4*c.Heartbeat, "four heartbeats, or one that is late would stop reads"
	if least := 2 * livenessTick; lease < least {
		lease, why = least, "twice the 50 ms by which leases are counted"
	}
	for _, t := range []struct {
		name  string
		value *time.Duration
		least time.Duration
		why   string
	}{
		{"tick", &c.Tick, time.Millisecond, "a millisecond"},
		{"heartbeat", &c.Heartbeat, c.Tick, "a tick"},
		{"election", &c.Election, 3 * c.Heartbeat, "three heartbeats, or one that is late would end a reign"},
		{"lease", &c.Lease, lease, why},
	} {
		if *t.value < t.least || *t.value > maxTime {
			return invalid("%s %v must be from %v (%s) to %v", t.name, *t.value, t.least, t.why, maxTime)
		}
		*t.value = (*t.value + c.Tick - 1) / c.Tick * c.Tick
	}
	return nil
}

// advertised is where others reach a listener that has bound this address.
func (c *Config) advertised(bound string) string {
	host, port, err := net.SplitHostPort(bound)
	if err != nil {
		return bound
	}
	switch ip := net.ParseIP(host); {
	case c.Advertise != "":
		host = c.Advertise
	case host == "" || ip != nil && ip.IsUnspecified():
		host = machineName()
	}
	return net.JoinHostPort(host, port)
}
