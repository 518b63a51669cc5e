package recovery

import "github.com/troupe-actors/troupe/shards"

// HandOver moves a primary to a copy that is in sync, without a failed request:
//
//	resting ──ready──► draining ──all there──► proposed ──row of a higher term──► (over)
//	   ▲                  │ too long              │ refused, or too long
//	   └──────────────────┴───────────────────────┘  writes go on; again after BackoffTicks
//
// To drain takes as long as the slowest write that is under way: two fsyncs. How long that may be nobody knows before: each try that
// took too long is followed by one that may take twice as long, so that a primary leaves a disk that takes a second for each fsync,
// which is what it is asked to leave for. Writes wait meanwhile, as they do for each fsync there.
//
// While it drains and proposes, the primary takes no writes: callers wait. That it goes on after a while without knowing
// the outcome does no harm: if the command was committed, the copy has a higher term and refuses, so nothing that is
// written then can be acknowledged.
type HandOver struct {
	config Config
	to     shards.CopyID
	state  handOverState
	ticks  int
	pause  int // ticks that the next try may take
	out    HandOverReady
}

type handOverState uint8

const (
	resting handOverState = iota
	draining
	proposed
)

// HandOverReady is what the shell has to do.
type HandOverReady struct {
	Pause   bool   // take no more writes
	Propose bool   // propose cluster.HandOver
	Resume  string // take writes again, and why; empty: no
}

// NewHandOver prepares the move to a copy.
func NewHandOver(config Config, to shards.CopyID) (*HandOver, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &HandOver{config: config, to: to, ticks: config.BackoffTicks, pause: config.PauseTicks}, nil
}

// To is the copy that shall be primary.
func (h *HandOver) To() shards.CopyID { return h.to }

// Paused says that writes wait.
func (h *HandOver) Paused() bool { return h.state != resting }

// Step looks at the world: inSync says that the copy is in the in-sync set, allThere that it has all that there is (see
// replica.Core.AllThere).
func (h *HandOver) Step(inSync, allThere bool) {
	switch {
	case h.state == resting && inSync && h.ticks >= h.config.BackoffTicks:
		h.state, h.ticks, h.out.Pause = draining, 0, true
		h.Step(inSync, allThere)
	case h.state != resting && !inSync:
		h.rest("the copy left the in-sync set")
	case h.state == draining && allThere:
		h.state, h.out.Propose = proposed, true
	}
}

// Refused says that the metadata group refused the hand-over for good.
func (h *HandOver) Refused(reason string) {
	if h.state == proposed {
		h.rest("it was refused: " + reason)
	}
}

func (h *HandOver) rest(reason string) {
	h.state, h.ticks = resting, 0
	h.out = HandOverReady{Resume: reason}
}

// Tick lets one tick pass.
func (h *HandOver) Tick() {
	h.ticks++
	if h.state != resting && h.ticks >= h.pause {
		h.pause = max(h.pause, min(2*h.pause, h.config.MostPauseTicks))
		h.rest("it took too long")
	}
}

// Ready gives what there is to do, once.
func (h *HandOver) Ready() HandOverReady {
	out := h.out
	h.out = HandOverReady{}
	return out
}
