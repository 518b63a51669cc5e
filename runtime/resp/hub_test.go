package resp

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// A message to a channel with a name of MBs is compared with a bad pattern in a fraction of a second, and while it is nobody waits.
// It took 10 s, in which nobody could subscribe or publish.
func TestPublishToALongName(t *testing.T) {
	s, _ := startServer(t, newLocalBackend(1, "default"), Config{})
	bad, good := "*"+strings.Repeat("a", maxPattern-2)+"b", "*ab"
	listener := &subscriber{ended: true} // which takes nothing
	for kind := range listener.names {
		listener.names[kind] = make(map[string]struct{})
	}
	s.hub.join(listener, kindPattern, bad)
	channel := bytes.Repeat([]byte("a"), 4<<20)
	begin := time.Now()
	if n := s.hub.publish(kindChannel, channel, nil); n != 0 {
		t.Errorf("%d have the message", n)
	}
	s.hub.join(listener, kindPattern, good)
	if n := s.hub.publish(kindChannel, append(channel, 'b'), nil); n != 2 {
		t.Errorf("%d of 2 have the message", n)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
