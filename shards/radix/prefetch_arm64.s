#include "go_asm.h"
#include "textflag.h"

// func prefetchBlocks(chunks [][]byte, refs []byte)
TEXT ·prefetchBlocks(SB), NOSPLIT, $0-48
	MOVD chunks_base+0(FP), R0
	MOVD refs_base+24(FP), R1
	MOVD refs_len+32(FP), R2
ask:
	MOVWU.P 4(R1), R3
	LSR $const_chunkBits, R3, R4
	ADD R4<<1, R4, R4
	MOVD (R0)(R4<<3), R5
	AND $const_offsetMask, R3, R3
	ADD R3, R5, R5
	PRFM (R5), PLDL1KEEP
	ADD $const_farEnd, R5, R5
	PRFM (R5), PLDL1KEEP
	SUBS $4, R2, R2
	BGT ask
	RET

// func prefetch(b []byte)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVD b_base+0(FP), R0
	MOVD b_len+8(FP), R1
	ADD R0, R1, R1
line:
	PRFM (R0), PLDL1KEEP
	ADD $64, R0, R0
	CMP R1, R0
	BLO line
	SUB $1, R1, R1
	PRFM (R1), PLDL1KEEP
	RET
