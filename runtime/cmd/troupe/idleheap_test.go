package main

import "testing"

// The heap of a node is collected for its size only while the node is idle, small, and has something to give back.
func TestIdleGarbage(t *testing.T) {
	const mb = 1 << 20
	was := heapFigures{live: 12 * mb, held: 13 * mb, allocated: 100 * mb}
	for name, c := range map[string]struct {
		now  heapFigures
		want bool
	}{
		"idle, with garbage":       {heapFigures{12 * mb, 16 * mb, 104 * mb}, true},
		"idle, with next to none":  {heapFigures{12 * mb, 14 * mb, 101 * mb}, false},
		"busy":                     {heapFigures{12 * mb, 20 * mb, 400 * mb}, false},
		"large":                    {heapFigures{80 * mb, 90 * mb, 110 * mb}, false},
		"just collected elsewhere": {heapFigures{14 * mb, 13 * mb, 110 * mb}, false},
	} {
		if got := idleGarbage(was, c.now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

var keep []byte

// The figures are those that Go has under these names: what is allocated is counted.
func TestReadHeap(t *testing.T) {
	before := readHeap()
	keep = make([]byte, 1<<20)
	after := readHeap()
	if after.allocated < before.allocated+1<<20 || after.held == 0 || after.allocated < after.held {
		t.Errorf("%+v, then %+v", before, after)
	}
}
