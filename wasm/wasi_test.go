package wasm

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func TestWASIGrantsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		m := compile(t, e, fixture(t, "wasi.wasm"), Limits{})
		i := instance(t, m, Host{})
		for export, want := range map[string]uint64{"args": wasiOK, "environ": wasiOK, "prestat": wasiBadf, "open": wasiNosys, "yield": wasiOK, "resolution": wasiOK} {
			copy(i.Memory(), "not yet answered")
			if got := call(t, i, export, 0); uint32(got) != uint32(want) {
				t.Errorf("%s: errno %d, want %d", export, got, want)
			}
			if (export == "args" || export == "environ") && !bytes.Equal(i.Memory()[:8], make([]byte, 8)) {
				t.Errorf("%s: there are %v", export, i.Memory()[:8])
			}
		}
		if trap := trapOf(t, i, Exit, "exit", 0); trap.Value != 3 || !strings.Contains(trap.Error(), "proc_exit(3)") {
			t.Errorf("%v, want exit code 3", trap)
		}
		trapOf(t, instance(t, m, Host{}), Fuel, "random_for_ever", 1_000_000)
	})
}

// Clock and dice are the same in each instance, on each engine.
func TestWASIRepeatsItself(t *testing.T) {
	var all [][]byte
	for _, e := range engines() {
		m := compile(t, e, fixture(t, "wasi.wasm"), Limits{})
		for range 2 {
			i := instance(t, m, Host{})
			var seen []byte
			for _, export := range []string{"clock", "random", "clock", "random"} {
				if errno := call(t, i, export, 24); errno != 0 {
					t.Fatalf("%s: errno %d", export, errno)
				}
				seen = append(seen, i.Memory()[:24]...)
			}
			all = append(all, seen)
		}
	}
	for _, seen := range all {
		if !bytes.Equal(seen, all[0]) {
			t.Errorf("%x\n%x", all[0], seen)
		}
	}
	first, second := binary.LittleEndian.Uint64(all[0]), binary.LittleEndian.Uint64(all[0][48:])
	if first != clockEpoch+1_000_000 || second != first+1_000_000 {
		t.Errorf("the clock says %d and %d", first, second)
	}
	if bytes.Equal(all[0][24:48], all[0][72:96]) {
		t.Error("the dice fell the same twice")
	}
}

func TestWASIWrites(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		var lines []string
		var levels []Level
		i := instance(t, compile(t, e, fixture(t, "wasi.wasm"), Limits{}), Host{Log: func(l Level, text string) { lines, levels = append(lines, text), append(levels, l) }})
		write := func(fd uint64, vectors ...uint32) uint64 {
			copy(i.Memory()[512:], "first, second\n")
			for n, v := range vectors {
				binary.LittleEndian.PutUint32(i.Memory()[256+4*n:], v)
			}
			stack := []uint64{fd, uint64(len(vectors) / 2)}
			if err := i.Func("write").Call(0, stack); err != nil {
				t.Fatal(err)
			}
			return stack[0]
		}
		if errno := write(1, 512, 7, 519, 7); errno != 0 || binary.LittleEndian.Uint32(i.Memory()) != 14 {
			t.Errorf("errno %d, %d bytes written", errno, binary.LittleEndian.Uint32(i.Memory()))
		}
		if errno := write(2, 519, 6); errno != 0 || i.Said() != "second" {
			t.Errorf("errno %d, said %q", errno, i.Said())
		}
		if !slices.Equal(lines, []string{"first, second", "second"}) || !slices.Equal(levels, []Level{0, 4}) {
			t.Errorf("heard %q at %v", lines, levels)
		}
		for _, c := range []struct {
			fd, errno uint64
			vector    []uint32
		}{{3, wasiBadf, []uint32{512, 1}}, {1, wasiFault, []uint32{65530, 10}}, {1, wasiFault, []uint32{1 << 31, 1 << 31}}} {
			if errno := write(c.fd, c.vector...); errno != c.errno {
				t.Errorf("descriptor %d, %v: errno %d, want %d", c.fd, c.vector, errno, c.errno)
			}
		}
	})
}

// A wait ends at once, and the clock has moved on by it.
func TestWASIWaits(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		i := instance(t, compile(t, e, fixture(t, "wasi.wasm"), Limits{}), Host{})
		const second = 1_000_000_000
		subscribe := func(at int, userdata uint64, tag byte, timeout uint64, absolute byte) {
			s := i.Memory()[256+48*at:]
			clear(s[:48])
			binary.LittleEndian.PutUint64(s, userdata)
			s[8], s[40] = tag, absolute
			binary.LittleEndian.PutUint64(s[24:], timeout)
		}
		now := func() uint64 {
			call(t, i, "clock", 0)
			return binary.LittleEndian.Uint64(i.Memory()) - clockEpoch
		}
		begin := now()
		subscribe(0, 77, 0, 5*second, 0)
		subscribe(1, 78, 1, 0, 0) // something to read, which never comes
		if errno := call(t, i, "poll", 2); errno != 0 || binary.LittleEndian.Uint32(i.Memory()) != 1 || binary.LittleEndian.Uint64(i.Memory()[1024:]) != 77 {
			t.Errorf("errno %d, %d events, the first %d", errno, binary.LittleEndian.Uint32(i.Memory()), binary.LittleEndian.Uint64(i.Memory()[1024:]))
		}
		if took := now() - begin; took != 5*second+1_000_000 {
			t.Errorf("a wait of 5 s took %d ns", took)
		}
		subscribe(0, 79, 0, clockEpoch+60*second, 1)
		call(t, i, "poll", 1)
		if at := now(); at != 60*second+1_000_000 {
			t.Errorf("a wait until 60 s ended at %d ns", at)
		}
		subscribe(0, 80, 0, 1<<63, 0)
		before := now()
		call(t, i, "poll", 1)
		if now() <= before {
			t.Error("a wait for ever turned the clock back")
		}
		for _, count := range []uint64{0, 65} {
			if errno := call(t, i, "poll", count); errno != wasiInval {
				t.Errorf("%d subscriptions: errno %d", count, errno)
			}
		}
	})
}
