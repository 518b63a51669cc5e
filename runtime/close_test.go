package runtime

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wal"
)

// heard is told of each line of a log.
type heard func(line string)

// Write tells of it.
func (h heard) Write(line []byte) (int, error) {
	h(string(line))
	return len(line), nil
}

// A node whose log has failed says why once, and what else went wrong as it ended, whether it had started or not.
func TestANodeThatFailedSaysWhyOnce(t *testing.T) {
	full := fmt.Errorf("%w: write 000012.log: no space left on device", wal.ErrFatal)
	failed := fmt.Errorf("%w: %w", ErrFailed, full)
	gone, closed := errors.New("a port is gone"), errors.New("the node closes")
	later := []error{nil, fmt.Errorf("metadata: write the log: %w", full), gone, fmt.Errorf("%w: the one after it", wal.ErrFatal)}
	for _, x := range []struct {
		why      error
		problems []error
		want     []error // nothing but these, in this order
	}{
		{failed, slices.Clone(later), []error{failed, gone}},
		{failed, nil, []error{failed}},
		{closed, slices.Clone(later), []error{closed, later[1], gone, later[3]}},
		{nil, slices.Clone(later), []error{later[1], gone, later[3]}},
		{nil, []error{nil}, nil},
	} {
		got, want := lastWords(x.why, x.problems), errors.Join(x.want...)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v and %v: %v, want %v", x.why, x.problems, got, want)
		}
	}
	n, err := Start(t.Context(), Config{Data: t.TempDir(), Keyspaces: []shards.Keyspace{{Name: "default", Shards: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	n.fail(full)
	for range 2 {
		if err := n.Close(); !errors.Is(err, ErrFailed) || err.Error() != failed.Error() {
			t.Errorf("Close of a node that has failed: %v", err)
		}
	}
}

// A node that stops gives its shards away although one of its actors does not: those who call others wait no longer than for a failover.
func TestCloseWithAnActorThatHangs(t *testing.T) {
	var address string // of the node that stops
	var kept atomic.Bool
	hear := heard(func(line string) {
		if strings.Contains(line, "the node stops before its actors have") { // however long a failover takes, it has begun by then
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				kept.Store(true)
			}
		}
	})
	c := newTroopOf(t, false, func(c *Config) {
		c.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), hear), nil)).With("on", c.Name)
	}, volatileSpace("default", 1), volatileSpace("actors", 1))
	registered(t, c)
	gate, begun := make(chan struct{}), make(chan int, 1)
	for i, n := range c.nodes {
		k := virtual.NewKind[int]("slow")
		virtual.Handle(k, "hang", func(*virtual.Context[int], int) (int, error) {
			select {
			case begun <- i:
			default: // it was begun before, on a node that had to give it up
			}
			<-gate
			return 0, errors.New("it was left behind")
		})
		if err := n.Register(t.Context(), k.Kind); err != nil {
			t.Fatal(err)
		}
	}
	slow, h, hanging := virtual.ID{Kind: "slow", Name: "a"}, c.nodes[0].Actors(), atomic.Bool{}
	go func() {
		for !hanging.Load() && t.Context().Err() == nil {
			_, _ = virtual.Call[int, int](t.Context(), h, slow, "hang", 1)
		}
	}()
	at := <-begun // whichever node leads its shard, and whichever does later: there it hangs
	hanging.Store(true)
	closing, elsewhere := c.nodes[at], c.nodes[(at+1)%3]
	address = closing.PeerAddr()
	shard := func(id virtual.ID) shards.ShardID {
		at, _, err := (actorStorage{closing}).Locate("actors", "s/{"+id.String()+"}")
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	other := anAccount("0")
	for i := 1; shard(other) != shard(slow); i++ {
		other = anAccount(fmt.Sprint(i))
	}
	s := open(t, closing, "default")
	w := must[*Writer](t)(s.Writer(WriterOptions{}))
	select {
	case <-closing.Done():
		t.Error("a node that runs is done")
	default:
	}
	closed := make(chan error, 1)
	go func() { closed <- closing.Close() }()
	eventually(t, "the node stops", func() bool {
		_, err := virtual.Call[deposit, int](t.Context(), closing.Actors(), other, "deposit", deposit{Amount: 1})
		return err != nil
	})
	eventually(t, "another actor is called elsewhere", func() bool {
		_, err := virtual.Call[deposit, int](t.Context(), elsewhere.Actors(), other, "deposit", deposit{Amount: 1})
		return err == nil
	})
	if kept.Load() {
		t.Error("the node had its shards until the slow actor was left behind")
	}
	close(gate)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	c.nodes[at] = nil
	closedSaysSo(t, closing, s, w)
}

// closedSaysSo asks all kinds of things of a node that was closed, and of a store and a writer that it gave before. Each has an error that
// says so, wherever in the cluster it would have been done.
func closedSaysSo(t *testing.T, n *Node, s *Store, w *Writer) {
	<-n.Done()
	if err := n.Err(); err != nil {
		t.Errorf("it has not failed: %v", err)
	}
	says := func(what string, err error) {
		t.Helper()
		if kinded := (*shards.Error)(nil); !errors.Is(err, ErrClosed) || !errors.As(err, &kinded) || kinded.Kind != shards.KindUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range 12 { // some were led here, some elsewhere
		key := fmt.Sprint(i)
		_, err := s.Get(t.Context(), key)
		says("Get", err)
		_, err = s.Put(t.Context(), key, nil)
		says("Put", err)
		_, err = virtual.Call[deposit, int](t.Context(), n.Actors(), anAccount(key), "deposit", deposit{Amount: 1})
		says("Call", err)
		written := make(chan error, 1)
		if err := w.Write(t.Context(), Put(key, nil), func(_ Outcome, err error) { written <- err }); err != nil {
			t.Fatal(err)
		}
		says("Write", <-written)
	}
	says("Tell", n.Actors().Tell(anAccount("a"), "deposit", []byte("{}")))
	for _, err := range s.Scan(t.Context(), ScanOptions{}) {
		says("Scan", err)
	}
	_, err := n.Store("default")
	says("Store", err)
	says("Register", n.Register(t.Context(), virtual.NewKind[int]("late").Kind))
	operate := n.Cluster()
	says("Drain", operate.Drain(t.Context(), n.Name()))
	says("Undrain", operate.Undrain(t.Context(), n.Name()))
	says("Maintain", operate.Maintain(t.Context(), n.Name(), true))
	says("Vote", operate.Vote(t.Context(), n.Name(), false))
	says("ReadOnly", operate.ReadOnly(t.Context(), true))
	says("SetSettings", operate.SetSettings(t.Context(), map[string]string{"cluster.routing.allocation.same_shard.host": "true"}))
	says("CreateKeyspace", operate.CreateKeyspace(t.Context(), volatileSpace("late", 1)))
	says("UpdateKeyspace", operate.UpdateKeyspace(t.Context(), "default", admin.KeyspaceSettings{}))
	_, err = clusterAPI{n}.Reroute(t.Context(), admin.Reroute{})
	says("Reroute", err)
	says("Transfer", clusterAPI{n}.Transfer(t.Context(), n.id.Node))
	if without := n.leaderless(time.Now()); n.lease.Load().Until().IsZero() || without > time.Since(n.lease.Load().Until()) {
		t.Errorf("it says that nobody has led for %v; its lease ended at %v", without, n.lease.Load().Until())
	}
}
