package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// A browser takes two addresses for one origin if they came under one name. So whoever owns a name can serve a page under it, have the name
// lead to loopback then, and the page speaks to a node there as to its own server: neither Origin nor Sec-Fetch-Site tells. Host does.

// openToPages says whether all that keeps web pages from a listener is what their browsers say of them. A token they do not have, and with
// TLS the node's certificate is not good for their name.
func (s *Server) openToPages(l net.Listener) bool {
	at, is := l.Addr().(*net.TCPAddr)
	return is && at.IP.IsLoopback() && s.config.Token == "" && s.config.TLS == nil
}

// checkHost refuses a request that was sent to a name which is not known to be this node's.
func (s *Server) checkHost(r *http.Request) error {
	host := hostOf(r.Host)
	if _, err := netip.ParseAddr(host); host == "" || err == nil { // no browser leaves it out
		return nil
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // for browsers these are loopback, whatever a name server says
		return nil
	}
	self := s.backend.Node()
	if host == hostOf(self.HTTP) || host == hostOf(self.Host) {
		return nil
	}
	return &Error{Status: http.StatusForbidden, Kind: KindUnauthorized, Reason: fmt.Sprintf(
		"this node does not answer to the name %q: it asks for no token, and whoever owns a name can have it lead here, so that a browser takes a web page of theirs for one of this node's; "+
			"ask http://localhost or an IP address, or start the node with --advertise and this name, or with --token", clip(host))}
}

// hostOf is a host with or without a port, as names are compared.
func hostOf(address string) string {
	host := address
	if h, _, err := net.SplitHostPort(address); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
