//go:build wasip1

package main

import (
	"unsafe"

	troupe "github.com/troupe-actors/troupe/wasm/guest/go"
)

//go:wasmexport can_allocate
func canAllocate(shard, copy, flags int32, row unsafe.Pointer) {
	troupe.Allocate(shard, copy, flags, row)
}

//go:wasmexport can_remain
func canRemain(shard, copy, flags int32, row unsafe.Pointer) {
	troupe.Remain(shard, copy, flags, row)
}

//go:wasmexport can_promote
func canPromote(shard, copy, flags int32, row unsafe.Pointer) {
	troupe.Promote(shard, copy, flags, row)
}

//go:wasmexport explain
func explain(capability, shard, copy, flags, node, answer int32, out unsafe.Pointer, room int32) int32 {
	return troupe.Explain(capability, shard, copy, flags, node, answer, out, room)
}
