package metadata

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/wire"
)

// Bodies of the group's calls, msgpack, each an array that begins with the format 1:
//
//	command    [ 1, proposer, epoch, sequence, since, command ]                to the leader; package cluster encodes the command
//	  answer   [ 1, verdict, index, forgotten, outcome, text, node ]
//	join       [ 1, command ]                                                  to any member, which proposes it
//	  answer   [ 1, verdict, cluster, [ [node, epoch, address] … ], outcome, text ]
//	discover   [ 1, list, true ]                                               to anybody; list as in --initial, sorted, or empty
//	  answer   [ 1, cluster, list, [ [node, epoch, address] … ], known ]       the asker's epoch in the agreed state; 0: it is no member
//
// Older releases ask without true, and are answered without known; what they are asked they do not look at, and they never say it.
//
// A message of the group itself is a raftpb.Message.
const (
	bodyFormat   = 1
	maxAddresses = 4096
)

// verdict says what became of a command that was sent to another node.
type verdict uint8

const (
	verdictApplied   verdict = iota + 1 // the outcome tells
	verdictElsewhere                    // it is not in the log; node leads, if anybody
	verdictBusy                         // it is not in the log; again, after a pause
	verdictUnknown                      // it may be in the log: the leader lost its lead, or the caller left
	verdictRefused                      // it can never be in the log, says text
)

// begin reads the head of a body.
func begin(r *wire.Decoder, fields int) {
	n, format := r.Array(), uint64(0)
	if n > 0 {
		format = r.Uint()
	}
	if r.Err() == nil && (format != bodyFormat || n != fields) {
		r.Refuse(fmt.Sprintf("a body of format %d with %d fields", format, n))
	}
}

func encodeProposal(p *Proposal) []byte {
	w := wire.NewEncoder(nil)
	w.Array(6)
	w.Uint(bodyFormat)
	w.Uint(p.ID.Proposer)
	w.Uint(uint64(p.ID.Epoch))
	w.Uint(p.ID.Sequence)
	w.Uint(p.Since)
	w.Bytes(p.Command.Encode())
	return w.Buffer()
}

func decodeProposal(body []byte) (p Proposal, err error) {
	r := wire.NewDecoder(body)
	begin(&r, 6)
	p.ID = ProposalID{Proposer: r.Uint(), Epoch: shards.Epoch(r.Uint()), Sequence: r.Uint()}
	p.Since = r.Uint()
	command := r.Bytes()
	if err := r.Finish(); err != nil {
		return p, err
	}
	p.Command, err = cluster.DecodeCommand(command)
	return p, err
}

// answer is what a proposer hears.
type answer struct {
	verdict verdict
	applied Applied
	text    string        // refused, or busy: why
	leader  shards.NodeID // elsewhere: where; may be empty
}

func (a *answer) encode() []byte {
	w := wire.NewEncoder(nil)
	w.Array(7)
	w.Uint(bodyFormat)
	w.Uint(uint64(a.verdict))
	w.Uint(a.applied.Index)
	w.Bool(a.applied.Forgotten)
	w.Bytes(a.applied.Outcome.Encode())
	w.Str(a.text)
	w.Str(string(a.leader))
	return w.Buffer()
}

func decodeAnswer(body []byte) (a answer, err error) {
	r := wire.NewDecoder(body)
	begin(&r, 7)
	a.verdict = verdict(r.Uint())
	a.applied = Applied{Index: r.Uint(), Forgotten: r.Bool()}
	outcome := r.Bytes()
	a.text, a.leader = r.Str(), shards.NodeID(r.Str())
	if err := r.Finish(); err != nil {
		return a, err
	}
	a.applied.Outcome, err = cluster.DecodeOutcome(outcome)
	return a, err
}

func encodeJoin(j *cluster.Join) []byte {
	w := wire.NewEncoder(nil)
	w.Array(2)
	w.Uint(bodyFormat)
	w.Bytes((&cluster.Command{Join: j}).Encode())
	return w.Buffer()
}

