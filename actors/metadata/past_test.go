package metadata

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A folder that is put back has missed a life of its node. As each start raises the epoch it comes with just the one that the cluster knows:
// that is no repetition. It is found out where the others run, and where all have been stopped meanwhile.
func TestFolderPutBackIsFoundOut(t *testing.T) {
	for _, all := range []bool{false, true} {
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
			for _, name := range names {
				if h := n.houses[name]; h.group == nil {
					h.start()
				}
			}
			select {
			case <-h.group.Done():
				if err := h.group.Err(); !errors.Is(err, ErrPast) {
					t.Errorf("all stopped: %v: it ends with %v", all, err)
				}
			case <-h.group.Joined():
				t.Errorf("all stopped: %v: an old folder is a member", all)
			case <-time.After(20 * time.Second):
				t.Errorf("all stopped: %v: it waits still", all)
			}
			n.houses["n1"].set(5*time.Second, "later", "1")
		})
	}
}
