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
	backup := record("ever", 0) + record("later", hour) + record("past", 1000) + `{"end":true,"count":3}` + "\n"
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

// A backup that lacks lines does not pass for a whole one.
func TestACutBackupIsTold(t *testing.T) {
	r := startNode(t, "off", "--keyspace", "default:durability=memory")
	for _, key := range []string{"a", "b", "c"} {
		r.at(t, 0, "", "put", key, "")
	}
	backup, _ := r.at(t, 0, "", "scan", "--values", "--json")
	lines := strings.SplitAfter(backup, "\n")
	if len(lines) != 5 || lines[3] != `{"end":true,"count":3}`+"\n" {
		t.Fatalf("a scan ends with %q", lines)
	}
	if out, _ := r.at(t, 0, "", "scan", "--limit", "2", "--json"); !strings.HasSuffix(out, `{"end":true,"count":2}`+"\n") {
		t.Errorf("a bounded scan ends with %s", out)
	}
	if out, _ := r.at(t, 0, "", "scan"); strings.Contains(out, "end") {
		t.Errorf("a scan for people ends with %s", out)
	}
	for _, verb := range []string{"load", "verify"} {
		if _, errs := r.at(t, 0, backup, verb, "--scanned", "-"); errs != "" {
			t.Errorf("%s of a whole backup: %s", verb, errs)
		}
		if _, errs := r.at(t, exitFailed, strings.Join(lines[:2], ""), verb, "--scanned", "-"); !strings.Contains(errs, "it is of an earlier release, or cut") {
			t.Errorf("%s of a backup without end: %s", verb, errs)
		}
		if _, errs := r.at(t, exitFailed, "", verb, "--scanned", "-"); !strings.Contains(errs, "--no-end") {
			t.Errorf("%s of an empty backup: %s", verb, errs)
		}
		if _, errs := r.at(t, 0, strings.Join(lines[:2], ""), verb, "--scanned", "-", "--no-end"); errs != "" {
			t.Errorf("%s of a backup of an early release: %s", verb, errs)
		}
		if _, errs := r.at(t, exitFailed, lines[0]+lines[3], verb, "--scanned", "-"); !strings.Contains(errs, "the scan ended with 3 keys, and 1 are here") {
			t.Errorf("%s of a backup that lacks lines: %s", verb, errs)
		}
		if _, errs := r.at(t, 0, "a\t\n", verb, "--lines", "-"); errs != "" {
			t.Errorf("%s of lines: %s", verb, errs)
		}
	}
	if _, errs := r.at(t, exitDifferent, strings.Replace(lines[0], `"key":"a"`, `"key":"z"`, 1), "verify", "--scanned", "-"); !strings.Contains(errs, "1 differences") || !strings.Contains(errs, "or cut") {
		t.Errorf("verify of a cut backup that differs: %s", errs)
	}
}

// The empty key is a key, and comes back as all others do.
func TestABackupWithTheEmptyKey(t *testing.T) {
	r := startNode(t, "off", "--keyspace", "default:durability=memory")
	r.at(t, 0, "", "put", "", "of no name")
	r.at(t, 0, "", "put", "a", "b")
	backup, _ := r.at(t, 0, "", "scan", "--values", "--json")
	r.at(t, 0, "", "del", "", "a")
	if out, errs := r.at(t, 0, backup, "load", "--scanned", "-"); !strings.Contains(out, "loaded 2 keys") || errs != "" {
		t.Errorf("load says %s%s", out, errs)
	}
	if out, _ := r.at(t, 0, "", "get", ""); out != "of no name" {
		t.Errorf("the empty key holds %q", out)
	}
	if out, errs := r.at(t, 0, backup, "verify", "--scanned", "-", "--extra"); !strings.Contains(out, "2 keys the same") || errs != "" {
		t.Errorf("verify says %s%s", out, errs)
	}
	if _, errs := r.at(t, exitFailed, "\tvalue\n", "load", "--lines", "-"); !strings.Contains(errs, "key is empty") {
		t.Errorf("load of a line without a key: %s", errs)
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
