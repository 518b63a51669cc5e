package actors

import (
	"log/slog"
	"testing"
)

type recorder struct {
	got chan any
}

func (r *recorder) Receive(message any) {
	if message == "break" {
		panic("broken on purpose")
	}
	r.got <- message
}

func TestMessagesArriveInOrder(t *testing.T) {
	system := NewSystem(slog.New(slog.DiscardHandler), func(name string, reason any) { t.Errorf("%s failed: %v", name, reason) })
	defer system.Close()
	r := &recorder{got: make(chan any, 100)}
	ref, err := system.Spawn("recorder", r)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		ref.Tell(i)
	}
	for i := range 100 {
		if got := <-r.got; got != i {
			t.Fatalf("message %d arrived as %v", i, got)
		}
	}
	if err := system.Stop(ref); err != nil {
		t.Fatal(err)
	}
	ref.Tell("into the void")
	Ref{}.Tell("nobody")
}

func TestNamesAreUnique(t *testing.T) {
	system := NewSystem(slog.New(slog.DiscardHandler), nil)
	defer system.Close()
	if _, err := system.Spawn("one", &recorder{}); err != nil {
		t.Fatal(err)
	}
	if _, err := system.Spawn("one", &recorder{}); err == nil {
		t.Fatal("a second actor got the same name")
	}
	for _, name := range []string{"deadletter", "eventstream"} { // the library's own, from the start
		if _, err := system.Spawn(name, &recorder{}); err == nil {
			t.Errorf("an actor got the library's name %s", name)
		}
	}
}

func TestPanicStopsTheActorAndTellsTheOwner(t *testing.T) {
	type failure struct {
		name   string
		reason any
	}
	failures := make(chan failure, 1)
	system := NewSystem(slog.New(slog.DiscardHandler), func(name string, reason any) { failures <- failure{name, reason} })
	defer system.Close()
	r := &recorder{got: make(chan any, 1)}
	ref, err := system.Spawn("fragile", r)
	if err != nil {
		t.Fatal(err)
	}
	ref.Tell("break")
	if got := <-failures; got.name != "fragile" || got.reason != "broken on purpose" {
		t.Fatalf("the owner was told %+v", got)
	}
	ref.Tell("after")
	if err := system.Stop(ref); err != nil {
		t.Fatal(err)
	}
	if len(r.got) != 0 {
		t.Fatal("a stopped actor still got a message")
	}
}
