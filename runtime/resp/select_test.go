package resp

import (
	"fmt"
	"strings"
	"testing"
)

// Keyspaces are chosen by place or by name. Who asks for none that there is hears which there are, not too many.
func TestSelect(t *testing.T) {
	_, addr := startServer(t, newLocalBackend(1, "default", "orders"), Config{})
	c := dial(t, addr)
	c.expect("+OK", "SELECT", "1")
	c.expect("+OK", "SELECT", "orders")
	c.expect("-ERR DB index is out of range", "SELECT", "2")
	c.expect(`-ERR there is no keyspace "nope"; there are default, orders`, "SELECT", "nope")
	c.expect(`-ERR there is no keyspace "a\r\n+OK"; there are default, orders`, "SELECT", "a\r\n+OK")
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint("k", i))
	}
	_, addr = startServer(t, newLocalBackend(1, names...), Config{})
	if got := dial(t, addr).do("SELECT", strings.Repeat("x", 1000)); !strings.HasSuffix(got, "k18, k19, ...\r\n") || len(got) > 300 {
		t.Errorf("of many keyspaces: %s", got)
	}
}
