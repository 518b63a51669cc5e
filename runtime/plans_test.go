package runtime

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/deciders"
	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// plannedFor makes a plan for a cluster of one node with so many shards that are nowhere yet, or, with idle, for none.
func plannedFor(t *testing.T, version uint64, n int) placement.Planned {
	t.Helper()
	s := &cluster.State{}
	commands := []*cluster.Command{{Bootstrap: &cluster.Bootstrap{Cluster: strings.Repeat("0", 40), Member: cluster.Member{ID: "n1", Name: "n1", Raft: 1, Epoch: 1, Roles: cluster.DefaultRoles, Format: cluster.Format}}}}
	if n > 0 {
		commands = append(commands, &cluster.Command{Keyspace: &cluster.KeyspaceChange{Keyspace: shards.Keyspace{Name: "orders", Shards: n}}})
	}
	for _, c := range commands {
		after, o := s.Apply(c)
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		s = after
	}
	s.Version = version
	in := allocator.Input{State: s, Evidence: []liveness.Status{{Node: "n1", Epoch: 1, State: liveness.Alive}}, Policies: &policies.Set{Deciders: deciders.All()}, Ticks: 5}
	return placement.Planned{Term: 3, Input: &in, Plan: allocator.Make(in), Outcome: cluster.Outcome{Version: version + 1}}
}

