package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/troupe-actors/troupe/runtime/cmd/troupe/source"
)

// What has expired since the backup was made is not restored, and is no difference.
func TestABackupOfKeysThatExpire(t *testing.T) {
	r := startNode(t, "off", "--keyspace", "default:durability=memory")
	r.at(t, 0, "", "put", "past", "old")
	record := func(key string, at int64) string {
		return fmt.Sprintf(`{"key":%q,"version":1,"expire_at":%d,"size":1,"value":"YQ=="}`+"\n", key, at)
	}
	hour := time.Now().Add(time.Hour).UnixMilli()
	backup := record("ever", 0) + record("later", hour) + record("past", 1000)
	out, _ := r.at(t, 0, backup, "load", "--scanned", "-")
	if !strings.Contains(out, "loaded 2 keys, 2 B") || !strings.Contains(out, "; 1 expired meanwhile") {
		t.Errorf("load says %s", out)
	}
	r.at(t, 0, "", "del", "--prefix", "past", "--yes") // should the millisecond that it lives not be over
	if out, _ = r.at(t, 0, backup, "verify", "--scanned", "-", "--extra"); !strings.Contains(out, "2 keys the same") || !strings.Contains(out, "0 missing, 0 different, 0 extra, 1 expired") {
		t.Errorf("verify says %s", out)
	}
	r.at(t, 0, "", "del", "later")
	out, _ = r.at(t, exitDifferent, backup, "verify", "--scanned", "-", "--json")
	var report struct{ Same, Missing, Expired int }
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Same != 1 || report.Missing != 1 || report.Expired != 1 {
		t.Errorf("verify says %s: %v", out, err)
	}
}

func TestLifeOfARestoredKey(t *testing.T) {
	now := time.UnixMilli(5000)
	for _, c := range []struct {
		ttl  time.Duration
		at   int64
		life time.Duration
		over bool
	}{
		{0, 0, 0, false}, {0, 7000, 2 * time.Second, false}, {0, 5000, time.Millisecond, true}, {0, 1, time.Millisecond, true}, {time.Hour, 1, time.Hour, false},
	} {
		l := &loading{ttl: c.ttl}
		if life, over := l.life(&source.Item{ExpireAt: c.at}, now); life != c.life || over != c.over {
			t.Errorf("expiry %d with --ttl %v: %v, %v", c.at, c.ttl, life, over)
		}
	}
}
