package replica

// Bug is a set of mistakes that a Core makes on purpose. It is for the simulator and the tests, which must find each of
// them; a product leaves it zero.
type Bug uint32

// The bugs.
const (
	BugCommitBeyond   Bug = 1 << iota // the commit takes one entry more than every in-sync copy has
	BugRemoveEarly                    // a lagging copy is not waited for once its removal is proposed
	BugAddUnawaited                   // a copy that is proposed for the in-sync set is not waited for yet
	BugNoTermCheck                    // a replica takes messages of lower terms
	BugAckEarly                       // a replica acknowledges what its log has not made durable
	BugSelfUnawaited                  // the primary does not wait for its own log
	BugNoMatch                        // a replica takes entries that do not follow its last one
	BugKeepTail                       // a replica keeps entries of a deposed primary in place of the new one's
	BugApplyTail                      // a restarted copy applies its whole log at once
	BugDropTail                       // a new primary drops what it does not know to be committed
	BugStaleAck                       // acknowledgements of an earlier term count
	BugUnfenced                       // a copy acknowledges to a deposed primary what it does not take
	BugForgetTruncate                 // a truncated entry that is still being written counts as durable
	BugBelowMinInSync                 // writes go on with fewer in-sync copies than asked for
)

var bugNames = [...]string{
	"commit beyond", "remove early", "add unawaited", "no term check", "ack early", "self unawaited", "no match",
	"keep tail", "apply tail", "drop tail", "stale ack", "unfenced", "forget truncate", "below min in sync",
}

// Bugs lists all bugs, each alone.
func Bugs() (all []Bug) {
	for i := range bugNames {
		all = append(all, 1<<i)
	}
	return all
}

// String names the bugs of the set.
func (b Bug) String() (s string) {
	for i, name := range bugNames {
		if b&(1<<i) == 0 {
			continue
		}
		if s != "" {
			s += ", "
		}
		s += name
	}
	return s
}
