package guest

import (
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// goFuelPerNode is what the manifests of policies in Go ask for. Go's compiler makes one loop of a whole function, whose head jumps to
// where it was: each jump back is charged for the function's length.
const goFuelPerNode = 100_000

// TestLargeClusterFitsTheBudget asks the golden rule in every language, which looks up attributes by name for each node, about a cluster
// of a thousand nodes with thousands of strings: no question may use more than the manifest's fuel, with the half of it to spare.
func TestLargeClusterFitsTheBudget(t *testing.T) {
	manifest, err := abi.ParseManifest(read(t, golden+"/manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	needs, _ := manifest.Columns()
	counts := abi.Counts{Nodes: 1000, Keyspaces: 200, Shards: 2000, Slots: 8}
	b, err := abi.NewBuilder(counts, 1, needs)
	if err != nil {
		t.Fatal(err)
	}
	for n := range counts.Nodes {
		b.Text(abi.NodeName, n, fmt.Sprintf("node-%04d.rack-%02d.example", n, n%40))
		b.Text(abi.NodeHost, n, fmt.Sprintf("host-%04d.example", n))
		for _, a := range []string{"build", "class", "rack", "tier", "zone"} {
			b.Attribute(n, a, fmt.Sprintf("%s-%d", a, n%50))
		}
	}
	for k := range counts.Keyspaces {
		b.Text(abi.KeyspaceName, k, fmt.Sprintf("keyspace-%d", k))
	}
	for s := range counts.Shards {
		b.U32(abi.ShardKeyspace, s, uint32(s%counts.Keyspaces))
		for slot := range 3 {
			b.Row(abi.CopyNode, s*counts.Slots+slot, (s+slot)%counts.Nodes)
			b.U8(abi.CopyFlags, s*counts.Slots+slot, abi.CopyInSync)
		}
	}
	image, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	settings, err := manifest.Configuration(map[string]string{"avoid": "*-7,class-3*", "limit.keyspace-7": "3"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			limits := manifest.Limits
			if l.name == "go" {
				limits.FuelPerNode = goFuelPerNode
			}
			budget := uint64(limits.Budget(counts.Nodes))
			g := start(t, l.module(t), settings, image)
			t.Logf("%d strings", image.Words())
			for _, export := range []string{abi.ExportAllocate, abi.ExportRemain, abi.ExportPromote, abi.ExportScore} {
				g.call(export, 7, uint64(7*counts.Slots), 0, uint64(g.row))
				used := g.instance.FuelUsed()
				t.Logf("%-12s %d instructions, %d for a node", export, used, used/uint64(counts.Nodes))
				if used > budget/2 {
					t.Errorf("%s used %d of %d instructions", export, used, budget)
				}
			}
		})
	}
}
