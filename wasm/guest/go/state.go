package troupe

import (
	"encoding/binary"
	"unsafe"
)

// image is the cluster's state: the host's bytes in this module's memory. The columns point into them, so that a value which the
// host changes is new at the next question.
var image struct {
	nodes, keyspaces, shards, slots int
	seen                            bool
}

// Nodes is how many nodes there are; rows have their order.
func Nodes() int { return image.nodes }

// Keyspaces is how many keyspaces there are.
func Keyspaces() int { return image.keyspaces }

// Shards is how many shards there are.
func Shards() int { return image.shards }

// Copies gives the rows of the copies that a shard has.
func Copies(shard int) func(yield func(copy int) bool) {
	return func(yield func(int) bool) {
		for c := shard * image.slots; c < (shard+1)*image.slots; c++ {
			if CopyNode(c) != None && !yield(c) {
				return
			}
		}
	}
}

// Attribute is the value of a node's attribute, "" if it has none. Its columns are node_attributes, attribute_name and
// attribute_value.
func Attribute(node int, name string) string {
	for i := columns.nodeAttributes[node]; i < columns.nodeAttributes[node+1]; i++ {
		if word(columns.attributeName[i]) == name {
			return word(columns.attributeValue[i])
		}
	}
	return ""
}

// Matches says whether a value fits a pattern, in which * stands for any run of characters.
func Matches(pattern, value string) bool {
	p, v, star, resume := 0, 0, -1, 0
	for v < len(value) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, v
			p++
		case p < len(pattern) && pattern[p] == value[v]:
			p, v = p+1, v+1
		case star >= 0:
			resume++
			p, v = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// word is a string of the dictionary. It lies in the image: keep a clone if it must outlive it.
func word(number uint32) string {
	from, to := columns.textStarts[number], columns.textStarts[number+1]
	return unsafe.String(unsafe.SliceData(columns.text), len(columns.text))[from:to]
}

// row is a value that points to a row.
func row(v uint32) int { return int(int32(v)) }

const (
	magic     = 0x474d4954
	header    = 40
	entrySize = 12
)

// see takes a new image.
func see(data []byte) int32 {
	order := binary.LittleEndian
	if len(data) < header || order.Uint32(data) != magic || order.Uint16(data[4:]) != 1 {
		return refused("the state is no image of ABI version 1")
	}
	unbind()
	image.seen = false
	image.nodes, image.keyspaces = int(order.Uint32(data[16:])), int(order.Uint32(data[20:]))
	image.shards, image.slots = int(order.Uint32(data[24:])), int(order.Uint32(data[28:]))
	start, count := int(order.Uint16(data[6:])), int(order.Uint32(data[32:]))
	for i := range count {
		entry := data[start+i*entrySize:][:entrySize]
		bind(order.Uint16(entry), entry[2], unsafe.Pointer(&data[min(int(order.Uint32(entry[4:])), len(data)-1)]), int(order.Uint32(entry[8:])))
	}
	for _, name := range inUse.needs {
		if !bound(name) {
			return refused("needs column " + name + ", which the image does not have")
		}
	}
	image.seen = true
	return prepare()
}

// prepare tells the policy that the state or the settings are new.
func prepare() int32 {
	if p, ok := inUse.policy.(Preparer); ok && image.seen {
		if err := p.Prepare(); err != nil {
			return refused(err.Error())
		}
	}
	rest()
	return 0
}

// bind points a column to its values, if it is known and of the type that it should have.
func bind(id uint16, kind uint8, at unsafe.Pointer, values int) {
	for i := range table {
		if table[i].id != id {
			continue
		}
		switch column := table[i].column.(type) {
		case *[]uint8:
			bindAs(column, kind == 1, at, values)
		case *[]uint32:
			bindAs(column, kind == 2, at, values)
		case *[]int64:
			bindAs(column, kind == 3, at, values)
		case *[]float64:
			bindAs(column, kind == 4, at, values)
		}
	}
}

func bindAs[T any](column *[]T, fits bool, at unsafe.Pointer, values int) {
	if fits {
		*column = unsafe.Slice((*T)(at), values)
	}
}

// unbind forgets the last image.
func unbind() {
	for i := range table {
		switch column := table[i].column.(type) {
		case *[]uint8:
			*column = nil
		case *[]uint32:
			*column = nil
		case *[]int64:
			*column = nil
		case *[]float64:
			*column = nil
		}
	}
}

// Column is the number of a column, or -1.
func Column(name string) int {
	for i := range table {
		if table[i].name == name {
			return int(table[i].id)
		}
	}
	return -1
}

// bound says whether the image has a column.
func bound(name string) bool {
	for i := range table {
		if table[i].name != name {
			continue
		}
		switch column := table[i].column.(type) {
		case *[]uint8:
			return *column != nil
		case *[]uint32:
			return *column != nil
		case *[]int64:
			return *column != nil
		case *[]float64:
			return *column != nil
		}
	}
	return false
}