func book(t *testing.T, data string) *planBook {
	t.Helper()
	b, err := openPlans(data, record.Software{Release: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.slow = time.Hour // a busy machine's disk is not what is tested
	return b
}

// What was planned is kept over a restart of the node, and planned again it comes out the same.
func TestPlansAreKept(t *testing.T) {
	for _, data := range []string{t.TempDir(), ""} {
		b := book(t, data)
		for i := range 5 {
			b.add(plannedFor(t, uint64(10+i), 1+i))
		}
		b.close()
		if data != "" {
			b = book(t, data)
			defer b.close()
		}
		list := b.List()
		if len(list) != 5 || list[0].ID != "3.1" || list[4].ID != "3.5" || list[4].Moves != 5 || list[4].Version != 14 || list[4].Outcome != "committed" {
			t.Fatalf("folder %q: kept %+v", data, list)
		}
		frame, err := b.Frame(record.Key{Term: 3, Number: 5})
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := record.Next(frame)
		if err != nil {
			t.Fatal(err)
		}
		if same, why := r.Same(r.Replay(&policies.Set{Deciders: deciders.All()})); !same || r.Software.Release != "test" {
			t.Errorf("folder %q: %s", data, why)
		}
		var none *admin.Error
		if _, err := b.Frame(record.Key{Term: 3, Number: 6}); !errors.As(err, &none) || none.Kind != admin.KindNotFound {
			t.Errorf("a plan that was never made: %v", err)
		}
	}
}

// A quiet cluster looks every few seconds and fills no book: of plans that ask for nothing of one state the last is kept.
func TestQuietPlansAreThinned(t *testing.T) {
	data := t.TempDir()
	b := book(t, data)
	b.calm = 0
	b.add(plannedFor(t, 10, 2))
	for range 6 {
		b.add(plannedFor(t, 11, 0))
	}
	b.add(plannedFor(t, 12, 0))
	b.close()
	var ids []string
	for _, p := range b.List() {
		ids = append(ids, p.ID+" "+p.Outcome)
	}
	if got := strings.Join(ids, ", "); got != "3.1 committed, 3.7 nothing to do, 3.8 nothing to do" {
		t.Error(got)
	}
	if files, _ := filepath.Glob(filepath.Join(data, "plans", "*")); len(files) != 3 {
		t.Errorf("files %v", files)
	}
}

// A quiet cluster's plans are not written one after another only to take each other's place: not before the last is old, or something has changed.
func TestQuietPlansAreNotWritten(t *testing.T) {
	b := book(t, "")
	for range 3 {
		b.add(plannedFor(t, 10, 0)) // 3.1
	}
	b.add(plannedFor(t, 11, 0)) // 3.4: of another state
	b.add(plannedFor(t, 11, 0))
	b.add(plannedFor(t, 11, 1)) // 3.6: asks for something
	b.add(plannedFor(t, 11, 0)) // 3.7: the first quiet one after it
	b.add(plannedFor(t, 11, 0))
	later := plannedFor(t, 11, 0)
	later.Term++
	b.add(later) // 4.1: of another leader's reign
	b.quiet.at = time.Now().Add(-planCalm)
	b.add(later) // 4.2: old enough, and takes the place of 4.1
	b.close()
	var ids []string
	for _, p := range b.List() {
		ids = append(ids, p.ID)
	}
	if got := strings.Join(ids, " "); got != "3.1 3.4 3.6 4.2" {
		t.Error(got)
	}
}

// The book is bounded by number and by bytes; what is damaged or half written is passed over.
func TestPlansAreBounded(t *testing.T) {
	data := t.TempDir()
	b := book(t, data)
	for i := range 3 {
		b.add(plannedFor(t, uint64(10+i), 1))
	}
	b.close()
	for n := range maxPlans + 5 {
		key := record.Key{Term: 4, Number: uint64(n)}
		b.keep(page{key: key, summary: admin.PlanSummary{ID: key.String(), Bytes: 1000}})
	}
	if list := b.List(); len(list) != maxPlans || list[0].ID != "4.5" {
		t.Errorf("%d plans from %s on", len(list), list[0].ID)
	}
	if files, _ := filepath.Glob(filepath.Join(data, "plans", "*")); len(files) != 0 {
		t.Errorf("files of plans that were given up: %v", files)
	}
	for n := range 3 {
		b.keep(page{key: record.Key{Term: 5, Number: uint64(n)}, summary: admin.PlanSummary{ID: fmt.Sprintf("5.%d", n), Bytes: maxPlanBytes/2 + 1}})
	}
	if list := b.List(); len(list) != 1 || list[0].ID != "5.2" {
		t.Errorf("beyond the bytes: %+v", list)
	}
	for _, name := range []string{"9.1.plan", "9.2.plan.new", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(data, "plans", name), []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b = book(t, data)
	defer b.close()
	if files, _ := filepath.Glob(filepath.Join(data, "plans", "*")); len(b.List()) != 0 || len(files) != 1 || filepath.Base(files[0]) != "notes.txt" {
		t.Errorf("%+v, files %v", b.List(), files)
	}
}

// Planning waits for no disk: what cannot be queued is left out.
func TestPlansAreNotWaitedFor(t *testing.T) {
	b := &planBook{queue: make(chan *record.Record, 1), log: slog.New(slog.DiscardHandler)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			b.add(plannedFor(t, 1, 1))
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
	if b.dropped != 2 {
		t.Errorf("%d were left out", b.dropped)
	}
}

// Of a cluster whose plans take long to write, those are kept for which somebody died, and of the others as many as there is time for.
func TestSlowBookRests(t *testing.T) {
	b := book(t, "")
	b.rest = time.Now().Add(time.Hour)
	b.add(plannedFor(t, 10, 1))
	death := plannedFor(t, 11, 1)
	death.Plan.Down = []cluster.Death{{Node: "n1", Epoch: 1, Reason: "silent"}}
	b.add(death)
	b.close()
	if list := b.List(); len(list) != 1 || list[0].ID != "3.2" {
		t.Errorf("kept %+v", list)
	}
	b = book(t, "")
	b.slow = 0 // whatever it takes is slow
	b.add(plannedFor(t, 10, 1))
	b.close()
	if !b.rest.After(time.Now().Add(-time.Hour)) {
		t.Error("it does not rest")
	}
}

// A leader's plans are asked for over HTTP; the twins in Go plan them the same, whether those or the modules decided. What would be
// planned now is told by the leader alone.
func TestPlansOverHTTP(t *testing.T) {
	c := newTroop(t, false, volatileSpace("default", 4))
	same, leaders := 0, 0
	for _, n := range c.nodes {
		served := httptest.NewServer(admin.NewServer(api{n}, admin.ServerConfig{Plans: n.plans}))
		defer served.Close()
		client, err := admin.NewClient(admin.ClientConfig{Addresses: []string{served.Listener.Addr().String()}, Patience: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		list, err := client.Plans(t.Context(), 0)
		if err != nil || list.Node != n.Name() {
			t.Fatal(list, err)
		}
		for i, p := range list.Plans {
			for _, at := range []string{p.ID, time.UnixMilli(p.At).UTC().Format(time.RFC3339Nano)} {
				r, err := client.Plan(t.Context(), at)
				if err != nil || r.Taken.UnixMilli() != p.At {
					if now, _ := client.Plans(t.Context(), 0); i == 0 && !slices.ContainsFunc(now.Plans, func(x admin.PlanSummary) bool { return x.ID == p.ID }) {
						continue // the newest, which changed nothing, has made room for another that did not
					}
					t.Fatalf("plan %s: %v", at, err)
				}
				if is, why := r.Same(r.Replay(&policies.Set{Deciders: deciders.All()})); !is {
					t.Errorf("plan %s: %s", at, why)
				}
				same++
			}
		}
		present, err := client.CurrentPlan(t.Context())
		leader, _ := placing{n}.Leader()
		switch {
		case leader == n.id.Node && err == nil:
			leaders++
			if present.Input.State.Version == 0 || len(present.Policies.Deciders) != len(deciders.All()) {
				t.Errorf("present: %+v", present)
			}
		case leader != n.id.Node && (err == nil || !strings.Contains(err.Error(), "does not lead; ask n")):
			t.Errorf("%s, which does not lead: %v", n.Name(), err)
		}
		for _, at := range []string{"99.1", "2001-01-01T00:00:00Z", "yesterday"} {
			if _, err := client.Plan(t.Context(), at); err == nil {
				t.Errorf("there is a plan %s", at)
			}
		}
	}
	if same == 0 || leaders == 0 {
		t.Errorf("%d plans of %d leaders", same, leaders)
	}
}

// TestAPlanThatCannotBeReadKeepsNoNodeFromStarting: what is in the folder of recorded plans is no more than a history.
func TestAPlanThatCannotBeReadKeepsNoNodeFromStarting(t *testing.T) {
	data := t.TempDir()
	name := filepath.Join(data, "plans", "7.1.plan")
	if err := os.MkdirAll(name, 0o700); err != nil { // a folder cannot be read as a file: nor can a bad sector
		t.Fatal(err)
	}
	b, err := openPlans(data, record.Software{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b.close()
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there still: %v", err)
	}
}
