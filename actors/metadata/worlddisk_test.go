package metadata

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/troupe-actors/troupe/shards/wal"
)

// pebbleDisk is the Log that nodes really have, on a file system that forgets.
type pebbleDisk struct {
	*NodeLog
	t   *testing.T
	fs  *vfs.MemFS
	wal *wal.Log
}

func newPebbleDisk(t *testing.T, fs *vfs.MemFS, number uint64) disk {
	log := openWal(t, fs)
	l, err := OpenLog(log, number)
	if err != nil {
		t.Fatal(err)
	}
	return &pebbleDisk{NodeLog: l, t: t, fs: fs, wal: log}
}

func (d *pebbleDisk) crash(random *rand.Rand) disk {
	after := d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[random.IntN(3)], RNG: random})
	d.close()
	return newPebbleDisk(d.t, after, d.Number())
}

func (d *pebbleDisk) close() {
	if err := d.wal.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// TestWorldsOnDisk is TestWorlds over Pebble. What Pebble does in the background differs from run to run, so that a seed does
// not quite repeat its world.
func TestWorldsOnDisk(t *testing.T) {
	first, count := uint64(1), max(1, *worldSeeds/10)
	if *worldSeed != 0 {
		first, count = *worldSeed, 1
	} else if testing.Short() {
		count = 2
	}
	for seed := first; seed < first+uint64(count); seed++ {
		w := newWorld(t, seed, 1+int(seed%5), func(number uint64) disk { return newPebbleDisk(t, vfs.NewCrashableMem(), number) })
		w.live(20_000)
		for _, n := range w.nodes {
			n.log.(*pebbleDisk).close()
		}
	}
}
