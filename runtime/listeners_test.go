package runtime

import (
	"errors"
	"strings"
	"testing"
)

// Where no node can listen is told before anything is opened, and nobody is blamed for it.
func TestListenersThatCannotBe(t *testing.T) {
	for want, c := range map[string]Config{
		`HTTP address "127.0.0.1:99999": "99999" is no port`:        {HTTP: "127.0.0.1:99999"},
		`RESP address "127.0.0.1:-1": "-1" is no port`:              {RESP: "127.0.0.1:-1"},
		`Peer address "127.0.0.1:nope": "nope" is no port`:          {Peer: "127.0.0.1:nope"},
		"RESP and HTTP have one address, 127.0.0.1:7":               {RESP: "127.0.0.1:7", HTTP: "127.0.0.1:7"},
		"HTTP and Peer have one address, [::]:7: each needs a port": {HTTP: "0.0.0.0:7", Peer: "[::]:7", Insecure: true},
	} {
		err := c.Check()
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "another node") {
			t.Errorf("%+v: %v; want %q", c, err, want)
		}
	}
	for _, c := range []Config{
		{RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0", Peer: "127.0.0.1:0"}, {RESP: "127.0.0.1:7", HTTP: "127.0.0.1:8"}, {RESP: "127.0.0.1:7", HTTP: "127.0.0.2:7"},
	} {
		if err := c.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOnlyATakenAddressIsAnotherNodes(t *testing.T) {
	taken, err := listen("HTTP", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := listen("HTTP", taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "is another node running?") {
		t.Errorf("an address that is in use: %v", err)
	}
	if _, err := listen("HTTP", "192.0.2.1:0"); err == nil || strings.Contains(err.Error(), "another node") {
		t.Errorf("an address of no machine: %v", err)
	}
}
