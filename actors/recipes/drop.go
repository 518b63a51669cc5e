package recipes

import (
	"context"
	"errors"
	"fmt"

	"github.com/troupe-actors/troupe/actors/virtual"
)

// What is dropped is gone with one commit, and refuses to take anything until the last of what it had is removed, some in each turn.
//
//	drop ── {Going} ── purge ── purge ── purge ── nothing, not even the name ──► as if it never was
//
// Dropped again meanwhile it goes on, also where nothing reminds it any more.

// ErrDropping says that a queue or a registry was dropped a moment ago, and still has data to remove. Try again.
var ErrDropping = errors.New("recipes: it was just dropped, and is not empty yet")

const reasonDropping = "dropping"

func stillGoing(id virtual.ID) error {
	return virtual.Fail(reasonDropping, "%s was dropped, and what it had is being removed", id)
}

// dropping makes the error of something that was dropped one that callers know.
func dropping(err error) error {
	if virtual.ReasonOf(err) == reasonDropping {
		return fmt.Errorf("%w: %w", ErrDropping, err)
	}
	return err
}

// purged bounds what one turn removes.
const purged = 250

// purge removes some of what an actor keeps that was dropped, and all else with the last of it. There is one reminder, however often it is dropped.
func purge[S any](c *virtual.Context[S], going bool) (struct{}, error) {
	if !going { // it was not dropped, or is another since
		return struct{}{}, nil
	}
	if done, err := c.ClearSome(purged); done || err != nil {
		return struct{}{}, err
	}
	return struct{}{}, c.Remind("purge", 0, 0, "purge", struct{}{})
}

func dropQueue(c *virtual.Context[queue], _ struct{}) (struct{}, error) {
	*c.State = queue{Going: true}
	c.Forget("back")
	return purge(c, true)
}

func dropRegistry(c *virtual.Context[registry], _ struct{}) (struct{}, error) {
	for _, w := range c.State.Watchers {
		if w.To.Check(w.Method) != nil {
			continue
		}
		if err := c.Tell(w.To, w.Method, Changes{Registry: c.Self().Name, Dropped: true}); err != nil {
			return struct{}{}, err
		}
	}
	*c.State = registry{Going: true}
	return purge(c, true)
}

// Drop removes the queue with all of its items: those that wait, are in flight, and were set aside. Who has a delivery hears ErrReceipt when it is
// done. While items are being removed, which takes a moment if there are many, Push, Pop and Configure are refused: ErrDropping; after that a queue of
// that name begins anew, with the defaults. That there is nothing is no error; so it may be tried again.
func (q Queue) Drop(ctx context.Context) error {
	_, err := virtual.Call[struct{}, struct{}](ctx, q.host, q.id, "drop", struct{}{})
	return err
}

// Drop removes the registry with all of its keys, those of sessions as well, and its watchers, who are told once: Changes that say Dropped. While keys
// are being removed, which takes a moment if there are many, what is put is refused: ErrDropping; after that a registry of that name begins anew,
// with the first revision. That there is nothing is no error; so it may be tried again.
func (r Registry) Drop(ctx context.Context) error {
	_, err := virtual.Call[struct{}, struct{}](ctx, r.host, r.id, "drop", struct{}{})
	return err
}
