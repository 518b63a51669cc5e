package metadata

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// ProposalID names one command of one proposer, however often it is proposed: it is applied once.
type ProposalID struct {
	Proposer uint64       // the proposer's Raft number
	Epoch    shards.Epoch // of the proposer
	Sequence uint64       // 1 and up in each epoch; 0: nobody asks
}

// String is for log lines.
func (id ProposalID) String() string {
	return fmt.Sprintf("%x.%d.%d", id.Proposer, id.Epoch, id.Sequence)
}

// Proposal is a command on its way into the log.
type Proposal struct {
	ID      ProposalID
	Since   uint64 // a repetition: the proposer's Applied at its first try, so that the memory of outcomes can be seen to reach back so far; 0: the first try
	Command *cluster.Command
}

// Applied is a command that has become part of the state, or was refused by it.
type Applied struct {
	ID      ProposalID
	Index   uint64 // in the log
	Outcome cluster.Outcome

	Again     bool // a repetition: Outcome is the first one's, and nothing changed
	Forgotten bool // a repetition, and nobody knows any more whether it was applied before: nothing changed now
}

// Errors of Core.Propose, compared with errors.Is. The command is not in the log then.
var (
	ErrNotLeader = errors.New("metadata: this node does not lead the metadata group")
	ErrTooLarge  = errors.New("metadata: the command is too large")
	ErrBusy      = errors.New("metadata: too many commands wait for a quorum, or one that this one must wait for")
)

// ErrForgotten is the outcome of a repetition whose first try lies before what the group remembers: it may have been applied.
var ErrForgotten = &shards.Error{
	Kind: shards.KindOutcomeUnknown,
	Err:  errors.New("the command was proposed again after so many others that nobody knows whether it was applied; look at the state"),
}
