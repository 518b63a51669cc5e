package runtime

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// heard is told of each line of a log.
type heard func(line string)

// Write tells of it.
func (h heard) Write(line []byte) (int, error) {
	h(string(line))
	return len(line), nil
}

// A node that stops gives its shards away although one of its actors does not: those who call others wait no longer than for a failover.
func TestCloseDoesNotWaitForAnActor(t *testing.T) {
	var left atomic.Bool
	hear := heard(func(line string) {
		if strings.Contains(line, "the node stops before its actors have") {
			left.Store(true)
		}
	})
	c := newTroopOf(t, false, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), hear), nil)).With("on", c.Name)
	}, volatileSpace("default", 1), volatileSpace("actors", 1))
	registered(t, c)
	gate, begun := make(chan struct{}), make(chan struct{}, 1)
	for _, n := range c.nodes {
		k := virtual.NewKind[int]("slow")
		virtual.Handle(k, "hang", func(*virtual.Context[int], int) (int, error) {
			begun <- struct{}{}
			<-gate
			return 0, errors.New("it was left behind")
		})
		if err := n.Register(t.Context(), k.Kind); err != nil {
			t.Fatal(err)
		}
	}
	closing := c.nodes[0]
	here := func(kind string) (id virtual.ID) {
		for i := 0; ; i++ {
			id = virtual.ID{Kind: kind, Name: fmt.Sprint(i)}
			if _, node, err := (actorStorage{closing}).Locate("actors", "s/{"+id.String()+"}"); err == nil && node == closing.id.Node {
				return id
			}
		}
	}
	slow, other := here("slow"), here("account")
	go func() { _, _ = virtual.Call[int, int](t.Context(), closing.Actors(), slow, "hang", 1) }()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- closing.Close() }()
	eventually(t, "the node stops", func() bool {
		_, err := virtual.Call[deposit, int](t.Context(), closing.Actors(), other, "deposit", deposit{Amount: 1})
		return err != nil
	})
	eventually(t, "another actor is called elsewhere", func() bool {
		_, err := virtual.Call[deposit, int](t.Context(), c.nodes[1].Actors(), other, "deposit", deposit{Amount: 1})
		return err == nil
	})
	if left.Load() {
		t.Error("another actor had to wait until the slow one was left behind")
	}
	close(gate)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	c.nodes[0] = nil
}
