package resp

import (
	"bytes"
	"time"
)

// A page that somebody looks at can have the browser send an HTTP request to a node on the same machine, with a body of the page's own:
//
//	POST / HTTP/1.1                           no command
//	Host: 127.0.0.1:7400                      no command
//
//	FLUSHALL                                  would be done
//
// The browser writes the line Host, and a page has no say in what is before it. So such a connection ends there, as in Redis.
var browserWords = [][]byte{[]byte("POST"), []byte("Host:")}

// browserPause is at least between two warnings, for whoever is warned of may send without end.
const browserPause = time.Minute

func fromBrowser(word []byte) bool {
	for _, known := range browserWords {
		if bytes.EqualFold(word, known) {
			return true
		}
	}
	return false
}

// hangUp ends a connection that speaks HTTP. What it has sent behind that is not looked at.
func (c *conn) hangUp() {
	c.quit = true
	now := time.Now().UnixNano()
	if last := c.s.browsers.Load(); now-last >= int64(browserPause) && c.s.browsers.CompareAndSwap(last, now) {
		c.s.config.Logger.Warn("an HTTP request came to the port for Redis clients and was cut off: unless somebody mixed up the ports, a web page sends commands through a browser", "client", c.nc.RemoteAddr().String())
	}
}
