package member

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/policies/liveness"
)

// A node in maintenance is away on purpose: that it is dead then wakes nobody.
func TestMaintainedNodesDieQuietly(t *testing.T) {
	group := &fixed{}
	group.state.Store(&cluster.State{Members: []cluster.Member{{ID: "a", Name: "n1", Maintained: true}, {ID: "b", Name: "n2"}}})
	var log bytes.Buffer
	m := &Member{ctx: context.Background(), reign: &reign{}, c: Config{Group: group, Log: slog.New(slog.NewTextHandler(&log, nil)), Changed: func(uint64, liveness.Change) {}}}
	for _, name := range []string{"n1", "n2"} {
		log.Reset()
		id := group.State().MemberByName(name).ID
		m.tell(liveness.Change{Status: liveness.Status{Node: id, Name: name, State: liveness.Dead}, From: liveness.Alive})
		if got, want := log.String(), map[string]string{"n1": "level=INFO", "n2": "level=WARN"}[name]; !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
