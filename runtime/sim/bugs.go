package sim

import (
	"fmt"
	"strings"
)

// Bugs is a set of planted bugs. Each is a mistake that somebody could make in a core or its shell; a simulator that does
// not find one within a bounded number of seeds has no teeth.
type Bugs uint32

// The planted bugs.
const (
	BugAckBeforeReplicate Bugs = 1 << iota
	BugNoTermCheck
	BugPromoteOutside
	BugShrinkUncommitted
	BugReadWithoutLease
	BugSkipFsync
	BugReorderLog
	BugApplyTwice
	BugStalePlacement
	BugCheckpointOffByOne
	BugSnapshotRace
	BugIgnoreCRC
	BugForgetVote
	BugKeepEpoch
	BugLostCopyStays
	bugsEnd
)

// bugNames name the bugs, for -bug and for the table of seeds to catch.
var bugNames = []string{
	"ack-before-replicate", "no-term-check", "promote-outside", "shrink-uncommitted", "read-without-lease", "skip-fsync", "reorder-log",
	"apply-twice", "stale-placement", "checkpoint-off-by-one", "snapshot-race", "ignore-crc", "forget-vote", "keep-epoch", "lost-copy-stays",
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
			return 0, fmt.Errorf("there is no planted bug %q; there are %s", name, Bugs(bugsEnd-1))
		}
	}
	return b, nil
}
