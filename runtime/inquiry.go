package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/runtime/admin"
	"github.com/troupe-actors/troupe/shards"
)

// inquiry is what one node asks another about itself, as JSON in a call of transport.KindQuery.
type inquiry struct {
	View     bool               `json:"view,omitempty"`
	Copies   bool               `json:"copies,omitempty"`
	Evidence bool               `json:"evidence,omitempty"`
	Transfer shards.NodeID      `json:"transfer,omitempty"`
	Actors   bool               `json:"actors,omitempty"`
	Inspect  string             `json:"inspect,omitempty"` // an actor
	Names    *namesAsked        `json:"names,omitempty"`
	Kind     string             `json:"kind,omitempty"` // of actors: in which keyspace they live, as far as it is known there
	Aside    *virtual.AsidePage `json:"aside,omitempty"`
	Mend     *mending           `json:"mend,omitempty"`
	Past     *admin.Span        `json:"past,omitempty"`
	Ping     bool               `json:"ping,omitempty"` // nothing: how long the answer takes says it all

	Applicant *applicant `json:"applicant,omitempty"` // it asks what speaks against letting it in

	Low *lowness `json:"low,omitempty"` // it tells, and asks nothing

	RoundTrips bool `json:"roundtrips,omitempty"`
	Clock      bool `json:"clock,omitempty"` // the time there, in nanoseconds since 1970
}

// ask has another node answer an inquiry.
func (n *Node) ask(ctx context.Context, to shards.NodeID, q inquiry, answer any) error {
	body, err := json.Marshal(q)
	if err == nil {
		body, err = remote{n}.Call(ctx, to, transport.KindQuery, body)
	}
	if err == nil {
		err = json.Unmarshal(body, answer)
	}
	var refused *shards.Error
	switch {
	case errors.As(err, &refused): // that is its answer
		return fmt.Errorf("node %s: %w", n.state().NodeName(to), err)
	case err != nil:
		return fmt.Errorf("node %s does not answer: %w", n.state().NodeName(to), err)
	}
	return nil
}

// askAll has every member answer an inquiry, all at once; here answers for this node. What another tells that does not answer in time is the
// zero T, and errs says why, in the order of the members.
func askAll[T any](ctx context.Context, n *Node, limit time.Duration, q inquiry, here func(ctx context.Context) (T, error)) (members []cluster.Member, told []T, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	members = n.state().Members
	told, errs = make([]T, len(members)), make([]error, len(members))
	var asked sync.WaitGroup
	for i := range members {
		asked.Go(func() {
			if members[i].ID == n.id.Node {
				told[i], errs[i] = here(ctx)
				return
			}
			var answer T
			if errs[i] = n.ask(ctx, members[i].ID, q, &answer); errs[i] == nil {
				told[i] = answer
			}
		})
	}
	asked.Wait()
	return members, told, errs
}

// answer tells another node about this one.
func (n *Node) answer(ctx context.Context, from shards.NodeID, body []byte) ([]byte, error) {
	var q inquiry
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
	}
	c := clusterAPI{n}
	switch {
	case q.View:
		return json.Marshal(c.own(q.Copies))
	case q.Evidence:
		return json.Marshal(c.seen()) // null where nobody leads: hearsay is not passed on
	case q.Actors:
		here, err := n.actorsHere(ctx)
		if err != nil {
			return nil, err
		}
		return json.Marshal(here)
	case q.Inspect != "":
		id, err := virtual.ParseID(q.Inspect)
		if err != nil {
			return nil, &shards.Error{Kind: shards.KindInvalid, Err: err}
		}
		inside, err := n.inspectActor(ctx, id)
		if err != nil {
			return nil, err
		}
		return json.Marshal(inside)
	case q.Kind != "":
		return json.Marshal(n.actors.Keyspace(q.Kind))
	case q.Names != nil:
		return json.Marshal(n.namesHere(ctx, q.Names))
	case q.Aside != nil:
		return json.Marshal(n.asideHere(ctx, q.Aside))
	case q.Mend != nil:
		return json.Marshal(n.mend(ctx, q.Mend))
	case q.Past != nil:
		return json.Marshal(n.past.span(n.config.Name, *q.Past))
	case q.Low != nil:
		n.heardRoom(from, q.Low.Why)
		return []byte("true"), nil
	case q.Applicant != nil:
		return json.Marshal(n.objects(q.Applicant))
	case q.Ping:
		return []byte("true"), nil
	case q.Clock:
		return json.Marshal(time.Now().UnixNano())
	case q.RoundTrips:
		return json.Marshal(n.roundTrips(ctx))
	case q.Transfer != "":
		return []byte("true"), c.transferHere(ctx, q.Transfer)
	}
	return nil, &shards.Error{Kind: shards.KindInvalid, Err: errors.New("an inquiry that this release does not know")}
}
