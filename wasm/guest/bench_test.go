package guest

import (
	"math/rand/v2"
	"testing"

	"github.com/troupe-actors/troupe/wasm/abi"
)

// BenchmarkRow asks the golden rule of each language about 100 nodes: who is draining (can_promote), and how full each is (score). The
// first line of each is the same loop in Go, over slices of the host's own.
//
//	go test ./wasm/guest -run xxx -bench Row
func BenchmarkRow(b *testing.B) {
	const nodes = 100
	manifest, err := abi.ParseManifest(read(b, golden+"/manifest.json"))
	if err != nil {
		b.Fatal(err)
	}
	needs, _ := manifest.Columns()
	dice := rand.New(rand.NewPCG(4, 11))
	builder, err := abi.NewBuilder(abi.Counts{Nodes: nodes, Keyspaces: 1, Shards: 1, Slots: 8}, 1, needs)
	if err != nil {
		b.Fatal(err)
	}
	flags, capacity, used, copies := make([]uint8, nodes), make([]float64, nodes), make([]float64, nodes), make([]uint32, nodes)
	for n := range nodes {
		flags[n], capacity[n], used[n], copies[n] = uint8(dice.IntN(16)), 1e12, dice.Float64()*1e12, uint32(dice.IntN(1000))
		builder.U8(abi.NodeFlags, n, flags[n])
		builder.F64(abi.NodeCapacityDisk, n, capacity[n])
		builder.F64(abi.NodeUsedDisk, n, used[n])
		builder.U32(abi.NodeCopies, n, copies[n])
	}
	image, err := builder.Finish()
	if err != nil {
		b.Fatal(err)
	}
	settings, err := manifest.Configuration(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	each := func(b *testing.B, one func()) {
		for b.Loop() {
			one()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/nodes, "ns/node")
	}
	row, points := make([]byte, nodes), make([]float64, nodes)
	b.Run("can_promote/native", func(b *testing.B) {
		each(b, func() {
			for n, f := range flags {
				if f&(abi.NodeDraining|abi.NodeDown) != 0 {
					row[n] = max(row[n], abi.Say(abi.NotPreferred, 3))
				}
			}
		})
	})
	b.Run("score/native", func(b *testing.B) {
		each(b, func() {
			for n := range points {
				share := 0.0
				if capacity[n] > 0 {
					share = used[n] / capacity[n]
				}
				points[n] = share + 0.25*float64(copies[n])
			}
		})
	})
	for _, export := range []string{abi.ExportPromote, abi.ExportScore} {
		for _, l := range languages {
			b.Run(export+"/"+l.name, func(b *testing.B) {
				g := start(b, l.module(b), settings, image)
				f := g.instance.Func(export)
				stack := make([]uint64, 4)
				none := int32(abi.NoCopy)
				each(b, func() {
					stack[0], stack[1], stack[2], stack[3] = 0, uint64(uint32(none)), 0, uint64(g.row)
					if err := f.Call(fuel, stack); err != nil {
						b.Fatal(err)
					}
				})
				b.ReportMetric(float64(g.instance.FuelUsed())/nodes, "fuel/node")
			})
		}
	}
}
