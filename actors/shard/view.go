package shard

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
)

// View is a snapshot of a shard that can be read from any goroutine while the shard goes on.
type View struct {
	*store.Snapshot
	shard  *Shard
	opened time.Time
}

// A snapshot holds what was there when it was taken and has been changed since: at most once what the shard held then. So one that
// stays open costs no more than the shard itself, and what makes memory grow is taking the next while the last are held.
//
//	writes        ░░░░░░░░░░░░ all is changed ░░░░░░░░░░░░ all is changed ░░░░
//	a slow scan   ├───────────────── 1 x ────────────────────────────────────
//	another                    ├───────────────── 1 x ───────────────────────
//	a third                                               ✗ ErrCrowded
const (
	viewsFree = 2        // so many open snapshots, whatever they hold
	viewsRoom = 64 << 20 // bytes that snapshots may hold beyond what the shard itself has
)

// ErrCrowded is why a shard gives no view: those that are open hold more of what has been changed since than the shard itself has. It
// comes with shards.KindFull; scans that end make room.
var ErrCrowded = errors.New("open snapshots of the shard hold as much as they may: let scans end, and begin again")

// View takes a snapshot in constant time. It holds memory until Close. Errors are those of Inspect, and ErrCrowded.
func (s *Shard) View() (*View, error) { return s.view(true) }

// BriefView is View for one who reads without waiting for anybody: it is not refused for what others hold.
func (s *Shard) BriefView() (*View, error) { return s.view(false) }

func (s *Shard) view(bounded bool) (*View, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.readable(); err != nil {
		return nil, err
	}
	if err := s.crowded(time.Now()); bounded && err != nil {
		return nil, err
	}
	v := s.openView()
	if err := s.readable(); err != nil { // the process may have slept in between
		v.drop()
		return nil, err
	}
	return v, nil
}

// crowded is ErrCrowded with what there is, or nil.
func (s *Shard) crowded(now time.Time) error {
	if len(s.views) < viewsFree {
		return nil
	}
	st := s.store.Stats()
	if st.Limbo <= max(st.Used, st.LiveBytes)+viewsRoom { // big values are not of Used, and nodes not of LiveBytes
		return nil
	}
	return &shards.Error{Kind: shards.KindFull, Shard: s.name, Err: fmt.Errorf("%w: %d hold %d bytes, the oldest for %v",
		ErrCrowded, len(s.views), st.Limbo, now.Sub(s.views[0].opened).Round(time.Second))}
}

// openView opens one, in the turn.
func (s *Shard) openView() *View {
	v := &View{Snapshot: s.store.Snapshot(), shard: s, opened: time.Now()}
	s.views = append(s.views, v)
	return v
}

// drop closes the view, in the turn.
func (v *View) drop() {
	s := v.shard
	s.views = slices.DeleteFunc(s.views, func(other *View) bool { return other == v })
	v.Snapshot.Close()
}

// Close gives the snapshot's memory back to the shard. It may be called once.
func (v *View) Close() {
	v.shard.turn.Lock()
	defer v.shard.turn.Unlock()
	v.drop()
}
