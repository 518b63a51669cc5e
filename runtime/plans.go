package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/placement"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/allocator"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// Bounds on the plans that a node keeps of the time in which it led.
const (
	maxPlans     = 1000
	maxPlanBytes = 256 << 20
	planQueue    = 16 // plans on their way to be written; more are dropped, and counted: planning waits for no disk
)

// planBook keeps the last plans, each with what it was made from, in files named after them:
//
//	data/plans/7.152.plan     one frame of policies/record each
//	           7.153.plan
//
// Without a folder they are kept in memory. A plan that asks for nothing takes the place of the one before it if that asked for
// nothing either, of the same state: a quiet cluster fills no book. Nor does it write one every few seconds: such a plan is taken
// when the one before it is planCalm old, which is how far loads may have gone on from those in the book.
type planBook struct {
	folder  string          // "" keeps them in memory
	house   map[string]bool // digests of modules that every node has
	by      record.Software
	log     *slog.Logger
	slow    time.Duration // planSlow, but in tests
	calm    time.Duration // planCalm, but in tests
	queue   chan *record.Record
	done    sync.WaitGroup
	present func(context.Context) (*record.Record, error)

	mu      sync.Mutex
	pages   []page // by key
	bytes   int
	dropped int       // since it was last said
	rest    time.Time // until when only plans are taken for which somebody died or lost a primary

	// Who hands plans in only.
	term   uint64
	number uint64
	quiet  quiet
}

// quiet is the last plan that was handed in, if it asked for nothing.
type quiet struct {
	term, version uint64
	decisions     int
	at            time.Time
}

// page is one recorded plan.
type page struct {
	key     record.Key
	summary admin.PlanSummary
	frame   []byte   // without a folder
	idle    bool     // it asked for nothing
	modules []string // digests of those that were asked and are not of the house
}

// openPlans reads what the folder of the node has. Files that cannot be read are removed: they are no more than a history.
func openPlans(data string, by record.Software, log *slog.Logger) (*planBook, error) {
	b := &planBook{house: houseModules(), by: by, log: log, slow: planSlow, calm: planCalm, queue: make(chan *record.Record, planQueue)}
	if data != "" {
		b.folder = filepath.Join(data, "plans")
		if err := os.MkdirAll(b.folder, 0o700); err != nil {
			return nil, fmt.Errorf("runtime: the folder of recorded plans: %w", err)
		}
		if err := b.read(); err != nil {
			return nil, err
		}
	}
	b.done.Go(b.write)
	return b, nil
}

func (b *planBook) read() error {
	entries, err := os.ReadDir(b.folder)
	if err != nil {
		return fmt.Errorf("runtime: the folder of recorded plans: %w", err)
	}
	var keys []record.Key
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), ".plan")
		key, err := record.ParseKey(name)
		if !is || err != nil {
			if strings.HasSuffix(e.Name(), ".plan.new") {
				_ = os.Remove(filepath.Join(b.folder, e.Name())) // half written
			}
			continue
		}
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(x, y record.Key) int { return cmp.Or(cmp.Compare(x.Term, y.Term), cmp.Compare(x.Number, y.Number)) })
	for _, key := range keys {
		frame, err := os.ReadFile(b.path(key))
		var r *record.Record
		if err == nil {
			r, _, err = record.Next(frame)
		}
		if err != nil {
			b.log.Warn("a recorded plan cannot be read and is removed", "file", b.path(key), "error", err)
			_ = os.Remove(b.path(key))
			continue
		}
		b.keep(b.page(r, frame))
	}
	return nil
}

func (b *planBook) path(key record.Key) string { return filepath.Join(b.folder, key.String()+".plan") }

// close writes what is queued. Nothing is handed in any more.
func (b *planBook) close() {
	close(b.queue)
	b.done.Wait()
}

