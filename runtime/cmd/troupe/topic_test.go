package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/actors/recipes"
	"github.com/troupe-actors/troupe/actors/topics"
	"github.com/troupe-actors/troupe/actors/virtual"
	"github.com/troupe-actors/troupe/runtime"
	"github.com/troupe-actors/troupe/runtime/admin"
)

// TestCoordinationVerbs shows a program's topics, groups and sessions to an operator.
func TestCoordinationVerbs(t *testing.T) {
	ctx := t.Context()
	node, err := runtime.Start(ctx, runtime.Config{Name: "n1", RESP: "127.0.0.1:0", HTTP: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	see := func(line string, code int, want ...string) string {
		t.Helper()
		out, errs, got := invoke(t, map[string]string{"TROUPE_ADDR": node.HTTPAddr()}, "", strings.Fields(line)...)
		if got != code {
			t.Errorf("troupe %s: exit code %d, want %d\n%s%s", line, got, code, out, errs)
		}
		for _, w := range want {
			if !strings.Contains(strings.Join(strings.Fields(out+errs), " "), w) {
				t.Errorf("troupe %s: %q is not in\n%s%s", line, w, out, errs)
			}
		}
		return out
	}
	see("topic list", 0, "no node knows actors of kind topic: programs that embed Troupe register topics.Kinds()")
	see("session list", 0, "recipes.Kinds()")
	for _, k := range append(topics.Kinds(), recipes.Kinds()...) {
		if err := node.Register(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	see("topic list", 0, "TOPIC PARTITIONS")
	session := coordinate(ctx, t, node.Actors())

	see("topic list", 0, "orders 2 3 5", "2 a partition, 1h -")
	see("topic list --limit 1", 0, "there are more: --after clicks")
	see("topic list --limit 0", 2, "from 1 to 1000")
	see("topic show orders", 0, "topic orders: 3 messages in 2 partitions, 5 ever published, keeps 2 a partition, 1h",
		"0 actors/", "n1 2 4", "SUBSCRIBER PARTITION OFFSET LAG HOW", "audit 1 0 1 pushed to sink/s", "mail 0 3 1 polls", "GROUP PARTITION OFFSET LAG MEMBER", "g 0 1 2 nobody")
	see("topic show x", 3, "there is no such topic")
	see("group list", 0, "g 0 1 1 2 orders", "h 1 1 0 0 clicks")
	see("group show g", 0, "group g: 0 members, 1 partition, lag 2, generation", "orders 0 1 4 2 nobody")
	see("group show h", 0, "group h: 1 member, 1 partition", "1h0m0s in 1h", "clicks clicks/0")
	see("group show x", 3, "there is no such group")
	see("session list", 0, session.Name()+" 1h0m0s in 1h")
	see("session show "+session.Name(), 0, "lock/l holds it, token 1", "registry/r 1 key", "TTL 1h0m0s, over in 1h")
	see("session show x", 3, "no such session")
	see("actor list topic", 0, "topic/clicks topic/orders")
	see("actor list x", 3, "no node knows actors of kind x")
	var info admin.TopicInfo
	if err := json.Unmarshal([]byte(see("topic show orders --json", 0)), &info); err != nil || info.By[0].Lag != 2 || info.Parts[0].Node != "n1" {
		t.Errorf("%+v, %v", info, err)
	}
	see("group delete h", 4, "has members")
	see("group delete g", 0, "group g is deleted")
	see("group delete g", 3, "there is no such group")
	see("topic delete orders --json", 0, `"deleted":true`)
	see("topic delete orders", 3, "there is no such topic")
	if out := see("topic list", 0, "clicks"); strings.Contains(out, "orders") {
		t.Errorf("a topic that was deleted is listed:\n%s", out)
	}
}

// coordinate leaves a topic behind with a subscriber that is pushed to, one that polls and a group that has stopped, a topic with a
// group that has nothing to do, and a session with a lock and a key.
func coordinate(ctx context.Context, t *testing.T, h *virtual.Host) *recipes.Session {
	t.Helper()
	client := topics.NewClient(h)
	_, err := client.Create(ctx, "orders", topics.Config{Partitions: 2, KeepMessages: 2, KeepFor: time.Hour})
	for p, n := range []int{4, 1} {
		_, failed := client.PublishTo(ctx, "orders", p, make([]topics.Record, n), topics.Once{})
		err = errors.Join(err, failed)
	}
	err = errors.Join(err, client.Commit(ctx, "orders", 0, "mail", 3), client.Subscribe(ctx, "orders", "audit", virtual.ID{Kind: "sink", Name: "s"}, "take", 0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Create(ctx, "clicks", topics.Config{})
	member, idle := client.Join("g", time.Hour, "orders"), client.Join("h", time.Hour, "clicks")
	for err == nil && len(member.Holds())+len(idle.Holds()) < 3 {
		_, err = member.Poll(ctx, 1, 0)
		if err == nil {
			_, err = idle.Poll(ctx, 1, 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	one := topics.Records{Topic: "orders", Generation: member.Holds()[0].Generation, Messages: make([]topics.Message, 1)}
	err = errors.Join(err, member.Commit(ctx, one), member.Close(ctx))
	s, failed := recipes.Open(ctx, h, time.Hour)
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.WithoutCancel(ctx)) })
	_, err = recipes.NewLock(h, "l").Acquire(ctx, s)
	_, failed = recipes.NewRegistry(h, "r").Put(ctx, "k", nil, s)
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	for v := (recipes.SessionView{}); len(v.Held) < 2; { // what it holds is told to the session by messages
		if v, err = recipes.Look(ctx, h, s.Name()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
