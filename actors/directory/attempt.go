package directory

import (
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/shards"
	"github.com/troupe-actors/troupe/shards/store"
	"github.com/troupe-actors/troupe/tracing"
)

// attempt stands between a shard and a task's work while it is tried: results pass, a failure is kept until it is clear
// that trying again is of no use. It implements shard.Work.
type attempt struct {
	directory *Directory
	task      *Task
	err       error           // why the last try failed; nil: it was answered
	unsure    error           // why nobody knows what became of an earlier try; nil: all that failed have not happened
	delivered bool            // results have passed: another try would deliver them twice
	numbered  bool            // its writes carry (client, sequence)
	to        shards.NodeID   // of a stale read: the copy that is asked
	tries     int             // that were traced
	span      *tracing.Active // of the present try; nil unless it is traced
}

func (a *attempt) Len() int             { return a.task.Work.Len() }
func (a *attempt) Txn(i int) *store.Txn { return a.task.Work.Txn(i) }

// Number gives the writes their (client, sequence). It makes attempt a shard.Numbered: a primary here can be deposed as one
// elsewhere can, and what was under way is then tried again.
func (a *attempt) Number() { a.directory.number(a) }

func (a *attempt) Result(i, op int, r *store.Result) {
	a.delivered = true
	a.task.Work.Result(i, op, r)
}

// Fail keeps the first failure. A shard fails a work as a whole.
func (a *attempt) Fail(_ int, err error) {
	if a.err == nil {
		a.err = err
	}
}

// answer passes a failure on, for good.
func (a *attempt) answer(err error) {
	for i := range a.Len() {
		a.task.Work.Fail(i, err)
	}
}

// verdict is what the failure of the last try says of the work. If an earlier try may have happened, a refusal says nothing of it: where to
// ask, and that it may be repeated, would be read as if it did.
func (a *attempt) verdict() error {
	if a.unsure == nil || kindOf(a.err) == shards.KindOutcomeUnknown {
		return a.err
	}
	then := errors.New(a.err.Error())
	if errors.Is(a.err, shard.ErrClosed) { // of this node, not of the work
		then = a.err
	}
	return &shards.Error{Kind: shards.KindOutcomeUnknown, Err: fmt.Errorf("%w; then: %w", a.unsure, then)}
}

// aged says of a bounded read that nobody could give what it asked for, whoever refused it last: an error that came from another
// node has its kind alone.
func (a *attempt) aged(err error) error {
	if a.task.Within == 0 || errors.Is(err, shard.ErrTooOld) {
		return err
	}
	return fmt.Errorf("%w: %w", shard.ErrTooOld, err)
}

// mayRepeat says whether another try can neither do a thing twice nor deliver a result twice.
func (a *attempt) mayRepeat() bool {
	if a.delivered || hopeless(a.err) {
		return false
	}
	switch kindOf(a.err) {
	case shards.KindNotPrimary, shards.KindUnavailable:
		return true
	case shards.KindOutcomeUnknown:
		return a.numbered || reads(a)
	}
	return false
}

// hopeless says that work is refused for a reason that does not go away while this node lives, or while anybody would wait.
func hopeless(err error) bool { return errors.Is(err, shard.ErrClosed) || errors.Is(err, ErrReadOnly) }

// reads says that a work changes nothing.
func reads(w shard.Work) bool {
	for i := range w.Len() {
		if !w.Txn(i).ReadOnly() {
			return false
		}
	}
	return true
}

// attempts are those of one Do. They are kept for the next.
type attempts struct {
	each []attempt
	all  []*attempt
}

func (as *attempts) reset(d *Directory, tasks []Task) {
	if cap(as.each) < len(tasks) {
		as.each = make([]attempt, len(tasks))
	}
	as.each, as.all = as.each[:len(tasks)], as.all[:0]
	for i := range tasks {
		as.each[i] = attempt{directory: d, task: &tasks[i]}
		as.all = append(as.all, &as.each[i])
	}
}

// keptAttempts bounds what is kept between two uses.
const keptAttempts = 1024

func (as *attempts) release() {
	clear(as.each)
	if cap(as.each) > keptAttempts {
		*as = attempts{}
	}
}

// unanswered gives the attempts whose last try failed, in place.
func unanswered(list []*attempt) []*attempt {
	left := list[:0]
	for _, a := range list {
		if a.err != nil {
			left = append(left, a)
		}
	}
	return left
}

var _ shard.Numbered = (*attempt)(nil)