// planRest is how many times as long as it took to record a plan the book rests then, if it took planSlow or longer: of a large
// cluster, whose plans take long to write, a tenth of a processor goes into the history, and what is left out is balance and waiting.
const (
	planRest = 9
	planSlow = 5 * time.Millisecond
	planCalm = 5 * time.Minute
)

// add hands a plan in, on the goroutine that plans: what is asked of policies is asked here, all else elsewhere.
func (b *planBook) add(p placement.Planned) {
	if p.Term != b.term {
		b.term, b.number = p.Term, 0
	}
	b.number++
	urgent := slices.ContainsFunc(p.Plan.Decisions, func(d allocator.Decision) bool { return d.Lane == allocator.Emergency })
	b.mu.Lock()
	resting := time.Now().Before(b.rest)
	b.mu.Unlock()
	if resting && !urgent && len(p.Plan.Down) == 0 || b.again(p) {
		return
	}
	o := record.Outcome{Proposed: p.Plan.Command() != nil, Version: p.Outcome.Version, Late: len(p.Outcome.Rows), Took: p.Took, Commit: p.Commit}
	switch {
	case p.Err != nil:
		o.Refused = p.Err.Error()
	case p.Outcome.Err != nil:
		o.Refused = p.Outcome.Err.Error()
	}
	r := record.New(record.Key{Term: p.Term, Number: b.number}, b.by, time.Now(), *p.Input, p.Plan, o)
	select {
	case b.queue <- r:
	default:
		b.quiet = quiet{}
		b.mu.Lock()
		b.dropped++
		b.mu.Unlock()
	}
}

// again says whether a plan asks for nothing, as one of the same state did not long ago; if not, it is the next to be compared with.
func (b *planBook) again(p placement.Planned) bool {
	if p.Plan.Command() != nil || len(p.Plan.Down) > 0 {
		b.quiet = quiet{}
		return false
	}
	now := quiet{term: p.Term, version: p.Input.State.Version, decisions: len(p.Plan.Decisions), at: time.Now()}
	was := b.quiet
	if now.at.Sub(was.at) < b.calm && was.term == now.term && was.version == now.version && was.decisions == now.decisions {
		return true
	}
	b.quiet = now
	return false
}

// write is the book's goroutine.
func (b *planBook) write() {
	failing := false
	for r := range b.queue {
		began := time.Now()
		err := b.enter(r)
		took := time.Since(began)
		switch {
		case err != nil && !failing:
			b.log.Warn("a plan was not recorded, and others may not be; planning goes on", "plan", r.Key.String(), "error", err)
		case err == nil && failing:
			b.log.Info("plans are recorded again")
		}
		failing = err != nil
		b.mu.Lock()
		dropped := b.dropped
		if b.dropped = 0; took >= b.slow {
			b.rest = began.Add((1 + planRest) * took)
		}
		b.mu.Unlock()
		if dropped > 0 {
			b.log.Warn("plans came faster than they could be recorded", "left out", dropped)
		}
	}
}

func (b *planBook) enter(r *record.Record) error {
	frame, err := r.Frame()
	if err != nil {
		return err
	}
	p := b.page(r, frame)
	if b.folder == "" {
		p.frame = frame
	} else if err := b.put(r.Key, frame); err != nil {
		return err
	}
	b.keep(p)
	return nil
}

// page is what is known of a record without reading it.
func (b *planBook) page(r *record.Record, frame []byte) page {
	p := page{key: r.Key, summary: summaryOf(r, len(frame)), idle: !r.Outcome.Proposed}
	for _, x := range slices.Concat(r.Policies.Deciders, r.Policies.Scorers) {
		if x.Digest != "" && !b.house[x.Digest] && !slices.Contains(p.modules, x.Digest) {
			p.modules = append(p.modules, x.Digest)
		}
	}
	p.summary.Modules = p.modules
	return p
}

