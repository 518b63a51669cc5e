package metadata

import (
	"context"
	"fmt"
	"testing"

	"github.com/troupe-actors/troupe/actors/transport"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards/wal"
)

// BenchmarkPropose measures commands of a group of one, on the disk of the temporary folder, from as many callers at once.
func BenchmarkPropose(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			disk, err := wal.Open(b.TempDir(), wal.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer disk.Close()
			log, err := OpenLog(disk, 0)
			if err != nil {
				b.Fatal(err)
			}
			wire, err := transport.NewNetwork().Join(transport.Config{
				Self:    transport.Hello{Node: "id-n1", Epoch: 1},
				Receive: func(transport.Hello, transport.Class, transport.Kind, []byte) {},
				Serve: func(context.Context, transport.Hello, transport.Kind, []byte) ([]byte, error) {
					return nil, ErrClosed
				},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer wire.Close()
			g, err := Start(Config{
				Self: cluster.Member{ID: "id-n1", Name: "n1", Epoch: 1, Peer: "n1", Roles: cluster.DefaultRoles},
				Log:  log, Wire: wire, Bootstrap: cluster.Bootstrap{Cluster: worldCluster},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer g.Close()
			<-g.Joined()
			b.SetParallelism(callers / 2)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := g.Propose(context.Background(), setting("a", "1")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
