package runtime

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// Ports of nodes that come and go lie below those that the system gives to whoever asks for any: of those it may give one away while its
// node is down. A process has a block of them to itself as long as it listens on the first.
const (
	firstPort  = 13000
	blockPorts = 100
	portBlocks = 30
)

// ports is the block of this process.
var ports struct {
	sync.Mutex
	claim net.Listener // held to the end of the process; nil: none yet
	first int
	given int // how many were given
}

// freeAddress is one that nobody listens on, that no other test program is given, and that the next ones of this test are not.
func freeAddress(t *testing.T) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for i := 0; i < portBlocks && ports.claim == nil; i++ {
		ports.first = firstPort + i*blockPorts
		ports.claim, _ = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.first)) // another one's: on to the next
	}
	if ports.claim == nil {
		t.Fatalf("no block of ports is free from %d on", firstPort)
	}
	for range blockPorts {
		ports.given++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.first+1+ports.given%(blockPorts-1)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatalf("all ports from %d on are taken", ports.first)
	return ""
}
