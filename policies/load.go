package policies

import "github.com/troupe-actors/troupe/shards"

// Load is what something uses, or what a node can bear, in each dimension that is measured.
type Load struct {
	CPU    float64 // cores
	Memory float64 // bytes
	Disk   float64 // bytes
}

// Dimensions is the number of figures in a Load.
const Dimensions = 3

// Vector gives the figures in their order.
func (l Load) Vector() [Dimensions]float64 { return [Dimensions]float64{l.CPU, l.Memory, l.Disk} }

// Plus adds two loads.
func (l Load) Plus(m Load) Load { return Load{l.CPU + m.CPU, l.Memory + m.Memory, l.Disk + m.Disk} }

// Times multiplies a load by a whole number.
func (l Load) Times(n int) Load {
	f := float64(n)
	return Load{l.CPU * f, l.Memory * f, l.Disk * f}
}

// NodeLoad is what a member measured of itself. A capacity of 0 is not known.
type NodeLoad struct {
	Node     shards.NodeID
	Epoch    shards.Epoch // the life that measured it; figures of an earlier one are not looked at
	Capacity Load         // what the node may use: cores, memory limit, size of the data folder's disk
	Used     Load         // what is used of it now, by whomever: the disk may be full of other things
}

// ShardLoad is what one copy of a shard costs the node that holds it.
type ShardLoad struct {
	Shard   shards.ShardID
	Primary Load // of the copy that leads
	Replica Load // of one that does not
}

// Loads is what the members have measured. The zero value says that nothing has been.
type Loads struct {
	Nodes  []NodeLoad  // sorted by Node
	Shards []ShardLoad // sorted by Shard; a shard that is not here has not been measured
}
