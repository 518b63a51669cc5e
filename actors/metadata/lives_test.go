package metadata

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards"
)

// A folder knows which life of its node it has announced last, through starts that reach nobody, refused ones that give their epoch back, and power
// failures; and does not know it any more where a release that keeps no such record has run between.
func TestLivesOfAFolder(t *testing.T) {
	fs := vfs.NewCrashableMem()
	open := func() *NodeLog {
		t.Helper()
		w := openWal(t, fs)
		t.Cleanup(func() { w.Close() })
		l, err := OpenLog(w, 0)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		epoch     shards.Epoch
		announces bool
		known     shards.Epoch // to the cluster
		missed    bool
	}{
		{1, false, 1, false}, // it is a new folder
		{2, true, 2, false},
		{3, true, 2, false},
		{4, false, 3, false},
		{5, false, 4, true}, // another folder has announced it
		{5, false, 3, false},
		{6, false, 6, true},
		{9, false, 8, false}, // 7 or 8 was begun by a release that does not note it, and may have been announced
		{10, false, 9, false},
		{11, true, 11, false},
		{12, false, 12, true},
	} {
		l := open()
		if err := l.begin(c.epoch); err != nil {
			t.Fatal(err)
		}
		if c.announces {
			if err := l.announce(c.epoch); err != nil {
				t.Fatal(err)
			}
		}
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
		for _, l := range []*NodeLog{l, open()} {
			if missed := l.missed(c.known); missed != c.missed {
				t.Errorf("%+v: missed: %v, with %+v", c, missed, l.lives)
			}
		}
		fs = fs.CrashClone(vfs.CrashCloneCfg{})
	}
	l := open()
	if err := l.log.Set(livesRecord, []byte{recordFormat, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := l.openLives(); err == nil {
		t.Error("half a record is read")
	}
}