// put writes a file whole or not at all. It is not forced to the disk: a history may lack its end after a power cut.
func (b *planBook) put(key record.Key, frame []byte) error {
	fresh := b.path(key) + ".new"
	if err := os.WriteFile(fresh, frame, 0o600); err != nil {
		_ = os.Remove(fresh)
		return err
	}
	return os.Rename(fresh, b.path(key))
}

// keep enters a page, and gives up what is too much.
func (b *planBook) keep(p page) {
	b.mu.Lock()
	var gone []record.Key
	if n := len(b.pages); n > 0 && p.idle && b.pages[n-1].idle && b.pages[n-1].summary.Version == p.summary.Version {
		gone = append(gone, b.pages[n-1].key)
		b.bytes -= b.pages[n-1].summary.Bytes
		b.pages = b.pages[:n-1]
	}
	b.pages = append(b.pages, p)
	b.bytes += p.summary.Bytes
	for len(b.pages) > 1 && (len(b.pages) > maxPlans || b.bytes > maxPlanBytes) {
		gone = append(gone, b.pages[0].key)
		b.bytes -= b.pages[0].summary.Bytes
		b.pages = slices.Delete(b.pages, 0, 1)
	}
	b.mu.Unlock()
	for _, key := range gone {
		if b.folder != "" {
			_ = os.Remove(b.path(key)) // one that stays is counted anew after a restart
		}
	}
}

// names says whether a plan that is kept here was made with a module, and needs it to be made again.
func (b *planBook) names(digest cluster.Digest) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.pages, func(p page) bool { return slices.Contains(p.modules, string(digest)) })
}

// List describes the plans, the oldest first.
func (b *planBook) List() (list []admin.PlanSummary) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.pages {
		list = append(list, b.pages[i].summary)
	}
	return list
}

// Frame is one of them.
func (b *planBook) Frame(key record.Key) ([]byte, error) {
	b.mu.Lock()
	at := slices.IndexFunc(b.pages, func(p page) bool { return p.key == key })
	var frame []byte
	if at >= 0 {
		frame = b.pages[at].frame
	}
	b.mu.Unlock()
	if at >= 0 && b.folder != "" {
		var err error
		if frame, err = os.ReadFile(b.path(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if frame == nil {
		return nil, &admin.Error{Status: http.StatusNotFound, Kind: admin.KindNotFound, Reason: fmt.Sprintf("plan %v is not kept here", key)}
	}
	return frame, nil
}

// present asks placement for what it would plan now.
func (n *Node) present(context.Context) (*record.Record, error) {
	r, err := n.placement.Present(Software())
	if err != nil {
		leader, _ := placing{n}.Leader()
		return nil, &admin.Error{Status: http.StatusServiceUnavailable, Kind: shards.KindUnavailable.String(),
			Reason: fmt.Sprintf("this node does not lead; ask %s", cmp.Or(n.state().NodeName(leader), "again when a leader is known"))}
	}
	return r, nil
}

// Present is what would be planned now.
func (b *planBook) Present(ctx context.Context) (*record.Record, error) { return b.present(ctx) }

func summaryOf(r *record.Record, size int) admin.PlanSummary {
	s := admin.PlanSummary{ID: r.Key.String(), At: r.Taken.UnixMilli(), Version: r.Input.State.Version, Moves: r.Moves(), Down: r.Down(), Waiting: r.Plan.Waiting, Bytes: size}
	for i := range r.Plan.Decisions {
		if d := &r.Plan.Decisions[i]; d.Move.Kind == 0 && d.Verdict == policies.No {
			s.Unplaceable++
		}
	}
	switch {
	case !r.Outcome.Proposed:
		s.Outcome = "nothing to do"
	case r.Outcome.Refused != "":
		s.Outcome = r.Outcome.Refused
	default:
		s.Outcome = "committed"
		if r.Outcome.Late > 0 {
			s.Outcome = fmt.Sprintf("committed, but %d rows came too late", r.Outcome.Late)
		}
	}
	return s
}
