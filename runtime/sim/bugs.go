package sim

import (
	"fmt"
	"strings"
)

// Bugs is a set of planted bugs: mistakes that somebody could make in a shell, a disk or a policy. Those of shards/replica's
// own are replica.Bug, those of shards/activation's activation.Bug. A simulator that does not find each within a bounded number of
// seeds has no teeth.
type Bugs uint64

// The planted bugs.
const (
	BugAckBeforeReplicate Bugs = 1 << iota // the primary says yes when it has proposed
	BugPromoteOutside                      // a copy that is not in sync is promoted when no other is there
	BugReadWithoutLease                    // reads are answered whether the lease is valid or not
	BugReadBeforeTail                      // a new primary answers reads before what it took over is committed
	BugReadWhileMoving                     // a primary answers reads while its hand-over may have been carried out
	BugSkipFsync                           // the log says that it is durable, and is not
	BugReorderLog                          // neighbours in the log change places
	BugApplyTwice                          // a write that is sent again is applied again
	BugStalePlacement                      // a plan is made from an old table, and passed off as made from the new one
	BugSnapshotRace                        // a snapshot is said to hold what came after it was taken
	BugIgnoreCRC                           // what is damaged is handed out
	BugForgetVote                          // Raft's vote, term and entries do not reach the disk
	BugKeepEpoch                           // a restarted node calls itself by its earlier life
	BugLostCopyStays                       // a copy that is not there is opened as an empty one
	BugUnguarded                           // an activation commits whatever version the state has
	BugSendAhead                           // the next letter of an actor to another sets out before the one before it has come
	BugForgetLetter                        // a letter is removed after one try, whether it has come or not
	BugAnswerAhead                         // an activation answers before its write is acknowledged
	BugAnswerTwice                         // an asker handles an answer without looking whether its question is still open
	BugForgetQuestion                      // a question is removed when it was answered, whether its asker has handled that or not
	BugForgetReminder                      // a reminder that is due is done with after one try, whether it has come or not
	BugEachLate                            // reminders that were missed come one by one
	BugOneLane                             // a reminder that comes again takes the next number, which the actor does not know of
	BugDeafHeir                            // a new primary does not look for the reminders that it inherits
	BugForgetHold                          // an activation does not look for the questions that it has to hold messages off for
	BugHoldOwn                             // an actor that waits for an answer holds off what it has sent itself, too: its own question, perhaps
	BugKeepFiles                           // what is given up, or begins anew, leaves its snapshot files behind
	BugOwnTime                             // each copy takes its own clock for the time of a transaction
	BugForgetExpired                       // a primary does not order the end of what has expired
	BugReadByClock                         // a primary tells that a key has expired before that is ordered
	BugAloneTooSoon                        // a primary takes the short way when no other copy is in sync, though one is coming
	BugAloneTooLong                        // it takes up a row with other copies while a round of its own is under way
	BugAloneUntold                         // it does not tell its core what it did alone
	BugSameIdentity                        // who begins with a new folder calls himself as before
	BugSleepBusy                           // an actor leaves memory while it handles a message
	bugsEnd
)

// bugNames name the bugs, for -bugs and for the table of seeds to catch.
var bugNames = []string{
	"ack-before-replicate", "promote-outside", "read-without-lease", "read-before-tail", "read-while-moving", "skip-fsync", "reorder-log",
	"apply-twice", "stale-placement", "snapshot-race", "ignore-crc", "forget-vote", "keep-epoch", "lost-copy-stays",
	"unguarded", "send-ahead", "forget-letter", "answer-ahead",
	"answer-twice", "forget-question", "forget-reminder", "each-late", "one-lane", "deaf-heir",
	"forget-hold", "hold-own", "keep-files", "own-time", "forget-expired", "read-by-clock", "alone-too-soon", "alone-too-long", "alone-untold", "same-identity", "sleep-busy",
}

// String lists the names.
func (b Bugs) String() string {
	var names []string
	for i, name := range bugNames {
		if b&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseBugs reads names as String prints them.
func ParseBugs(text string) (Bugs, error) {
	var b Bugs
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
		known := false
		for i, n := range bugNames {
			if n == name {
				b |= 1 << i
				known = true
			}
		}
		if !known {
			return 0, fmt.Errorf("there is no planted bug %q; there are %v", name, bugsEnd-1)
		}
	}
	return b, nil
}

// bug says whether this world has a planted bug.
func (n *Node) bug(b Bugs) bool { return n.w.o.Bugs&b != 0 }
