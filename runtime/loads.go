package runtime

import (
	"math"
	goruntime "runtime"
	"time"

	"github.com/troupe-actors/troupe/actors/member"
	"github.com/troupe-actors/troupe/actors/shard"
	"github.com/troupe-actors/troupe/policies"
	"github.com/troupe-actors/troupe/policies/cluster"
	"github.com/troupe-actors/troupe/shards"
)

// scales measure what the node and its copies use, from one look to the next. One goroutine at a time uses them.
//
//	node    cpu      what the process took since the last look, smoothed; of as many cores as it may use at once
//	        memory   of the control group or the machine, by whomever, smoothed; of its limit
//	        disk     of the data folder's disk, by whomever, as it is; of its size
//	copy    cpu      the share of the process that goes by operations, smoothed; what applying alone would take beside it
//	        memory   of its store
//	        disk     its snapshot file, and its log since
type scales struct {
	at     time.Time     // of the last look; zero before the first
	spent  time.Duration // CPU time of the process then
	cpu    smooth
	memory smooth
	copies map[shards.ShardID]*scale
	looks  uint64
}

// scale is what is remembered of one copy.
type scale struct {
	reads, applied uint64
	cpu, apply     smooth
	look           uint64 // in which it was seen last
}

// halfLife is after how long half of what was measured is forgotten. The placement leader looks for what lasts: moving a shard
// takes longer than a burst.
const halfLife = 30 * time.Second

// smooth is an exponentially weighted mean. Its first value counts in full.
type smooth struct {
	value float64
	begun bool
}

// add takes a value that held for a time.
func (s *smooth) add(v float64, held time.Duration) float64 {
	if !s.begun {
		s.value, s.begun = v, true
		return v
	}
	s.value += (v - s.value) * (1 - math.Exp2(-float64(held)/float64(halfLife)))
	return s.value
}

// dearest is the most that one operation is taken to cost. What an idle process takes for its ticks would else be put down to
// the one copy that was asked something.
const dearest = time.Millisecond

// price is what one operation cost, in seconds.
func price(spent time.Duration, operations uint64) float64 {
	if operations == 0 || spent <= 0 {
		return 0
	}
	return min(spent.Seconds()/float64(operations), dearest.Seconds())
}

// weigh measures.
func (s *scales) weigh(n *Node) member.Sample {
	now, spent := time.Now(), processCPU()
	passed, took := now.Sub(s.at), spent-s.spent
	first := s.at.IsZero() || passed <= 0
	s.at, s.spent = now, spent
	s.looks++
	out := member.Sample{}
	used, limit := memoryUse()
	out.Node.Capacity = policies.Load{CPU: float64(goruntime.GOMAXPROCS(0)), Memory: float64(limit)}
	out.Node.Used.Memory = s.memory.add(float64(used), passed)
	if n.log != nil {
		used, size := diskUse(n.config.Data)
		out.Node.Used.Disk, out.Node.Capacity.Disk = float64(used), float64(size)
	}
	if !first {
		out.Node.Used.CPU = s.cpu.add(took.Seconds()/passed.Seconds(), passed)
	}
	out.Copies = s.weighCopies(n, passed, took, first)
	return out
}

// weighCopies looks at each copy twice: what all did together says what one operation cost.
func (s *scales) weighCopies(n *Node, passed, took time.Duration, first bool) (list []member.CopyLoad) {
	files := n.fileSizes()
	type done struct{ reads, applied uint64 }
	list = make([]member.CopyLoad, 0, len(s.copies)) // as many as there were when it was last looked
	did, seen := make([]done, 0, len(s.copies)), make([]*scale, 0, len(s.copies))
	total := uint64(0)
	for k, h := range n.held() {
		id, c := h.ID(), h.Cost()
		was, known := s.copies[id]
		if !known {
			was = &scale{reads: c.Reads, applied: uint64(c.Applied)}
			if s.copies == nil {
				s.copies = map[shards.ShardID]*scale{}
			}
			s.copies[id] = was
		}
		d := done{c.Reads - min(was.reads, c.Reads), uint64(c.Applied) - min(was.applied, uint64(c.Applied))}
		was.reads, was.applied, was.look = c.Reads, uint64(c.Applied), s.looks
		total += d.reads + d.applied
		did, seen = append(did, d), append(seen, was)
		list = append(list, copyLoad(k, id, &c, files[id]))
	}
	each := price(took, total)
	for i := range list {
		if first {
			continue
		}
		d, p := did[i], seen[i]
		list[i].Cost.CPU = p.cpu.add(float64(d.reads+d.applied)*each/passed.Seconds(), passed)
		list[i].Apply = p.apply.add(float64(d.applied)*each/passed.Seconds(), passed)
	}
	for id, p := range s.copies {
		if p.look != s.looks {
			delete(s.copies, id)
		}
	}
	return list
}

func copyLoad(k *keyspace, id shards.ShardID, c *shard.Cost, file int64) member.CopyLoad {
	l := member.CopyLoad{Shard: id, Primary: c.Leads, Cost: policies.Load{Memory: float64(c.Memory)}}
	if k.Durability != shards.DurabilityMemory {
		l.Cost.Disk = float64(file + c.Log)
	}
	return l
}

// fileSizes are the bytes of each shard's snapshot files.
func (n *Node) fileSizes() map[shards.ShardID]int64 {
	if n.files == nil {
		return nil
	}
	return n.files.Sizes()
}

// fullness is the leader's judgement of a member.
func fullness(s *cluster.State, l *policies.NodeLoad, was member.Full) member.Full {
	return member.Full(policies.FloodOf(s, l, policies.Flood(was)))
}

// flooded has the copies here take no writes that grow where a node with a copy of their shard is full.
func (n *Node) flooded(full []member.Flood) {
	nodes := make(map[shards.NodeID]shard.Full, len(full))
	for _, f := range full {
		nodes[f.Node] = shard.Full(f.Full)
	}
	n.copies.link.SetFull(nodes)
	if n.room.judged(full) {
		n.news.tell()
	}
}
