package shard

import (
	"flag"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

var (
	chaosSeed  = flag.Uint64("chaos-seed", 1, "seed of the first town that falls into disorder")
	chaosTowns = flag.Int("chaos-towns", 3, "how many towns do, for each durability")
)

// TestChaos: kills, stops, cuts, whimsical promotions, moves and snapshots, over a net that loses messages, while clients write. The
// scheduler is not seeded: a seed repeats what is done, not its outcome.
func TestChaos(t *testing.T) {
	eachDurability(t, func(t *testing.T, d shards.Durability) {
		for seed := *chaosSeed; seed < *chaosSeed+uint64(*chaosTowns); seed++ {
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t, 3, 3, shards.Keyspace{Shards: 2, Durability: d, MinInSync: 1 + int(seed%2)})
				defer w.close()
				w.await("the first peace", w.inSync)
				chance := rand.New(rand.NewPCG(seed, 1))
				w.loss.Store(int32(chance.IntN(5)))
				c := w.write(6)
				troubles := 25
				if testing.Short() {
					troubles = 5
				}
				for range troubles {
					c.trouble(chance)
				}
				w.loss.Store(0)
				c.finish()
			})
			if t.Failed() {
				t.Fatalf("repeat: go test ./actors/shard -run TestChaos/%v -chaos-seed %d -chaos-towns 1", d, seed)
			}
		}
	})
}

// trouble does one bad thing, and lets the town recover from it.
func (c *clients) trouble(chance *rand.Rand) {
	node := c.name(chance.IntN(3))
	index := chance.IntN(c.space.Shards)
	row := c.row(index)
	switch chance.IntN(8) {
	case 0:
		fs := c.kill(node)
		c.pause(chance, 3000)
		c.revive(node, fs, false)
	case 1:
		c.isolate(node, true)
		<-time.After(leaseTime + 10*time.Millisecond)
		c.bury(c.house(node))
		c.pause(chance, 3000)
		c.must(&cluster.Command{Join: &cluster.Join{Member: c.again(node), Clean: true}})
		c.isolate(node, false)
		c.promoteAll()
	case 2:
		c.isolate(node, true)
		c.pause(chance, 1400)
		c.isolate(node, false)
	case 3:
		other := row.Copies[chance.IntN(len(row.Copies))]
		if other.InSync && other.ID != row.Primary {
			c.apply(&cluster.Command{HandOver: &cluster.HandOver{Shard: row.ID, Term: row.Term, From: row.Primary, To: other.ID}})
		}
	case 4:
		if err := c.house(node).shards[index].Checkpoint(c.house(node).files); err != nil {
			c.t.Error(err)
		}
	case 5, 6:
		c.stopFor(c.house(node), time.Duration(chance.IntN(4000))*time.Millisecond)
	default:
		c.pause(chance, 500)
	}
	c.await("the copies", c.inSync)
}

func (w *town) pause(chance *rand.Rand, most int) {
	<-time.After(time.Duration(chance.IntN(most)) * time.Millisecond)
}
