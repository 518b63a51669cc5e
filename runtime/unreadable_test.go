package runtime

import (
	"testing"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// What a node sends again and again, and nobody can read, is told of now and then, with how often it came.
func TestUnreadableMessagesAreToldOfNowAndThen(t *testing.T) {
	var u unreadable
	now := time.Unix(1000, 0)
	for i, step := range []struct {
		node  string
		after time.Duration
		want  int
	}{{"a", 0, 1}, {"a", time.Second, 0}, {"b", time.Second, 1}, {"a", 9 * time.Second, 0}, {"a", 10 * time.Second, 3}, {"a", 19 * time.Second, 0}, {"a", 30 * time.Second, 2}} {
		if got := u.count(shards.NodeID(step.node), now.Add(step.after)); got != step.want {
			t.Errorf("step %d: %d are told, want %d", i, got, step.want)
		}
	}
}
