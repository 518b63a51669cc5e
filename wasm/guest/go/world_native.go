//go:build !wasip1

package troupe

import (
	"errors"
	"fmt"
)

// World is an invented cluster for native tests. It has the columns that the manifest needs, as zeroes, and none where they
// point to a row; a policy that reads any other panics here as it would in the cluster.
//
//	w := troupe.NewWorld(3, 1, 2, 4) // nodes, keyspaces, shards, slots for each shard's copies
//	w.Text("node_name", 0, "n1")
//	w.Set("node_flags", 1, troupe.NodeDraining)
//	w.Attribute(0, "class", "spot")
//	err := w.Ready(`{"settings":{"tenant":"acme"},"keyspaces":{}}`)
type World struct {
	words   map[string]uint32
	needs   map[string]bool
	entries int // of attributes
}

// NewWorld makes one of so many nodes, keyspaces, shards and slots. It takes the place of the last.
func NewWorld(nodeCount, keyspaceCount, shardCount, slotCount int) *World {
	w := &World{words: map[string]uint32{"": 0}, needs: map[string]bool{"text": true, "text_starts": true}}
	for _, name := range inUse.needs {
		w.needs[name] = true
	}
	image.nodes, image.keyspaces, image.shards, image.slots, image.seen = nodeCount, keyspaceCount, shardCount, slotCount, false
	unbind()
	settings.everybodys, settings.keyspaces = nil, nil
	sizes := [...]int{global: 1, nodes: nodeCount, keyspaces: keyspaceCount, shards: shardCount, copies: shardCount * slotCount,
		nodesInKey: keyspaceCount * nodeCount, nodeOffsets: nodeCount + 1, loose: 0}
	for i := range table {
		if !w.needs[table[i].name] {
			continue
		}
		size := sizes[table[i].rows]
		switch column := table[i].column.(type) {
		case *[]uint8:
			*column = make([]uint8, size)
		case *[]uint32:
			*column = make([]uint32, size)
		case *[]int64:
			*column = make([]int64, size)
		case *[]float64:
			*column = make([]float64, size)
		}
	}
	for _, column := range [][]uint32{columns.shardPrimary, columns.shardHandTo, columns.copyNode, columns.copySource} {
		for i := range column {
			column[i] = 1<<32 - 1
		}
	}
	columns.textStarts = []uint32{0, 0}
	return w
}

// Set gives a value to a column of numbers, or points it to a row. The policy's manifest must need it.
func (w *World) Set(column string, row int, v float64) {
	for i := range table {
		if table[i].name != column {
			continue
		}
		w.check(column)
		switch column := table[i].column.(type) {
		case *[]uint8:
			(*column)[row] = uint8(v)
		case *[]uint32:
			(*column)[row] = uint32(int64(v))
		case *[]int64:
			(*column)[row] = int64(v)
		case *[]float64:
			(*column)[row] = v
		}
		return
	}
	panic(fmt.Sprintf("troupe: there is no column %s", column))
}

func (w *World) check(column string) {
	if !w.needs[column] {
		panic(fmt.Sprintf("troupe: the manifest does not need column %s, so that the policy cannot see it", column))
	}
}

// Text gives a value to a column of strings.
func (w *World) Text(column string, row int, v string) { w.Set(column, row, float64(w.word(v))) }

func (w *World) word(text string) uint32 {
	n, known := w.words[text]
	if !known {
		n = uint32(len(w.words))
		w.words[text] = n
		columns.text = append(columns.text, text...)
		columns.textStarts = append(columns.textStarts, uint32(len(columns.text)))
	}
	return n
}

// Attribute gives a node an attribute. Nodes come in their order.
func (w *World) Attribute(node int, name, value string) {
	w.check("node_attributes")
	columns.attributeName = append(columns.attributeName, w.word(name))
	columns.attributeValue = append(columns.attributeValue, w.word(value))
	w.entries++
	for n := node + 1; n <= image.nodes; n++ {
		columns.nodeAttributes[n] = uint32(w.entries)
	}
}

// Ready gives the policy its settings, as the host does, and calls Prepare. The error is what the policy refused.
func (w *World) Ready(settings string) error {
	said = ""
	image.seen = true
	if configure([]byte(settings)) != 0 {
		return errors.New(said)
	}
	return nil
}

// Load gives the policy a whole image, as a host writes it.
func Load(data []byte) error {
	said = ""
	if see(data) != 0 {
		return errors.New(said)
	}
	return nil
}
