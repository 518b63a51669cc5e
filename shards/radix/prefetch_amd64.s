#include "go_asm.h"
#include "textflag.h"

// Asks for the two ends of a block: the one of the ref at OFF(BX) if that is among the CX bytes that are left, or else that of R8. AX is the table of chunks, 24 bytes each.
#define ASK(OFF) \
	MOVL OFF(BX), DX \
	CMPQ CX, $OFF \
	CMOVQLE R8, DX \
	MOVL DX, SI \
	SHRL $const_chunkBits, SI \
	LEAQ (SI)(SI*2), SI \
	MOVQ (AX)(SI*8), SI \
	ANDL $const_offsetMask, DX \
	PREFETCHT0 (SI)(DX*1) \
	PREFETCHT0 const_farEnd(SI)(DX*1)

// func prefetchBlocks(chunks [][]byte, refs []byte)
//
// Four refs a round, with a choice in place of a jump: most nodes have two to four, which nothing foresees.
TEXT ·prefetchBlocks(SB), NOSPLIT, $0-48
	MOVQ chunks_base+0(FP), AX
	MOVQ refs_base+24(FP), BX
	MOVQ refs_len+32(FP), CX
round:
	MOVL (BX), R8
	ASK(0)
	ASK(4)
	ASK(8)
	ASK(12)
	ADDQ $16, BX
	SUBQ $16, CX
	JGT round
	RET

// func prefetch(b []byte)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVQ b_base+0(FP), AX
	MOVQ b_len+8(FP), CX
	ADDQ AX, CX
line:
	PREFETCHT0 (AX)
	ADDQ $64, AX
	CMPQ AX, CX
	JLO line
	PREFETCHT0 -1(CX)
	RET