func decodeJoin(body []byte) (*cluster.Join, error) {
	r := wire.NewDecoder(body)
	begin(&r, 2)
	encoded := r.Bytes()
	if err := r.Finish(); err != nil {
		return nil, err
	}
	command, err := cluster.DecodeCommand(encoded)
	if err == nil && command.Join == nil {
		err = errors.New("metadata: a join without one")
	}
	if err != nil {
		return nil, err
	}
	return command.Join, nil
}

// welcome answers a node that wants to join.
type welcome struct {
	verdict verdict
	cluster string
	members []transport.Address
	outcome cluster.Outcome
	text    string
}

func (a *welcome) encode() []byte {
	w := wire.NewEncoder(nil)
	w.Array(6)
	w.Uint(bodyFormat)
	w.Uint(uint64(a.verdict))
	w.Str(a.cluster)
	encodeAddresses(&w, a.members)
	w.Bytes(a.outcome.Encode())
	w.Str(a.text)
	return w.Buffer()
}

func decodeWelcome(body []byte) (a welcome, err error) {
	r := wire.NewDecoder(body)
	begin(&r, 6)
	a.verdict, a.cluster, a.members = verdict(r.Uint()), r.Str(), decodeAddresses(&r)
	outcome := r.Bytes()
	a.text = r.Str()
	if err := r.Finish(); err != nil {
		return a, err
	}
	a.outcome, err = cluster.DecodeOutcome(outcome)
	return a, err
}

// discovery is what a node says about itself; as a question only list counts.
type discovery struct {
	cluster string // empty: it belongs to none yet
	list    string // its --initial, sorted, with commas
	members []transport.Address
	known   shards.Epoch // the life of the asker that the state has; 0: none, or it does not say
}

func encodeQuestion(list string) []byte {
	w := wire.NewEncoder(nil)
	w.Array(3)
	w.Uint(bodyFormat)
	w.Str(list)
	w.Bool(true)
	return w.Buffer()
}

// asksForKnown says whether a question is of a release that reads the longer answer.
func asksForKnown(body []byte) bool {
	r := wire.NewDecoder(body)
	begin(&r, 3)
	r.Str()
	return r.Bool() && r.Finish() == nil
}

func (d *discovery) encode(known bool) []byte {
	w := wire.NewEncoder(nil)
	fields := 4
	if known {
		fields = 5
	}
	w.Array(fields)
	w.Uint(bodyFormat)
	w.Str(d.cluster)
	w.Str(d.list)
	encodeAddresses(&w, d.members)
	if known {
		w.Uint(uint64(d.known))
	}
	return w.Buffer()
}

func decodeDiscovery(body []byte) (d discovery, err error) {
	fields := 4
	if peek := wire.NewDecoder(body); peek.Array() == 5 {
		fields = 5
	}
	r := wire.NewDecoder(body)
	begin(&r, fields)
	d.cluster, d.list, d.members = r.Str(), r.Str(), decodeAddresses(&r)
	if fields == 5 {
		d.known = shards.Epoch(r.Uint())
	}
	return d, r.Finish()
}

func encodeAddresses(w *wire.Encoder, list []transport.Address) {
	w.Array(len(list))
	for _, a := range list {
		w.Array(3)
		w.Str(string(a.Node))
		w.Uint(uint64(a.Epoch))
		w.Str(a.Addr)
	}
}

func decodeAddresses(r *wire.Decoder) (list []transport.Address) {
	n := r.Array()
	if n > maxAddresses {
		r.Refuse("too many addresses")
	}
	for ; n > 0 && r.Err() == nil; n-- {
		if r.Array() != 3 {
			r.Refuse("no address")
		}
		list = append(list, transport.Address{Node: shards.NodeID(r.Str()), Epoch: shards.Epoch(r.Uint()), Addr: r.Str()})
	}
	return list
}
