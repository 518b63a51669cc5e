package member

import (
	"fmt"
	"time"

	"github.com/troupe-actors/troupe/policies/liveness"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// The messages, in msgpack. Who sends one, in which epoch, the transport's handshake has said.
//
//	heartbeat        [sent, fsync, queue, late, round trip, flood]     member to placement leader
//	unanswered       [how long]                                        likewise, before a heartbeat, if it is longer than a lease
//	heartbeat reply  [epoch, sent, standing, age, lease, term,         and back
//	                  version, report, flood, full]
//	probe            [target, epoch, timeout]                          leader to another member
//	probe answer     [answer, epoch]                                   and back
//
// version is that of the leader's cluster state: who has an older one gets no lease of this reply until it has caught up. report
// is the number of the newest report of loads that has arrived, flood the hash of the list of full nodes; full is that list, of
// three values each (node, whether memory is short, why), or empty if the member has it already.
//
// Times are nanoseconds: sent on the member's monotonic clock, which only the member itself may interpret; durations from 0 to
// an hour. A standing or an answer is the number of its constant in policies/liveness. Withheld is sent only to who has said that it is
// unanswered: that is a message of its own since releases before take no heartbeat of more values, and drop a kind that they do not know.

const (
	maxMessage = 256              // bytes of any but a reply; a node's id has 64 at most
	maxReply   = 4 << 20          // bytes; what a list of full nodes takes
	maxNode    = 64               //
	maxTimeout = 10 * time.Second // of a probe: what a prober is willing to wait
)

type heartbeat struct {
	sent   int64
	health liveness.Health
	flood  uint64
}

func (h heartbeat) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(6)
	e.Int(h.sent)
	for _, d := range []time.Duration{h.health.Fsync, h.health.Queue, h.health.Late, h.health.RoundTrip} {
		e.Int(int64(min(max(d, 0), time.Hour)))
	}
	e.Uint(h.flood)
	return e.Buffer()
}

func decodeHeartbeat(body []byte) (h heartbeat, err error) {
	d, err := open(body, 6, maxMessage)
	h.sent = span(&d, 0)
	h.health.Fsync, h.health.Queue = time.Duration(span(&d, time.Hour)), time.Duration(span(&d, time.Hour))
	h.health.Late, h.health.RoundTrip = time.Duration(span(&d, time.Hour)), time.Duration(span(&d, time.Hour))
	h.flood = d.Uint()
	return h, done(&d, err)
}

// unanswered is for how long a member has had no reply, as the heartbeat that it sends next could say.
type unanswered time.Duration

func (u unanswered) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(1)
	e.Int(int64(min(max(time.Duration(u), 0), time.Hour)))
	return e.Buffer()
}

func decodeUnanswered(body []byte) (u unanswered, err error) {
	d, err := open(body, 1, maxMessage)
	u = unanswered(span(&d, time.Hour))
	return u, done(&d, err)
}

type reply struct {
	epoch    shards.Epoch
	standing liveness.Standing // Granted, Withheld or Declared
	grant    liveness.Grant
	version  uint64
	report   uint64
	flood    flood
}

func (r reply) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(10)
	e.Uint(uint64(r.epoch))
	e.Int(r.grant.Sent)
	e.Uint(uint64(r.standing))
	e.Int(r.grant.Age)
	e.Int(r.grant.Lease)
	e.Uint(r.grant.Term)
	e.Uint(r.version)
	e.Uint(r.report)
	e.Uint(r.flood.hash)
	e.Array(3 * len(r.flood.list))
	for _, f := range r.flood.list {
		e.Str(string(f.Node))
		e.Bool(f.Memory)
		e.Str(f.Why)
	}
	return e.Buffer()
}

func decodeReply(body []byte) (r reply, err error) {
	d, err := open(body, 10, maxReply)
	r.epoch = shards.Epoch(d.Uint())
	r.grant.Sent = span(&d, 0)
	r.standing = liveness.Standing(number(&d, uint64(liveness.Withheld)))
	r.grant.Age, r.grant.Lease = span(&d, time.Hour), span(&d, time.Hour)
	r.grant.Term = d.Uint()
	r.version, r.report, r.flood.hash = d.Uint(), d.Uint(), d.Uint()
	for range length(&d, 3) {
		r.flood.list = append(r.flood.list, Flood{nodeID(&d), Full{Memory: d.Bool(), Why: text(&d, maxWhy)}})
	}
	return r, done(&d, err)
}

// nodeID reads the id of a node.
func nodeID(d *wire.Decoder) shards.NodeID {
	id := text(d, maxNode)
	if id == "" {
		d.Refuse("a node's id of no bytes")
	}
	return shards.NodeID(id)
}

func text(d *wire.Decoder, most int) string {
	t := d.Bytes()
	if len(t) > most {
		d.Refuse(fmt.Sprintf("a text of %d bytes; up to %d are allowed", len(t), most))
		return ""
	}
	return string(t)
}

type probe struct {
	target  shards.NodeID
	epoch   shards.Epoch
	timeout time.Duration
}

func (p probe) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(3)
	e.Str(string(p.target))
	e.Uint(uint64(p.epoch))
	e.Int(int64(min(p.timeout, maxTimeout)))
	return e.Buffer()
}

func decodeProbe(body []byte) (p probe, err error) {
	d, err := open(body, 3, maxMessage)
	p.target = nodeID(&d)
	p.epoch = shards.Epoch(d.Uint())
	p.timeout = time.Duration(span(&d, maxTimeout))
	return p, done(&d, err)
}

type probed struct {
	answer liveness.Answer
	epoch  shards.Epoch // of who answered
}

func (p probed) encode() []byte {
	e := wire.NewEncoder(nil)
	e.Array(2)
	e.Uint(uint64(p.answer))
	e.Uint(uint64(p.epoch))
	return e.Buffer()
}

func decodeProbed(body []byte) (p probed, err error) {
	d, err := open(body, 2, maxMessage)
	p.answer = liveness.Answer(number(&d, uint64(liveness.Answered)))
	p.epoch = shards.Epoch(d.Uint())
	return p, done(&d, err)
}

// open begins a message that is an array of n values, in so many bytes at most.
func open(body []byte, n, most int) (wire.Decoder, error) {
	d := wire.NewDecoder(body)
	if len(body) > most {
		return d, fmt.Errorf("member: a message of %d bytes; %d are allowed", len(body), most)
	}
	if got := d.Array(); d.Err() == nil && got != n {
		d.Refuse(fmt.Sprintf("%d values where %d belong", got, n))
	}
	return d, nil
}

func done(d *wire.Decoder, err error) error {
	if err != nil {
		return err
	}
	return d.Finish()
}

// span reads a time that is not negative and, unless most is 0, at most that long.
func span(d *wire.Decoder, most time.Duration) int64 {
	v := d.Int()
	if v < 0 || most > 0 && v > int64(most) {
		d.Refuse("a time outside its bounds")
		return 0
	}
	return v
}

func number(d *wire.Decoder, most uint64) uint64 {
	v := d.Uint()
	if v > most {
		d.Refuse("a number that has no meaning here")
		return 0
	}
	return v
}
