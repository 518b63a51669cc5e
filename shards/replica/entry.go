package replica

import (
	"fmt"

	"github.com/troupe-actors/troupe/shards"
)

// Position is a place in a shard's order: a sequence number and the term of the entry that holds it. Two logs that have
// the same position at the end of an entry are the same up to there. Term 0 stands for "not known any more".
type Position struct {
	Term shards.Term
	Seq  shards.SeqNo
}

// String prints term and number, as in "4:1207".
func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Term, p.Seq) }

// Entry is one round of a primary: consecutive transactions, encoded one behind the other. All copies store it whole, with
// the boundaries that its primary gave it.
type Entry struct {
	Term        shards.Term  // of the primary that made it
	First, Last shards.SeqNo // First is 1 at least, Last is First at least
	Shrinks     bool         // deletes only: written while the disk is nearly full
	Payload     []byte       // shared, never written to
}

// End is the position of the entry's last transaction.
func (e *Entry) End() Position { return Position{e.Term, e.Last} }

// entryOverhead is what an entry costs beside its payload, in bytes, for all windows and budgets.
const entryOverhead = 64

// Size is what the entry counts for in windows and budgets, in bytes.
func (e *Entry) Size() int { return entryOverhead + len(e.Payload) }
