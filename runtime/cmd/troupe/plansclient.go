package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	records "github.com/troupe-actors/troupe/policies/record"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// archive is one node's recorded plans.
type archive struct {
	name   string
	client *admin.Client
}

// archives are the nodes of the cluster that answer: each keeps the plans of the time in which it led.
func (r *remote) archives(ctx context.Context, client *admin.Client) (out []archive, leader int, err error) {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return nil, -1, err
	}
	leader = -1
	for _, n := range nodes {
		if n.HTTP == "" || n.State == admin.Dead {
			continue
		}
		own, err := client.At(n.HTTP)
		if err != nil {
			return nil, -1, fmt.Errorf("node %s: %w", n.Name, err)
		}
		if n.Leader {
			leader = len(out)
		}
		out = append(out, archive{n.Name, own})
	}
	return out, leader, nil
}

// kept is a recorded plan and who has it.
type kept struct {
	key records.Key
	at  time.Time
	in  archive
}

// plans lists all that the cluster has recorded, the oldest first. A node that does not answer has none; missing says so.
func (r *remote) plans(ctx context.Context, all []archive) (list []kept, missing []string) {
	for _, a := range all {
		l, err := a.client.Plans(ctx, 0)
		if err != nil {
			missing = append(missing, fmt.Sprintf("node %s: %v", a.name, err))
			continue
		}
		for _, p := range l.Plans {
			if key, err := records.ParseKey(p.ID); err == nil {
				list = append(list, kept{key, time.UnixMilli(p.At), a})
			}
		}
	}
	slices.SortFunc(list, func(x, y kept) int {
		switch {
		case x.key == y.key:
			return 0
		case x.key.Before(y.key):
			return -1
		}
		return 1
	})
	return list, missing
}

// eachPlan fetches the newest plans of the cluster, all if last is 0, in the order in which they were made.
func (r *remote) eachPlan(ctx context.Context, last int, do func(*records.Record) error) error {
	return r.with(ctx, func(ctx context.Context, client *admin.Client) error {
		all, _, err := r.archives(ctx, client)
		if err != nil {
			return err
		}
		list, missing := r.plans(ctx, all)
		for _, text := range missing {
			fmt.Fprintln(r.c.err, "troupe: left out:", text)
		}
		if last > 0 {
			list = list[max(0, len(list)-last):]
		}
		for _, k := range list {
			p, err := k.in.client.Plan(ctx, k.key.String())
			if gone(err) {
				continue // it has made room for newer ones meanwhile
			}
			if err != nil {
				return err
			}
			if err := do(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func gone(err error) bool {
	var e *admin.Error
	return errors.As(err, &e) && e.Kind == admin.KindNotFound
}

// planAt fetches the plan of a key, or the last that was made until a time.
func (r *remote) planAt(ctx context.Context, client *admin.Client, at string) (*records.Record, error) {
	all, _, err := r.archives(ctx, client)
	if err != nil {
		return nil, err
	}
	list, missing := r.plans(ctx, all)
	key, err := records.ParseKey(at)
	find := func(k kept) bool { return k.key == key }
	if err != nil {
		t, err := parseMoment(at, time.Now())
		if err != nil {
			return nil, err
		}
		find = func(k kept) bool { return !k.at.After(t) }
	}
	for i := len(list) - 1; i >= 0; i-- {
		if find(list[i]) {
			return list[i].in.client.Plan(ctx, list[i].key.String())
		}
	}
	text := fmt.Sprintf("no plan is recorded for %s", at)
	if len(list) > 0 {
		text += fmt.Sprintf("; there are %s of %s to %s of %s", list[0].key, list[0].at.Format(time.RFC3339), list[len(list)-1].key, list[len(list)-1].at.Format(time.RFC3339))
	}
	if len(missing) > 0 {
		text += " (" + strings.Join(missing, "; ") + ")"
	}
	return nil, &failure{exitNotFound, errors.New(text)}
}

// parseMoment reads a time: RFC 3339, a time of day such as 14:05, the last that there was, or how long ago it is, such as 10m.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			today := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
			if today.After(now) { // who asks after midnight for 23:55 means yesterday's
				return today.AddDate(0, 0, -1), nil
			}
			return today, nil
		}
	}
	return time.Time{}, usage("%q is neither a plan (7.153) nor a time (2026-03-01T12:00:00Z, 14:05, or 10m for ten minutes ago)", text)
}

// present fetches from the leader what it would plan now.
func (r *remote) present(ctx context.Context, client *admin.Client) (*records.Record, error) {
	all, leader, err := r.archives(ctx, client)
	if err != nil {
		return nil, err
	}
	if leader < 0 {
		return nil, errors.New("no leader is known: nobody can say what would be planned; see troupe health")
	}
	return all[leader].client.CurrentPlan(ctx)
}
