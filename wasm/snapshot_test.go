package wasm

import (
	"strings"
	"testing"
)

// An instance that is put back answers as it did then, also after a trap.
func TestRestore(t *testing.T) {
	onEach(t, func(t *testing.T, e *Engine) {
		i := instance(t, compile(t, e, fixture(t, "guest.wasm"), Limits{}), Host{})
		call(t, i, "counted", 0)
		s, err := i.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, trap := range []string{"stop", "forever", "deep"} {
			call(t, i, "counted", 0)
			if err := i.Func("fill").Call(0, []uint64{16, 100}); err != nil {
				t.Fatal(err)
			}
			stack := []uint64{1 << 20}
			if err := i.Func(trap).Call(100_000, stack); err == nil {
				t.Fatalf("%s did not trap", trap)
			}
			if err := i.Restore(s); err != nil {
				t.Fatal(err)
			}
			if got := call(t, i, "counted", 0); got != 2 {
				t.Errorf("after %s: counted %d, want 2", trap, got)
			}
			if got := string(i.Memory()[16:22]); got != "a line" {
				t.Errorf("after %s: memory says %q", trap, got)
			}
			if got := call(t, i, "deep", 900); got != 900 {
				t.Errorf("after %s: deep(900) = %d", trap, got)
			}
		}
		call(t, i, "grow", 1)
		if err := i.Restore(s); err == nil || !strings.Contains(err.Error(), "from 65536 to 131072") {
			t.Errorf("after growing: %v", err)
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := i.Snapshot(); err == nil {
			t.Error("a snapshot of a closed instance")
		}
	})
}

// What cannot be put back is refused before anybody relies on it.
func TestSnapshotRefusals(t *testing.T) {
	e := engines()["interpreter"]
	table := moduleOf(listOf(typeSection, typeOf("", "")), listOf(functionSection, []byte{0}), listOf(tableSection, []byte{0x70, 0, 1}),
		listOf(codeSection, bodyOf(opI32Const, 0, 0xd0, 0x70, opTableSet, 0)))
	vector := moduleOf(listOf(globalSection, append(append([]byte{0x7b, 1, opVector, 12}, make([]byte, 16)...), opEnd)))
	for name, binary := range map[string][]byte{"tables may change": table, "global 0 is a vector": vector} {
		_, err := instance(t, compile(t, e, binary, Limits{}), Host{}).Snapshot()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want a refusal because %s", err, name)
		}
	}
}
