package guest

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// TestFirstPolicyByHand does, step by step, what section 9 of ABI.md says of a policy written in the text format.
func TestFirstPolicyByHand(t *testing.T) {
	const kept = "../abi/testdata/first.wasm"
	module := read(t, kept)
	if assembler, err := exec.LookPath("wat2wasm"); err == nil {
		out := filepath.Join(t.TempDir(), "first.wasm")
		run(t, "../abi/testdata", assembler, "first.wat", "-o", out)
		if built := read(t, out); !bytes.Equal(built, module) {
			if *rewrite {
				if err := os.WriteFile(kept, built, 0o644); err != nil {
					t.Fatal(err)
				}
			} else {
				t.Errorf("%s is not what first.wat gives; run: go test ./wasm/guest -run First -rewrite", kept)
			}
			module = built
		}
	}
	b, err := abi.NewBuilder(abi.Counts{Nodes: 3, Keyspaces: 1, Shards: 1, Slots: 8}, 1, []abi.Column{abi.NodeFlags})
	if err != nil {
		t.Fatal(err)
	}
	b.U8(abi.NodeFlags, 1, abi.NodeDraining)
	image, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}

	g := instantiate(t, module)
	if at := g.call(abi.ExportAlloc, 128+63); at != 1024 {
		t.Fatalf("memory at %d", at)
	}
	view, _ := g.instance.View(1024, 128)
	copy(view, image.Bytes())
	if code := g.call(abi.ExportState, 1024, 128); code != 0 {
		t.Fatalf("it refuses with %d: %s", code, g.instance.Said())
	}
	if at := g.call(abi.ExportAlloc, 3+63); at != 1215 {
		t.Fatalf("memory at %d", at)
	}
	g.call(abi.ExportAllocate, 0, 1<<32-1, 0, 1216)
	row, _ := g.instance.View(1216, 3)
	if got := hex.EncodeToString(row); got != "00c100" {
		t.Errorf("the row is %s", got)
	}
	row[1] = abi.Say(abi.No, 62)
	g.call(abi.ExportAllocate, 0, 1<<32-1, 0, 1216)
	if row, _ = g.instance.View(1216, 3); row[1] != abi.Say(abi.No, 62) {
		t.Errorf("an answer that was stricter became %#x", row[1])
	}

	// The same image with its one column under a number that the policy does not know.
	view, _ = g.instance.View(1024, 128)
	view[40] = 41
	if code := g.call(abi.ExportState, 1024, 128); code == 0 || !strings.Contains(g.instance.Said(), "needs column node_flags") {
		t.Errorf("an image without its column: %d, %q", code, g.instance.Said())
	}
}
