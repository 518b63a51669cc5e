package wasm

import "fmt"

// Opcodes that the rewriting does something about, or puts in.
const (
	opUnreachable  = 0x00
	opNop          = 0x01
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opBrTable      = 0x0e
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opTableSet     = 0x26
	opMemoryGrow   = 0x40
	opI32Const     = 0x41
	opI64Const     = 0x42
	opI64LtS       = 0x53
	opI32GtU       = 0x4b
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI64Sub       = 0x7d
	opI64ShrU      = 0x88
	opI64ExtendU   = 0xad
	opMisc         = 0xfc
	opVector       = 0xfd
)

// Opcodes behind opMisc.
const (
	miscMemoryInit = 8
	miscDataDrop   = 9
	miscMemoryCopy = 10
	miscMemoryFill = 11
	miscTableInit  = 12
	miscElemDrop   = 13
	miscTableCopy  = 14
	miscTableGrow  = 15
	miscTableFill  = 17
)

// shape is what follows an opcode.
type shape byte

const (
	immUnknown shape = iota // refused: an instruction that is not understood cannot be charged for
	immNone
	immBlock      // type of the block
	immLabel      // number of an enclosing block
	immLabels     // list of labels and one more
	immFunction   // number of a function
	immIndirect   // type and table
	immLocal      // number of a local
	immGlobal     // number of a global
	immIndex      // any other number: of a table, of data, of elements
	immIndex2     // two of those
	immMemory     // alignment and offset
	immMemoryLane // alignment, offset and lane
	immS32
	immS64
	imm4
	imm8
	imm16
	immLane
	immZero  // a memory's number, which is 0
	immZero2 // two of those
	immTypes // types of a select
	immHeap  // type of a null reference
)

// shapes is indexed by opcode. Tail calls, exceptions, threads and typed references are not in it: wazero has them off, and
// each would be another way out of a function past the depth counter.
var shapes = func() (s [256]shape) {
	for op, to := range map[[2]int]shape{
		{0x00, 0x01}: immNone, {0x02, 0x04}: immBlock, {0x05, 0x05}: immNone, {0x0b, 0x0b}: immNone, {0x0c, 0x0d}: immLabel, {0x0e, 0x0e}: immLabels,
		{0x0f, 0x0f}: immNone, {0x10, 0x10}: immFunction, {0x11, 0x11}: immIndirect, {0x1a, 0x1b}: immNone, {0x1c, 0x1c}: immTypes,
		{0x20, 0x22}: immLocal, {0x23, 0x24}: immGlobal, {0x25, 0x26}: immIndex, {0x28, 0x3e}: immMemory, {0x3f, 0x40}: immZero,
		{0x41, 0x41}: immS32, {0x42, 0x42}: immS64, {0x43, 0x43}: imm4, {0x44, 0x44}: imm8, {0x45, 0xc4}: immNone,
		{0xd0, 0xd0}: immHeap, {0xd1, 0xd1}: immNone, {0xd2, 0xd2}: immFunction,
	} {
		for at := op[0]; at <= op[1]; at++ {
			s[at] = to
		}
	}
	return s
}()

var miscShapes = []shape{immNone, immNone, immNone, immNone, immNone, immNone, immNone, immNone,
	miscMemoryInit: immIndex2, miscDataDrop: immIndex, miscMemoryCopy: immZero2, miscMemoryFill: immZero,
	miscTableInit: immIndex2, miscElemDrop: immIndex, miscTableCopy: immIndex2, miscTableGrow: immIndex, 16: immIndex, miscTableFill: immIndex}

// vectorShape is what follows the opcode of a vector instruction. Numbers that stand for nothing are left to the engine.
func vectorShape(sub uint32) shape {
	switch {
	case sub <= 11, sub == 92, sub == 93:
		return immMemory
	case sub <= 13:
		return imm16
	case sub >= 21 && sub <= 34:
		return immLane
	case sub >= 84 && sub <= 91:
		return immMemoryLane
	case sub <= 0xff:
		return immNone
	default:
		return immUnknown
	}
}

// instruction is one instruction of a body.
type instruction struct {
	op    byte
	sub   uint32 // behind opMisc and opVector
	shape shape
	arg   uint32   // label, local, global, function, type
	depth []uint32 // labels of a br_table
	block int64    // type of a block: negative for none or one result, else the number of a type
}

// next reads an instruction.
func (r *reader) next() instruction {
	i := instruction{op: r.byte()}
	i.shape = shapes[i.op]
	if i.op == opMisc || i.op == opVector {
		at := r.at
		i.sub = r.u32()
		if r.at-at != len(appendU32(nil, i.sub)) {
			r.fail(fmt.Sprintf("opcode 0x%02x %d in a longer form than needed", i.op, i.sub))
			return i
		}
		if i.op == opVector {
			i.shape = vectorShape(i.sub)
		} else if int(i.sub) < len(miscShapes) {
			i.shape = miscShapes[i.sub]
		}
	}
	r.operand(&i)
	return i
}

func (r *reader) operand(i *instruction) {
	switch i.shape {
	case immUnknown:
		if r.bad == "" {
			r.fail(fmt.Sprintf("opcode 0x%02x %d is not known", i.op, i.sub))
		}
	case immNone:
	case immBlock:
		i.block = r.signed(33)
	case immLabel, immFunction, immLocal, immGlobal, immIndex:
		i.arg = r.u32()
	case immLabels:
		for range r.count() + 1 {
			i.depth = append(i.depth, r.u32())
		}
	case immIndirect, immIndex2:
		i.arg = r.u32()
		r.u32()
	case immMemory, immMemoryLane:
		if r.u32() >= 32 {
			r.fail("an alignment that is none, or another memory than the first")
		}
		r.u32()
		if i.shape == immMemoryLane {
			r.byte()
		}
	case immS32:
		r.signed(32)
	case immS64:
		r.signed(64)
	case imm4:
		r.skip(4)
	case imm8:
		r.skip(8)
	case imm16:
		r.skip(16)
	case immLane, immHeap:
		r.byte()
	case immZero, immZero2:
		if r.byte() != 0 || i.shape == immZero2 && r.byte() != 0 {
			r.fail("another memory than the first")
		}
	case immTypes:
		r.skip(r.u32())
	}
}
