package shard

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/shards"
)

// TestTheCommitterTellsHowLongRoundsWait: DESIGN.md section 3, "A grey score (fsync p99, queue delay, mailbox progress)".
func TestTheCommitterTellsHowLongRoundsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t, 1, 1, shards.Keyspace{Shards: 1})
		defer w.close()
		w.await("the only copy", func() bool { s := w.primary(0); return s.Leads() && s.Stats().Solo })
		c := w.house("n1").commit
		if err := ask(w.primary(0), set("k", "v")).err; err != nil {
			t.Fatal(err)
		}
		c.Waited()
		if d := c.Waited(); d != 0 {
			t.Errorf("nothing waits, and it says %v", d)
		}
		held := make(chan error, 1)
		go func() {
			held <- c.ask(func() error { // something that the committer's goroutine does between two rounds, and takes long
				<-time.After(2 * time.Second)
				return nil
			})
		}()
		<-time.After(time.Millisecond)
		write := increase()
		answered := write.submit(w.primary(0))
		<-time.After(time.Second)
		if d := c.Waited(); d != time.Second {
			t.Errorf("a round has waited for a second, and it says %v", d)
		}
		<-answered
		if d := c.Waited(); d != 2*time.Second-time.Millisecond || <-held != nil || write.err != nil {
			t.Errorf("a round waited for two seconds, and it says %v; %v", d, write.err)
		}
		if d := c.Waited(); d != 0 {
			t.Errorf("it says %v again", d)
		}
	})
}
