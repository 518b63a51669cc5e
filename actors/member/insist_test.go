package member

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
)

// dying is the wire to a process that is being killed: it takes so many connections and breaks them, then it refuses.
type dying struct{ takes int }

func (*dying) Send(shards.NodeID, transport.Class, transport.Kind, []byte) error { return nil }

func (*dying) Call(context.Context, shards.NodeID, transport.Kind, []byte) ([]byte, error) {
	return nil, transport.ErrNoPeer
}

func (d *dying) Probe(context.Context, string) (transport.Hello, error) {
	if d.takes--; d.takes >= 0 {
		return transport.Hello{}, io.EOF
	}
	return transport.Hello{}, transport.ErrRefused
}

func TestInsist(t *testing.T) {
	for takes, c := range map[int]struct {
		answer liveness.Answer
		after  time.Duration
	}{0: {liveness.Refused, 0}, 1: {liveness.Refused, time.Millisecond}, 3: {liveness.Refused, 7 * time.Millisecond}, 100: {liveness.NoAnswer, 31 * time.Millisecond}} {
		synctest.Test(t, func(t *testing.T) {
			group := &fixed{}
			group.state.Store(&cluster.State{})
			m, err := Start(Config{Self: "n1", Epoch: 1, Wire: &dying{takes}, Group: group})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			start := time.Now()
			answer, _ := m.insist(t.Context(), "n2", "somewhere")
			if took := time.Since(start); answer != c.answer || took != c.after {
				t.Errorf("%d connections taken: answer %d after %v", takes, answer, took)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			m.c.Wire.(*dying).takes = 100
			start = time.Now()
			if answer, _ := m.insist(ended, "n2", "somewhere"); answer != liveness.NoAnswer || time.Since(start) > time.Millisecond {
				t.Errorf("it goes on after its time: answer %d after %v", answer, time.Since(start))
			}
		})
	}
}
