package activation

// Bug is a set of mistakes that a Core makes on purpose. It is for the simulator, which must find each of them; a product leaves it
// zero.
type Bug uint8

// The bugs.
const (
	BugUnconfirmed Bug = 1 << iota // an answer from memory goes out, whoever leads by now
	BugAnyTerm                     // it goes out if the node leads, in whatever term
	BugNoLookup                    // a repeated call is handled again
	BugUnkept                      // an answer that changed nothing is not kept, though an earlier try of the call may be on its way
	BugSameNumbers                 // each message of an actor numbers what it sends from 1 on
	bugsEnd
)

var bugNames = [...]string{"unconfirmed", "any term", "no lookup", "unkept", "same numbers"}

// Bugs lists all bugs, each alone.
func Bugs() (all []Bug) {
	for b := Bug(1); b < bugsEnd; b <<= 1 {
		all = append(all, b)
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
