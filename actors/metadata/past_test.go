package metadata

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A folder that is put back has missed a life of its node. As each start raises the epoch it comes with just the one that the cluster knows:
// that is no repetition. It is found out where the others run, and where all have been stopped meanwhile. So is one that was started before, alone, so
// that it comes with an epoch that nobody knows.
func TestFolderPutBackIsFoundOut(t *testing.T) {
	for _, c := range []struct {
		all   bool
		alone int // starts
	}{{false, 0}, {true, 0}, {true, 1}, {true, 3}} {
		all := c.all
		synctest.Test(t, func(t *testing.T) {
			n := village(t, 3, 3)
			names := []string{"n1", "n2", "n3"}
			n.houses["n1"].waitLeader(5 * time.Second)
			h := n.houses["n3"]
			h.kill()
			folder := h.fs.CrashClone(vfs.CrashCloneCfg{})
			h.start().waitJoined()
			h.set(5*time.Second, "after", "1")
			for _, name := range names {
				if h := n.houses[name]; all || name == "n3" {
					h.kill()
				}
			}
			h.fs, h.epoch = folder, h.epoch-1
			for range c.alone {
				h.start()
				<-time.After(30 * time.Second)
				h.kill()
				h.group = nil
			}
			for _, name := range names {
				if h := n.houses[name]; h.group == nil {
					h.start()
				}
			}
			select {
			case <-h.group.Done():
				if err := h.group.Err(); !errors.Is(err, ErrPast) {
					t.Errorf("%+v: it ends with %v", c, err)
				}
			case <-h.group.Joined():
				t.Errorf("%+v: an old folder is a member", c)
			case <-time.After(20 * time.Second):
				t.Errorf("%+v: it waits still", c)
			}
			n.houses["n1"].set(5*time.Second, "later", "1")
		})
	}
}
